-- One row per build, an image that a tag gave to a platform after another one; by repository, tag, series, then time.
-- change: `jump`, a step of more than 2 % of the size and ten times the usual step; `drift`, where all steps of the last
-- 20 that were no jumps come to more than 5 % and twelve times the usual step, said once until they do no longer; else
-- null. The usual step is the median of the sizes of up to 20 steps before, of which 8 are needed (10 for a drift).
-- Of several images of one series in an index the first counts.
-- Parameters: $repository, $tag (globs; null: all), $platform (null: all), $since, $until (null: no limit; what lies before
-- counts for what is usual all the same)
with given as (
    select
        tag_image.repository,
        tag_image.tag,
        tag_image.platform,
        tag_image.series,
        tag_image.valid_from,
        tag_image.position,
        tag_image.digest,
        tag_image.manifest_digest,
        tag_image.compressed_bytes,
    from tag_image
    where
        ($repository::varchar is null or tag_image.repository glob $repository)
        and ($tag::varchar is null or tag_image.tag glob $tag)
        and is_told_tag(tag_image.tag, $tag)
        and ($platform::varchar is null or $platform in (tag_image.platform, tag_image.series))
    qualify row_number() over (
        partition by tag_image.repository, tag_image.tag, tag_image.series, tag_image.valid_from
        order by tag_image.position
    ) = 1
),

build as (
    select given.*,
    from given
    where given.compressed_bytes is not null
    qualify lag(given.manifest_digest) over (
        partition by given.repository, given.tag, given.series
        order by given.valid_from, given.position
    ) is distinct from given.manifest_digest
),

stepped as (
    select
        build.*,
        build.compressed_bytes - lag(build.compressed_bytes) over builds as step_bytes,
        lag(build.compressed_bytes) over builds as previous_bytes,
        lag(build.manifest_digest) over builds as previous_manifest_digest,
        row_number() over builds - 1 as build_number,
    from build
    window builds as (
        partition by build.repository, build.tag, build.series
        order by build.valid_from, build.position
    )
),

usual as (
    select
        stepped.*,
        count(stepped.step_bytes) over before_this as known_step_count,
        median(abs(stepped.step_bytes)) over before_this as usual_step_bytes,
    from stepped
    window before_this as (
        partition by stepped.repository, stepped.tag, stepped.series
        order by stepped.build_number
        rows between 20 preceding and 1 preceding
    )
),

jumped as (
    select
        usual.*,
        coalesce(
            usual.known_step_count >= 8
            and abs(usual.step_bytes) > greatest(10 * usual.usual_step_bytes, 0.02 * usual.previous_bytes),
            false
        ) as is_jump,
    from usual
),

summed as (
    select
        jumped.*,
        sum(case when jumped.is_jump then 0 else jumped.step_bytes end) over (
            partition by jumped.repository, jumped.tag, jumped.series
            order by jumped.build_number
            rows between 19 preceding and current row
        )::bigint as drift_bytes,
    from jumped
),

drifted as (
    select
        summed.*,
        coalesce(
            summed.known_step_count >= 10
            and abs(summed.drift_bytes) > greatest(12 * summed.usual_step_bytes, 0.05 * summed.compressed_bytes),
            false
        ) as is_drift,
    from summed
),

marked as (
    select
        drifted.*,
        case
            when drifted.is_jump then 'jump'
            when drifted.is_drift
                and not coalesce(
                    lag(drifted.is_drift) over (
                        partition by drifted.repository, drifted.tag, drifted.series
                        order by drifted.build_number
                    ),
                    false
                )
                then 'drift'
        end as change,
    from drifted
)

select
    marked.repository,
    marked.tag,
    marked.platform,
    marked.series,
    marked.valid_from,
    marked.compressed_bytes,
    marked.step_bytes,
    round(marked.usual_step_bytes)::bigint as usual_step_bytes,
    marked.drift_bytes,
    marked.change,
    marked.digest,
    marked.manifest_digest,
    marked.previous_manifest_digest,
from marked
where
    ($since::timestamptz is null or marked.valid_from >= $since)
    and ($until::timestamptz is null or marked.valid_from < $until)
order by marked.repository, marked.tag, marked.series, marked.valid_from
