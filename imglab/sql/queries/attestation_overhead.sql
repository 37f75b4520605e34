-- One row per repository: the attestations that go with the images of its tags at a time, and what they weigh beside them;
-- the most bytes of attestations first. Attestations are what an index names as such, or what refers to one of its images.
-- Each digest counts once in a repository; sizes are null where no source told them.
-- Parameters: $repository, $tag (globs; null: all), $at (null: now)
with pointed as (
    select distinct
        tag_interval.repository,
        tag_interval.digest,
    from tag_interval
    where
        ($repository::varchar is null or tag_interval.repository glob $repository)
        and ($tag::varchar is null or tag_interval.tag glob $tag)
        and case
            when $at::timestamptz is null then tag_interval.valid_to is null
            else tag_interval.valid_from <= $at and (tag_interval.valid_to is null or tag_interval.valid_to > $at)
        end
        and is_told_tag(tag_interval.tag, $tag)
),

subject as (
    select distinct
        pointed.repository,
        index_image.manifest_digest,
    from pointed
    join index_image on pointed.digest = index_image.index_digest
),

named as (
    select
        pointed.repository,
        stg_index_entry.manifest_digest,
        stg_index_entry.manifest_bytes,
    from pointed
    join stg_index_entry on pointed.digest = stg_index_entry.index_digest
    left join stg_manifest on stg_index_entry.manifest_digest = stg_manifest.digest
    where stg_index_entry.attests_digest is not null or stg_manifest.kind = 'attestation'
    union all
    select
        subject.repository,
        stg_manifest.digest as manifest_digest,
        null as manifest_bytes,
    from subject
    join stg_manifest on subject.manifest_digest = stg_manifest.subject_digest
    where stg_manifest.kind = 'attestation'
),

attestation as (
    select
        named.repository,
        named.manifest_digest,
        max(named.manifest_bytes) as manifest_bytes,
        max(stg_manifest.compressed_bytes) as compressed_bytes,
    from named
    left join stg_manifest on named.manifest_digest = stg_manifest.digest
    group by named.repository, named.manifest_digest
),

attested as (
    select
        attestation.repository,
        count(*) as attestation_count,
        count(*) filter (where attestation.compressed_bytes is null) as unknown_attestation_count,
        sum(attestation.compressed_bytes)::bigint as attestation_bytes,
    from attestation
    group by attestation.repository
),

imaged as (
    select
        subject.repository,
        count(*) as image_count,
        sum(image.compressed_bytes)::bigint as image_bytes,
    from subject
    left join image on subject.manifest_digest = image.manifest_digest
    group by subject.repository
)

select
    imaged.repository,
    imaged.image_count,
    imaged.image_bytes,
    coalesce(attested.attestation_count, 0) as attestation_count,
    coalesce(attested.unknown_attestation_count, 0) as unknown_attestation_count,
    case when attested.repository is null then 0 else attested.attestation_bytes end as attestation_bytes,
    case when attested.repository is null then 0 else attested.attestation_bytes end
    / nullif(imaged.image_bytes, 0) as attestation_share,
from imaged
left join attested on imaged.repository = attested.repository
order by attestation_bytes desc nulls last, imaged.repository
