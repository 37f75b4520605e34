-- One row per measure and percent (0 to 100): the value that so many percent of all do not exceed, of the images to which
-- tags pointed at a time; by measure, then percent. Each image counts once, and each layer once in however many images it
-- is. published_value is what Zhao et al. found on Docker Hub in 2017 (CLUSTER 2019, doi 10.1109/CLUSTER.2019.8891000).
-- Parameters: $repository, $tag (globs; null: all), $platform (null: all), $at (null: now)
with chosen as (
    select
        pointed_image.repository,
        pointed_image.manifest_digest,
    from pointed_image($repository::varchar, $tag::varchar, $platform::varchar, $at::timestamptz) as pointed_image
),

described as (
    select
        image.manifest_digest,
        image.compressed_bytes,
        image.layer_count,
    from image_of('chosen') as image
),

layer as (
    select
        image_layer.layer_digest,
        max(image_layer.compressed_bytes) as compressed_bytes,
    from image_layer_of('described') as image_layer
    group by image_layer.layer_digest
),

measured as (
    select
        'image_bytes' as measure,
        described.compressed_bytes as value,
    from described
    union all
    select
        'layer_bytes' as measure,
        layer.compressed_bytes as value,
    from layer
    union all
    select
        'layer_count' as measure,
        described.layer_count as value,
    from described
),

ranked as (
    select
        measured.measure,
        measured.value,
        row_number() over (partition by measured.measure order by measured.value) as value_rank,
        count(*) over (partition by measured.measure) as value_count,
    from measured
    where measured.value is not null
),

step as (
    select unnest(generate_series(0, 100)) as percent,
),

published as (
    select
        unnest(['image_bytes', 'image_bytes', 'layer_bytes', 'layer_bytes', 'layer_count', 'layer_count']) as measure,
        unnest([50, 90, 50, 90, 50, 90]) as percent,
        unnest([17000000, 480000000, 4000000, 63000000, 8, 18]) as published_value,
)

select
    ranked.measure,
    step.percent,
    ranked.value,
    ranked.value_count,
    published.published_value::bigint as published_value,
from ranked
join step on ranked.value_rank = greatest(1, (ranked.value_count * step.percent + 99) // 100)
left join published
    on ranked.measure = published.measure
    and step.percent = published.percent
order by ranked.measure, step.percent
