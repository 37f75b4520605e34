-- One row per image that a tag gave at a time; smallest first. ratio_to_amd64 compares with linux/amd64.
-- Parameters: $repository, $tag, $at (null: the newest interval)
with chosen as (
    select
        tag_interval.repository,
        tag_interval.tag,
        tag_interval.valid_from,
        tag_interval.last_observed_at,
    from tag_interval
    where
        tag_interval.repository = $repository
        and tag_interval.tag = $tag
        and (
            $at::timestamptz is null
            or (tag_interval.valid_from <= $at and (tag_interval.valid_to is null or tag_interval.valid_to > $at))
        )
    qualify row_number() over (order by tag_interval.valid_from desc) = 1
)

select
    tag_image.repository,
    tag_image.tag,
    coalesce($at::timestamptz, chosen.last_observed_at) as at,
    tag_image.platform,
    tag_image.series,
    tag_image.os_version,
    tag_image.compressed_bytes,
    tag_image.layer_count,
    tag_image.compressed_bytes
    / nullif(max(tag_image.compressed_bytes) filter (where tag_image.platform = 'linux/amd64') over (), 0)
        as ratio_to_amd64,
    tag_image.manifest_digest,
    tag_image.created_at,
from chosen
join tag_image
    on chosen.repository = tag_image.repository
    and chosen.tag = tag_image.tag
    and chosen.valid_from = tag_image.valid_from
order by tag_image.compressed_bytes, tag_image.platform, tag_image.os_version, tag_image.manifest_digest
