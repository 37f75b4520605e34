-- Stretches of one tag's definition that overlap, are empty or run backwards, or whose builds are not numbered from 0.
with stretch as (
    select
        tag_definition_interval.repository,
        tag_definition_interval.tag,
        tag_definition_interval.valid_from,
        tag_definition_interval.valid_to,
        count(*) as build_count,
        count(distinct tag_definition_interval.position) as position_count,
        max(tag_definition_interval.position) as last_position,
    from tag_definition_interval
    group by
        tag_definition_interval.repository,
        tag_definition_interval.tag,
        tag_definition_interval.valid_from,
        tag_definition_interval.valid_to
),

neighbour as (
    select
        stretch.*,
        lead(stretch.valid_from) over (
            partition by stretch.repository, stretch.tag
            order by stretch.valid_from, stretch.valid_to nulls last
        ) as next_valid_from,
    from stretch
)

select neighbour.*,
from neighbour
where
    neighbour.valid_to <= neighbour.valid_from
    or (neighbour.next_valid_from is not null and neighbour.valid_to is null)
    or neighbour.next_valid_from < neighbour.valid_to
    or neighbour.build_count != neighbour.position_count
    or neighbour.last_position != neighbour.build_count - 1
