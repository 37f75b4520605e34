-- Function of a relation `pair` (by name; columns from_manifest_digest, to_manifest_digest): what kind of change lies
-- between two images. One row per pair; a pair that is given twice counts once, and either side may be null.
-- change, the first that holds:
--   `came`, `went`    one side is null
--   `unchanged`       the same manifest
--   `metadata only`   the same layers, the same diff ids or the same config under another digest
--   `unknown`         the layers of either are not known; or they differ, and the texts of the steps are not known, or
--                     not which of them made which layer
--   `content`         the steps above the base are others (by their labels, where texts are not known); or there are no
--                     layers above the base; or a layer is another whose step does not tell what is in it: a COPY or ADD
--                     without the digest of what it copied (BuildKit's), or the name of a tool (apko, jib, bazel)
--   `base only`       the same steps, on other layers of the base
--   `rebuild only`    the same steps, run again on the same base, or on one that no step tells
-- The base is what no step of its own can have made: the root filesystem, and of Windows the layers that Microsoft's
-- images have (Apply image, Install update, foreign layers). Where a base ends that has more is told nowhere: its other
-- steps count as the image's. Steps are compared as Dockerfiles have them (plain_step), settings included.
-- pulled_bytes: of the layers that the second image has and the first has not, each once; null where one is not known, and
-- where one image names its layers by their packed and the other by their unpacked content (`config+`).
with wanted_pair as materialized (
    select distinct
        given.from_manifest_digest,
        given.to_manifest_digest,
    from query_table(pair) as given
),

wanted_digest as (
    select wanted_pair.from_manifest_digest as manifest_digest,
    from wanted_pair
    union
    select wanted_pair.to_manifest_digest as manifest_digest,
    from wanted_pair
),

wanted_image as materialized (
    select
        image.manifest_digest,
        image.config_digest,
        image.layer_count,
        image.step_source,
    from image_of('wanted_digest') as image
),

line as (
    select
        wanted_image.manifest_digest,
        stg_history.position,
        stg_history.created_by,
        stg_history.text_digest,
        coalesce(stg_history.instruction, '') || ' ' || coalesce(stg_history.step_label, '') as label,
        stg_history.instruction is null
        or (
            stg_history.instruction in ('COPY', 'ADD')
            and not coalesce(regexp_matches(stg_history.created_by, '\b(file|dir|multi):[0-9a-f]{16,}'), false)
        ) as is_untold,
        stg_history.step_label,
        count(*) filter (where stg_history.instruction in ('RUN', 'COPY', 'ADD')) over (
            partition by wanted_image.manifest_digest
            order by stg_history.position
        ) as filled_count,
    from wanted_image
    join history_of('wanted_image') as stg_history on wanted_image.config_digest = stg_history.config_digest
),

rooted as (
    select
        line.*,
        max(line.position) filter (
            where (line.filled_count = 1 and line.step_label in ('ADD root filesystem', 'RUN Apply image'))
            or (line.filled_count = 2 and line.step_label = 'RUN Install update')
        ) over (partition by line.manifest_digest) as root_position,
        max(line.filled_count) filter (
            where (line.filled_count = 1 and line.step_label in ('ADD root filesystem', 'RUN Apply image'))
            or (line.filled_count = 2 and line.step_label = 'RUN Install update')
        ) over (partition by line.manifest_digest) as root_count,
    from line
),

-- Texts are long and few.
known_text as (
    select
        text.created_by,
        step_text_digest(text.created_by) as text_digest,
    from (select distinct line.created_by from line where line.created_by is not null) as text
),

told_line as (
    select
        rooted.*,
        coalesce(known_text.text_digest, rooted.text_digest) as told_digest,
    from rooted
    left join known_text on rooted.created_by = known_text.created_by
),

stepped as (
    select
        told_line.manifest_digest,
        any_value(told_line.root_count) as root_count,
        string_agg(coalesce(told_line.told_digest, '?'), ' ' order by told_line.position) filter (
            where told_line.position > coalesce(told_line.root_position, -1)
        ) as text,
        string_agg(told_line.label, chr(10) order by told_line.position) filter (
            where told_line.position > coalesce(told_line.root_position, -1)
        ) as labels,
        bool_and(told_line.told_digest is not null) filter (
            where told_line.position > coalesce(told_line.root_position, -1)
        ) as is_told,
        bool_or(told_line.is_untold) filter (where told_line.position > coalesce(told_line.root_position, -1))
            as has_untold,
    from told_line
    group by told_line.manifest_digest
),

layered as (
    select
        image_layer.manifest_digest,
        image_layer.position,
        image_layer.layer_digest,
        image_layer.compressed_bytes,
        (image_layer.instruction is null and image_layer.created_by is not null)
        or (
            image_layer.instruction in ('COPY', 'ADD')
            and not coalesce(regexp_matches(image_layer.created_by, '\b(file|dir|multi):[0-9a-f]{16,}'), false)
        ) as is_untold,
        greatest(
            coalesce(stepped.root_count, 0),
            coalesce(
                min(image_layer.position) filter (where not image_layer.is_foreign) over one_image,
                count(*) over one_image
            )
        ) as base_count,
    from image_layer_of('wanted_image') as image_layer
    left join stepped on image_layer.manifest_digest = stepped.manifest_digest
    window one_image as (partition by image_layer.manifest_digest)
),

stacked as (
    select
        layered.manifest_digest,
        string_agg(layered.layer_digest, ' ' order by layered.position) as layers,
        string_agg(layered.layer_digest, ' ' order by layered.position) filter (
            where layered.position < layered.base_count
        ) as base_layers,
        string_agg(layered.layer_digest, ' ' order by layered.position) filter (
            where layered.is_untold and layered.position >= layered.base_count
        ) as untold_layers,
        count(*) > any_value(layered.base_count) as has_own_layers,
    from layered
    group by layered.manifest_digest
),

described as (
    select
        wanted_image.manifest_digest,
        wanted_image.config_digest,
        case when wanted_image.layer_count = 0 then '' else stacked.layers end as layers,
        array_to_string(stg_config.diff_ids, ' ') as diff_ids,
        coalesce(stacked.base_layers, '') as base_layers,
        coalesce(stacked.untold_layers, '') as untold_layers,
        coalesce(stacked.has_own_layers, false) as has_own_layers,
        case when stepped.is_told is not false then coalesce(stepped.text, '') end as text,
        coalesce(stepped.labels, '') as labels,
        stepped.manifest_digest is not null as has_steps,
        wanted_image.step_source is null and coalesce(stepped.has_untold, false) as is_untold_unaligned,
    from wanted_image
    left join stg_config on wanted_image.config_digest = stg_config.digest
    left join stepped on wanted_image.manifest_digest = stepped.manifest_digest
    left join stacked on wanted_image.manifest_digest = stacked.manifest_digest
),

new_layer as (
    select
        wanted_pair.from_manifest_digest,
        wanted_pair.to_manifest_digest,
        layer_to.layer_digest,
        max(layer_to.compressed_bytes) as compressed_bytes,
    from wanted_pair
    join layered as layer_to on wanted_pair.to_manifest_digest = layer_to.manifest_digest
    anti join layered as layer_from
        on wanted_pair.from_manifest_digest = layer_from.manifest_digest
        and layer_to.layer_digest = layer_from.layer_digest
    group by wanted_pair.from_manifest_digest, wanted_pair.to_manifest_digest, layer_to.layer_digest
),

pulled as (
    select
        new_layer.from_manifest_digest,
        new_layer.to_manifest_digest,
        case when count(*) = count(new_layer.compressed_bytes) then sum(new_layer.compressed_bytes)::bigint end
            as pulled_bytes,
        true as is_pulled,
    from new_layer
    group by new_layer.from_manifest_digest, new_layer.to_manifest_digest
)

select
    wanted_pair.from_manifest_digest,
    wanted_pair.to_manifest_digest,
    case
        when wanted_pair.from_manifest_digest is null then 'came'
        when wanted_pair.to_manifest_digest is null then 'went'
        when wanted_pair.from_manifest_digest = wanted_pair.to_manifest_digest then 'unchanged'
        when
            image_from.layers = image_to.layers
            or image_from.diff_ids = image_to.diff_ids
            or image_from.config_digest = image_to.config_digest
            then 'metadata only'
        when image_from.layers is null or image_to.layers is null then 'unknown'
        when not image_from.has_steps or not image_to.has_steps then 'unknown'
        when coalesce(image_from.text <> image_to.text, image_from.labels <> image_to.labels) then 'content'
        when not image_from.has_own_layers or not image_to.has_own_layers then 'content'
        when image_from.text is null or image_to.text is null then 'unknown'
        when image_from.is_untold_unaligned or image_to.is_untold_unaligned then 'unknown'
        when image_from.untold_layers <> image_to.untold_layers then 'content'
        when image_from.base_layers <> image_to.base_layers then 'base only'
        else 'rebuild only'
    end as change,
    case
        when wanted_pair.to_manifest_digest is null then 0
        when wanted_pair.from_manifest_digest = wanted_pair.to_manifest_digest then 0
        when image_to.layers is null then null
        when wanted_pair.from_manifest_digest is not null and image_from.layers is null then null
        when
            starts_with(wanted_pair.from_manifest_digest, 'config+')
            <> starts_with(wanted_pair.to_manifest_digest, 'config+')
            then null
        when pulled.is_pulled then pulled.pulled_bytes
        else 0
    end as pulled_bytes,
from wanted_pair
left join described as image_from on wanted_pair.from_manifest_digest = image_from.manifest_digest
left join described as image_to on wanted_pair.to_manifest_digest = image_to.manifest_digest
left join pulled
    on wanted_pair.from_manifest_digest is not distinct from pulled.from_manifest_digest
    and wanted_pair.to_manifest_digest = pulled.to_manifest_digest
