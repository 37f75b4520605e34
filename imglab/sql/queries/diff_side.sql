-- One row: where a tag pointed at a time, and who says so, or a digest that is known; digest is null where the store knows
-- of neither. first_known_at: when the tag was first there; ended_at: when it was last gone, before $at.
-- Parameters: $repository, $tag, $at (null: the newest interval); or $digest, the others null
with known as (
    select
        min(tag_interval.valid_from) as first_known_at,
        max(tag_interval.valid_to) filter (where tag_interval.valid_to <= $at) as ended_at,
    from tag_interval
    where
        tag_interval.repository = $repository
        and tag_interval.tag = $tag
),

chosen as (
    select
        tag_interval.digest,
        tag_interval.valid_from,
        tag_interval.valid_to,
        tag_interval.last_observed_at,
        tag_interval.source,
        tag_interval.document,
        tag_interval.document_revision,
    from tag_interval
    where
        tag_interval.repository = $repository
        and tag_interval.tag = $tag
        and (
            $at::timestamptz is null
            or (tag_interval.valid_from <= $at and (tag_interval.valid_to is null or tag_interval.valid_to > $at))
        )
    qualify row_number() over (order by tag_interval.valid_from desc) = 1
    union all by name
    select stg_manifest.digest,
    from stg_manifest
    where stg_manifest.digest = $digest
)

select
    chosen.*,
    known.first_known_at,
    known.ended_at,
from known
left join chosen on true
