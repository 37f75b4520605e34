-- At most one row: the document that lists the tags of a repository at a time, as its newest version of that time does.
-- Parameters: $repository, $at (null: the newest state)
-- The best source comes first, then the newest version. A document that was removed lists nothing, nor does prose. Not
-- the staged versions: single files are told apart by their name there, and READMEs share theirs.
with version as (
    select
        document_version.document,
        document_version.observed_at,
        document_version.form,
        document_version.is_removed,
        document_version.tags,
        document_version.architectures,
        document_version.run_id,
        stg_run.source,
        stg_run.source_rank,
    from journal.document_version
    join stg_run on document_version.run_id = stg_run.run_id
    where
        document_version.repository = $repository
        and document_version.observed_at <= coalesce($at::timestamptz, 'infinity'::timestamptz)
        and (document_version.tags is not null or document_version.is_removed)
),

newest as (
    select version.*,
    from version
    qualify
        row_number() over (
            partition by version.source, version.document
            order by version.observed_at desc, version.is_removed, version.run_id desc
        ) = 1
)

select
    newest.document,
    newest.tags,
    newest.architectures,
from newest
where not newest.is_removed and newest.form != 'prose'
order by newest.source_rank, newest.observed_at desc, newest.document
limit 1
