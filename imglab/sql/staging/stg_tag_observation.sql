-- One row per run, repository, tag and time, with the source that says so.
select
    tag_observation.*,
    stg_run.source,
    stg_run.source_rank,
from journal.tag_observation
join stg_run on tag_observation.run_id = stg_run.run_id
