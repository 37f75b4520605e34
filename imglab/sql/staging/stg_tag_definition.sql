-- One row per run, document version, tag and build: what the version says otherwise than the one before it, with the
-- source that says so. A tag that is dropped has one row without a build.
select
    tag_definition.run_id,
    tag_definition.repository,
    tag_definition.tag,
    coalesce(stg_definition.position, 0) as position,
    tag_definition.observed_at,
    tag_definition.is_dropped,
    tag_definition.definition_digest,
    stg_definition.is_shared,
    stg_definition.architecture,
    stg_definition.git_repository,
    stg_definition.git_commit,
    stg_definition.directory,
    stg_definition.file,
    stg_definition.builder,
    stg_definition.constraints,
    tag_definition.document,
    tag_definition.document_revision,
    stg_run.source,
    stg_run.source_rank,
from journal.tag_definition
join stg_run on tag_definition.run_id = stg_run.run_id
left join stg_definition on tag_definition.definition_digest = stg_definition.definition_digest
