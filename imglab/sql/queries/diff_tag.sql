-- One row: the tag of a repository that had a digest last, as an index or as an image in one, and since when; no row where
-- no tag is known to have had it.
-- Parameters: $repository, $digest
select tag_image.tag, tag_image.valid_from
from tag_image
where
    tag_image.repository = $repository
    and $digest in (tag_image.digest, tag_image.manifest_digest)
order by tag_image.valid_from desc, tag_image.tag
limit 1
