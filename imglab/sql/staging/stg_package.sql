-- One row per bill of materials and package in it, as the newest version of its reader read it.
select package.*,
from journal.package
join stg_sbom
    on package.sbom_digest = stg_sbom.digest
    and package.run_id = stg_sbom.run_id
