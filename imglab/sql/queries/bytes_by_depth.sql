-- One row per depth, the position of a layer in its image (0: the lowest), of the images to which tags pointed at a time; by
-- depth. An image counts once, in however many repositories and tags it is; a layer that several images have at a depth
-- counts once among the unique ones of that depth.
-- Parameters: $repository, $tag (globs; null: all), $platform (null: all), $at (null: now)
with chosen as (
    select distinct
        tag_image.repository,
        tag_image.manifest_digest,
    from tag_image
    where
        ($repository::varchar is null or tag_image.repository glob $repository)
        and ($tag::varchar is null or tag_image.tag glob $tag)
        and is_told_tag(tag_image.tag, $tag)
        and ($platform::varchar is null or $platform in (tag_image.platform, tag_image.series))
        and case
            when $at::timestamptz is null then tag_image.valid_to is null
            else tag_image.valid_from <= $at and (tag_image.valid_to is null or tag_image.valid_to > $at)
        end
),

stacked as (
    select
        image_layer.position,
        image_layer.layer_digest,
        image_layer.compressed_bytes,
    from image_layer
    semi join chosen on image_layer.manifest_digest = chosen.manifest_digest
),

distinct_layer as (
    select
        stacked.position,
        stacked.layer_digest,
        max(stacked.compressed_bytes) as compressed_bytes,
        count(*) as image_count,
    from stacked
    group by stacked.position, stacked.layer_digest
),

summed as (
    select
        distinct_layer.position,
        sum(distinct_layer.image_count)::bigint as image_count,
        count(*) as unique_layer_count,
        sum(distinct_layer.compressed_bytes * distinct_layer.image_count)::bigint as image_bytes,
        sum(distinct_layer.compressed_bytes)::bigint as unique_bytes,
    from distinct_layer
    group by distinct_layer.position
)

select
    summed.position,
    summed.image_count,
    summed.unique_layer_count,
    summed.image_bytes,
    summed.unique_bytes,
    summed.image_bytes / nullif(sum(summed.image_bytes) over (), 0) as image_bytes_share,
from summed
order by summed.position
