-- One row per reference asked for, in their order: what its image brings to a host that has those before it. A reference
-- without tag and digest means latest. A layer counts once for each image, and once for all of them.
-- Bytes are null where the image, its layers or a size is not known; such images are left out of what is shared, and
-- counted in unknown_count. Of several images for the platform (Windows builds) the first one counts unless $platform
-- names a series.
-- Parameters: $repositories, $tags, $digests (lists of the same length; null: none), $platform, $at (null: the newest)
with asked as (
    select
        unnest(generate_series(0, len($repositories::varchar[]) - 1)) as position,
        unnest($repositories::varchar[]) as repository,
        unnest($tags::varchar[]) as tag,
        unnest($digests::varchar[]) as digest,
),

pointed as materialized (
    select reference_image.*,
    from reference_image('asked', $platform, $at::timestamptz) as reference_image
),

given as (
    select pointed.*,
    from pointed
    where pointed.manifest_digest is not null
),

layer as (
    select
        given.position,
        image_layer.layer_digest,
        max(image_layer.compressed_bytes) as compressed_bytes,
        count(image_layer.compressed_bytes) > 0 as is_sized,
    from given
    join image_layer_of('given') as image_layer on given.manifest_digest = image_layer.manifest_digest
    group by given.position, image_layer.layer_digest
),

told as (
    select
        given.position,
        given.manifest_digest,
    from given
    left join layer on given.position = layer.position
    where given.layer_count is not null
    group by given.position, given.manifest_digest
    having coalesce(bool_and(layer.is_sized), true)
),

counted as (
    select
        layer.*,
        count(*) over same_layer as image_count,
        min(layer.position) over same_layer as first_position,
    from layer
    semi join told on layer.position = told.position
    window same_layer as (partition by layer.layer_digest)
),

weighed as (
    select
        told.position,
        count(counted.layer_digest) as layer_count,
        count(counted.layer_digest) filter (where counted.image_count = 1) as unique_layer_count,
        count(counted.layer_digest) filter (where counted.first_position = told.position) as added_layer_count,
        coalesce(sum(counted.compressed_bytes), 0)::bigint as total_bytes,
        coalesce(sum(counted.compressed_bytes) filter (where counted.image_count = 1), 0)::bigint as unique_bytes,
        coalesce(
            sum(counted.compressed_bytes) filter (where counted.first_position = told.position), 0
        )::bigint as added_bytes,
    from told
    left join counted on told.position = counted.position
    group by told.position
)

select
    pointed.position,
    pointed.repository,
    pointed.tag,
    $platform::varchar as platform,
    pointed.valid_from,
    pointed.digest,
    pointed.manifest_digest,
    weighed.total_bytes,
    weighed.unique_bytes,
    weighed.total_bytes - weighed.unique_bytes as shared_bytes,
    weighed.added_bytes,
    weighed.layer_count,
    weighed.unique_layer_count,
    weighed.added_layer_count,
    coalesce(sum(weighed.added_bytes) over so_far, 0)::bigint as cumulative_bytes,
    coalesce(sum(weighed.added_bytes) over (), 0)::bigint as fleet_bytes,
    count(*) filter (where weighed.position is null) over () as unknown_count,
from pointed
left join weighed on pointed.position = weighed.position
window so_far as (order by pointed.position rows between unbounded preceding and current row)
order by pointed.position
