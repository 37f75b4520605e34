-- One row per config and position, as stated by the best source that knows the digest.
select history.*,
from journal.history
join document_source
    on history.config_digest = document_source.digest
    and history.run_id = document_source.run_id
