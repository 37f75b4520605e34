-- Function of a relation `wanted` (by name; column config_digest): the steps of these configs, as in `stg_history`.
-- One row per config and step. Found as image_of finds images.
with fetched as materialized (
    select history.*,
    from journal.history
    semi join (
        select history.rowid as place,
        from journal.history
        semi join (
            select unnest(array_agg(distinct given.config_digest)) as config_digest,
            from query_table(wanted) as given
        ) as listed on history.config_digest = listed.config_digest
    ) as found on history.rowid = found.place
)

select fetched.*,
from fetched
left join document_source on fetched.config_digest = document_source.digest
where document_source.run_id is null or fetched.run_id = document_source.run_id
