-- One row per build step of some images, in order, with its text as a Dockerfile would have it (null: not kept).
-- Parameters: $digests (a list)
with asked as (
    select unnest($digests::varchar[]) as manifest_digest,
),

asked_image as materialized (
    select image.manifest_digest, image.config_digest,
    from image_of('asked') as image
)

select
    image.manifest_digest,
    stg_history.position,
    stg_history.instruction,
    plain_step(stg_history.created_by) as text,
from asked_image as image
join history_of('asked_image') as stg_history on image.config_digest = stg_history.config_digest
order by image.manifest_digest, stg_history.position
