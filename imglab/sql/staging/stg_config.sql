-- One row per config, as stated by the best source that knows the digest.
select config.*,
from journal.config
join document_source
    on config.digest = document_source.digest
    and config.run_id = document_source.run_id
