-- One row per manifest below a digest, in the order of its index; nested indexes are flattened, attestations are kept.
-- Parameters: $digest (an index; or a single manifest, which is then the only row)
-- Platform parts are as the index states them, else the config's; a single manifest has no other. What no source
-- described is null.
with recursive entry as (
    select
        $digest::varchar as manifest_digest,
        []::bigint[] as path,
        null::varchar as media_type,
        null::varchar as os,
        null::varchar as architecture,
        null::varchar as variant,
        null::varchar as os_version,
        null::varchar[] as os_features,
        null::varchar[] as features,
    union all
    select
        stg_index_entry.manifest_digest,
        list_append(entry.path, stg_index_entry.position) as path,
        stg_index_entry.media_type,
        stg_index_entry.os,
        stg_index_entry.architecture,
        stg_index_entry.variant,
        stg_index_entry.os_version,
        stg_index_entry.os_features,
        stg_index_entry.features,
    from entry
    join stg_index_entry on entry.manifest_digest = stg_index_entry.index_digest
    where len(entry.path) < 8
),

leaf as (
    select
        entry.*,
        entry.os is not null or entry.architecture is not null as is_stated,
        len(entry.path) = 0 as is_single,
    from entry
    anti join stg_index_entry on entry.manifest_digest = stg_index_entry.index_digest
)

select
    leaf.manifest_digest,
    stg_manifest.digest is not null as is_described,
    stg_manifest.kind,
    coalesce(leaf.media_type, stg_manifest.media_type) as media_type,
    case when leaf.is_stated then leaf.os else stg_config.os end as os,
    case when leaf.is_stated then leaf.architecture else stg_config.architecture end as architecture,
    case when leaf.is_stated then leaf.variant when not leaf.is_single then stg_config.variant end as variant,
    case when leaf.is_stated then leaf.os_version when not leaf.is_single then stg_config.os_version end as os_version,
    leaf.os_features,
    leaf.features,
    stg_manifest.compressed_bytes,
    stg_manifest.config_digest,
    stg_config.digest is not null as has_config,
    stg_config.docker_version,
    stg_config.entrypoint,
    stg_config.cmd,
    stg_config.shell,
from leaf
left join stg_manifest on leaf.manifest_digest = stg_manifest.digest
left join stg_config on stg_manifest.config_digest = stg_config.digest
order by leaf.path
