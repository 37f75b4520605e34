-- One row per image and layer of it, with the label of the step that made it; by image, then position.
-- Parameters: $manifest_digests (a list)
with asked as (
    select unnest($manifest_digests::varchar[]) as manifest_digest,
)

select
    image_layer.manifest_digest,
    image_layer.position,
    image_layer.step_label,
    image_layer.compressed_bytes,
from image_layer_of('asked') as image_layer
order by image_layer.manifest_digest, image_layer.position
