-- One row per tag of a repository that was there at a time, with its digest and since when it had it; by name.
-- Parameters: $repository, $at
-- `is_first_sighting`: no source says when the tag moved there; it was seen so when it was first looked for.
select
    tag_interval.tag,
    tag_interval.digest,
    tag_interval.valid_from as changed_at,
    tag_interval.valid_from_earliest is null as is_first_sighting,
from tag_interval
where
    tag_interval.repository = $repository
    and tag_interval.valid_from <= $at
    and (tag_interval.valid_to is null or tag_interval.valid_to > $at)
    and not is_artifact_tag(tag_interval.tag)
order by tag_interval.tag
