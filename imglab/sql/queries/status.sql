-- One row per repository: how much is known of it and how fresh that is.
with observed as (
    select
        stg_tag_observation.repository,
        count(*) as observations,
        count(distinct stg_tag_observation.run_id) as runs,
        min(stg_tag_observation.observed_at) as first_observed_at,
        max(stg_tag_observation.observed_at) as last_observed_at,
        string_agg(distinct stg_tag_observation.source, ', ' order by stg_tag_observation.source) as sources,
    from stg_tag_observation
    group by stg_tag_observation.repository
),

interval_count as (
    select
        tag_interval.repository,
        count(distinct tag_interval.tag) as tags,
        count(distinct tag_interval.tag) filter (where tag_interval.valid_to is null) as tags_now,
        count(*) as intervals,
    from tag_interval
    group by tag_interval.repository
),

image_count as (
    select
        tag_image.repository,
        count(distinct tag_image.manifest_digest) as images,
    from tag_image
    group by tag_image.repository
)

select
    observed.repository,
    observed.sources,
    observed.runs,
    observed.observations,
    coalesce(interval_count.tags, 0) as tags,
    coalesce(interval_count.tags_now, 0) as tags_now,
    coalesce(interval_count.intervals, 0) as intervals,
    coalesce(image_count.images, 0) as images,
    observed.first_observed_at,
    observed.last_observed_at,
from observed
left join interval_count on observed.repository = interval_count.repository
left join image_count on observed.repository = image_count.repository
order by observed.repository
