-- One row per cadence and pull of a host that follows a tag and keeps the image that it has: what it fetched, and what a
-- host without any layer would have; by cadence, `every move` first, then time.
-- Every cadence begins with the same pull of the whole image, when the tag was first there, or at $since. From then on
-- the host pulls at each move, or at the end of each period (UTC) in which the image has become another. What the tag is
-- at the end of a period that was not over when it was last looked for is not known. While the tag is gone nothing is
-- pulled. Moves that left the platform's image as it was are none.
-- A layer that an image has twice is fetched once. Bytes are null where the size of a layer is not known, and where one
-- image names its layers by their packed and the other by their unpacked content (`config+`).
-- Parameters: $repository, $tag, $platform, $period (null: all), $since, $until (null: no limit)
with chosen as (
    select
        tag_image.repository,
        tag_image.tag,
        tag_image.platform,
        tag_image.valid_from,
        tag_image.valid_to,
        tag_image.digest,
        tag_image.manifest_digest,
        max(tag_image.last_observed_at) over () as seen_until,
    from tag_image
    where
        tag_image.repository = $repository
        and tag_image.tag = $tag
        and $platform in (tag_image.platform, tag_image.series)
    qualify row_number() over (partition by tag_image.valid_from order by tag_image.position) = 1
),

stretch as (
    select chosen.*,
    from chosen
    where
        ($since::timestamptz is null or chosen.valid_to is null or chosen.valid_to > $since)
        and ($until::timestamptz is null or chosen.valid_from < $until)
),

beginning as (
    select
        stretch.*,
        greatest(stretch.valid_from, $since::timestamptz) as pulled_at,
    from stretch
    qualify row_number() over (order by stretch.valid_from) = 1
),

period as (
    select *
    from (
        values
            (0, 'every move', null, null),
            (1, 'day', 'day', interval 1 day),
            (2, 'week', 'week', interval 7 day),
            (3, 'month', 'month', interval 1 month),
            (4, 'quarter', 'quarter', interval 3 month),
            (5, 'year', 'year', interval 1 year)
    ) as length (cadence_order, cadence, period, duration)
    where $period::varchar is null or length.cadence = $period
),

due as (
    select
        period.cadence_order,
        period.cadence,
        beginning.*,
    from beginning
    cross join period
    union all by name
    select
        period.cadence_order,
        period.cadence,
        stretch.*,
        case
            when period.period is null then stretch.valid_from
            else date_trunc(period.period, stretch.valid_from) + period.duration
        end as pulled_at,
    from stretch
    cross join period
    where stretch.valid_from > (select beginning.pulled_at from beginning)
),

taken as (
    select due.*,
    from due
    where
        due.pulled_at <= coalesce(due.valid_to, due.seen_until)
        and ($until::timestamptz is null or due.pulled_at < $until)
    qualify
        lag(due.manifest_digest) over (partition by due.cadence order by due.pulled_at)
        is distinct from due.manifest_digest
),

pull as (
    select
        taken.*,
        lag(taken.digest) over host as from_digest,
        lag(taken.manifest_digest) over host as from_manifest_digest,
    from taken
    window host as (partition by taken.cadence order by taken.pulled_at)
),

pair as materialized (
    select distinct pull.from_manifest_digest, pull.manifest_digest,
    from pull
),

pulled_image as (
    select pair.manifest_digest,
    from pair
    union
    select pair.from_manifest_digest as manifest_digest,
    from pair
),

pulled_layer as materialized (
    select image_layer.manifest_digest, image_layer.layer_digest, image_layer.compressed_bytes,
    from image_layer_of('pulled_image') as image_layer
),

described as materialized (
    select image.manifest_digest, image.layer_count,
    from image_of('pulled_image') as image
),

fetched as (
    select
        pair.from_manifest_digest,
        pair.manifest_digest,
        pulled_layer.layer_digest,
        max(pulled_layer.compressed_bytes) as compressed_bytes,
        count(pulled_layer.compressed_bytes) > 0 as is_sized,
        bool_or(had.layer_digest is null) as is_new,
    from pair
    join pulled_layer on pair.manifest_digest = pulled_layer.manifest_digest
    left join pulled_layer as had
        on pair.from_manifest_digest = had.manifest_digest
        and pulled_layer.layer_digest = had.layer_digest
    group by pair.from_manifest_digest, pair.manifest_digest, pulled_layer.layer_digest
),

weighed as (
    select
        fetched.from_manifest_digest,
        fetched.manifest_digest,
        count(*) as full_layer_count,
        count(*) filter (where fetched.is_new) as pull_layer_count,
        case when bool_and(fetched.is_sized) then sum(fetched.compressed_bytes) end as full_bytes,
        case
            when bool_and(fetched.is_sized or not fetched.is_new)
                then coalesce(sum(fetched.compressed_bytes) filter (where fetched.is_new), 0)
        end as pull_bytes,
    from fetched
    group by fetched.from_manifest_digest, fetched.manifest_digest
),

known as (
    select
        pair.from_manifest_digest,
        pair.manifest_digest,
        to_image.layer_count is not null as is_told,
        to_image.layer_count is not null
        and (
            pair.from_manifest_digest is null
            or (
                from_image.layer_count is not null
                and starts_with(pair.from_manifest_digest, 'config+') = starts_with(pair.manifest_digest, 'config+')
            )
        ) as is_comparable,
    from pair
    left join described as to_image on pair.manifest_digest = to_image.manifest_digest
    left join described as from_image on pair.from_manifest_digest = from_image.manifest_digest
),

costed as (
    select
        pull.*,
        case
            when known.is_comparable
                then case when weighed.manifest_digest is null then 0 else weighed.pull_bytes end
        end::bigint as pull_bytes,
        case
            when known.is_told then case when weighed.manifest_digest is null then 0 else weighed.full_bytes end
        end::bigint as full_bytes,
        case when known.is_comparable then coalesce(weighed.pull_layer_count, 0) end as pull_layer_count,
        case when known.is_told then coalesce(weighed.full_layer_count, 0) end as full_layer_count,
    from pull
    join known
        on pull.from_manifest_digest is not distinct from known.from_manifest_digest
        and pull.manifest_digest = known.manifest_digest
    left join weighed
        on pull.from_manifest_digest is not distinct from weighed.from_manifest_digest
        and pull.manifest_digest = weighed.manifest_digest
)

select
    costed.repository,
    costed.tag,
    costed.platform,
    costed.cadence,
    costed.pulled_at,
    costed.from_digest,
    costed.digest as to_digest,
    costed.from_manifest_digest,
    costed.manifest_digest as to_manifest_digest,
    costed.pull_bytes,
    costed.full_bytes,
    costed.full_bytes - costed.pull_bytes as kept_bytes,
    costed.pull_layer_count,
    costed.full_layer_count,
    coalesce(sum(costed.pull_bytes) filter (where costed.full_bytes is not null) over until_then, 0)::bigint
        as cumulative_pull_bytes,
    coalesce(sum(costed.full_bytes) filter (where costed.pull_bytes is not null) over until_then, 0)::bigint
        as cumulative_full_bytes,
    count(*) filter (where costed.pull_bytes is null or costed.full_bytes is null) over until_then as unknown_count,
from costed
window until_then as (
    partition by costed.cadence
    order by costed.pulled_at
    rows between unbounded preceding and current row
)
order by costed.cadence_order, costed.pulled_at
