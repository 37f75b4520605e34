-- One row per image of which a bill of materials is known.
-- Parameters: $digests (a list)
select distinct image_sbom.manifest_digest,
from image_sbom
semi join (select unnest($digests::varchar[]) as manifest_digest) as asked
    on image_sbom.manifest_digest = asked.manifest_digest
order by image_sbom.manifest_digest
