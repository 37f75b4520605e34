-- Function of a relation `pair` (by name; columns from_manifest_digest, to_manifest_digest): what each build step added to
-- the difference between two images. One row per pair and step of either image, in the order in which a waterfall reads:
-- the base first, a step that went beside the one that it followed. Steps are matched by step_match.
-- delta_bytes of a pair add up to to_total_bytes - from_total_bytes wherever all sizes are known; it is null where one is
-- not. A layer that an image has twice counts twice, as in its size.
-- change: came, went, grew, shrank, `same size` (other content), `same layer`, or `unknown`: a size is, or a layer has no
-- partner and may be one of those whose step is. Where a source tells the size of an image but not its layers, the pair
-- has one row for both images as a whole.
with wanted_pair as materialized (
    select distinct
        given.from_manifest_digest,
        given.to_manifest_digest,
    from query_table(pair) as given
    where
        given.from_manifest_digest is not null
        and given.to_manifest_digest is not null
),

wanted_digest as (
    select wanted_pair.from_manifest_digest as manifest_digest,
    from wanted_pair
    union
    select wanted_pair.to_manifest_digest as manifest_digest,
    from wanted_pair
),

wanted_image as materialized (
    select image.*,
    from image_of('wanted_digest') as image
),

compared_layer as materialized (
    select image_layer.*,
    from image_layer_of('wanted_digest') as image_layer
),

layered as (
    select compared_layer.manifest_digest,
    from compared_layer
    union
    select wanted_image.manifest_digest,
    from wanted_image
    where wanted_image.layer_count = 0
),

weighed as (
    select
        wanted_pair.*,
        image_from.compressed_bytes as from_total_bytes,
        image_to.compressed_bytes as to_total_bytes,
        layered_from.manifest_digest is not null and layered_to.manifest_digest is not null as has_layers,
    from wanted_pair
    left join wanted_image as image_from on wanted_pair.from_manifest_digest = image_from.manifest_digest
    left join wanted_image as image_to on wanted_pair.to_manifest_digest = image_to.manifest_digest
    left join layered as layered_from on wanted_pair.from_manifest_digest = layered_from.manifest_digest
    left join layered as layered_to on wanted_pair.to_manifest_digest = layered_to.manifest_digest
),

placed as (
    select
        step.*,
        last_value(step.to_position ignore nulls) over (
            partition by step.from_manifest_digest, step.to_manifest_digest
            order by step.from_position nulls last
            rows between unbounded preceding and current row
        ) as behind_position,
    from step_match(pair, layer := 'compared_layer') as step
),

stepped as (
    select
        weighed.*,
        row_number() over (
            partition by weighed.from_manifest_digest, weighed.to_manifest_digest
            order by
                coalesce(placed.to_position, placed.behind_position, -1),
                placed.to_position is null,
                placed.from_position
        ) - 1 as step_position,
        placed.from_position,
        placed.to_position,
        layer_from.layer_digest as from_layer_digest,
        layer_to.layer_digest as to_layer_digest,
        coalesce(layer_to.instruction, layer_from.instruction) as instruction,
        layer_from.step_label as from_step_label,
        layer_to.step_label as to_step_label,
        layer_from.created_by as from_created_by,
        layer_to.created_by as to_created_by,
        placed.match,
        placed.is_unsure,
        layer_from.compressed_bytes as from_bytes,
        layer_to.compressed_bytes as to_bytes,
        case when placed.from_position is null then 0 else layer_from.compressed_bytes end as counted_from_bytes,
        case when placed.to_position is null then 0 else layer_to.compressed_bytes end as counted_to_bytes,
    from weighed
    join placed
        on weighed.from_manifest_digest = placed.from_manifest_digest
        and weighed.to_manifest_digest = placed.to_manifest_digest
    left join compared_layer as layer_from
        on placed.from_manifest_digest = layer_from.manifest_digest
        and placed.from_position = layer_from.position
    left join compared_layer as layer_to
        on placed.to_manifest_digest = layer_to.manifest_digest
        and placed.to_position = layer_to.position
    where weighed.has_layers
),

whole as (
    select
        weighed.*,
        0 as step_position,
        true as is_unsure,
        weighed.from_total_bytes as from_bytes,
        weighed.to_total_bytes as to_bytes,
        weighed.from_total_bytes as counted_from_bytes,
        weighed.to_total_bytes as counted_to_bytes,
    from weighed
    where not weighed.has_layers
),

step as (
    select stepped.*,
    from stepped
    union all by name
    select whole.*,
    from whole
)

select
    step.from_manifest_digest,
    step.to_manifest_digest,
    step.from_total_bytes,
    step.to_total_bytes,
    step.step_position,
    step.from_position,
    step.to_position,
    step.from_layer_digest,
    step.to_layer_digest,
    step.instruction,
    step.from_step_label,
    step.to_step_label,
    step.from_created_by,
    step.to_created_by,
    step.match,
    case
        when step.is_unsure then 'unknown'
        when step.from_position is null then 'came'
        when step.to_position is null then 'went'
        when step.from_layer_digest = step.to_layer_digest then 'same layer'
        when step.to_bytes > step.from_bytes then 'grew'
        when step.to_bytes < step.from_bytes then 'shrank'
        when step.to_bytes = step.from_bytes then 'same size'
        else 'unknown'
    end as change,
    step.from_bytes,
    step.to_bytes,
    step.counted_to_bytes - step.counted_from_bytes as delta_bytes,
from step
