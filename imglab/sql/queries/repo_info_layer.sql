-- One row per layer of the manifests asked for; by manifest, then position.
-- Parameters: $manifests (digests)
select
    stg_layer.manifest_digest,
    stg_layer.digest,
    stg_layer.media_type,
    stg_layer.compressed_bytes,
    stg_layer.last_modified_at,
    stg_layer.is_foreign,
from stg_layer
where list_contains($manifests::varchar[], stg_layer.manifest_digest)
order by stg_layer.manifest_digest, stg_layer.position
