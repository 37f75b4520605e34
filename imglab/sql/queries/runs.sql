-- One row per run, newest first.
select
    stg_run.run_id,
    stg_run.source,
    stg_run.target,
    stg_run.started_at,
    date_diff('millisecond', stg_run.started_at, stg_run.finished_at) / 1000 as seconds,
    stg_run.outcome,
    stg_run.tags,
    stg_run.tags_changed,
    stg_run.manifests,
    stg_run.requests,
    stg_run.received_bytes,
    stg_run.failures,
    stg_run.imglab_version,
from stg_run
order by stg_run.started_at desc, stg_run.run_id desc
