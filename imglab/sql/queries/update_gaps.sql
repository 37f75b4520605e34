-- One row per weekday, hour (UTC) and class of gaps in which tags moved; by weekday, hour, then gap. A gap is the time
-- between a move of a tag and its move before that; the first move of a tag has none (gap_class is null).
-- A move is a change from one digest to another (basis `digest`), or where no tag of the repository is known to have
-- moved so, a change of what it is built from (`definition`). Its time is as exact as its source: where that dates moves
-- to the day, hour is null, and what looks once a night finds all moves at night.
-- median_gap_days is of all gaps of the answer, the same in each row.
-- Parameters: $repository, $tag (a glob; null: all tags), $since, $until (of the later move; null: no limit)
with dated as (
    select distinct
        stg_tag_observation.run_id,
        stg_tag_observation.tag,
        stg_tag_observation.digest,
        true as is_dated_to_day,
    from stg_tag_observation
    where
        stg_tag_observation.repository = $repository
        and stg_tag_observation.time_precision = 'day'
),

pointed as (
    select
        tag_interval.tag,
        tag_interval.valid_from as moved_at,
        coalesce(dated.is_dated_to_day, false) as is_dated_to_day,
        lag(tag_interval.digest) over (partition by tag_interval.tag order by tag_interval.valid_from)
            <> tag_interval.digest as is_move,
    from tag_interval
    left join dated
        on tag_interval.run_id = dated.run_id
        and tag_interval.tag = dated.tag
        and tag_interval.digest = dated.digest
    where
        tag_interval.repository = $repository
        and is_told_tag(tag_interval.tag, $tag::varchar)
),

defined as (
    select
        definition_interval.tag,
        definition_interval.valid_from as moved_at,
        lag(definition_interval.definition_digest) over (
            partition by definition_interval.tag
            order by definition_interval.valid_from
        ) <> definition_interval.definition_digest as is_move,
    from definition_interval
    where
        definition_interval.repository = $repository
        and not exists (select 1 from pointed where pointed.is_move)
),

move as (
    select 'digest' as basis, pointed.tag, pointed.moved_at, pointed.is_dated_to_day,
    from pointed
    where pointed.is_move
    union all
    select 'definition' as basis, defined.tag, defined.moved_at, false as is_dated_to_day,
    from defined
    where defined.is_move
),

spaced as (
    select
        move.*,
        (
            epoch_us(move.moved_at) - epoch_us(
                lag(move.moved_at) over (partition by move.tag order by move.moved_at)
            )
        ) / 86400e6 as gap_days,
    from move
    where $tag::varchar is null or move.tag glob $tag
),

wanted as (
    select
        spaced.*,
        isodow(spaced.moved_at) as weekday,
        case when not spaced.is_dated_to_day then hour(spaced.moved_at) end as hour,
    from spaced
    where
        ($since::timestamptz is null or spaced.moved_at >= $since)
        and ($until::timestamptz is null or spaced.moved_at < $until)
),

class as (
    select *
    from (
        values
            (0, 1 / 24, 'up to 1 hour'),
            (1 / 24, 0.25, '1 to 6 hours'),
            (0.25, 1, '6 to 24 hours'),
            (1, 2, '1 to 2 days'),
            (2, 4, '2 to 4 days'),
            (4, 7, '4 to 7 days'),
            (7, 14, '1 to 2 weeks'),
            (14, 28, '2 to 4 weeks'),
            (28, 91, '1 to 3 months'),
            (91, 182, '3 to 6 months'),
            (182, 365, '6 to 12 months'),
            (365, null, 'over a year')
    ) as bound (gap_from_days, gap_to_days, gap_class)
),

summary as (
    select round(median(wanted.gap_days), 3) as median_gap_days,
    from wanted
)

select
    $repository::varchar as repository,
    $tag::varchar as tag,
    wanted.basis,
    wanted.weekday,
    wanted.hour,
    class.gap_from_days,
    class.gap_to_days,
    class.gap_class,
    count(*) as move_count,
    any_value(summary.median_gap_days) as median_gap_days,
from wanted
cross join summary
left join class
    on wanted.gap_days >= class.gap_from_days
    and (wanted.gap_days < class.gap_to_days or class.gap_to_days is null)
group by
    wanted.basis,
    wanted.weekday,
    wanted.hour,
    class.gap_from_days,
    class.gap_to_days,
    class.gap_class
order by wanted.weekday, wanted.hour, class.gap_from_days
