-- One row per interval of a tag and image in it; by time, then platform.
-- Parameters: $repository, $tag, $platform (null: all), $since, $until (null: no limit)
select
    tag_image.repository,
    tag_image.tag,
    tag_image.platform,
    tag_image.series,
    tag_image.os_version,
    tag_image.valid_from,
    tag_image.valid_to,
    tag_image.last_observed_at,
    tag_image.digest,
    tag_image.manifest_digest,
    tag_image.compressed_bytes,
    tag_image.layer_count,
from tag_image
where
    tag_image.repository = $repository
    and tag_image.tag = $tag
    and ($platform::varchar is null or $platform in (tag_image.platform, tag_image.series))
    and ($since::timestamptz is null or tag_image.valid_to is null or tag_image.valid_to > $since)
    and ($until::timestamptz is null or tag_image.valid_from < $until)
order by tag_image.valid_from, tag_image.platform, tag_image.os_version, tag_image.manifest_digest
