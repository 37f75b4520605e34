-- One row per tag that was ever seen.
select distinct tag_observation.repository, tag_observation.tag,
from journal.tag_observation
order by all
