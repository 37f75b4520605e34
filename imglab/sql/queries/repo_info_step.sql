-- One row per build step of the configs asked for; by config, then position.
-- Parameters: $configs (digests)
-- `is_page_text` says that a page told the step, with the text that it shows; else the text is the config's own.
select
    stg_history.config_digest,
    stg_history.created_at,
    stg_history.created_by,
    stg_history.is_empty_layer is null as is_page_text,
from stg_history
where list_contains($configs::varchar[], stg_history.config_digest)
order by stg_history.config_digest, stg_history.position
