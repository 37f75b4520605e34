-- One row per depth, the position of a layer in its image (0: the lowest), of the images to which tags pointed at a time; by
-- depth. An image counts once, in however many repositories and tags it is; a layer that several images have at a depth
-- counts once among the unique ones of that depth.
-- Parameters: $repository, $tag (globs; null: all), $platform (null: all), $at (null: now)
with chosen as (
    select
        pointed_image.repository,
        pointed_image.manifest_digest,
    from pointed_image($repository::varchar, $tag::varchar, $platform::varchar, $at::timestamptz) as pointed_image
),

stacked as (
    select
        image_layer.position,
        image_layer.layer_digest,
        image_layer.compressed_bytes,
    from image_layer_of('chosen') as image_layer
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
