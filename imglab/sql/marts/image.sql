-- Dimension: one row per image: a manifest, its platform and its config.
-- The platform is the one an index states, else the config's, else the one a source tells that has no config.
-- `step_source` tells how its build steps were aligned with its layers: `stated` (the config says which steps made no
-- layer), `every line`, `instruction` (a page lists steps and layers apart: RUN, COPY and ADD make layers),
-- `instruction, workdir` (these and WORKDIR), `instruction, condition` (these, but for RUN steps whose every command
-- stands under a condition that was not met), or null: the counts agree in no way (or the config
-- itself names another number of layers), and the steps of its layers are unknown.
with entry as (
    select
        index_image.manifest_digest,
        arg_min(
            {
                'os': index_image.os,
                'architecture': index_image.architecture,
                'variant': index_image.variant,
                'os_version': index_image.os_version
            },
            (index_image.index_digest, index_image.position)
        ) as platform,
    from index_image
    semi join touched_manifest on index_image.manifest_digest = touched_manifest.digest
    where index_image.os is not null
    group by index_image.manifest_digest
),

step as (
    select
        stg_history.config_digest,
        count(*) as line_count,
        count(*) filter (where not stg_history.is_empty_layer) as stated_count,
        bool_or(stg_history.is_empty_layer is null) as is_unstated,
        count(*) filter (where stg_history.instruction in ('RUN', 'COPY', 'ADD')) as content_count,
        count(*) filter (where stg_history.instruction in ('RUN', 'COPY', 'ADD', 'WORKDIR')) as workdir_count,
        count(*) filter (
            where stg_history.instruction in ('RUN', 'COPY', 'ADD') and not stg_history.is_conditional
        ) as unconditional_count,
    from stg_history
    semi join (
        select stg_manifest.config_digest,
        from stg_manifest
        semi join touched_manifest on stg_manifest.digest = touched_manifest.digest
    ) as touched_config on stg_history.config_digest = touched_config.config_digest
    group by stg_history.config_digest
),

joined as (
    select
        stg_manifest.digest as manifest_digest,
        stg_manifest.media_type,
        stg_manifest.kind,
        stg_manifest.config_digest,
        coalesce(entry.platform.os, stg_config.os, stg_manifest.os) as os,
        coalesce(entry.platform.architecture, stg_config.architecture, stg_manifest.architecture) as architecture,
        coalesce(entry.platform.variant, stg_config.variant, stg_manifest.variant) as variant,
        coalesce(entry.platform.os_version, stg_config.os_version, stg_manifest.os_version) as os_version,
        stg_config.created_at,
        stg_config.docker_version,
        stg_manifest.layer_count,
        stg_manifest.compressed_bytes,
        case
            when len(stg_config.diff_ids) <> stg_manifest.layer_count then null
            when not step.is_unstated and step.stated_count = stg_manifest.layer_count then 'stated'
            when not step.is_unstated then null
            when step.line_count = stg_manifest.layer_count then 'every line'
            when step.content_count = stg_manifest.layer_count then 'instruction'
            when step.workdir_count = stg_manifest.layer_count then 'instruction, workdir'
            when step.unconditional_count = stg_manifest.layer_count then 'instruction, condition'
        end as step_source,
        stg_run.source,
        stg_manifest.run_id,
    from stg_manifest
    semi join touched_manifest on stg_manifest.digest = touched_manifest.digest
    join stg_run on stg_manifest.run_id = stg_run.run_id
    left join entry on stg_manifest.digest = entry.manifest_digest
    left join stg_config on stg_manifest.config_digest = stg_config.digest
    left join step on stg_manifest.config_digest = step.config_digest
    where stg_manifest.kind in ('image', 'schema1')
)

select
    joined.*,
    platform_text(joined.os, joined.architecture, joined.variant) as platform,
    series_text(joined.os, joined.architecture, joined.variant, joined.os_version) as series,
from joined
