-- One row per layer of the manifests asked for; by manifest, then as pages list them: those of schema 1 newest first.
-- Parameters: $manifests (digests)
select
    stg_layer.manifest_digest,
    stg_layer.digest,
    stg_layer.media_type,
    stg_layer.compressed_bytes,
    stg_layer.last_modified_at,
    stg_layer.is_foreign,
from stg_layer
join stg_manifest on stg_layer.manifest_digest = stg_manifest.digest
where list_contains($manifests::varchar[], stg_layer.manifest_digest)
order by
    stg_layer.manifest_digest,
    case stg_manifest.kind when 'schema1' then -stg_layer.position else stg_layer.position end
