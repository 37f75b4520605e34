-- Images whose layers do not add up to the stated size or number. Images of which no source tells any layer are left
-- out; where the size of a layer is not known, the others must not be more than the whole.
with summed as (
    select
        image_layer.manifest_digest,
        count(*) as layer_rows,
        count(image_layer.compressed_bytes) as sized_rows,
        coalesce(sum(image_layer.compressed_bytes), 0)::bigint as layer_bytes,
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
    (image.layer_count is not null or summed.layer_rows is not null)
    and (
        image.layer_count is distinct from coalesce(summed.layer_rows, 0)
        or case
            when summed.sized_rows < summed.layer_rows then summed.layer_bytes > image.compressed_bytes
            else image.compressed_bytes is distinct from coalesce(summed.layer_bytes, 0)
        end
    )
