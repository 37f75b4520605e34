-- One row per definition and build: what one architecture of a tag is built from; architecture is null where no document
-- states any. The same content has the same digest whichever run tells it: one of them counts.
with told as (
    select definition.*,
    from journal.definition
    qualify row_number() over (partition by definition.digest, definition.position order by definition.run_id) = 1
)

select
    told.digest as definition_digest,
    told.position + build.number - 1 as position,
    told.is_shared,
    build.architecture,
    told.git_repository,
    told.git_commit,
    told.directory,
    told.file,
    told.builder,
    told.constraints,
from told
cross join lateral (
    select
        unnest(coalesce(told.architectures, [null])) as architecture,
        generate_subscripts(coalesce(told.architectures, [null]), 1) as number,
) as build
