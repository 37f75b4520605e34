-- One row per platform and build step of either of two images; by platform, then in the order of a waterfall (see
-- step_growth). The images are what a tag gave to a platform at a time, or what a digest names.
-- Parameters: $repository, $tag, $since and $to_repository, $to_tag, $until; or $digest, $to_digest in place of a tag and
-- its time; $platform (null: all that both have). Without $since it is the first image of each platform whose size a
-- source told, or the newest such where another tag is compared with; without $until the newest such.
-- $is_one_tag: both sides are the same tag.
-- Images are paired by series; where each side has one of a platform, whatever its build; where two digests name one
-- image each, these.
with tagged as (
    select
        tag_image.*,
        tag_image.compressed_bytes is not null as is_described,
    from tag_image
    where
        tag_image.repository in ($repository, $to_repository)
        and tag_image.tag in ($tag, $to_tag)
        and ($platform::varchar is null or $platform in (tag_image.platform, tag_image.series))
),

named as (
    select
        index_image.index_digest as digest,
        index_image.position,
        index_image.manifest_digest,
        coalesce(
            platform_text(index_image.os, index_image.architecture, index_image.variant), image.platform
        ) as platform,
        coalesce(
            series_text(index_image.os, index_image.architecture, index_image.variant, index_image.os_version),
            image.series
        ) as series,
    from index_image
    left join image on index_image.manifest_digest = image.manifest_digest
    where index_image.index_digest in ($digest::varchar, $to_digest::varchar)
),

named_choice as (
    select named.*,
    from named
    where $platform::varchar is null or $platform in (named.platform, named.series)
),

first_tagged as (
    select
        tagged.*,
        tagged.valid_from as at,
    from tagged
    where
        tagged.repository = $repository
        and tagged.tag = $tag
        and tagged.is_described
        and $digest::varchar is null
        and $since::timestamptz is null
        and $is_one_tag
    qualify rank() over (partition by tagged.series order by tagged.valid_from) = 1
),

newest_tagged as (
    select
        tagged.*,
        tagged.last_observed_at as at,
    from tagged
    where
        tagged.repository = $repository
        and tagged.tag = $tag
        and tagged.is_described
        and $digest::varchar is null
        and $since::timestamptz is null
        and not $is_one_tag
    qualify rank() over (order by tagged.valid_from desc) = 1
),

since_tagged as (
    select
        tagged.*,
        $since::timestamptz as at,
    from tagged
    where
        tagged.repository = $repository
        and tagged.tag = $tag
        and $digest::varchar is null
        and tagged.valid_from <= $since
        and (tagged.valid_to is null or tagged.valid_to > $since)
),

until_tagged as (
    select
        tagged.*,
        $until::timestamptz as at,
    from tagged
    where
        tagged.repository = $to_repository
        and tagged.tag = $to_tag
        and $to_digest::varchar is null
        and tagged.valid_from <= $until
        and (tagged.valid_to is null or tagged.valid_to > $until)
),

now_tagged as (
    select
        tagged.*,
        tagged.last_observed_at as at,
    from tagged
    where
        tagged.repository = $to_repository
        and tagged.tag = $to_tag
        and $to_digest::varchar is null
        and $until::timestamptz is null
        and tagged.is_described
    qualify rank() over (order by tagged.valid_from desc) = 1
),

chosen as (
    select true as is_from, first_tagged.*,
    from first_tagged
    union all by name
    select true as is_from, newest_tagged.*,
    from newest_tagged
    union all by name
    select true as is_from, since_tagged.*,
    from since_tagged
    union all by name
    select true as is_from, $repository::varchar as repository, named_choice.*,
    from named_choice
    where named_choice.digest = $digest
    union all by name
    select false as is_from, until_tagged.*,
    from until_tagged
    union all by name
    select false as is_from, now_tagged.*,
    from now_tagged
    union all by name
    select false as is_from, $to_repository::varchar as repository, named_choice.*,
    from named_choice
    where named_choice.digest = $to_digest
),

counted as (
    select
        chosen.*,
        row_number() over (partition by chosen.is_from, chosen.series order by chosen.position) as series_number,
        count(*) over (partition by chosen.is_from, chosen.platform) as platform_count,
        count(*) over (partition by chosen.is_from) as image_count,
    from chosen
),

pair as materialized (
    select
        image_from.repository,
        image_from.tag,
        image_to.repository as to_repository,
        image_to.tag as to_tag,
        image_to.platform,
        image_from.series as from_series,
        image_to.series as to_series,
        image_from.at as from_at,
        image_to.at as to_at,
        image_from.digest as from_digest,
        image_to.digest as to_digest,
        image_from.manifest_digest as from_manifest_digest,
        image_to.manifest_digest as to_manifest_digest,
        image_to.position as index_position,
    from (select counted.* from counted where counted.is_from) as image_from
    join (select counted.* from counted where not counted.is_from) as image_to
        on (
            image_from.series is not distinct from image_to.series
            and image_from.series_number = image_to.series_number
        )
        or (
            image_from.platform = image_to.platform
            and image_from.platform_count = 1
            and image_to.platform_count = 1
        )
        or (
            image_from.image_count = 1
            and image_to.image_count = 1
            and $digest::varchar is not null
            and $to_digest::varchar is not null
        )
)

select
    pair.repository,
    pair.tag,
    pair.to_repository,
    pair.to_tag,
    pair.platform,
    pair.from_series,
    pair.to_series,
    pair.from_at,
    pair.to_at,
    pair.from_digest,
    pair.to_digest,
    pair.from_manifest_digest,
    pair.to_manifest_digest,
    step.from_total_bytes,
    step.to_total_bytes,
    step.step_position,
    step.from_position,
    step.to_position,
    step.from_layer_digest,
    step.to_layer_digest,
    step.instruction,
    coalesce(step.to_step_label, step.from_step_label) as step_label,
    step.from_step_label,
    step.to_step_label,
    step.from_created_by,
    step.to_created_by,
    step.match,
    step.change,
    step.from_bytes,
    step.to_bytes,
    step.delta_bytes,
    step.delta_bytes / nullif(step.to_total_bytes - step.from_total_bytes, 0) as delta_share,
from pair
join step_growth('pair') as step
    on pair.from_manifest_digest = step.from_manifest_digest
    and pair.to_manifest_digest = step.to_manifest_digest
order by pair.platform, pair.to_series, pair.index_position, pair.to_manifest_digest, step.step_position
