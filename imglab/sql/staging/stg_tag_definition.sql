-- One row per run, document version, tag and build: what the version says otherwise than the one before it, with the
-- source that says so.
select
    tag_definition.*,
    stg_run.source,
    stg_run.source_rank,
from journal.tag_definition
join stg_run on tag_definition.run_id = stg_run.run_id
