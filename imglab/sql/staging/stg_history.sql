-- One row per config and position, as stated by the best source that knows the digest.
select history.*,
from journal.history
left join document_source on history.config_digest = document_source.digest
where document_source.run_id is null or history.run_id = document_source.run_id
