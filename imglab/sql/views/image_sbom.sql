-- Bridge: one row per image and bill of materials about it, by what says so: an index that has both, the subject of an
-- artifact, or a tag of cosign's. Where an index or a list is the subject, it is about that.
-- BuildKit describes stages and contexts beside the image itself, in documents called `sbom-<name>`: these are extra.
with attached as (
    select
        stg_index_entry.attests_digest as manifest_digest,
        stg_index_entry.manifest_digest as attestation_digest,
        stg_index_entry.index_digest,
    from stg_index_entry
    where stg_index_entry.attests_digest is not null
    union
    select stg_manifest.subject_digest as manifest_digest, stg_manifest.digest as attestation_digest, null as index_digest,
    from stg_manifest
    where stg_manifest.subject_digest is not null
    union
    select
        replace(split_part(stg_tag_observation.tag, '.', 1), '-', ':') as manifest_digest,
        stg_tag_observation.digest as attestation_digest,
        null as index_digest,
    from stg_tag_observation
    where
        starts_with(stg_tag_observation.tag, 'sha')
        and regexp_full_match(stg_tag_observation.tag, 'sha(256|512)-[0-9a-f]{64}\.(att|sbom)')
        and stg_tag_observation.digest is not null
)

select
    attached.manifest_digest,
    attached.attestation_digest,
    attached.index_digest,
    stg_layer.position,
    stg_sbom.digest as sbom_digest,
    stg_sbom.format,
    stg_sbom.name,
    coalesce(regexp_matches(stg_sbom.name, '(^|/)sbom-[^/]*$'), false) as is_extra,
    stg_sbom.tools,
    stg_sbom.created_at,
    stg_sbom.package_count,
    stg_sbom.document_bytes,
from attached
join stg_layer on attached.attestation_digest = stg_layer.manifest_digest
join stg_sbom on stg_layer.digest = stg_sbom.digest
where stg_sbom.format is not null
