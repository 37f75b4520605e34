-- One row per build step of some images, in order, with its text as a Dockerfile would have it (null: not kept).
-- Parameters: $digests (a list)
select
    image.manifest_digest,
    stg_history.position,
    stg_history.instruction,
    plain_step(stg_history.created_by) as text,
from image
join stg_history on image.config_digest = stg_history.config_digest
semi join (select unnest($digests::varchar[]) as manifest_digest) as asked
    on image.manifest_digest = asked.manifest_digest
order by image.manifest_digest, stg_history.position
