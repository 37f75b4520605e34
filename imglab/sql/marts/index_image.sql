-- Bridge: one row per digest that a tag may point at (index or single manifest) and image below it.
-- Nested indexes are flattened; attestations and artifacts are left out. Images that an index names but no source
-- described are kept: their platform is known, their size is not.
with recursive entry as (
    select
        touched_index.digest as index_digest,
        touched_index.digest as manifest_digest,
        []::bigint[] as path,
        null::varchar as os,
        null::varchar as architecture,
        null::varchar as variant,
        null::varchar as os_version,
        false as is_other,
    from touched_index
    union all
    select
        entry.index_digest,
        stg_index_entry.manifest_digest,
        list_append(entry.path, stg_index_entry.position) as path,
        coalesce(stg_index_entry.os, entry.os) as os,
        coalesce(stg_index_entry.architecture, entry.architecture) as architecture,
        coalesce(stg_index_entry.variant, entry.variant) as variant,
        coalesce(stg_index_entry.os_version, entry.os_version) as os_version,
        stg_index_entry.attests_digest is not null
        or stg_index_entry.artifact_type is not null
        or coalesce(stg_index_entry.os = 'unknown', false) as is_other,
    from entry
    join stg_index_entry on entry.manifest_digest = stg_index_entry.index_digest
    where len(entry.path) < 8
)

select
    entry.index_digest,
    row_number() over (partition by entry.index_digest order by entry.path) - 1 as position,
    entry.manifest_digest,
    entry.os,
    entry.architecture,
    entry.variant,
    entry.os_version,
from entry
left join stg_manifest on entry.manifest_digest = stg_manifest.digest
where
    stg_manifest.kind in ('image', 'schema1')
    or (stg_manifest.kind is null and not entry.is_other and entry.os is not null)
qualify row_number() over (partition by entry.index_digest, entry.manifest_digest order by entry.path) = 1
