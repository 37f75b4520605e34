-- Dimension: one row per digest that several runs describe, at least one of them being loaded: the run whose statement
-- about it counts. Most digests are described once: those are not here, so that staging need not look them up.
-- Better source first (a registry's verified documents before a page about them), then the newest parser. Docker Hub's
-- list of tags comes last: it knows sizes, but no layers, and of an index only some of its entries.
with described as (
    select digest, run_id,
    from journal.manifest
    union
    select digest, run_id,
    from journal.config
),

touched as (
    select distinct described.digest,
    from described
    semi join new_run on described.run_id = new_run.run_id
)

select
    described.digest,
    arg_min(
        described.run_id,
        (stg_run.source = 'docker-hub', stg_run.source_rank, -epoch_us(stg_run.started_at), described.run_id)
    ) as run_id,
from described
semi join touched on described.digest = touched.digest
join stg_run on described.run_id = stg_run.run_id
group by described.digest
having count(*) > 1
