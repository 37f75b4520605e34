-- One row per platform (for Windows each build) and stretch of time in which a tag gave one image to it and one to the
-- platform that it is compared with; by platform, then time. Moves of the tag that left both as they were begin no new
-- stretch. Where an index holds several images of one build the first one counts.
-- is_outlier: the ratio is further from median_ratio than 5 robust standard deviations (1.4826 times the median of the
-- distances from it) and than 5 % of it. Both medians are over all stretches that are known of the tag and platform, each
-- counted once; with fewer than 5 nobody can say.
-- Parameters: $repository, $tag, $against (the platform to compare with), $platform (null: all others), $since, $until
-- (null: no limit)
with given as (
    select tag_image.*,
    from tag_image
    where
        tag_image.repository = $repository
        and tag_image.tag = $tag
        and tag_image.platform is not null
    qualify row_number() over (
        partition by tag_image.valid_from, tag_image.series
        order by tag_image.position
    ) = 1
),

against as (
    select given.*,
    from given
    where $against in (given.platform, given.series)
    qualify row_number() over (partition by given.valid_from order by given.position) = 1
),

paired as (
    select
        given.platform,
        given.series,
        given.valid_from,
        given.valid_to,
        given.last_observed_at,
        given.digest,
        given.manifest_digest,
        against.manifest_digest as against_manifest_digest,
        given.compressed_bytes,
        against.compressed_bytes as against_bytes,
    from given
    join against on given.valid_from = against.valid_from
    where given.series <> against.series
),

marked as (
    select
        paired.*,
        coalesce(
            lag(paired.manifest_digest) over one_line = paired.manifest_digest
            and lag(paired.against_manifest_digest) over one_line = paired.against_manifest_digest
            and lag(paired.valid_to) over one_line = paired.valid_from,
            false
        ) as is_same,
    from paired
    window one_line as (partition by paired.series order by paired.valid_from)
),

numbered as (
    select
        marked.*,
        count(*) filter (where not marked.is_same) over (
            partition by marked.series
            order by marked.valid_from
        ) as stretch_number,
    from marked
),

stretch as (
    select
        numbered.series,
        any_value(numbered.platform) as platform,
        min(numbered.valid_from) as valid_from,
        case when bool_or(numbered.valid_to is null) then null else max(numbered.valid_to) end as valid_to,
        max(numbered.last_observed_at) as last_observed_at,
        arg_min(numbered.digest, numbered.valid_from) as digest,
        any_value(numbered.manifest_digest) as manifest_digest,
        any_value(numbered.against_manifest_digest) as against_manifest_digest,
        any_value(numbered.compressed_bytes) as compressed_bytes,
        any_value(numbered.against_bytes) as against_bytes,
        any_value(numbered.compressed_bytes) / nullif(any_value(numbered.against_bytes), 0) as ratio,
    from numbered
    group by numbered.series, numbered.stretch_number
),

middle as (
    select
        stretch.series,
        median(stretch.ratio) as median_ratio,
        count(stretch.ratio) as ratio_count,
    from stretch
    group by stretch.series
),

spread as (
    select
        stretch.series,
        median(abs(stretch.ratio - middle.median_ratio)) as median_distance,
    from stretch
    join middle on stretch.series = middle.series
    group by stretch.series
)

select
    $repository::varchar as repository,
    $tag::varchar as tag,
    stretch.platform,
    stretch.series,
    $against::varchar as against,
    stretch.valid_from,
    stretch.valid_to,
    stretch.last_observed_at,
    stretch.compressed_bytes,
    stretch.against_bytes,
    stretch.ratio,
    middle.median_ratio,
    case
        when middle.ratio_count >= 5
            then abs(stretch.ratio - middle.median_ratio)
            > greatest(5 * 1.4826 * spread.median_distance, 0.05 * middle.median_ratio)
    end as is_outlier,
    stretch.digest,
    stretch.manifest_digest,
    stretch.against_manifest_digest,
from stretch
join middle on stretch.series = middle.series
join spread on stretch.series = spread.series
where
    ($platform::varchar is null or $platform in (stretch.platform, stretch.series))
    and ($since::timestamptz is null or stretch.valid_to is null or stretch.valid_to > $since)
    and ($until::timestamptz is null or stretch.valid_from < $until)
order by stretch.series, stretch.valid_from
