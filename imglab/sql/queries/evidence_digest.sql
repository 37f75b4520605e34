-- One row per digest asked for that the store knows: the run and the document whose word about it counts; by digest.
-- Of a layer it is the image with it that was told first by the best source; documents are those that named the tag
-- that stood for the digest, or for an index above it. is_kept: its own bytes are in `blob`, verified.
-- Parameters: $digests (a list)
with asked as (
    select distinct unnest($digests::varchar[]) as digest,
),

described as (
    select
        asked.digest,
        stg_manifest.kind,
        stg_manifest.run_id,
        asked.digest as manifest_digest,
    from asked
    join stg_manifest on asked.digest = stg_manifest.digest
    union all
    select
        asked.digest,
        'config' as kind,
        stg_config.run_id,
        null as manifest_digest,
    from asked
    join stg_config on asked.digest = stg_config.digest
    union all
    select
        asked.digest,
        'definition' as kind,
        definition.run_id,
        null as manifest_digest,
    from asked
    join journal.definition on asked.digest = definition.digest
    union all
    select
        asked.digest,
        'layer' as kind,
        stg_layer.run_id,
        stg_layer.manifest_digest,
    from asked
    join stg_layer on asked.digest = stg_layer.digest
),

pointed_at as (
    select
        asked.digest,
        'unread' as kind,
        stg_tag_observation.run_id,
        asked.digest as manifest_digest,
    from asked
    anti join described on asked.digest = described.digest
    join stg_tag_observation on asked.digest = stg_tag_observation.digest
),

counting as (
    select
        told.digest,
        told.kind,
        told.run_id,
        told.manifest_digest,
        stg_run.source,
        stg_run.target,
        stg_run.started_at,
    from (
        select described.*,
        from described
        union all
        select pointed_at.*,
        from pointed_at
    ) as told
    join stg_run on told.run_id = stg_run.run_id
    qualify row_number() over (
        partition by told.digest
        order by stg_run.source_rank, told.run_id, told.manifest_digest
    ) = 1
),

above as (
    select
        counting.digest,
        counting.run_id,
        counting.manifest_digest as tagged_digest,
    from counting
    where counting.manifest_digest is not null
    union
    select
        counting.digest,
        counting.run_id,
        index_image.index_digest as tagged_digest,
    from counting
    join index_image on counting.manifest_digest = index_image.manifest_digest
),

sighting as (
    select
        above.digest,
        arg_min(
            {
                'observed_at': stg_tag_observation.observed_at,
                'document': stg_tag_observation.document,
                'document_revision': stg_tag_observation.document_revision
            },
            (stg_tag_observation.observed_at, stg_tag_observation.document, stg_tag_observation.tag)
        ) as first_one,
    from above
    join stg_tag_observation
        on above.tagged_digest = stg_tag_observation.digest
        and above.run_id = stg_tag_observation.run_id
    group by above.digest
),

definition_sighting as (
    select
        counting.digest,
        arg_min(
            {
                'observed_at': tag_definition.observed_at,
                'document': tag_definition.document,
                'document_revision': tag_definition.document_revision
            },
            (tag_definition.observed_at, tag_definition.document, tag_definition.tag)
        ) as first_one,
    from counting
    join journal.tag_definition
        on counting.digest = tag_definition.definition_digest
        and counting.run_id = tag_definition.run_id
    where counting.kind = 'definition'
    group by counting.digest
)

select
    counting.digest as subject,
    counting.kind,
    counting.source,
    coalesce(sighting.first_one.document, definition_sighting.first_one.document) as document,
    coalesce(
        sighting.first_one.document_revision, definition_sighting.first_one.document_revision
    ) as document_revision,
    coalesce(
        sighting.first_one.observed_at, definition_sighting.first_one.observed_at, counting.started_at
    ) as observed_at,
    stg_blob.digest is not null as is_kept,
    counting.run_id,
from counting
left join sighting on counting.digest = sighting.digest
left join definition_sighting on counting.digest = definition_sighting.digest
left join stg_blob on counting.digest = stg_blob.digest
order by counting.kind, counting.digest
