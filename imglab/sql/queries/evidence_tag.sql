-- One row per repository, source and document that told where tags point or what they are built from, of the tags asked
-- for: how many tags it told of, and its newest version; by repository, then source. Of several runs the newest counts.
-- Parameters: $repositories, $tags (lists of the same length: pairs of a repository and a glob of its tags; null: all)
with asked as (
    select distinct
        unnest($repositories::varchar[]) as repository,
        unnest($tags::varchar[]) as tag,
),

told as (
    select
        stg_tag_observation.repository,
        stg_tag_observation.tag,
        stg_tag_observation.observed_at,
        stg_tag_observation.document,
        stg_tag_observation.document_revision,
        stg_tag_observation.run_id,
        'where tags point' as kind,
    from stg_tag_observation
    union all
    select
        tag_definition.repository,
        tag_definition.tag,
        tag_definition.observed_at,
        tag_definition.document,
        tag_definition.document_revision,
        tag_definition.run_id,
        'what tags are built from' as kind,
    from journal.tag_definition
),

wanted as (
    select distinct told.*,
    from told
    join asked
        on told.repository = asked.repository
        and (asked.tag is null or told.tag glob asked.tag)
)

select
    wanted.repository as subject,
    wanted.kind,
    stg_run.source,
    wanted.document,
    arg_max({'revision': wanted.document_revision}, (wanted.observed_at, wanted.run_id)).revision as document_revision,
    count(distinct wanted.tag) as tag_count,
    min(wanted.observed_at) as first_observed_at,
    max(wanted.observed_at) as observed_at,
    max(wanted.run_id) as run_id,
from wanted
join stg_run on wanted.run_id = stg_run.run_id
group by wanted.repository, wanted.kind, stg_run.source, wanted.document
order by wanted.repository, wanted.kind, stg_run.source, wanted.document
