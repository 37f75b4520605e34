-- One row per stretch of time in which a tag gave one image to a platform, and part of that image: a base that is known,
-- the lowest first, each without those below it, and last what was added to them (level 0); by time, then from below.
-- Moves of the tag that left this platform's image as it was do not begin a new stretch. Where an index holds several
-- images for the platform (Windows builds), the first one counts unless $platform names a series.
-- A base that is only named, and whose layers are not known, is no part: its layers are in the part above it.
-- Parameters: $repository, $tag, $platform, $since, $until (null: no limit)
with chosen as (
    select
        tag_image.repository,
        tag_image.tag,
        tag_image.platform,
        tag_image.valid_from,
        tag_image.valid_to,
        tag_image.last_observed_at,
        tag_image.digest,
        tag_image.manifest_digest,
        tag_image.compressed_bytes,
        tag_image.layer_count,
    from tag_image
    where
        tag_image.repository = $repository
        and tag_image.tag = $tag
        and $platform in (tag_image.platform, tag_image.series)
    qualify row_number() over (partition by tag_image.tag, tag_image.valid_from order by tag_image.position) = 1
),

marked as (
    select
        chosen.*,
        coalesce(
            lag(chosen.manifest_digest) over by_time = chosen.manifest_digest
            and lag(chosen.valid_to) over by_time = chosen.valid_from,
            false
        ) as is_same,
    from chosen
    window by_time as (partition by chosen.tag order by chosen.valid_from)
),

numbered as (
    select
        marked.*,
        count(*) filter (where not marked.is_same) over (partition by marked.tag order by marked.valid_from)
            as stretch_number,
    from marked
),

stretch as (
    select
        numbered.repository,
        numbered.tag,
        numbered.platform,
        numbered.stretch_number,
        min(numbered.valid_from) as valid_from,
        case when bool_or(numbered.valid_to is null) then null else max(numbered.valid_to) end as valid_to,
        max(numbered.last_observed_at) as last_observed_at,
        arg_min(numbered.digest, numbered.valid_from) as digest,
        any_value(numbered.manifest_digest) as manifest_digest,
        any_value(numbered.compressed_bytes) as compressed_bytes,
        any_value(numbered.layer_count) as layer_count,
    from numbered
    group by numbered.repository, numbered.tag, numbered.platform, numbered.stretch_number
),

wanted as (
    select stretch.manifest_digest, stretch.valid_from as asked_at,
    from stretch
),

found as (
    select
        stretch.*,
        base.* exclude (manifest_digest, asked_at),
    from stretch
    join base_of(wanted) as base
        on stretch.manifest_digest = base.manifest_digest
        and stretch.valid_from = base.asked_at
),

ranked as (
    select
        found.*,
        row_number() over (
            partition by found.tag, found.stretch_number, found.level
            order by
                is_rolling_tag(found.base_tag),
                followed.stretch_count desc,
                followed.is_number,
                followed.tag_length,
                followed.base_tag
        ) as tag_rank,
    from found
    left join (
        select
            found.tag,
            found.level,
            found.base_repository,
            found.base_tag,
            count(*) as stretch_count,
            tag_kind(found.base_tag) <> 'name' as is_number,
            length(found.base_tag) as tag_length,
        from found
        group by found.tag, found.level, found.base_repository, found.base_tag
    ) as followed
        on found.tag = followed.tag
        and found.level = followed.level
        and found.base_repository = followed.base_repository
        and found.base_tag = followed.base_tag
),

base as (
    select
        ranked.tag,
        ranked.stretch_number,
        ranked.level,
        ranked.base_repository,
        ranked.base_tag,
        ranked.base_digest,
        ranked.base_manifest_digest,
        ranked.evidence,
        ranked.base_layer_count,
        ranked.base_bytes,
    from ranked
    where ranked.tag_rank = 1 and ranked.base_bytes is not null
),

part as (
    select
        stretch.*,
        0 as level,
        stretch.layer_count as stack_layer_count,
        stretch.compressed_bytes as stack_to_bytes,
    from stretch
    union all by name
    select
        stretch.*,
        base.* exclude (tag, stretch_number, base_layer_count, base_bytes),
        base.base_layer_count as stack_layer_count,
        base.base_bytes as stack_to_bytes,
    from stretch
    join base on stretch.tag = base.tag and stretch.stretch_number = base.stretch_number
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
