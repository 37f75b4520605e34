-- One row per stretch of time in which a tag gave one image to a platform (image_stretch), with what that image is built on
-- (stretch_base); by tag, then time.
-- Parameters: $repository, $tag (a glob; null: all tags), $platform, $at, $since, $until (null: no limit)
with one as (
    select stretch_base.*,
    from stretch_base($repository, $tag::varchar, $platform) as stretch_base
    where stretch_base.level = 1 or stretch_base.level is null
)

select
    one.repository,
    one.tag,
    one.platform,
    one.valid_from,
    one.valid_to,
    one.last_observed_at,
    one.digest,
    one.manifest_digest,
    one.compressed_bytes,
    one.layer_count,
    one.evidence,
    one.base_name,
    one.base_repository,
    one.base_tag,
    one.base_tags,
    one.base_tag_seen,
    one.base_digest,
    one.base_manifest_digest,
    one.base_layer_count,
    one.base_bytes,
    one.base_bytes / nullif(one.compressed_bytes, 0) as base_share,
from one
where
    ($at::timestamptz is null or (one.valid_from <= $at and (one.valid_to is null or one.valid_to > $at)))
    and ($since::timestamptz is null or one.valid_to is null or one.valid_to > $since)
    and ($until::timestamptz is null or one.valid_from < $until)
order by one.tag, one.valid_from
