-- Function of patterns of repositories and tags (globs; null: all), a platform (null: all) and a time (null: now): the images
-- to which tags pointed then. One row per repository and image; one that several repositories have is in each.
select distinct
    tag_image.repository,
    tag_image.manifest_digest,
from tag_image
where
    (wanted_repository is null or tag_image.repository glob wanted_repository)
    and (wanted_tag is null or tag_image.tag glob wanted_tag)
    and is_told_tag(tag_image.tag, wanted_tag)
    and (wanted_platform is null or wanted_platform in (tag_image.platform, tag_image.series))
    and (tag_image.valid_to is null or tag_image.valid_to > wanted_at)
    and (wanted_at is null or tag_image.valid_from <= wanted_at)
