-- One row per stretch of time in which a tag pointed at one digest, with the share of digests that tags still point at
-- at its age (Kaplan-Meier): of tags of its kind in its repository, and of all tags of that; by repository, tag, time.
-- A digest's life ends when its tag moves on to another. That of others is cut short: digests of tags that are gone, and
-- those that were not followed to their end. A move is known to have ended it if it happened within 90 days, or if a
-- history of documents was read that has no gap of 90 days up to it; what is still there was followed to the newest of
-- these documents that is about its repository.
-- Digests that may have been there before they were first seen have no part in the shares, which are null.
-- Parameters: $repository (null: all), $tag (a glob; null: all tags), $since, $until (of the first sight; null: no limit)
with look as (
    select distinct
        stg_tag_observation.run_id,
        stg_tag_observation.observed_at,
    from stg_tag_observation
    where stg_tag_observation.document_revision is not null
),

spaced as (
    select
        look.*,
        lag(look.observed_at) over (partition by look.run_id order by look.observed_at) as previous_observed_at,
    from look
),

numbered as (
    select
        spaced.*,
        count(*) filter (where spaced.observed_at > spaced.previous_observed_at + interval 90 days) over (
            partition by spaced.run_id
            order by spaced.observed_at
            rows between unbounded preceding and current row
        ) as watch_number,
    from spaced
),

watch as (
    select
        numbered.run_id,
        min(numbered.observed_at) as watched_from,
        max(numbered.observed_at) as watched_to,
    from numbered
    group by numbered.run_id, numbered.watch_number
),

-- When documents about one repository were first and last among those that were watched.
own_watch as (
    select
        stg_tag_observation.repository,
        watch.run_id,
        watch.watched_from,
        watch.watched_to,
        min(stg_tag_observation.observed_at) as own_from,
        max(stg_tag_observation.observed_at) as own_to,
    from stg_tag_observation
    join watch
        on stg_tag_observation.run_id = watch.run_id
        and stg_tag_observation.observed_at between watch.watched_from and watch.watched_to
    where
        stg_tag_observation.document_revision is not null
        and ($repository::varchar is null or stg_tag_observation.repository = $repository)
    group by stg_tag_observation.repository, watch.run_id, watch.watched_from, watch.watched_to
),

stretch as (
    select
        tag_interval.repository,
        tag_interval.tag,
        tag_interval.digest,
        tag_interval.valid_from_earliest,
        tag_interval.valid_from,
        tag_interval.valid_to,
        tag_interval.last_observed_at,
        tag_interval.run_id,
        tag_interval.document_revision,
        coalesce(lead(tag_interval.valid_from) over one_tag = tag_interval.valid_to, false) as is_moved_on,
        lead(tag_interval.valid_from_earliest) over one_tag as moved_on_earliest,
    from tag_interval
    where
        ($repository::varchar is null or tag_interval.repository = $repository)
        and ($tag::varchar is null or tag_interval.tag glob $tag)
        and is_told_tag(tag_interval.tag, $tag::varchar)
    window one_tag as (partition by tag_interval.repository, tag_interval.tag order by tag_interval.valid_from)
),

followed as (
    select
        stretch.*,
        own_watch.own_from,
        case
            when stretch.valid_to <= own_watch.watched_to then stretch.valid_to
            else greatest(stretch.last_observed_at, own_watch.own_to)
        end as followed_to,
    from stretch
    left join own_watch
        on stretch.repository = own_watch.repository
        and stretch.run_id = own_watch.run_id
        and stretch.document_revision is not null
        and stretch.last_observed_at between own_watch.watched_from and own_watch.watched_to
),

-- A look at a whole repository may take hours.
judged as (
    select
        followed.*,
        coalesce(followed.valid_from <= followed.valid_from_earliest + interval 90 days, false)
        or coalesce(followed.valid_from > followed.own_from + interval 1 day, false) as is_start_known,
        followed.is_moved_on
        and (
            coalesce(followed.valid_to <= followed.moved_on_earliest + interval 90 days, false)
            or followed.followed_to = followed.valid_to
        ) as is_replaced,
    from followed
),

ended as (
    select
        judged.* exclude (followed_to),
        case when judged.is_replaced then judged.valid_to else greatest(judged.followed_to, judged.valid_from) end
            as followed_to,
    from judged
),

aged as (
    select
        ended.*,
        tag_kind(ended.tag) as tag_kind,
        date_diff('second', ended.valid_from, ended.followed_to) // 86400 as lifetime_days,
    from ended
    where
        ($since::timestamptz is null or ended.valid_from >= $since)
        and ($until::timestamptz is null or ended.valid_from < $until)
),

-- tag is null for all tags of a kind together, tag_kind too for all tags.
age as (
    select
        aged.repository,
        aged.tag_kind,
        aged.tag,
        aged.lifetime_days,
        count(*) as digest_count,
        count(*) filter (where aged.is_replaced) as replaced_count,
    from aged
    where aged.is_start_known
    group by grouping sets (
        (aged.repository, aged.tag_kind, aged.tag, aged.lifetime_days),
        (aged.repository, aged.tag_kind, aged.lifetime_days),
        (aged.repository, aged.lifetime_days)
    )
),

risk as (
    select
        age.*,
        sum(age.digest_count) over (
            partition by age.repository, age.tag_kind, age.tag
            order by age.lifetime_days desc
        )::bigint as at_risk_count,
    from age
),

survival as (
    select
        risk.*,
        case
            when risk.at_risk_count = risk.replaced_count then 0
            else round(
                exp(
                    sum(
                        case
                            when risk.at_risk_count = risk.replaced_count then 0
                            else ln(1 - risk.replaced_count / risk.at_risk_count)
                        end
                    ) over (
                        partition by risk.repository, risk.tag_kind, risk.tag
                        order by risk.lifetime_days
                    )
                ),
                6
            )
        end as standing_share,
    from risk
),

halved as (
    select
        survival.*,
        min(survival.lifetime_days) filter (where survival.standing_share <= 0.5) over (
            partition by survival.repository, survival.tag_kind, survival.tag
        ) as half_life_days,
    from survival
)

select
    aged.repository,
    aged.tag,
    aged.tag_kind,
    aged.digest,
    aged.valid_from,
    aged.valid_to,
    aged.followed_to,
    aged.is_start_known,
    aged.is_replaced,
    aged.lifetime_days,
    of_tag.half_life_days as tag_half_life_days,
    of_kind.at_risk_count as kind_at_risk_count,
    of_kind.replaced_count as kind_replaced_count,
    of_kind.standing_share as kind_standing_share,
    of_kind.half_life_days as kind_half_life_days,
    of_all.at_risk_count,
    of_all.replaced_count,
    of_all.standing_share,
    of_all.half_life_days,
from aged
left join halved as of_tag
    on aged.repository = of_tag.repository
    and aged.tag = of_tag.tag
    and aged.lifetime_days = of_tag.lifetime_days
    and aged.is_start_known
left join halved as of_kind
    on aged.repository = of_kind.repository
    and aged.tag_kind = of_kind.tag_kind
    and of_kind.tag is null
    and aged.lifetime_days = of_kind.lifetime_days
    and aged.is_start_known
left join halved as of_all
    on aged.repository = of_all.repository
    and of_all.tag_kind is null
    and aged.lifetime_days = of_all.lifetime_days
    and aged.is_start_known
order by aged.repository, aged.tag, aged.valid_from
