-- One row per tag and build of what a document says at a time of the tags that its version of that time names; by tag,
-- then build. These are the words of one document, where definition_interval has those of the best source for each tag.
-- Parameters: $repository, $document, $tags, $at (null: the newest state)
with told as (
    select
        tag_definition.tag,
        arg_max(tag_definition.definition_digest, (tag_definition.observed_at, tag_definition.run_id)) as definition_digest,
    from journal.tag_definition
    where
        tag_definition.repository = $repository
        and tag_definition.document = $document
        and tag_definition.tag in (select unnest($tags::varchar[]))
        and tag_definition.observed_at <= coalesce($at::timestamptz, 'infinity'::timestamptz)
        and not tag_definition.is_dropped
    group by tag_definition.tag
)

select
    told.tag,
    told.definition_digest,
    stg_definition.is_shared,
    stg_definition.architecture,
    stg_definition.git_repository,
    stg_definition.git_commit,
    stg_definition.directory,
    stg_definition.file,
    stg_definition.builder,
    stg_definition.constraints,
from told
join stg_definition on told.definition_digest = stg_definition.definition_digest
order by told.tag, stg_definition.position
