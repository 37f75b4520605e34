-- At most one row per tag or digest asked for: where it pointed, none if the store knows nothing of it at that time.
-- Parameters: $repository, $tag, $at (null: the newest state); or $digest, the others null
-- `foreign_layer_dates` are those of the newest page of that time with that digest (null: none has foreign layers).
-- `digest` is null where a source looked for the tag before that time and it was not there (any more).
with moment as (
    select coalesce($at::timestamptz, 'infinity'::timestamptz) as until_at,
),

pointed as (
    select tag_interval.digest,
    from tag_interval
    cross join moment
    where
        tag_interval.repository = $repository
        and tag_interval.tag = $tag
        and tag_interval.valid_from <= moment.until_at
        and (tag_interval.valid_to is null or tag_interval.valid_to > moment.until_at)
    qualify row_number() over (order by tag_interval.valid_from desc) = 1
),

dated as (
    select
        stg_tag_observation.digest,
        arg_max(stg_tag_observation.foreign_layer_dates, stg_tag_observation.observed_at) as foreign_layer_dates,
    from stg_tag_observation
    cross join moment
    where
        stg_tag_observation.repository = $repository
        and ($tag::varchar is null or stg_tag_observation.tag = $tag)
        and stg_tag_observation.observed_at <= moment.until_at
        and stg_tag_observation.foreign_layer_dates is not null
    group by stg_tag_observation.digest
),

gone as (
    select 1 as one,
    from stg_tag_observation
    cross join moment
    where
        stg_tag_observation.repository = $repository
        and stg_tag_observation.tag = $tag
        and stg_tag_observation.is_absent
        and stg_tag_observation.observed_at <= moment.until_at
    union all
    select 1 as one,
    from tag_interval
    cross join moment
    where
        tag_interval.repository = $repository
        and tag_interval.tag = $tag
        and tag_interval.valid_to <= moment.until_at
),

state as (
    select pointed.digest,
    from pointed
    union all
    select null as digest,
    where
        exists (select gone.one from gone)
        and not exists (select pointed.digest from pointed)
    union all
    select stg_manifest.digest,
    from stg_manifest
    where stg_manifest.digest = $digest
)

select
    state.digest,
    dated.foreign_layer_dates,
    coalesce(stg_manifest.kind = 'index', false) as is_index,
    stg_manifest.media_type,
from state
left join stg_manifest on state.digest = stg_manifest.digest
left join dated on state.digest = dated.digest
