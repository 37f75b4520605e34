-- One row per platform and build step of either of two images; by platform, then in the order of a waterfall (see
-- step_growth). The images are what a tag gave to a platform at a time, or what a digest names.
-- Parameters: $repository, $tag, $since and $to_repository, $to_tag, $until; or $digest, $to_digest in place of a tag and
-- its time; $platform (null: all that both have). Without $since it is the first image of each platform whose size a
-- source told, or the newest such where another tag is compared with; without $until the newest such.
-- $is_one_tag: both sides are the same tag.
-- Images are paired by image_pair; where two digests name one image each, these.
with tagged as not materialized (
    select
        tag_image.*,
        tag_image.compressed_bytes is not null as is_told,
    from tag_image
    where $platform::varchar is null or $platform in (tag_image.platform, tag_image.series)
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

chosen as (
    select true as is_from, side_image.*,
    from side_image(
        'tagged', $repository, case when $digest::varchar is null then $tag end, $since::timestamptz, $is_one_tag
    ) as side_image
    union all by name
    select true as is_from, $repository::varchar as repository, named_choice.*,
    from named_choice
    where named_choice.digest = $digest
    union all by name
    select false as is_from, side_image.*,
    from side_image(
        'tagged', $to_repository, case when $to_digest::varchar is null then $to_tag end, $until::timestamptz, false
    ) as side_image
    union all by name
    select false as is_from, $to_repository::varchar as repository, named_choice.*,
    from named_choice
    where named_choice.digest = $to_digest
),

pair as materialized (
    select
        compared.image_from.repository,
        compared.image_from.tag,
        compared.image_to.repository as to_repository,
        compared.image_to.tag as to_tag,
        compared.image_to.platform,
        compared.image_from.series as from_series,
        compared.image_to.series as to_series,
        compared.image_from.at as from_at,
        compared.image_to.at as to_at,
        compared.image_from.digest as from_digest,
        compared.image_to.digest as to_digest,
        compared.image_from.manifest_digest as from_manifest_digest,
        compared.image_to.manifest_digest as to_manifest_digest,
        compared.image_to.position as index_position,
    from image_pair('chosen', $digest::varchar is not null and $to_digest::varchar is not null) as compared
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
