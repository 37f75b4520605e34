-- One row per pair of images whose layers are known: which layers they share, and what a host that has the first fetches for the second. A
-- layer that an image has twice is fetched once, so it counts once here. Foreign layers are fetched from elsewhere.
-- Bytes are null where the size of a layer is not known. Images that name their layers by packed and by unpacked content
-- (`config+`) are no pair.
-- Parameters: $from_digests, $to_digests (lists, the n-th with the n-th)
with asked as (
    select
        unnest($from_digests::varchar[]) as from_manifest_digest,
        unnest($to_digests::varchar[]) as to_manifest_digest,
),

asked_image as (
    select asked.from_manifest_digest as manifest_digest,
    from asked
    union
    select asked.to_manifest_digest as manifest_digest,
    from asked
),

pair as (
    select asked.*,
    from asked
    join image_of('asked_image') as image_from on asked.from_manifest_digest = image_from.manifest_digest
    join image_of('asked_image') as image_to on asked.to_manifest_digest = image_to.manifest_digest
    where
        image_from.layer_count is not null
        and image_to.layer_count is not null
        and starts_with(asked.from_manifest_digest, 'config+') = starts_with(asked.to_manifest_digest, 'config+')
),

held as (
    select
        pair.from_manifest_digest,
        pair.to_manifest_digest,
        image_layer.layer_digest,
        bool_or(image_layer.manifest_digest = pair.from_manifest_digest) as is_in_from,
        bool_or(image_layer.manifest_digest = pair.to_manifest_digest) as is_in_to,
        bool_or(image_layer.is_foreign) as is_foreign,
        max(image_layer.compressed_bytes) as compressed_bytes,
    from pair
    join image_layer_of('asked_image') as image_layer
        on image_layer.manifest_digest in (pair.from_manifest_digest, pair.to_manifest_digest)
    group by pair.from_manifest_digest, pair.to_manifest_digest, image_layer.layer_digest
),

sorted as (
    select
        held.*,
        case
            when held.is_in_from and held.is_in_to then 'shared'
            when held.is_in_from then 'dropped'
            when held.is_foreign then 'foreign'
            else 'fetched'
        end as part,
    from held
),

counted as (
    select
        sorted.from_manifest_digest,
        sorted.to_manifest_digest,
        sorted.part,
        count(*) as layer_count,
        case
            when count(*) = count(sorted.compressed_bytes) then sum(sorted.compressed_bytes)::bigint
        end as layer_bytes,
    from sorted
    group by sorted.from_manifest_digest, sorted.to_manifest_digest, sorted.part
),

part as (
    select *
    from (values ('shared'), ('fetched'), ('foreign'), ('dropped')) as name (part)
),

complete as (
    select
        pair.from_manifest_digest,
        pair.to_manifest_digest,
        part.part,
        coalesce(counted.layer_count, 0) as layer_count,
        case when counted.part is null then 0 else counted.layer_bytes end as layer_bytes,
    from pair
    cross join part
    left join counted
        on pair.from_manifest_digest = counted.from_manifest_digest
        and pair.to_manifest_digest = counted.to_manifest_digest
        and part.part = counted.part
)

select
    complete.from_manifest_digest,
    complete.to_manifest_digest,
    max(complete.layer_count) filter (where complete.part = 'shared') as shared_count,
    max(complete.layer_bytes) filter (where complete.part = 'shared') as shared_bytes,
    max(complete.layer_count) filter (where complete.part = 'fetched') as fetched_count,
    max(complete.layer_bytes) filter (where complete.part = 'fetched') as fetched_bytes,
    max(complete.layer_count) filter (where complete.part = 'foreign') as foreign_count,
    max(complete.layer_bytes) filter (where complete.part = 'foreign') as foreign_bytes,
    max(complete.layer_count) filter (where complete.part = 'dropped') as dropped_count,
    max(complete.layer_bytes) filter (where complete.part = 'dropped') as dropped_bytes,
from complete
group by complete.from_manifest_digest, complete.to_manifest_digest
order by complete.from_manifest_digest, complete.to_manifest_digest
