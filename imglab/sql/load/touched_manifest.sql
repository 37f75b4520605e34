-- One row per manifest or index about which the runs being loaded say something.
select manifest.digest,
from journal.manifest
semi join new_run on manifest.run_id = new_run.run_id
union
select index_entry.manifest_digest as digest,
from journal.index_entry
semi join new_run on index_entry.run_id = new_run.run_id
union
select manifest.digest,
from journal.manifest
semi join (
    select config.digest,
    from journal.config
    semi join new_run on config.run_id = new_run.run_id
) as new_config on manifest.config_digest = new_config.digest
