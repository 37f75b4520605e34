-- One row per item that a run could not read.
select failure.*,
from journal.failure
