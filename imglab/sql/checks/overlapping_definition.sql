-- Stretches of one tag's definition that overlap, are empty or run backwards, and definitions that nobody told.
with neighbour as (
    select
        definition_interval.*,
        lead(definition_interval.valid_from) over (
            partition by definition_interval.repository, definition_interval.tag
            order by definition_interval.valid_from, definition_interval.valid_to nulls last
        ) as next_valid_from,
    from definition_interval
),

unknown as (
    select definition_interval.definition_digest,
    from definition_interval
    anti join journal.definition on definition_interval.definition_digest = definition.digest
)

select neighbour.*,
from neighbour
where
    neighbour.valid_to <= neighbour.valid_from
    or (neighbour.next_valid_from is not null and neighbour.valid_to is null)
    or neighbour.next_valid_from < neighbour.valid_to
    or neighbour.definition_digest in (select unknown.definition_digest from unknown)
