-- One row per image and layer of it, with the label of the step that made it; by image, then position.
-- Parameters: $manifest_digests (a list)
select
    image_layer.manifest_digest,
    image_layer.position,
    image_layer.step_label,
    image_layer.compressed_bytes,
from image_layer
where image_layer.manifest_digest in (select unnest($manifest_digests::varchar[]))
order by image_layer.manifest_digest, image_layer.position
