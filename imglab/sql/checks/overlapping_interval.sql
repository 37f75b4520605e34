-- Intervals of one tag that overlap, are empty or run backwards.
with neighbour as (
    select
        tag_interval.repository,
        tag_interval.tag,
        tag_interval.valid_from,
        tag_interval.valid_to,
        lead(tag_interval.valid_from) over (
            partition by tag_interval.repository, tag_interval.tag
            order by tag_interval.valid_from, tag_interval.valid_to nulls last
        ) as next_valid_from,
    from tag_interval
)

select neighbour.*,
from neighbour
where
    neighbour.valid_to <= neighbour.valid_from
    or (neighbour.next_valid_from is not null and neighbour.valid_to is null)
    or neighbour.next_valid_from < neighbour.valid_to
