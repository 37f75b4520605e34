-- One row per run and repository whose tags were listed.
select listing.*,
from journal.listing
