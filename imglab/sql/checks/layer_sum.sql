-- Images whose layers do not add up to the stated size or number.
with summed as (
    select
        image_layer.manifest_digest,
        count(*) as layer_rows,
        sum(image_layer.compressed_bytes)::bigint as layer_bytes,
    from image_layer
    group by image_layer.manifest_digest
)

select
    image.manifest_digest,
    image.layer_count,
    summed.layer_rows,
    image.compressed_bytes,
    summed.layer_bytes,
from image
left join summed on image.manifest_digest = summed.manifest_digest
where
    image.layer_count is distinct from coalesce(summed.layer_rows, 0)
    or image.compressed_bytes is distinct from coalesce(summed.layer_bytes, 0)
