-- One row per stretch of time in which a tag gave one image to a platform, and layer of that image; by time, then
-- position. Moves of the tag that left this platform's image as it was do not begin a new stretch. Where an index holds
-- several images for the platform (Windows builds), the first one counts unless $platform names a series.
-- step_group: one of the nine steps with the largest layers, `other steps`, or `unknown step`.
-- Parameters: $repository, $tag, $platform, $since, $until (null: no limit)
with chosen as (
    select
        tag_image.repository,
        tag_image.tag,
        tag_image.valid_from,
        tag_image.valid_to,
        tag_image.last_observed_at,
        tag_image.manifest_digest,
        tag_image.platform,
    from tag_image
    where
        tag_image.repository = $repository
        and tag_image.tag = $tag
        and $platform in (tag_image.platform, tag_image.series)
    qualify row_number() over (partition by tag_image.valid_from order by tag_image.position) = 1
),

marked as (
    select
        chosen.*,
        coalesce(
            lag(chosen.manifest_digest) over by_time = chosen.manifest_digest
            and lag(chosen.valid_to) over by_time = chosen.valid_from,
            false
        ) as is_same,
    from chosen
    window by_time as (order by chosen.valid_from)
),

numbered as (
    select
        marked.*,
        count(*) filter (where not marked.is_same) over (order by marked.valid_from) as stretch_number,
    from marked
),

stretch as (
    select
        any_value(numbered.repository) as repository,
        any_value(numbered.tag) as tag,
        any_value(numbered.platform) as platform,
        min(numbered.valid_from) as valid_from,
        case when bool_or(numbered.valid_to is null) then null else max(numbered.valid_to) end as valid_to,
        max(numbered.last_observed_at) as last_observed_at,
        any_value(numbered.manifest_digest) as manifest_digest,
    from numbered
    group by numbered.stretch_number
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
    join image_layer on stretch.manifest_digest = image_layer.manifest_digest
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
