-- One row per platform for which a tag ever gave an image, with its build for Windows (series); by platform, then series.
-- Parameters: $repository (one or a glob; null: all), $tag (a glob; null: all)
select distinct
    tag_image.platform,
    tag_image.series,
from tag_image
where
    ($repository::varchar is null or tag_image.repository glob $repository)
    and ($tag::varchar is null or tag_image.tag glob $tag)
    and tag_image.platform is not null
order by all
