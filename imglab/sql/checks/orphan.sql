-- Rows of one mart whose partner in another is missing.
select 'image_layer without image' as what, image_layer.manifest_digest as subject,
from image_layer
anti join image on image_layer.manifest_digest = image.manifest_digest
union all
select 'tag_image without tag_interval' as what, tag_image.repository || ':' || tag_image.tag as subject,
from tag_image
anti join tag_interval
    on tag_image.repository = tag_interval.repository
    and tag_image.tag = tag_interval.tag
    and tag_image.valid_from = tag_interval.valid_from
union all
select 'layer without manifest' as what, layer.manifest_digest as subject,
from journal.layer
anti join journal.manifest on layer.manifest_digest = manifest.digest
union all
select 'history without config' as what, history.config_digest as subject,
from journal.history
anti join journal.config on history.config_digest = config.digest
union all
select 'package without sbom' as what, package.sbom_digest as subject,
from journal.package
anti join journal.sbom
    on package.sbom_digest = sbom.digest
    and package.run_id = sbom.run_id
union all
select 'tag_definition without definition' as what, tag_definition.definition_digest as subject,
from journal.tag_definition
anti join journal.definition on tag_definition.definition_digest = definition.digest
where tag_definition.definition_digest is not null
