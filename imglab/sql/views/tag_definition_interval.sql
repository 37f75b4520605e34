-- Fact: one row per stretch of time in which a tag was built from the same (see definition_interval), and build.
select
    definition_interval.repository,
    definition_interval.tag,
    stg_definition.position,
    definition_interval.valid_from,
    definition_interval.valid_to,
    stg_definition.is_shared,
    stg_definition.architecture,
    stg_definition.git_repository,
    stg_definition.git_commit,
    stg_definition.directory,
    stg_definition.file,
    stg_definition.builder,
    stg_definition.constraints,
    definition_interval.definition_digest,
    definition_interval.source,
    definition_interval.document,
    definition_interval.document_revision,
from definition_interval
join stg_definition on definition_interval.definition_digest = stg_definition.definition_digest
