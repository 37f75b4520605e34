-- One row per repository: how much is known of it and how fresh that is. An observation is a sighting of a tag, or a
-- version of a document that defines tags; a version of one that says where tags point is its sightings. Tags of artifacts
-- are not counted.
with said as (
    select
        stg_tag_observation.repository,
        stg_tag_observation.run_id,
        stg_tag_observation.source,
        stg_tag_observation.observed_at,
    from stg_tag_observation
    union all
    select
        stg_document_version.repository,
        stg_document_version.run_id,
        stg_run.source,
        stg_document_version.observed_at,
    from stg_document_version
    join stg_run on stg_document_version.run_id = stg_run.run_id
    where stg_document_version.tags is not null
),

observed as (
    select
        said.repository,
        count(*) as observations,
        count(distinct said.run_id) as runs,
        min(said.observed_at) as first_observed_at,
        max(said.observed_at) as last_observed_at,
        string_agg(distinct said.source, ', ' order by said.source) as sources,
    from said
    where said.repository is not null
    group by said.repository
),

interval_count as (
    select
        tag_interval.repository,
        count(distinct tag_interval.tag) as tags,
        count(distinct tag_interval.tag) filter (where tag_interval.valid_to is null) as tags_now,
        count(*) as intervals,
    from tag_interval
    where not is_artifact_tag(tag_interval.tag)
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
