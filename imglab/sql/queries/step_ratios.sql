-- One row per platform that a tag gave an image to at a time, and build step of it or of the image of the platform that
-- it is compared with; by platform, then in the order of the build (see step_growth, which matches the steps).
-- delta_bytes of a platform add up to total_bytes - against_total_bytes wherever all sizes are known.
-- Parameters: $repository, $tag, $against (the platform to compare with), $platform (null: all others), $at (null: the
-- newest interval)
with chosen as (
    select
        tag_interval.repository,
        tag_interval.tag,
        tag_interval.valid_from,
        coalesce($at::timestamptz, tag_interval.last_observed_at) as at,
        tag_interval.digest,
    from tag_interval
    where
        tag_interval.repository = $repository
        and tag_interval.tag = $tag
        and (
            $at::timestamptz is null
            or (tag_interval.valid_from <= $at and (tag_interval.valid_to is null or tag_interval.valid_to > $at))
        )
    qualify row_number() over (order by tag_interval.valid_from desc) = 1
),

given as (
    select
        chosen.*,
        tag_image.position,
        tag_image.platform,
        tag_image.series,
        tag_image.manifest_digest,
    from chosen
    join tag_image
        on chosen.repository = tag_image.repository
        and chosen.tag = tag_image.tag
        and chosen.valid_from = tag_image.valid_from
),

against as (
    select given.*,
    from given
    where $against in (given.platform, given.series)
    qualify row_number() over (order by given.position) = 1
),

pair as (
    select
        given.*,
        against.manifest_digest as from_manifest_digest,
        given.manifest_digest as to_manifest_digest,
    from given
    cross join against
    where
        given.manifest_digest <> against.manifest_digest
        and ($platform::varchar is null or $platform in (given.platform, given.series))
)

select
    pair.repository,
    pair.tag,
    pair.at,
    pair.platform,
    pair.series,
    $against::varchar as against,
    step.step_position,
    coalesce(step.to_step_label, step.from_step_label) as step_label,
    step.instruction,
    step.match,
    step.change,
    step.to_bytes as compressed_bytes,
    step.from_bytes as against_bytes,
    step.to_bytes / nullif(step.from_bytes, 0) as ratio,
    step.delta_bytes,
    step.delta_bytes / nullif(step.to_total_bytes - step.from_total_bytes, 0) as delta_share,
    step.to_total_bytes as total_bytes,
    step.from_total_bytes as against_total_bytes,
    step.to_position as position,
    step.from_position as against_position,
    step.to_created_by as created_by,
    step.from_created_by as against_created_by,
    step.to_layer_digest as layer_digest,
    step.from_layer_digest as against_layer_digest,
    pair.digest,
    step.to_manifest_digest as manifest_digest,
    step.from_manifest_digest as against_manifest_digest,
from pair
join step_growth('pair') as step
    on pair.from_manifest_digest = step.from_manifest_digest
    and pair.to_manifest_digest = step.to_manifest_digest
order by pair.platform, pair.series, pair.position, step.step_position
