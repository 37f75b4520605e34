-- One row per repository, and one for all of them together (repository is null): what its images weigh each for itself and
-- with every layer counted once, of the images to which tags pointed at a time; all together first, then the largest.
-- Images of which no source told the layers are counted apart. Foreign layers are layers.
-- Parameters: $repository, $tag (globs; null: all), $platform (null: all), $at (null: now)
with chosen as (
    select distinct
        tag_image.repository,
        tag_image.manifest_digest,
    from tag_image
    where
        ($repository::varchar is null or tag_image.repository glob $repository)
        and ($tag::varchar is null or tag_image.tag glob $tag)
        and is_told_tag(tag_image.tag, $tag)
        and ($platform::varchar is null or $platform in (tag_image.platform, tag_image.series))
        and case
            when $at::timestamptz is null then tag_image.valid_to is null
            else tag_image.valid_from <= $at and (tag_image.valid_to is null or tag_image.valid_to > $at)
        end
),

scope as (
    select
        chosen.repository,
        chosen.manifest_digest,
    from chosen
    union
    select
        null as repository,
        chosen.manifest_digest,
    from chosen
),

held as (
    select
        scope.repository,
        image_layer.layer_digest,
        max(image_layer.compressed_bytes) as compressed_bytes,
        count(*) as use_count,
        count(distinct scope.manifest_digest) as image_count,
    from scope
    join image_layer on scope.manifest_digest = image_layer.manifest_digest
    group by scope.repository, image_layer.layer_digest
),

layered as (
    select
        held.repository,
        sum(held.use_count)::bigint as layer_count,
        count(*) as unique_layer_count,
        sum(held.compressed_bytes * held.use_count)::bigint as image_bytes,
        sum(held.compressed_bytes)::bigint as unique_bytes,
        coalesce(sum(held.compressed_bytes) filter (where held.image_count > 1), 0)::bigint as shared_bytes,
        count(*) filter (where held.compressed_bytes is null) as unknown_layer_count,
    from held
    group by held.repository
),

counted as (
    select
        scope.repository,
        count(*) as image_count,
        count(*) filter (where image.manifest_digest is null or image.layer_count is null) as undescribed_image_count,
    from scope
    left join image on scope.manifest_digest = image.manifest_digest
    group by scope.repository
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
