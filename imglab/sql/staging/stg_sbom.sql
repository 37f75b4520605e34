-- One row per bill of materials (its digest), as the newest version of its reader read it.
select sbom.*,
from journal.sbom
qualify row_number() over (partition by sbom.digest order by sbom.reader desc, sbom.run_id) = 1
