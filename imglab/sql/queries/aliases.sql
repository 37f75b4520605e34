-- One row per tag that is there at a time, with the tag that it is another name of; the largest groups first, in each
-- the leader, then those that have gone with it longest.
-- Two tags are the same if they are defined by the same builds (basis `definition`), or where no document defines the
-- repository's tags, if they point at the same digest (`digest`). The leader of a group is the tag that was there first:
-- of several `latest`, else the shortest. Up to the time asked for, each is compared with its leader only: what counts
-- are the moments at which both were there. Differences of less than a day do not count where sources look at one tag
-- after the other (`digest`).
-- Parameters: $repository, $tag (a glob: groups with such a tag; null: all), $at (null: now)
with defined as (
    select
        definition_interval.tag,
        definition_interval.definition_digest as digest,
        definition_interval.valid_from,
        definition_interval.valid_to,
        definition_interval.document,
    from definition_interval
    where definition_interval.repository = $repository
),

pointed as (
    select
        tag_interval.tag,
        tag_interval.digest,
        tag_interval.valid_from,
        tag_interval.valid_to,
        tag_interval.last_observed_at,
    from tag_interval
    where
        tag_interval.repository = $repository
        and is_told_tag(tag_interval.tag, $tag::varchar)
        and not exists (select 1 from defined)
),

look as (
    select stg_document_version.observed_at,
    from stg_document_version
    where
        stg_document_version.repository = $repository
        and stg_document_version.document in (select defined.document from defined)
    union all
    select pointed.last_observed_at as observed_at,
    from pointed
),

moment as (
    select
        coalesce($at::timestamptz, max(look.observed_at)) as at,
        max(look.observed_at) as last_observed_at,
    from look
),

told as (
    select
        'definition' as basis,
        interval 0 day as tolerance,
        defined.* exclude (document),
        moment.last_observed_at,
    from defined
    cross join moment
    union all
    select
        'digest' as basis,
        interval 1 day as tolerance,
        pointed.*,
    from pointed
),

stretch as (
    select
        told.basis,
        told.tolerance,
        told.tag,
        told.digest,
        told.valid_from,
        case when told.valid_to <= moment.at then told.valid_to else 'infinity'::timestamptz end as valid_until,
        moment.at,
        least(told.last_observed_at, moment.at) as last_observed_at,
    from told
    join moment on told.valid_from <= moment.at
),

there as (
    select
        stretch.basis,
        stretch.at,
        stretch.tag,
        arg_max(stretch.digest, stretch.valid_from) as digest,
        min(stretch.valid_from) as first_seen_at,
        max(stretch.last_observed_at) as last_observed_at,
    from stretch
    group by stretch.basis, stretch.at, stretch.tag
    having not isfinite(max(stretch.valid_until))
),

named as (
    select
        there.*,
        first_value(there.tag) over (
            partition by there.digest
            order by there.first_seen_at, there.tag != 'latest', length(there.tag), there.tag
        ) as alias_of,
        count(*) over (partition by there.digest) as tag_count,
        bool_or($tag::varchar is null or there.tag glob $tag) over (partition by there.digest) as is_wanted,
    from there
),

-- What the two were while both were there.
shared as (
    select
        named.tag,
        own.digest,
        own.digest = leader.digest as is_same,
        greatest(own.valid_from, leader.valid_from) as valid_from,
        least(own.valid_until, leader.valid_until) as valid_until,
    from named
    join stretch as own on named.tag = own.tag
    join stretch as leader
        on named.alias_of = leader.tag
        and own.valid_from < leader.valid_until
        and own.valid_until > leader.valid_from
    where
        named.is_wanted
        and (
            own.digest = leader.digest
            or least(own.valid_until, leader.valid_until)
            >= greatest(own.valid_from, leader.valid_from) + own.tolerance
        )
),

followed as (
    select
        shared.*,
        lag(shared.digest) over (partition by shared.tag order by shared.valid_from) as previous_digest,
        max(shared.valid_until) filter (where not shared.is_same) over (partition by shared.tag) as parted_until,
    from shared
),

together as (
    select
        followed.tag,
        min(followed.valid_from) filter (
            where followed.parted_until is null or followed.valid_from >= followed.parted_until
        ) as together_from,
        max(followed.parted_until) is null as is_always,
        count(*) filter (
            where
            followed.digest != followed.previous_digest
            and (followed.parted_until is null or followed.valid_from > followed.parted_until)
        ) as move_count,
    from followed
    group by followed.tag
)

select
    $repository::varchar as repository,
    named.at,
    named.basis,
    named.alias_of,
    named.tag_count,
    named.tag,
    named.digest,
    named.first_seen_at,
    named.last_observed_at,
    together.together_from,
    together.is_always,
    together.move_count,
from named
join together on named.tag = together.tag
order by
    named.tag_count desc,
    named.alias_of,
    named.tag != named.alias_of,
    together.together_from,
    named.tag
