-- One row per repository of which any source said something; by repository. `first_listed_at` is when a tag of it was
-- first seen or listed by a document (null: none was).
with event as (
    select tag_interval.repository, tag_interval.valid_from as listed_at,
    from tag_interval
    union all
    select tag_definition.repository, tag_definition.observed_at as listed_at,
    from journal.tag_definition
    union all
    select tag_observation.repository, null as listed_at,
    from journal.tag_observation
    union all
    select document_version.repository, null as listed_at,
    from journal.document_version
    where document_version.repository is not null
)

select
    event.repository,
    min(event.listed_at) as first_listed_at,
from event
group by event.repository
order by event.repository
