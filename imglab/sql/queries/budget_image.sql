-- One row per tag that is there now and series of its images: that image, and the one that the tag gave at a time before;
-- by repository, tag, then series. Null if there was none then, or where no source told the size.
-- Parameters: $repository, $tag (globs), $since (null: so many $days before the tag was last looked at; null: no time)
with current_image as (
    select
        tag_image.repository,
        tag_image.tag,
        tag_image.platform,
        tag_image.series,
        tag_image.valid_from,
        tag_image.digest,
        tag_image.manifest_digest,
        tag_image.compressed_bytes,
        tag_image.layer_count,
        coalesce(
            $since::timestamptz, tag_image.last_observed_at - to_days($days::integer)
        ) as compared_at,
    from tag_image
    where
        tag_image.valid_to is null
        and tag_image.repository glob $repository
        and tag_image.tag glob $tag
        and is_told_tag(tag_image.tag, $tag)
    qualify row_number() over (
        partition by tag_image.repository, tag_image.tag, tag_image.series
        order by tag_image.position
    ) = 1
)

select
    current_image.*,
    before.manifest_digest as before_manifest_digest,
    before.compressed_bytes as before_bytes,
from current_image
left join tag_image as before
    on current_image.repository = before.repository
    and current_image.tag = before.tag
    and current_image.series = before.series
    and before.valid_from <= current_image.compared_at
    and (before.valid_to is null or before.valid_to > current_image.compared_at)
qualify row_number() over (
    partition by current_image.repository, current_image.tag, current_image.series
    order by before.position
) = 1
order by current_image.repository, current_image.tag, current_image.series
