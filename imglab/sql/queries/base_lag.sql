-- One row per stretch of time in which the images of a tag stood on one base, with when the base's tag moved there and
-- when it moved on; by time. Bases are the same if they have the same layers.
-- base_tag is the one of the base's tags that the tag's bases had most often. It moved at base_moved_at (null where it was
-- there at the first look), the tag followed at valid_from, lag_days later: null where it did not stand on an older image
-- of base_tag just before. From outdated_from the base's tag was elsewhere; null if it never was meanwhile.
-- Moves of other platforms are none. Of several images for the platform (Windows builds) the first one counts unless
-- $platform names a series.
-- Parameters: $repository, $tag, $platform, $since, $until (null: no limit)
with found as materialized (
    select stretch_base.*,
    from stretch_base($repository, $tag, $platform) as stretch_base
    where stretch_base.tag = $tag and (stretch_base.level = 1 or stretch_base.level is null)
),

based as (
    select
        found.*,
        coalesce(
            lag(found.base_chain_digest) over by_time = found.base_chain_digest
            and lag(found.base_repository) over by_time = found.base_repository
            and lag(found.base_tag) over by_time = found.base_tag
            and lag(found.valid_to) over by_time = found.valid_from,
            false
        ) as is_same,
    from found
    window by_time as (order by found.valid_from)
),

counted as (
    select
        based.*,
        count(*) filter (where not based.is_same) over (order by based.valid_from) as stay_number,
    from based
),

stay as materialized (
    select
        counted.repository,
        counted.tag,
        counted.platform,
        counted.stay_number,
        counted.base_repository,
        counted.base_tag,
        counted.base_chain_digest,
        arg_min(counted.evidence, counted.valid_from) as evidence,
        arg_min(counted.base_digest, counted.valid_from) as base_digest,
        arg_min(counted.base_manifest_digest, counted.valid_from) as base_manifest_digest,
        arg_min(counted.digest, counted.valid_from) as digest,
        arg_min(counted.manifest_digest, counted.valid_from) as manifest_digest,
        min(counted.valid_from) as valid_from,
        case when bool_or(counted.valid_to is null) then null else max(counted.valid_to) end as valid_to,
        max(counted.last_observed_at) as last_observed_at,
        count(*) as image_count,
    from counted
    group by
        counted.repository,
        counted.tag,
        counted.platform,
        counted.stay_number,
        counted.base_repository,
        counted.base_tag,
        counted.base_chain_digest
),

ordered as (
    select
        stay.*,
        coalesce(
            lag(stay.base_repository) over by_time = stay.base_repository
            and lag(stay.base_tag) over by_time = stay.base_tag,
            false
        ) as is_same_tag,
    from stay
    window by_time as (order by stay.stay_number)
),

followed_tag as (
    select stay.base_repository as repository, stay.base_tag as tag,
    from stay
),

followed_image as materialized (
    select tag_image.*,
    from tag_image_of('followed_tag') as tag_image
    where $platform in (tag_image.platform, tag_image.series)
),

base_moment as (
    select
        tag_image.repository,
        tag_image.tag,
        tag_image.valid_from,
        tag_image.valid_to,
        image.chain_digest,
        tag_interval.valid_from_earliest,
    from followed_image as tag_image
    join tag_interval_of('followed_tag') as tag_interval
        on tag_image.repository = tag_interval.repository
        and tag_image.tag = tag_interval.tag
        and tag_image.valid_from = tag_interval.valid_from
    join image_of('followed_image') as image on tag_image.manifest_digest = image.manifest_digest
    qualify
        row_number() over (
            partition by tag_image.repository, tag_image.tag, tag_image.valid_from
            order by tag_image.position
        ) = 1
),

base_marked as (
    select
        base_moment.*,
        coalesce(
            lag(base_moment.chain_digest) over by_time = base_moment.chain_digest
            and lag(base_moment.valid_to) over by_time = base_moment.valid_from,
            false
        ) as is_same,
    from base_moment
    window by_time as (partition by base_moment.repository, base_moment.tag order by base_moment.valid_from)
),

base_numbered as (
    select
        base_marked.*,
        count(*) filter (where not base_marked.is_same) over (
            partition by base_marked.repository, base_marked.tag
            order by base_marked.valid_from
        ) as stay_number,
    from base_marked
),

base_stay as (
    select
        base_numbered.repository,
        base_numbered.tag,
        any_value(base_numbered.chain_digest) as chain_digest,
        min(base_numbered.valid_from) as valid_from,
        arg_min(base_numbered.valid_from_earliest is not null, base_numbered.valid_from) as is_move,
        case when bool_or(base_numbered.valid_to is null) then null else max(base_numbered.valid_to) end as valid_to,
    from base_numbered
    group by base_numbered.repository, base_numbered.tag, base_numbered.stay_number
),

matched as (
    select
        ordered.*,
        case when base_stay.is_move then base_stay.valid_from end as base_moved_at,
        case
            when base_stay.valid_to < ordered.valid_to or (base_stay.valid_to is not null and ordered.valid_to is null)
                then greatest(base_stay.valid_to, ordered.valid_from)
        end as outdated_from,
    from ordered
    left join base_stay
        on ordered.base_repository = base_stay.repository
        and ordered.base_tag = base_stay.tag
        and ordered.base_chain_digest = base_stay.chain_digest
    qualify
        row_number() over (
            partition by ordered.stay_number
            order by
                base_stay.valid_from > ordered.valid_from,
                abs(epoch_us(base_stay.valid_from) - epoch_us(ordered.valid_from))
        ) = 1
)

select
    matched.repository,
    matched.tag,
    matched.platform,
    matched.evidence,
    matched.base_repository,
    matched.base_tag,
    matched.base_digest,
    matched.base_manifest_digest,
    matched.base_moved_at,
    matched.valid_from,
    matched.valid_to,
    matched.last_observed_at,
    matched.digest,
    matched.manifest_digest,
    matched.image_count,
    case
        when matched.is_same_tag and matched.base_moved_at <= matched.valid_from
            then (epoch_us(matched.valid_from) - epoch_us(matched.base_moved_at)) / 86400e6
    end as lag_days,
    matched.outdated_from,
    case
        when matched.base_tag is not null
            then coalesce(
                greatest(
                    epoch_us(coalesce(matched.valid_to, matched.last_observed_at)) - epoch_us(matched.outdated_from), 0
                ),
                0
            ) / 86400e6
    end as outdated_days,
from matched
where
    ($since::timestamptz is null or matched.valid_to is null or matched.valid_to > $since)
    and ($until::timestamptz is null or matched.valid_from < $until)
order by matched.valid_from
