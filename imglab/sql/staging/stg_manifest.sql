-- One row per manifest or index, as stated by the best source that knows the digest.
select manifest.*,
from journal.manifest
left join document_source on manifest.digest = document_source.digest
where document_source.run_id is null or manifest.run_id = document_source.run_id
