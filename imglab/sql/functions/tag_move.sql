-- Function of a repository, a pattern of tags (a glob; null: all) and a platform (null: all images): what each move of a
-- tag changed. One row per move of a tag from one digest to another; with a platform, per such move in which the tag gave
-- an image to it before or after.
-- Images that are there before and after are paired with themselves, the others by series; where each side has one other of
-- a platform, whatever its build; where each has one alone and the platform of either is not known, these. Counts and bytes
-- are null where a source does not tell which images a digest stands for.
-- kind: the change of the images that says most (image_change), in the order content, unknown, base only, rebuild only,
-- metadata only; if all are unchanged `platform set` where others came or went; with a platform `unchanged`; else
-- `attestations only` where the index names others; else `metadata only`, as the index itself differs.
with pointed as (
    select
        tag_interval.repository,
        tag_interval.tag,
        tag_interval.valid_from_earliest,
        tag_interval.valid_from,
        tag_interval.digest,
        tag_interval.source,
        tag_interval.document,
        tag_interval.document_revision,
        lag(tag_interval.digest) over one_tag as from_digest,
        lag(tag_interval.valid_from) over one_tag as from_valid_from,
    from tag_interval
    where
        tag_interval.repository = wanted_repository
        and (wanted_tag is null or tag_interval.tag glob wanted_tag)
        and is_told_tag(tag_interval.tag, wanted_tag)
    window one_tag as (partition by tag_interval.repository, tag_interval.tag order by tag_interval.valid_from)
),

move as (
    select pointed.*
    from pointed
    where pointed.from_digest <> pointed.digest
),

given as materialized (
    select
        tag_image.tag,
        tag_image.valid_from,
        tag_image.position,
        tag_image.manifest_digest,
        tag_image.platform,
        tag_image.series,
        tag_image.compressed_bytes,
    from tag_image
    where
        tag_image.repository = wanted_repository
        and (wanted_tag is null or tag_image.tag glob wanted_tag)
),

side as (
    select
        move.valid_from as moved_at,
        true as is_from,
        given.* exclude (valid_from),
    from move
    join given on move.tag = given.tag and move.from_valid_from = given.valid_from
    union all
    select
        move.valid_from as moved_at,
        false as is_from,
        given.* exclude (valid_from),
    from move
    join given on move.tag = given.tag and move.valid_from = given.valid_from
),

kept as (
    select
        side.*,
        bool_or(side.is_from) over one_image and bool_or(not side.is_from) over one_image as is_kept,
    from side
    window one_image as (partition by side.tag, side.moved_at, side.manifest_digest)
),

counted as (
    select
        kept.*,
        count(*) filter (where kept.is_from) over one_move as from_count,
        count(*) filter (where not kept.is_from) over one_move as to_count,
        bool_or(kept.platform is null) over one_move as has_unknown_platform,
        count(*) filter (where kept.is_from) over one_platform as from_platform_count,
        count(*) filter (where not kept.is_from) over one_platform as to_platform_count,
    from kept
    window
        one_move as (partition by kept.tag, kept.moved_at, kept.is_kept),
        one_platform as (partition by kept.tag, kept.moved_at, kept.is_kept, kept.platform)
),

keyed as (
    select
        counted.*,
        case
            when counted.is_kept then counted.manifest_digest
            when counted.from_count = 1 and counted.to_count = 1 and counted.has_unknown_platform then ''
            when counted.from_platform_count = 1 and counted.to_platform_count = 1 then counted.platform
            else counted.series
        end as pair_key,
    from counted
),

numbered as (
    select
        keyed.*,
        row_number() over (
            partition by keyed.tag, keyed.moved_at, keyed.is_from, keyed.pair_key
            order by keyed.position
        ) as pair_number,
    from keyed
),

pair as (
    select
        numbered.tag,
        numbered.moved_at,
        any_value(numbered.manifest_digest) filter (where numbered.is_from) as from_manifest_digest,
        any_value(numbered.manifest_digest) filter (where not numbered.is_from) as to_manifest_digest,
        any_value(numbered.compressed_bytes) filter (where numbered.is_from) as from_bytes,
        any_value(numbered.compressed_bytes) filter (where not numbered.is_from) as to_bytes,
        coalesce(
            any_value(numbered.series) filter (where not numbered.is_from),
            any_value(numbered.series) filter (where numbered.is_from),
            'unknown'
        ) as series,
    from numbered
    group by numbered.tag, numbered.moved_at, numbered.pair_key, numbered.pair_number
    having
        wanted_platform is null
        or bool_or(coalesce(wanted_platform in (numbered.platform, numbered.series), false))
),

