-- One row per tag and period in which it moved at least once; by tag, then period. A move is a change from one digest
-- to another; the first sighting of a tag is none, nor is its end; one that comes back elsewhere has moved.
-- Parameters: $repository, $tag (a glob; null: all tags), $period (day, week, month, quarter, year), $since, $until
with move as (
    select
        tag_interval.repository,
        tag_interval.tag,
        tag_interval.valid_from,
    from tag_interval
    where
        tag_interval.repository = $repository
        and ($tag::varchar is null or tag_interval.tag glob $tag)
        and is_told_tag(tag_interval.tag, $tag::varchar)
    qualify lag(tag_interval.digest) over (
        partition by tag_interval.tag
        order by tag_interval.valid_from
    ) <> tag_interval.digest
)

select
    move.repository,
    move.tag,
    date_trunc($period, move.valid_from) as period_start,
    count(*) as moves,
from move
where
    ($since::timestamptz is null or move.valid_from >= $since)
    and ($until::timestamptz is null or move.valid_from < $until)
group by move.repository, move.tag, period_start
order by move.tag, period_start
