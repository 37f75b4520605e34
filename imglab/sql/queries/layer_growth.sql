-- One row per stretch of time in which a tag gave one image to a platform (image_stretch), and layer of that image; by
-- time, then position.
-- step_group: one of the nine steps with the largest layers, `other steps`, or `unknown step`.
-- Parameters: $repository, $tag, $platform, $since, $until (null: no limit)
with stretch as (
    select
        image_stretch.repository,
        image_stretch.tag,
        image_stretch.platform,
        image_stretch.valid_from,
        image_stretch.valid_to,
        image_stretch.last_observed_at,
        image_stretch.manifest_digest,
    from image_stretch($repository, $tag, $platform) as image_stretch
    where image_stretch.tag = $tag
),

layered as (
    select
        stretch.*,
        image_layer.position,
        image_layer.layer_digest,
        image_layer.compressed_bytes,
        image_layer.step_label,
        image_layer.created_by,
        case
            when count(*) over below = count(image_layer.compressed_bytes) over below
                then sum(image_layer.compressed_bytes) over below
        end::bigint as stack_to_bytes,
    from stretch
    join image_layer_of('stretch') as image_layer on stretch.manifest_digest = image_layer.manifest_digest
    where
        ($since::timestamptz is null or stretch.valid_to is null or stretch.valid_to > $since)
        and ($until::timestamptz is null or stretch.valid_from < $until)
    window below as (
        partition by stretch.valid_from
        order by image_layer.position
        rows between unbounded preceding and current row
    )
),

ranked as (
    select
        layered.step_label,
        row_number() over (order by max(layered.compressed_bytes) desc, layered.step_label) as size_rank,
    from layered
    where layered.step_label is not null
    group by layered.step_label
)

select
    layered.repository,
    layered.tag,
    layered.platform,
    layered.valid_from,
    layered.valid_to,
    layered.last_observed_at,
    layered.manifest_digest,
    layered.position,
    layered.layer_digest,
    layered.compressed_bytes,
    lag(layered.stack_to_bytes, 1, 0) over (partition by layered.valid_from order by layered.position)
        as stack_from_bytes,
    layered.stack_to_bytes,
    layered.step_label,
    case
        when layered.step_label is null then 'unknown step'
        when ranked.size_rank <= 9 then layered.step_label
        else 'other steps'
    end as step_group,
    layered.created_by,
from layered
left join ranked on layered.step_label = ranked.step_label
order by layered.valid_from, layered.position