changed as (
    select
        pair.*,
        image_change.change,
        image_change.pulled_bytes,
    from pair
    join image_change('pair') as image_change
        on pair.from_manifest_digest is not distinct from image_change.from_manifest_digest
        and pair.to_manifest_digest is not distinct from image_change.to_manifest_digest
),

summed as (
    select
        changed.tag,
        changed.moved_at,
        count(*) as image_count,
        count(*) filter (where changed.change = 'content') as content_count,
        count(*) filter (where changed.change = 'base only') as base_count,
        count(*) filter (where changed.change = 'rebuild only') as rebuild_count,
        count(*) filter (where changed.change = 'metadata only') as metadata_count,
        count(*) filter (where changed.change = 'unchanged') as unchanged_count,
        count(*) filter (where changed.change = 'unknown') as unknown_count,
        count(*) filter (where changed.change = 'came') as came_count,
        count(*) filter (where changed.change = 'went') as went_count,
        string_agg(changed.series, ', ' order by changed.series) filter (where changed.change <> 'unchanged')
            as changed_platforms,
        case
            when bool_and(changed.from_manifest_digest is null or changed.from_bytes is not null)
                then coalesce(sum(changed.from_bytes), 0)::bigint
        end as from_bytes,
        case
            when bool_and(changed.to_manifest_digest is null or changed.to_bytes is not null)
                then coalesce(sum(changed.to_bytes), 0)::bigint
        end as to_bytes,
        case when count(*) = count(changed.pulled_bytes) then sum(changed.pulled_bytes)::bigint end as pulled_bytes,
    from changed
    group by changed.tag, changed.moved_at
),

known as (
    select
        side.tag,
        side.moved_at,
        bool_or(side.is_from) and bool_or(not side.is_from) as is_known,
    from side
    group by side.tag, side.moved_at
),

attested as (
    select
        stg_index_entry.index_digest,
        string_agg(
            distinct stg_index_entry.manifest_digest, ' ' order by stg_index_entry.manifest_digest
        ) as attestations,
    from stg_index_entry
    semi join (
        select move.digest,
        from move
        union
        select move.from_digest as digest,
        from move
    ) as moved on stg_index_entry.index_digest = moved.digest
    where
        stg_index_entry.attests_digest is not null
        or stg_index_entry.artifact_type is not null
        or stg_index_entry.os = 'unknown'
    group by stg_index_entry.index_digest
),

told as (
    select
        move.*,
        coalesce(known.is_known, false) as is_known,
        coalesce(attested_from.attestations, '') <> coalesce(attested_to.attestations, '') as is_attested_otherwise,
    from move
    left join known
        on move.tag = known.tag
        and move.valid_from = known.moved_at
    left join attested as attested_from on move.from_digest = attested_from.index_digest
    left join attested as attested_to on move.digest = attested_to.index_digest
)

select
    told.repository,
    told.tag,
    told.valid_from_earliest as moved_at_earliest,
    told.valid_from as moved_at,
    case
        when not told.is_known then 'unknown'
        when summed.content_count > 0 then 'content'
        when summed.unknown_count > 0 then 'unknown'
        when summed.base_count > 0 then 'base only'
        when summed.rebuild_count > 0 then 'rebuild only'
        when summed.metadata_count > 0 then 'metadata only'
        when summed.came_count + summed.went_count > 0 then 'platform set'
        when wanted_platform is not null then 'unchanged'
        when told.is_attested_otherwise then 'attestations only'
        else 'metadata only'
    end as kind,
    told.from_digest,
    told.digest as to_digest,
    case when told.is_known then summed.changed_platforms end as changed_platforms,
    case when told.is_known then summed.image_count end as image_count,
    case when told.is_known then summed.content_count end as content_count,
    case when told.is_known then summed.base_count end as base_count,
    case when told.is_known then summed.rebuild_count end as rebuild_count,
    case when told.is_known then summed.metadata_count end as metadata_count,
    case when told.is_known then summed.unchanged_count end as unchanged_count,
    case when told.is_known then summed.unknown_count end as unknown_count,
    case when told.is_known then summed.came_count end as came_count,
    case when told.is_known then summed.went_count end as went_count,
    case when told.is_known then summed.from_bytes end as from_bytes,
    case when told.is_known then summed.to_bytes end as to_bytes,
    case when told.is_known then summed.to_bytes - summed.from_bytes end as delta_bytes,
    case when told.is_known then summed.pulled_bytes end as pulled_bytes,
    told.source,
    told.document,
    told.document_revision,
from told
left join summed
    on told.tag = summed.tag
    and told.valid_from = summed.moved_at
where
    not told.is_known
    or summed.tag is not null
