-- One row per tag whose intervals or images the runs being loaded may change: tags observed in them, all known tags
-- of a repository that was listed whole, and tags that ever pointed at a touched digest.
select tag_observation.repository, tag_observation.tag,
from journal.tag_observation
semi join new_run on tag_observation.run_id = new_run.run_id
union
select tag_observation.repository, tag_observation.tag,
from journal.tag_observation
semi join (
    select listing.repository,
    from journal.listing
    semi join new_run on listing.run_id = new_run.run_id
    where listing.is_complete
) as listed on tag_observation.repository = listed.repository
union
select tag_observation.repository, tag_observation.tag,
from journal.tag_observation
semi join touched_index on tag_observation.digest = touched_index.digest
