-- Function of a repository, a pattern of tags (a glob; null: all) and a platform: one row per stretch of time in which a tag
-- gave one image to the platform. Moves of the tag that left this platform's image as it was do not begin a new stretch.
-- Where an index holds several images for the platform (Windows builds), the first one counts unless the platform names a
-- series. stretch_number counts from 1 in each tag; digest is what the tag pointed at first.
with given as materialized (
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
        tag_image.position,
    from tag_image
    where
        tag_image.repository = wanted_repository
        and (wanted_tag is null or tag_image.tag glob wanted_tag)
        and is_told_tag(tag_image.tag, wanted_tag)
        and wanted_platform in (tag_image.platform, tag_image.series)
),

chosen as (
    select given.*,
    from given
    qualify row_number() over (partition by given.tag, given.valid_from order by given.position) = 1
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
)

select
    any_value(numbered.repository) as repository,
    numbered.tag,
    any_value(numbered.platform) as platform,
    numbered.stretch_number,
    min(numbered.valid_from) as valid_from,
    case when bool_or(numbered.valid_to is null) then null else max(numbered.valid_to) end as valid_to,
    max(numbered.last_observed_at) as last_observed_at,
    arg_min(numbered.digest, numbered.valid_from) as digest,
    any_value(numbered.manifest_digest) as manifest_digest,
    any_value(numbered.compressed_bytes) as compressed_bytes,
    any_value(numbered.layer_count) as layer_count,
from numbered
group by numbered.tag, numbered.stretch_number
