-- One row per repository, and one for all of them together (repository is null): what its images weigh each for itself and
-- with every layer counted once, of the images to which tags pointed at a time; all together first, then the largest.
-- Images of which no source told the layers are counted apart. Foreign layers are layers.
-- Parameters: $repository, $tag (globs; null: all), $platform (null: all), $at (null: now)
with chosen as (
    select
        pointed_image.repository,
        pointed_image.manifest_digest,
    from pointed_image($repository::varchar, $tag::varchar, $platform::varchar, $at::timestamptz) as pointed_image
),

-- Of an image that several repositories have, one of them counts where all are taken together.
scope as materialized (
    select
        chosen.repository,
        chosen.manifest_digest,
        dense_rank() over (order by chosen.manifest_digest) as image_number,
        row_number() over (partition by chosen.manifest_digest order by chosen.repository) = 1 as is_counted,
    from chosen
),

held as materialized (
    select
        scope.repository,
        image_layer.layer_digest,
        max(image_layer.compressed_bytes) as compressed_bytes,
        count(*) as use_count,
        count(*) filter (where scope.is_counted) as counted_use_count,
        min(scope.image_number) as lowest_number,
        max(scope.image_number) as highest_number,
    from scope
    join image_layer_of('scope') as image_layer on scope.manifest_digest = image_layer.manifest_digest
    group by scope.repository, image_layer.layer_digest
),

held_together as (
    select
        null::varchar as repository,
        held.layer_digest,
        max(held.compressed_bytes) as compressed_bytes,
        sum(held.counted_use_count) as use_count,
        min(held.lowest_number) as lowest_number,
        max(held.highest_number) as highest_number,
    from held
    group by held.layer_digest
),

layered as (
    select
        layer.repository,
        sum(layer.use_count)::bigint as layer_count,
        count(*) as unique_layer_count,
        sum(layer.compressed_bytes * layer.use_count)::bigint as image_bytes,
        sum(layer.compressed_bytes)::bigint as unique_bytes,
        coalesce(
            sum(layer.compressed_bytes) filter (where layer.lowest_number < layer.highest_number), 0
        )::bigint as shared_bytes,
        count(*) filter (where layer.compressed_bytes is null) as unknown_layer_count,
    from (
        select held.* exclude (counted_use_count)
        from held
        union all by name
        from held_together
    ) as layer
    group by layer.repository
),

described as (
    select
        scope.repository,
        scope.is_counted,
        image.layer_count is null as is_undescribed,
    from scope
    left join image_of('scope') as image on scope.manifest_digest = image.manifest_digest
),

counted as (
    select
        described.repository,
        count(*) as image_count,
        count(*) filter (where described.is_undescribed) as undescribed_image_count,
    from described
    group by described.repository
    union all
    select
        null as repository,
        count(*) as image_count,
        count(*) filter (where described.is_undescribed) as undescribed_image_count,
    from described
    where described.is_counted
    having count(*) > 0
)

select
    counted.repository,
    counted.image_count,
    counted.undescribed_image_count,
    layered.layer_count,
    layered.unique_layer_count,
    layered.unknown_layer_count,
    layered.image_bytes,
    layered.unique_bytes,
    layered.shared_bytes,
    layered.image_bytes / nullif(layered.unique_bytes, 0) as sharing_ratio,
from counted
left join layered on counted.repository is not distinct from layered.repository
order by counted.repository is not null, layered.image_bytes desc nulls last, counted.repository
