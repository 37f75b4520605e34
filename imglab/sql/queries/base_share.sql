-- One row per stretch of time in which a tag gave one image to a platform, and part of that image: a base that is known,
-- the lowest first, each without those below it, and last what was added to them (level 0); by time, then from below.
-- A base that is only named, and whose layers are not known, is no part: its layers are in the part above it.
-- Parameters: $repository, $tag, $platform, $since, $until (null: no limit)
with found as materialized (
    select stretch_base.*,
    from stretch_base($repository, $tag, $platform) as stretch_base
    where stretch_base.tag = $tag
),

part as (
    select
        found.* exclude (base_layer_count, base_bytes),
        found.base_layer_count as stack_layer_count,
        found.base_bytes as stack_to_bytes,
    from found
    where found.base_bytes is not null
    union all by name
    select
        found.repository,
        found.tag,
        found.platform,
        found.stretch_number,
        found.valid_from,
        found.valid_to,
        found.last_observed_at,
        found.digest,
        found.manifest_digest,
        found.compressed_bytes,
        0 as level,
        found.layer_count as stack_layer_count,
        found.compressed_bytes as stack_to_bytes,
    from found
    where found.level = 1 or found.level is null
),

stacked as (
    select
        part.*,
        coalesce(lag(part.stack_layer_count) over above, 0) as stack_from_count,
        coalesce(lag(part.stack_to_bytes) over above, 0) as stack_from_bytes,
        max(part.stack_to_bytes) filter (where part.level > 0) over (partition by part.stretch_number) as base_bytes,
    from part
    window above as (partition by part.stretch_number order by part.stack_layer_count, part.level desc)
)

select
    stacked.repository,
    stacked.tag,
    stacked.platform,
    stacked.valid_from,
    stacked.valid_to,
    stacked.last_observed_at,
    stacked.digest,
    stacked.manifest_digest,
    stacked.level,
    stacked.evidence,
    stacked.base_repository,
    stacked.base_tag,
    stacked.base_digest,
    stacked.base_manifest_digest,
    stacked.stack_layer_count - stacked.stack_from_count as part_layer_count,
    stacked.stack_to_bytes - stacked.stack_from_bytes as part_bytes,
    stacked.stack_from_bytes,
    stacked.stack_to_bytes,
    stacked.compressed_bytes,
    (stacked.stack_to_bytes - stacked.stack_from_bytes) / nullif(stacked.compressed_bytes, 0) as part_share,
    stacked.base_bytes / nullif(stacked.compressed_bytes, 0) as base_share,
from stacked
where
    ($since::timestamptz is null or stacked.valid_to is null or stacked.valid_to > $since)
    and ($until::timestamptz is null or stacked.valid_from < $until)
order by stacked.valid_from, stacked.stack_layer_count, stacked.level desc
