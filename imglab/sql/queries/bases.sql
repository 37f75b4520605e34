-- One row per stretch of time in which a tag gave one image to a platform, with what that image is built on; by tag, then
-- time. Moves of the tag that left this platform's image as it was do not begin a new stretch. Where an index holds
-- several images for the platform (Windows builds), the first one counts unless $platform names a series.
-- base_tag is the one of base_tags that the tag's bases had most often, so that it is the one being followed.
-- Parameters: $repository, $tag (a glob; null: all tags), $platform, $at, $since, $until (null: no limit)
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
        and ($tag::varchar is null or tag_image.tag glob $tag)
        and is_told_tag(tag_image.tag, $tag::varchar)
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
    left join base_of(wanted) as base
        on stretch.manifest_digest = base.manifest_digest
        and stretch.valid_from = base.asked_at
        and base.level = 1
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

one as (
    select
        ranked.*,
        string_agg(ranked.base_tag, ', ') over (
            partition by ranked.tag, ranked.stretch_number
            order by ranked.tag_rank
            rows between unbounded preceding and unbounded following
        ) as base_tags,
    from ranked
    qualify ranked.tag_rank = 1
)

select
    one.repository,
    one.tag,
    one.platform,
    one.valid_from,
    one.valid_to,
    one.last_observed_at,
    one.digest,
    one.manifest_digest,
    one.compressed_bytes,
    one.layer_count,
    one.evidence,
    one.base_name,
    one.base_repository,
    one.base_tag,
    one.base_tags,
    one.base_tag_seen,
    one.base_digest,
    one.base_manifest_digest,
    one.base_layer_count,
    one.base_bytes,
    one.base_bytes / nullif(one.compressed_bytes, 0) as base_share,
from one
where
    ($at::timestamptz is null or (one.valid_from <= $at and (one.valid_to is null or one.valid_to > $at)))
    and ($since::timestamptz is null or one.valid_to is null or one.valid_to > $since)
    and ($until::timestamptz is null or one.valid_from < $until)
order by one.tag, one.valid_from
