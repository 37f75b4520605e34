-- One row per tag about whose definition the runs being loaded say something.
select distinct tag_definition.repository, tag_definition.tag,
from journal.tag_definition
semi join new_run on tag_definition.run_id = new_run.run_id
