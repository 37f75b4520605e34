-- Fact: one row per tag interval and image: what a tag gave to whom, when. For Windows a platform may have several
-- images in one interval, told apart by os_version. Sizes are null for images that no source described.
select
    tag_interval.repository,
    tag_interval.tag,
    tag_interval.valid_from,
    tag_interval.valid_to,
    tag_interval.last_observed_at,
    tag_interval.digest,
    index_image.position,
    index_image.manifest_digest,
    coalesce(
        platform_text(index_image.os, index_image.architecture, index_image.variant), image.platform
    ) as platform,
    coalesce(
        series_text(index_image.os, index_image.architecture, index_image.variant, index_image.os_version),
        image.series
    ) as series,
    coalesce(index_image.os_version, image.os_version) as os_version,
    image.compressed_bytes,
    image.layer_count,
    image.created_at,
from tag_interval
semi join touched_tag
    on tag_interval.repository = touched_tag.repository
    and tag_interval.tag = touched_tag.tag
join index_image on tag_interval.digest = index_image.index_digest
left join image on index_image.manifest_digest = image.manifest_digest
