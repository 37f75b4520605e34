-- Fact: one row per stretch of time, half-open [valid_from, valid_to), in which a tag pointed at one digest.
-- valid_from is the time that a source states for the move, else the first observation of the new digest;
-- valid_from_earliest is the last moment at which the tag was known to be elsewhere or not there (null if it never was):
-- the move lies between the two. valid_to is null while no source has said otherwise; last_observed_at is when one last
-- confirmed it. A tag ends when it is asked for and is not there, or is missing from a complete listing. Of a move that
-- is dated to the day, valid_from is the end of that day.
-- A document tells what its maker saw some time before: one that repeats an older digest within three days of a
-- registry's word for a newer one lags behind, and does not count.
with observed as (
    select
        stg_tag_observation.repository,
        stg_tag_observation.tag,
        stg_tag_observation.observed_at,
        stg_tag_observation.changed_at,
        case stg_tag_observation.time_precision
            when 'day' then stg_tag_observation.changed_at + interval 1 day - interval 1 microsecond
            else stg_tag_observation.changed_at
        end as changed_until,
        stg_tag_observation.digest,
        stg_tag_observation.source,
        stg_tag_observation.source_rank,
        stg_tag_observation.run_id,
        stg_tag_observation.document,
        stg_tag_observation.document_revision,
    from stg_tag_observation
    semi join touched_tag
        on stg_tag_observation.repository = touched_tag.repository
        and stg_tag_observation.tag = touched_tag.tag
    where stg_tag_observation.digest is not null or stg_tag_observation.is_absent
),

unlisted as (
    select
        touched_tag.repository,
        touched_tag.tag,
        stg_listing.observed_at,
        stg_listing.run_id,
    from touched_tag
    join stg_listing on touched_tag.repository = stg_listing.repository
    anti join stg_tag_observation
        on touched_tag.repository = stg_tag_observation.repository
        and touched_tag.tag = stg_tag_observation.tag
        and stg_listing.run_id = stg_tag_observation.run_id
    where stg_listing.is_complete
),

event as (
    select observed.*,
    from observed
    union all by name
    select unlisted.*,
    from unlisted
),

heard as (
    select
        event.*,
        last_value(
            case when event.document is null then {'observed_at': event.observed_at, 'digest': event.digest} end
            ignore nulls
        ) over (
            partition by event.repository, event.tag
            order by event.observed_at, event.source_rank desc nulls first, event.digest nulls first, event.run_id
            rows between unbounded preceding and 1 preceding
        ) as registry_word,
        min(event.observed_at) over (partition by event.repository, event.tag, event.digest) as digest_first_at,
    from event
),

timely as (
    select heard.* exclude (registry_word, digest_first_at),
    from heard
    where not coalesce(
        heard.document is not null
        and heard.registry_word.digest is distinct from heard.digest
        and heard.digest_first_at < heard.registry_word.observed_at
        and heard.observed_at < heard.registry_word.observed_at + interval 3 days,
        false
    )
),

ordered as (
    select
        timely.*,
        lag(timely.digest) over tag_time as previous_digest,
        lag(timely.observed_at) over tag_time as previous_observed_at,
        row_number() over tag_time as event_number,
    from timely
    window tag_time as (
        partition by timely.repository, timely.tag
        order by timely.observed_at, timely.source_rank desc nulls first, timely.digest nulls first, timely.run_id
    )
),

numbered as (
    select
        ordered.*,
        count(*) filter (where ordered.digest is distinct from ordered.previous_digest) over (
            partition by ordered.repository, ordered.tag
            order by ordered.event_number
            rows between unbounded preceding and current row
        ) as stretch_number,
    from ordered
),

bounded as (
    select
        numbered.*,
        first_value(numbered.observed_at) over stretch_events as first_observed_at,
        first_value(numbered.previous_observed_at) over stretch_events as elsewhere_at,
    from numbered
    window stretch_events as (
        partition by numbered.repository, numbered.tag, numbered.stretch_number
        order by numbered.event_number
    )
),

stretch as (
    select
        bounded.repository,
        bounded.tag,
        bounded.stretch_number,
        arg_min(
            {
                'digest': bounded.digest,
                'observed_at': bounded.observed_at,
                'elsewhere_at': bounded.elsewhere_at,
                'source': bounded.source,
                'run_id': bounded.run_id,
                'document': bounded.document,
                'document_revision': bounded.document_revision
            },
            bounded.event_number
        ) as first_event,
        arg_min(
            {'changed_at': bounded.changed_at, 'changed_until': bounded.changed_until},
            (bounded.changed_until - bounded.changed_at, bounded.source_rank, bounded.event_number)
        ) filter (
            where bounded.changed_at <= bounded.first_observed_at
            and (bounded.elsewhere_at is null or bounded.changed_until > bounded.elsewhere_at)
        ) as stated,
        max(bounded.observed_at) as last_observed_at,
        count(*) as observation_count,
    from bounded
    group by bounded.repository, bounded.tag, bounded.stretch_number
),

dated as (
    select
        stretch.repository,
        stretch.tag,
        stretch.stretch_number,
        stretch.first_event.digest as digest,
        stretch.last_observed_at,
        stretch.observation_count,
        stretch.first_event.source as source,
        stretch.first_event.run_id as run_id,
        stretch.first_event.document as document,
        stretch.first_event.document_revision as document_revision,
        case
            when stretch.stated is null then stretch.first_event.observed_at
            else least(stretch.stated.changed_until, stretch.first_event.observed_at)
        end as valid_from,
        case
            when stretch.stated is null then stretch.first_event.elsewhere_at
            else greatest(stretch.stated.changed_at, stretch.first_event.elsewhere_at)
        end as valid_from_earliest,
    from stretch
),

interval_row as (
    select
        dated.*,
        lead(dated.valid_from) over (
            partition by dated.repository, dated.tag
            order by dated.stretch_number
        ) as valid_to,
    from dated
)

select
    interval_row.repository,
    interval_row.tag,
    interval_row.valid_from_earliest,
    interval_row.valid_from,
    interval_row.valid_to,
    interval_row.digest,
    interval_row.last_observed_at,
    interval_row.observation_count,
    interval_row.source,
    interval_row.run_id,
    interval_row.document,
    interval_row.document_revision,
from interval_row
where interval_row.digest is not null
