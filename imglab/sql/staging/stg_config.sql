-- One row per config, as stated by the best source that knows the digest.
select config.*,
from journal.config
left join document_source on config.digest = document_source.digest
where document_source.run_id is null or config.run_id = document_source.run_id
