-- Fact: one row per stretch of time, half-open [valid_from, valid_to), in which a tag was built from the same.
-- A stretch ends with the first version that says otherwise or no longer names the tag, which says nothing about the
-- registry: the tag may live on there. valid_to is null while no version has said otherwise; document and
-- document_revision are those of the version that said it first. Of several sources that define a tag the best counts;
-- of several runs that read a version the last. A view, because the journal tells changes only: the windows are small,
-- and a condition on repository or tag reaches below them.
with told as (
    select
        tag_definition.*,
        stg_run.source,
        stg_run.source_rank,
    from journal.tag_definition
    join stg_run on tag_definition.run_id = stg_run.run_id
    qualify
        stg_run.source_rank
        = min(stg_run.source_rank) over (partition by tag_definition.repository, tag_definition.tag)
),

chosen as (
    select told.*,
    from told
    qualify row_number() over (
        partition by told.repository, told.tag, told.observed_at
        order by told.is_dropped, told.document, told.run_id desc, told.document_revision
    ) = 1
),

moved as (
    select
        chosen.*,
        lag(chosen.definition_digest) over (
            partition by chosen.repository, chosen.tag
            order by chosen.observed_at
        ) as previous_digest,
    from chosen
    qualify chosen.definition_digest is distinct from previous_digest
),

stretch as (
    select
        moved.repository,
        moved.tag,
        moved.observed_at as valid_from,
        lead(moved.observed_at) over (
            partition by moved.repository, moved.tag
            order by moved.observed_at
        ) as valid_to,
        moved.definition_digest,
        moved.source,
        moved.document,
        moved.document_revision,
    from moved
)

select stretch.*,
from stretch
where stretch.definition_digest is not null
