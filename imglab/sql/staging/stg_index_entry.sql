-- One row per index and position, as stated by the best source that knows the digest.
select index_entry.*,
from journal.index_entry
left join document_source on index_entry.index_digest = document_source.digest
where document_source.run_id is null or index_entry.run_id = document_source.run_id
