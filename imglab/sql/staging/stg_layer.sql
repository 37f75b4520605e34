-- One row per manifest and position, as stated by the best source that knows the digest.
select layer.*,
from journal.layer
left join document_source on layer.manifest_digest = document_source.digest
where document_source.run_id is null or layer.run_id = document_source.run_id
