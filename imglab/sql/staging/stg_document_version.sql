-- One row per version of a document that was read (a plain file: per time it was read), as the first run read it.
select document_version.*,
from journal.document_version
qualify row_number() over (
    partition by
        document_version.document,
        document_version.document_revision,
        document_version.repository,
        case when document_version.document_revision is null then document_version.observed_at end
    order by document_version.run_id
) = 1
