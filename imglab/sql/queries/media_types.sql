-- One row per period, kind (index, image or layer) and media type: how much of it was first seen in the period, under tags;
-- by period, kind, then media type. Each digest counts once, when it was first under a tag that matches.
-- Parameters: $repository, $tag (globs; null: all), $platform (null: all), $period (day to year), $since, $until (null:
-- no limit)
with pointed as (
    select
        tag_image.digest,
        tag_image.manifest_digest,
        min(tag_image.valid_from) as first_seen_at,
    from tag_image
    where
        ($repository::varchar is null or tag_image.repository glob $repository)
        and ($tag::varchar is null or tag_image.tag glob $tag)
        and is_told_tag(tag_image.tag, $tag)
        and ($platform::varchar is null or $platform in (tag_image.platform, tag_image.series))
    group by tag_image.digest, tag_image.manifest_digest
),

top as (
    select
        stg_manifest.kind,
        stg_manifest.media_type,
        null::bigint as compressed_bytes,
        min(pointed.first_seen_at) as first_seen_at,
    from pointed
    join stg_manifest on pointed.digest = stg_manifest.digest
    where stg_manifest.kind = 'index'
    group by stg_manifest.digest, stg_manifest.kind, stg_manifest.media_type
),

below as (
    select
        image.manifest_digest,
        image.media_type,
        image.compressed_bytes,
        min(pointed.first_seen_at) as first_seen_at,
    from pointed
    join image on pointed.manifest_digest = image.manifest_digest
    group by image.manifest_digest, image.media_type, image.compressed_bytes
),

layer as (
    select
        min(image_layer.media_type) as media_type,
        max(image_layer.compressed_bytes) as compressed_bytes,
        min(below.first_seen_at) as first_seen_at,
    from below
    join image_layer on below.manifest_digest = image_layer.manifest_digest
    group by image_layer.layer_digest
),

told as (
    select
        top.kind,
        top.media_type,
        top.compressed_bytes,
        top.first_seen_at,
    from top
    union all
    select
        'image' as kind,
        below.media_type,
        below.compressed_bytes,
        below.first_seen_at,
    from below
    union all
    select
        'layer' as kind,
        layer.media_type,
        layer.compressed_bytes,
        layer.first_seen_at,
    from layer
)

select
    date_trunc($period, told.first_seen_at)::timestamptz as period_start,
    told.kind,
    told.media_type,
    count(*) as document_count,
    sum(told.compressed_bytes)::bigint as compressed_bytes,
from told
where
    ($since::timestamptz is null or told.first_seen_at >= $since)
    and ($until::timestamptz is null or told.first_seen_at < $until)
group by all
order by period_start, told.kind, told.media_type
