-- One row per tag that one version of a page states: the public table first, each in its order.
-- Parameters: $repository (of the public table), $run_id, $document, $observed_at
select
    stg_tag_observation.repository != $repository as is_private,
    stg_tag_observation.tag,
    stg_tag_observation.changed_at,
    stg_tag_observation.digest,
from stg_tag_observation
where
    stg_tag_observation.run_id = $run_id
    and stg_tag_observation.document = $document
    and stg_tag_observation.observed_at = $observed_at
order by is_private, stg_tag_observation.document_position
