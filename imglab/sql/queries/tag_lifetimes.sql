-- One row per tag that ever was, with the share of tags that live to its age (Kaplan-Meier): of its kind in its
-- repository, and of all tags of that; by repository, then tag.
-- A life lasts from the first sight of a tag to its last end, with what lies between if it came back. Documents that
-- define the tags of a repository tell it (basis `definition`); where there are none, sightings do (`digest`). Tags that
-- were there at the first look may be older than what is known of them: they have no part in the shares, which are null.
-- Parameters: $repository (null: all), $tag (a glob; null: all tags), $since, $until (of the first sight; null: no limit)
with defined as (
    select
        definition_interval.repository,
        definition_interval.tag,
        definition_interval.document,
        definition_interval.valid_from,
        definition_interval.valid_to,
        lag(definition_interval.valid_to) over (
            partition by definition_interval.repository, definition_interval.tag
            order by definition_interval.valid_from
        ) as previous_valid_to,
    from definition_interval
    where $repository::varchar is null or definition_interval.repository = $repository
),

-- Newest versions of the documents that define.
document_look as (
    select
        stg_document_version.repository,
        max(stg_document_version.observed_at) as last_observed_at,
    from stg_document_version
    semi join defined
        on stg_document_version.repository = defined.repository
        and stg_document_version.document = defined.document
    group by stg_document_version.repository
),

defined_life as (
    select
        defined.repository,
        defined.tag,
        'definition' as basis,
        min(defined.valid_from) as first_seen_at,
        case when bool_or(defined.valid_to is null) then null else max(defined.valid_to) end as ended_at,
        max(document_look.last_observed_at) as last_observed_at,
        count(*) filter (where defined.valid_from > defined.previous_valid_to) as return_count,
        min(min(defined.valid_from)) over (partition by defined.repository) = min(defined.valid_from)
            as is_from_first_look,
    from defined
    join document_look on defined.repository = document_look.repository
    group by defined.repository, defined.tag
),

pointed as not materialized (
    select
        tag_interval.repository,
        tag_interval.tag,
        tag_interval.valid_from,
        tag_interval.valid_to,
        tag_interval.last_observed_at,
    from tag_interval
    anti join document_look on tag_interval.repository = document_look.repository
    where
        ($repository::varchar is null or tag_interval.repository = $repository)
        and is_told_tag(tag_interval.tag, $tag::varchar)
),

pointed_span as materialized (
    select
        pointed.repository,
        pointed.tag,
        min(pointed.valid_from) as first_seen_at,
        case when bool_or(pointed.valid_to is null) then null else max(pointed.valid_to) end as ended_at,
        greatest(max(pointed.last_observed_at), max(pointed.valid_to)) as last_observed_at,
        sum(epoch_us(pointed.valid_from)) - epoch_us(min(pointed.valid_from)) as later_starts,
        sum(epoch_us(pointed.valid_to)) as ends,
        epoch_us(max(pointed.valid_to)) as last_end,
    from pointed
    group by pointed.repository, pointed.tag
),

-- Where every stretch begins as the one before it ends, which is nearly everywhere, the sums agree.
interrupted as materialized (
    select pointed_span.repository, pointed_span.tag,
    from pointed_span
    where
        pointed_span.later_starts
        <> coalesce(pointed_span.ends, 0) - case when pointed_span.ended_at is null then 0 else pointed_span.last_end end
),

spaced as (
    select
        pointed.repository,
        pointed.tag,
        pointed.valid_from,
        lag(pointed.valid_to) over (
            partition by pointed.repository, pointed.tag
            order by pointed.valid_from
        ) as previous_valid_to,
    from pointed
    semi join interrupted
        on pointed.repository = interrupted.repository
        and pointed.tag = interrupted.tag
),

returned as (
    select
        spaced.repository,
        spaced.tag,
        count(*) as return_count,
    from spaced
    where spaced.valid_from > spaced.previous_valid_to
    group by spaced.repository, spaced.tag
),

first_sight as (
    select
        tag_observation.repository,
        tag_observation.tag,
        min(tag_observation.observed_at) as observed_at,
    from journal.tag_observation
    where
        tag_observation.digest is not null
        and ($repository::varchar is null or tag_observation.repository = $repository)
    group by tag_observation.repository, tag_observation.tag
),

-- A look at a whole repository may take hours.
pointed_life as (
    select
        pointed_span.repository,
        pointed_span.tag,
        'digest' as basis,
        pointed_span.first_seen_at,
        pointed_span.ended_at,
        pointed_span.last_observed_at,
        coalesce(returned.return_count, 0) as return_count,
        min(first_sight.observed_at) over (partition by pointed_span.repository) + interval 1 day
            > first_sight.observed_at as is_from_first_look,
    from pointed_span
    join first_sight
        on pointed_span.repository = first_sight.repository
        and pointed_span.tag = first_sight.tag
    left join returned
        on pointed_span.repository = returned.repository
        and pointed_span.tag = returned.tag
),

life as (
    select defined_life.*
    from defined_life
    union all by name
    select pointed_life.*
    from pointed_life
),

aged as (
    select
        life.*,
        tag_kind(life.tag) as tag_kind,
        date_diff('second', life.first_seen_at, coalesce(life.ended_at, life.last_observed_at)) // 86400
            as lifetime_days,
    from life
    where
        ($tag::varchar is null or life.tag glob $tag)
        and ($since::timestamptz is null or life.first_seen_at >= $since)
        and ($until::timestamptz is null or life.first_seen_at < $until)
),

-- tag_kind is null for all kinds together.
age as (
    select
        aged.repository,
        aged.tag_kind,
        aged.lifetime_days,
        count(*) as tag_count,
        count(aged.ended_at) as ended_count,
    from aged
    where not aged.is_from_first_look
    group by grouping sets (
        (aged.repository, aged.tag_kind, aged.lifetime_days), (aged.repository, aged.lifetime_days)
    )
),

risk as (
    select
        age.*,
        sum(age.tag_count) over (
            partition by age.repository, age.tag_kind
            order by age.lifetime_days desc
        )::bigint as at_risk_count,
    from age
),

survival as (
    select
        risk.repository,
        risk.tag_kind,
        risk.lifetime_days,
        risk.at_risk_count,
        risk.ended_count,
        case
            when risk.at_risk_count = risk.ended_count then 0
            else round(
                exp(
                    sum(
                        case
                            when risk.at_risk_count = risk.ended_count then 0
                            else ln(1 - risk.ended_count / risk.at_risk_count)
                        end
                    ) over (
                        partition by risk.repository, risk.tag_kind
                        order by risk.lifetime_days
                    )
                ),
                6
            )
        end as surviving_share,
    from risk
)

select
    aged.repository,
    aged.tag,
    aged.tag_kind,
    aged.basis,
    aged.first_seen_at,
    aged.ended_at,
    aged.last_observed_at,
    aged.lifetime_days,
    aged.return_count,
    aged.is_from_first_look,
    of_kind.at_risk_count as kind_at_risk_count,
    of_kind.ended_count as kind_ended_count,
    of_kind.surviving_share as kind_surviving_share,
    of_all.at_risk_count,
    of_all.ended_count,
    of_all.surviving_share,
from aged
left join survival as of_kind
    on aged.repository = of_kind.repository
    and aged.tag_kind = of_kind.tag_kind
    and aged.lifetime_days = of_kind.lifetime_days
    and not aged.is_from_first_look
left join survival as of_all
    on aged.repository = of_all.repository
    and of_all.tag_kind is null
    and aged.lifetime_days = of_all.lifetime_days
    and not aged.is_from_first_look
order by aged.repository, aged.tag
