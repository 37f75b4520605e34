-- One row per tag, build of it and stretch of time in which it was built so; by tag, then time, the main build first.
-- A build is a commit, directory and file, and the platforms that are built from them; a tag may have several at a time.
-- The main one is that of linux/amd64, else the first by platforms and directory. Where only other builds of the tag
-- change, a stretch goes on; its document and version are those that said so first.
-- url leads to the file on sites whose addresses are known (GitHub, GitLab, Launchpad), else it is null.
-- Parameters: $repository, $tag (a glob; null: all tags), $at (null: any time), $since, $until (null: no limit)
with defined as (
    select
        definition_interval.tag,
        definition_interval.valid_from,
        definition_interval.valid_to,
        definition_interval.definition_digest,
        definition_interval.source,
        definition_interval.document,
        definition_interval.document_revision,
    from definition_interval
    where
        definition_interval.repository = $repository
        and ($tag::varchar is null or definition_interval.tag glob $tag)
),

part as (
    select
        stg_definition.definition_digest,
        stg_definition.architecture,
        stg_definition.constraints,
        stg_definition.git_repository,
        stg_definition.git_commit,
        stg_definition.directory,
        stg_definition.file,
    from stg_definition
    semi join defined on stg_definition.definition_digest = defined.definition_digest
),

word as (
    select distinct part.architecture, part.constraints,
    from part
),

named as (
    select
        word.architecture,
        word.constraints,
        bashbrew_platform(word.architecture, word.constraints) as platform,
    from word
),

build as (
    select
        part.definition_digest,
        part.git_repository,
        part.git_commit,
        part.directory,
        part.file,
        string_agg(distinct named.platform, ', ' order by named.platform) as platforms,
        coalesce(bool_or(named.platform = 'linux/amd64'), false) as is_amd64,
    from part
    left join named
        on part.architecture = named.architecture
        and part.constraints is not distinct from named.constraints
    group by part.definition_digest, part.git_repository, part.git_commit, part.directory, part.file
),

ranked as (
    select
        build.* exclude (is_amd64),
        row_number() over (
            partition by build.definition_digest
            order by
                not build.is_amd64,
                build.platforms,
                build.directory,
                build.file,
                build.git_repository,
                build.git_commit
        ) = 1 as is_main,
    from build
),

identified as (
    select
        ranked.*,
        dense_rank() over (
            order by
                ranked.git_repository,
                ranked.git_commit,
                ranked.directory,
                ranked.file,
                ranked.platforms,
                ranked.is_main
        ) as build_number,
    from ranked
),

told as (
    select
        defined.*,
        identified.build_number,
    from defined
    join identified on defined.definition_digest = identified.definition_digest
),

marked as (
    select
        told.*,
        coalesce(
            lag(told.valid_to) over (
                partition by told.tag, told.build_number
                order by told.valid_from
            ) = told.valid_from,
            false
        ) as is_same,
    from told
),

numbered as (
    select
        marked.*,
        count(*) filter (where not marked.is_same) over (
            partition by marked.tag, marked.build_number
            order by marked.valid_from
            rows between unbounded preceding and current row
        ) as stretch_number,
    from marked
),

stretch as (
    select
        numbered.tag,
        numbered.build_number,
        min(numbered.valid_from) as valid_from,
        case when bool_or(numbered.valid_to is null) then null else max(numbered.valid_to) end as valid_to,
        arg_min(
            {
                'source': numbered.source,
                'document': numbered.document,
                'document_revision': numbered.document_revision
            },
            numbered.valid_from
        ) as first_said,
    from numbered
    group by numbered.tag, numbered.build_number, numbered.stretch_number
),

wanted as (
    select stretch.*,
    from stretch
    where
        (
            $at::timestamptz is null
            or (stretch.valid_from <= $at and (stretch.valid_to is null or stretch.valid_to > $at))
        )
        and ($since::timestamptz is null or stretch.valid_to is null or stretch.valid_to > $since)
        and ($until::timestamptz is null or stretch.valid_from < $until)
),

look as (
    select
        stg_document_version.document,
        max(stg_document_version.observed_at) as observed_at,
    from stg_document_version
    where stg_document_version.repository = $repository
    group by stg_document_version.document
),

place as (
    select distinct
        identified.build_number,
        identified.is_main,
        identified.platforms,
        identified.git_repository,
        identified.git_commit,
        identified.directory,
        identified.file,
        'https://' || regexp_replace(identified.git_repository, '^\w+://|(\.git)?/?$', '', 'g') as site,
        coalesce(nullif(identified.directory, '.') || '/', '') || identified.file as path,
    from identified
)

select
    $repository::varchar as repository,
    wanted.tag,
    wanted.valid_from,
    wanted.valid_to,
    coalesce(wanted.valid_to, look.observed_at) as last_observed_at,
    place.is_main,
    place.platforms,
    place.git_repository,
    place.git_commit,
    place.directory,
    place.file,
    case
        when starts_with(place.site, 'https://github.com/')
            then place.site || '/blob/' || place.git_commit || '/' || place.path
        when starts_with(place.site, 'https://gitlab.')
            then place.site || '/-/blob/' || place.git_commit || '/' || place.path
        when starts_with(place.site, 'https://git.launchpad.net/')
            then place.site || '/tree/' || place.path || '?id=' || place.git_commit
    end as url,
    wanted.first_said.source,
    wanted.first_said.document,
    wanted.first_said.document_revision,
from wanted
join place on wanted.build_number = place.build_number
left join look on wanted.first_said.document = look.document
order by wanted.tag, wanted.valid_from, not place.is_main, place.platforms, place.directory, place.git_commit
