-- One row per tag that was ever seen, or that a document ever defined.
select tag_observation.repository, tag_observation.tag,
from journal.tag_observation
union
select tag_definition.repository, tag_definition.tag,
from journal.tag_definition
order by all
