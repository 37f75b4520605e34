-- One row per day (UTC) on which a tag moved from one digest to another, with what the moves changed (tag_move); by day.
-- A move counts on the day that its source states, else on that on which it was first seen.
-- Parameters: $repository, $tag (a glob; null: all tags), $platform (null: all images together), $since, $until (of the
-- move; null: no limit)
select
    $repository::varchar as repository,
    $tag::varchar as tag,
    $platform::varchar as platform,
    move.moved_at::date as move_date,
    isodow(move.moved_at) as weekday,
    count(*) as move_count,
    count(distinct move.tag) as tag_count,
    count(*) filter (where move.kind = 'content') as content_count,
    count(*) filter (where move.kind = 'base only') as base_count,
    count(*) filter (where move.kind = 'rebuild only') as rebuild_count,
    count(*) filter (where move.kind = 'metadata only') as metadata_count,
    count(*) filter (where move.kind = 'platform set') as platform_set_count,
    count(*) filter (where move.kind = 'attestations only') as attestation_count,
    count(*) filter (where move.kind = 'unchanged') as unchanged_count,
    count(*) filter (where move.kind = 'unknown') as unknown_count,
from tag_move($repository::varchar, $tag::varchar, $platform::varchar) as move
where
    ($since::timestamptz is null or move.moved_at >= $since)
    and ($until::timestamptz is null or move.moved_at < $until)
group by move_date, weekday
order by move_date
