-- One row per base that images of a fleet stand on, however far below; what is shared most first. Bases with the same
-- layers are one; an image of the fleet that is itself the base of another counts for it.
-- base_bytes is what the layers up to the base weigh once each (where one image has it packed anew, both count), and
-- saved_bytes they weigh image by image less that. Null where a size is not known.
-- Parameters: $references, $repositories, $tags, $digests (lists of the same length, the last two with nulls: the fleet as
-- text, and its parts), $platform, $at (null: the newest)
with asked as (
    select
        unnest(generate_series(0, len($references::varchar[]) - 1)) as position,
        unnest($references::varchar[]) as reference,
        unnest($repositories::varchar[]) as repository,
        unnest($tags::varchar[]) as tag,
        unnest($digests::varchar[]) as digest,
),

-- Names of bases are asked for at the instant at which the tag moved there; of digests, when the image was made.
fleet as materialized (
    select
        asked.position,
        asked.reference,
        member.manifest_digest,
        coalesce(member.valid_from, member.created_at, timestamptz '1970-01-01 00:00:00+00') as asked_at,
        member.chain_digest,
        member.layer_count,
    from asked
    join reference_image('asked', $platform, $at::timestamptz) as member on asked.position = member.position
    where member.manifest_digest is not null
),

wanted as (
    select fleet.manifest_digest, fleet.asked_at,
    from fleet
),

found as (
    select
        fleet.position,
        fleet.reference,
        base.*,
    from fleet
    join base_of(wanted) as base
        on fleet.manifest_digest = base.manifest_digest
        and fleet.asked_at = base.asked_at
    where base.base_chain_digest is not null and base.base_layer_count is not null
),

standing as (
    select distinct
        found.base_chain_digest,
        found.position,
        found.reference,
        found.manifest_digest,
        found.base_layer_count,
    from found
    union
    select
        fleet.chain_digest as base_chain_digest,
        fleet.position,
        fleet.reference,
        fleet.manifest_digest,
        fleet.layer_count as base_layer_count,
    from fleet
    semi join found on fleet.chain_digest = found.base_chain_digest
),

base_layer as (
    select distinct
        standing.base_chain_digest,
        standing.position,
        image_layer.layer_digest,
        image_layer.compressed_bytes,
    from standing
    join image_layer_of('standing') as image_layer
        on standing.manifest_digest = image_layer.manifest_digest
        and image_layer.position < standing.base_layer_count
),

apart as (
    select
        base_layer.base_chain_digest,
        count(*) = count(base_layer.compressed_bytes) as is_sized,
        sum(base_layer.compressed_bytes) as apart_bytes,
    from base_layer
    group by base_layer.base_chain_digest
),

together as (
    select
        once.base_chain_digest,
        sum(once.compressed_bytes) as together_bytes,
    from (
        select distinct base_layer.base_chain_digest, base_layer.layer_digest, base_layer.compressed_bytes,
        from base_layer
    ) as once
    group by once.base_chain_digest
),

counted as (
    select
        standing.base_chain_digest,
        count(*) as image_count,
        string_agg(standing.reference, ', ' order by standing.position) as image_references,
        max(standing.base_layer_count) as base_layer_count,
    from standing
    group by standing.base_chain_digest
),

named as (
    select
        found.base_chain_digest,
        found.base_repository,
        found.base_tag,
        arg_min(found.base_digest, found.position) as base_digest,
        arg_min(found.base_manifest_digest, found.position) as base_manifest_digest,
        count(*) as name_count,
    from found
    group by found.base_chain_digest, found.base_repository, found.base_tag
),

best as (
    select named.*,
    from named
    qualify
        row_number() over (
            partition by named.base_chain_digest
            order by
                named.base_tag is null,
                not coalesce(starts_with(named.base_repository, 'docker.io/library/'), false),
                is_rolling_tag(named.base_tag),
                named.name_count desc,
                tag_kind(named.base_tag) <> 'name',
                length(named.base_tag),
                named.base_repository,
                named.base_tag
        ) = 1
),

summed as (
    select
        best.base_repository,
        best.base_tag,
        best.base_digest,
        best.base_manifest_digest,
        counted.base_layer_count,
        case when apart.is_sized then together.together_bytes end::bigint as base_bytes,
        counted.image_count,
        counted.image_references,
        case when apart.is_sized then apart.apart_bytes - together.together_bytes end::bigint as saved_bytes,
    from counted
    join best on counted.base_chain_digest = best.base_chain_digest
    join apart on counted.base_chain_digest = apart.base_chain_digest
    join together on counted.base_chain_digest = together.base_chain_digest
)

select summed.*,
from summed
order by
    summed.saved_bytes desc nulls last,
    summed.image_count desc,
    summed.base_bytes desc nulls last,
    summed.base_repository,
    summed.base_tag,
    summed.base_manifest_digest
