-- Fact: one row per tag, stretch of time, half-open [valid_from, valid_to), in which a tag was built from the same, and
-- build. A stretch ends with the first version that says otherwise or no longer names the tag, which says nothing about
-- the registry: the tag may live on there. valid_to is null while no version has said otherwise; document and
-- document_revision are those of the version that said it first. Of several sources that define a tag the best counts;
-- of several runs that read a version the last.
with told as (
    select stg_tag_definition.*,
    from stg_tag_definition
    semi join touched_definition
        on stg_tag_definition.repository = touched_definition.repository
        and stg_tag_definition.tag = touched_definition.tag
),

numbered as (
    select
        told.repository,
        told.tag,
        told.observed_at,
        told.document,
        told.document_revision,
        told.run_id,
        told.source_rank,
        row_number() over () as event_number,
    from told
    where told.position = 0
    qualify told.source_rank = min(told.source_rank) over (partition by told.repository, told.tag)
),

build as (
    select
        numbered.event_number,
        told.*,
    from told
    join numbered
        on told.repository = numbered.repository
        and told.tag = numbered.tag
        and told.observed_at = numbered.observed_at
        and told.run_id = numbered.run_id
        and told.document is not distinct from numbered.document
        and told.document_revision is not distinct from numbered.document_revision
),

-- md5, because hash() gives alike texts the same number (duckdb 2.0.0, seen with tags that differ in two digits).
fingerprint as (
    select
        build.event_number,
        bit_xor(
            md5_number_lower(
                concat_ws(
                    chr(10),
                    build.position,
                    build.is_shared,
                    build.architecture,
                    coalesce(build.git_repository, '-'),
                    coalesce(build.git_commit, '-'),
                    build.directory,
                    build.file,
                    coalesce(build.builder, '-'),
                    coalesce(build.constraints, '-')
                )
            )
        ) as definition,
    from build
    where not build.is_dropped
    group by build.event_number
),

event as (
    select
        numbered.*,
        fingerprint.definition,
    from numbered
    left join fingerprint on numbered.event_number = fingerprint.event_number
),

chosen as (
    select event.*,
    from event
    qualify row_number() over (
        partition by event.repository, event.tag, event.observed_at
        order by event.definition is null, event.document, event.run_id desc, event.document_revision
    ) = 1
),

moved as (
    select
        chosen.*,
        lag(chosen.definition) over (
            partition by chosen.repository, chosen.tag
            order by chosen.observed_at
        ) as previous_definition,
    from chosen
    qualify chosen.definition is distinct from previous_definition
),

stretch as (
    select
        moved.event_number,
        moved.definition,
        moved.observed_at as valid_from,
        lead(moved.observed_at) over (
            partition by moved.repository, moved.tag
            order by moved.observed_at
        ) as valid_to,
    from moved
)

select
    build.repository,
    build.tag,
    build.position,
    stretch.valid_from,
    stretch.valid_to,
    build.is_shared,
    build.architecture,
    build.git_repository,
    build.git_commit,
    build.directory,
    build.file,
    build.builder,
    build.constraints,
    build.source,
    build.document,
    build.document_revision,
from stretch
join build on stretch.event_number = build.event_number
where stretch.definition is not null
