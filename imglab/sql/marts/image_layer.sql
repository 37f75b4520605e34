-- Fact: one row per image and layer, in the order in which layers are applied, with the build step that made it.
-- The step is null where `image.step_source` is.
with made as (
    select
        image.manifest_digest,
        stg_history.position as step_position,
        stg_history.created_at as step_created_at,
        stg_history.created_by,
        stg_history.instruction,
        stg_history.step_label,
        row_number() over (partition by image.manifest_digest order by stg_history.position) - 1 as position,
    from image
    semi join touched_manifest on image.manifest_digest = touched_manifest.digest
    join stg_history on image.config_digest = stg_history.config_digest
    where
        case image.step_source
            when 'stated' then not stg_history.is_empty_layer
            when 'every line' then true
            when 'instruction' then stg_history.instruction in ('RUN', 'COPY', 'ADD')
            when 'instruction, workdir' then stg_history.instruction in ('RUN', 'COPY', 'ADD', 'WORKDIR')
            when 'instruction, condition'
                then stg_history.instruction in ('RUN', 'COPY', 'ADD') and not stg_history.is_conditional
            else false
        end
)

select
    stg_layer.manifest_digest,
    stg_layer.position,
    stg_layer.digest as layer_digest,
    stg_layer.media_type,
    stg_layer.compressed_bytes,
    stg_layer.is_foreign,
    stg_layer.last_modified_at,
    made.step_position,
    made.step_created_at,
    made.instruction,
    made.step_label,
    made.created_by,
from stg_layer
semi join touched_manifest on stg_layer.manifest_digest = touched_manifest.digest
join image on stg_layer.manifest_digest = image.manifest_digest
left join made
    on stg_layer.manifest_digest = made.manifest_digest
    and stg_layer.position = made.position
