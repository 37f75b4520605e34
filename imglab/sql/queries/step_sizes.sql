-- One row per platform, build step of a tag's images and stretch of time in which the step's layer stayed as it was; by
-- platform, largest step first, then time.
-- A step is known by its label, which it keeps from release to release, and of equal labels in one image by which it is.
-- step_group: one of the 14 largest steps of the platform, `other steps`, or `unknown step`; the layers of such a group
-- are one row, with their sum. Moves of the tag that left the platform's image as it was do not count. Of several images
-- of one series in an index the first counts.
-- Parameters: $repository, $tag, $platform (null: all), $since, $until (null: no limit)
with chosen as (
    select tag_image.*,
    from tag_image
    where
        tag_image.repository = $repository
        and tag_image.tag = $tag
        and ($platform::varchar is null or $platform in (tag_image.platform, tag_image.series))
        and ($since::timestamptz is null or tag_image.valid_to is null or tag_image.valid_to > $since)
        and ($until::timestamptz is null or tag_image.valid_from < $until)
    qualify row_number() over (
        partition by tag_image.series, tag_image.valid_from
        order by tag_image.position
    ) = 1
),

labelled as (
    select
        chosen.platform,
        chosen.series,
        chosen.valid_from,
        chosen.valid_to,
        chosen.last_observed_at,
        chosen.manifest_digest,
        image_layer.position,
        image_layer.layer_digest,
        image_layer.compressed_bytes,
        image_layer.step_label,
        row_number() over (
            partition by chosen.series, chosen.valid_from, image_layer.step_label
            order by image_layer.position
        ) as occurrence,
    from chosen
    join image_layer_of('chosen') as image_layer on chosen.manifest_digest = image_layer.manifest_digest
),

named as (
    select
        labelled.*,
        labelled.step_label
        || case when labelled.occurrence > 1 then ' (' || labelled.occurrence || ')' else '' end as step_name,
    from labelled
),

ranked as (
    select
        named.series,
        named.step_name,
        row_number() over (
            partition by named.series
            order by max(named.compressed_bytes) desc nulls last, named.step_name
        ) as step_rank,
    from named
    where named.step_name is not null
    group by named.series, named.step_name
),

grouped as (
    select
        named.platform,
        named.series,
        named.valid_from,
        named.valid_to,
        named.last_observed_at,
        case
            when named.step_name is null then 'unknown step'
            when ranked.step_rank <= 14 then named.step_name
            else 'other steps'
        end as step_group,
        case when ranked.step_rank <= 14 then ranked.step_rank end as step_rank,
        any_value(named.manifest_digest) as manifest_digest,
        string_agg(named.layer_digest, ' ' order by named.position) as layer_digests,
        count(*) as layer_count,
        case
            when count(*) = count(named.compressed_bytes) then sum(named.compressed_bytes)::bigint
        end as compressed_bytes,
    from named
    left join ranked
        on named.series is not distinct from ranked.series
        and named.step_name = ranked.step_name
    group by all
),

marked as (
    select
        grouped.*,
        coalesce(
            lag(grouped.layer_digests) over by_time = grouped.layer_digests
            and lag(grouped.valid_to) over by_time = grouped.valid_from,
            false
        ) as is_same,
    from grouped
    window by_time as (partition by grouped.series, grouped.step_group order by grouped.valid_from)
),

numbered as (
    select
        marked.*,
        count(*) filter (where not marked.is_same) over (
            partition by marked.series, marked.step_group
            order by marked.valid_from
        ) as stretch_number,
    from marked
),

stretch as (
    select
        numbered.platform,
        numbered.series,
        numbered.step_group,
        numbered.step_rank,
        min(numbered.valid_from) as valid_from,
        case when bool_or(numbered.valid_to is null) then null else max(numbered.valid_to) end as valid_to,
        max(numbered.last_observed_at) as last_observed_at,
        arg_min(numbered.manifest_digest, numbered.valid_from) as manifest_digest,
        case when any_value(numbered.layer_count) = 1 then any_value(numbered.layer_digests) end as layer_digest,
        any_value(numbered.layer_count) as layer_count,
        any_value(numbered.compressed_bytes) as compressed_bytes,
    from numbered
    group by
        numbered.platform,
        numbered.series,
        numbered.step_group,
        numbered.step_rank,
        numbered.stretch_number
)

select
    $repository::varchar as repository,
    $tag::varchar as tag,
    stretch.platform,
    stretch.series,
    stretch.step_group,
    stretch.step_rank,
    stretch.valid_from,
    stretch.valid_to,
    stretch.last_observed_at,
    stretch.manifest_digest,
    stretch.layer_digest,
    stretch.layer_count,
    stretch.compressed_bytes,
    stretch.compressed_bytes - first_value(stretch.compressed_bytes) over (
        partition by stretch.series, stretch.step_group
        order by stretch.valid_from
    ) as change_bytes,
from stretch
order by
    stretch.platform,
    stretch.series,
    stretch.step_rank nulls last,
    stretch.step_group,
    stretch.valid_from
