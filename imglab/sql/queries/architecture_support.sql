-- One row per platform and stretch of time in which at least one tag was built for it; by platform, then time.
-- Told by documents that say for which architectures tags are built (basis `definition`); where none does, by the lists
-- of architectures in READMEs (`document`), which speak of the repository as a whole and not of single tags; without
-- these by the images that tags gave (`digest`).
-- Parameters: $repository, $tag (a glob; null: all tags), $since, $until (null: no limit)
with defined as (
    select
        tag_definition_interval.tag,
        tag_definition_interval.architecture,
        tag_definition_interval.constraints,
        tag_definition_interval.valid_from,
        coalesce(tag_definition_interval.valid_to, 'infinity'::timestamptz) as valid_until,
        tag_definition_interval.document,
    from tag_definition_interval
    where
        tag_definition_interval.repository = $repository
        and tag_definition_interval.architecture is not null
        and ($tag::varchar is null or tag_definition_interval.tag glob $tag)
),

version as (
    select
        stg_document_version.document,
        stg_document_version.architectures,
        stg_document_version.observed_at,
        lead(stg_document_version.observed_at) over (
            partition by stg_document_version.document
            order by stg_document_version.observed_at
        ) as next_observed_at,
    from stg_document_version
    where
        stg_document_version.repository = $repository
        and (stg_document_version.form is not null or stg_document_version.is_removed)
),

listed as (
    select
        unnest(version.architectures) as architecture,
        null as constraints,
        version.observed_at as valid_from,
        coalesce(version.next_observed_at, 'infinity'::timestamptz) as valid_until,
    from version
    where
        $tag::varchar is null
        and not exists (select 1 from defined)
),

given as (
    select
        tag_image.tag,
        tag_image.platform,
        tag_image.valid_from,
        coalesce(tag_image.valid_to, 'infinity'::timestamptz) as valid_until,
        tag_image.last_observed_at,
    from tag_image
    where
        tag_image.repository = $repository
        and tag_image.platform is not null
        and ($tag::varchar is null or tag_image.tag glob $tag)
        and is_told_tag(tag_image.tag, $tag::varchar)
        and not exists (select 1 from defined)
        and not exists (select 1 from listed)
),

-- Documents say when they change: what they said last holds until their newest version at least.
look as (
    select max(version.observed_at) as last_observed_at,
    from version
    where
        version.document in (select defined.document from defined)
        or (version.architectures is not null and not exists (select 1 from defined))
),

word as (
    select defined.architecture, defined.constraints,
    from defined
    union
    select listed.architecture, listed.constraints,
    from listed
),

named as (
    select
        word.architecture,
        word.constraints,
        bashbrew_platform(word.architecture, word.constraints) as platform,
    from word
),

said as (
    select
        'definition' as basis,
        defined.tag,
        named.platform,
        defined.valid_from,
        defined.valid_until,
        look.last_observed_at,
    from defined
    join named
        on defined.architecture = named.architecture
        and defined.constraints is not distinct from named.constraints
    cross join look
    union all
    select
        'document' as basis,
        null as tag,
        named.platform,
        listed.valid_from,
        listed.valid_until,
        look.last_observed_at,
    from listed
    join named
        on listed.architecture = named.architecture
        and listed.constraints is not distinct from named.constraints
    cross join look
    union all
    select
        'digest' as basis,
        given.tag,
        given.platform,
        given.valid_from,
        given.valid_until,
        given.last_observed_at,
    from given
),

-- Many tags share their times.
span as (
    select
        said.basis,
        said.platform,
        said.valid_from,
        said.valid_until,
        max(said.last_observed_at) as last_observed_at,
    from said
    group by said.basis, said.platform, said.valid_from, said.valid_until
),

marked as (
    select
        span.*,
        max(span.valid_until) over (
            partition by span.platform
            order by span.valid_from
            rows between unbounded preceding and 1 preceding
        ) as covered_until,
    from span
),

numbered as (
    select
        marked.*,
        count(*) filter (where marked.covered_until is null or marked.valid_from > marked.covered_until) over (
            partition by marked.platform
            order by marked.valid_from
            rows between unbounded preceding and current row
        ) as stretch_number,
    from marked
),

stretch as (
    select
        numbered.basis,
        numbered.platform,
        min(numbered.valid_from) as valid_from,
        max(numbered.valid_until) as valid_until,
        max(numbered.last_observed_at) as last_observed_at,
    from numbered
    group by numbered.basis, numbered.platform, numbered.stretch_number
),

built as (
    select
        stretch.platform,
        stretch.valid_from,
        count(distinct said.tag) as tag_count,
        count(distinct said.tag) filter (where said.valid_until = stretch.valid_until) as last_tag_count,
    from stretch
    join said
        on stretch.platform = said.platform
        and stretch.valid_from <= said.valid_from
        and stretch.valid_until > said.valid_from
    group by stretch.platform, stretch.valid_from
),

tag_stretch as (
    select distinct said.tag, said.valid_from, said.valid_until,
    from said
),

beside as (
    select
        stretch.platform,
        stretch.valid_from,
        count(distinct tag_stretch.tag) as last_all_tag_count,
    from stretch
    join tag_stretch
        on stretch.valid_until > tag_stretch.valid_from
        and stretch.valid_until <= tag_stretch.valid_until
    group by stretch.platform, stretch.valid_from
)

select
    $repository::varchar as repository,
    $tag::varchar as tag,
    stretch.platform,
    stretch.basis,
    stretch.valid_from,
    case when isfinite(stretch.valid_until) then stretch.valid_until end as valid_to,
    case
        when stretch.basis = 'digest' then stretch.last_observed_at
        else least(stretch.valid_until, stretch.last_observed_at)
    end as last_observed_at,
    nullif(built.tag_count, 0) as tag_count,
    nullif(built.last_tag_count, 0) as last_tag_count,
    nullif(beside.last_all_tag_count, 0) as last_all_tag_count,
from stretch
join built
    on stretch.platform = built.platform
    and stretch.valid_from = built.valid_from
join beside
    on stretch.platform = beside.platform
    and stretch.valid_from = beside.valid_from
where
    ($since::timestamptz is null or stretch.valid_until > $since)
    and ($until::timestamptz is null or stretch.valid_from < $until)
order by stretch.platform, stretch.valid_from
