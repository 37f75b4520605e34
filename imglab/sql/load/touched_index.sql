-- One row per digest that a tag may point at and whose images may have changed: touched manifests and all above them.
with recursive above as (
    select touched_manifest.digest,
    from touched_manifest
    union
    select stg_index_entry.index_digest as digest,
    from above
    join stg_index_entry on above.digest = stg_index_entry.manifest_digest
)

select above.digest,
from above
