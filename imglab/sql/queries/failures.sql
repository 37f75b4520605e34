-- One row per item that a run could not read, newest run first.
-- Parameters: $run_id (null: all runs)
select
    stg_failure.run_id,
    stg_failure.locator,
    stg_failure.kind,
    stg_failure.status,
    stg_failure.message,
    stg_failure.is_temporary,
from stg_failure
where $run_id::varchar is null or stg_failure.run_id = $run_id
order by stg_failure.run_id desc, stg_failure.locator
