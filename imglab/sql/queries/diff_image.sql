-- One row per image of a digest, an index or an image itself, with what its config says; as the index has them.
-- is_whole_config: the config was read itself, so that what it does not set is not set; else only what a source tells.
-- Parameters: $digest
select
    index_image.manifest_digest,
    coalesce(
        platform_text(index_image.os, index_image.architecture, index_image.variant), image.platform
    ) as platform,
    coalesce(
        series_text(index_image.os, index_image.architecture, index_image.variant, index_image.os_version),
        image.series
    ) as series,
    image.compressed_bytes,
    image.layer_count,
    image.created_at,
    image.docker_version,
    stg_config.entrypoint,
    stg_config.cmd,
    stg_config.shell,
    stg_config.env,
    stg_config.labels,
    stg_config.working_dir,
    stg_config.user,
    coalesce(stg_run.source in ('registry', 'oci-layout', 'docker-archive'), false) as is_whole_config,
from index_image
left join image on index_image.manifest_digest = image.manifest_digest
left join stg_config on image.config_digest = stg_config.digest
left join stg_run on stg_config.run_id = stg_run.run_id
where index_image.index_digest = $digest
order by index_image.position
