-- One row per reference asked for, in their order: what is known of it. A reference without tag and digest means latest.
-- A digest is followed under the tag of the reference, or else under the tag that had it last (of several that have it
-- still the shortest): how often that tag moved since, and what the image there now has that the pinned one has not.
-- A digest of one image instead of an index is followed on that image's platform.
-- Parameters: $repositories, $tags, $digests (lists of the same length; null: none), $platform
with asked as (
    select
        unnest(generate_series(0, len($repositories::varchar[]) - 1)) as position,
        unnest($repositories::varchar[]) as repository,
        unnest($tags::varchar[]) as tag,
        unnest($digests::varchar[]) as digest,
),

holder as (
    select
        asked.position,
        asked.repository,
        asked.tag,
        asked.digest as tagged_digest,
    from asked
    where asked.digest is not null
    union
    select
        asked.position,
        asked.repository,
        asked.tag,
        index_image.index_digest as tagged_digest,
    from asked
    join index_image on asked.digest = index_image.manifest_digest
),

-- Found by repository first and then fetched by place, as tag_interval_of does.
known as materialized (
    select
        tag_interval.repository,
        tag_interval.tag,
        tag_interval.valid_from,
        tag_interval.valid_to,
        tag_interval.last_observed_at,
        tag_interval.digest,
    from tag_interval
    semi join (
        select tag_interval.rowid as place,
        from tag_interval
        semi join asked on tag_interval.repository = asked.repository
    ) as found on tag_interval.rowid = found.place
),

held as (
    select
        holder.position,
        known.tag,
        known.valid_from,
        known.valid_to,
        known.last_observed_at,
    from holder
    join known
        on holder.repository = known.repository
        and holder.tagged_digest = known.digest
        and is_told_tag(known.tag, holder.tag)
),

holding as (
    select
        held.position,
        string_agg(distinct held.tag, ', ' order by held.tag) as had_by,
        min(held.valid_from) as first_seen_at,
        bool_or(held.valid_to is null) as is_there,
        arg_min(held.tag, (held.valid_to is not null, -epoch_us(held.valid_to), length(held.tag), held.tag)) as last_tag,
    from held
    group by held.position
),

followed as (
    select
        asked.position,
        asked.repository,
        asked.digest,
        coalesce(asked.tag, holding.last_tag, case when asked.digest is null then 'latest' end) as tag,
        holding.had_by,
        holding.first_seen_at,
        holding.is_there,
    from asked
    left join holding on asked.position = holding.position
),

left_at as (
    select
        followed.position,
        case when bool_or(held.valid_to is null) then null else max(held.valid_to) end as replaced_at,
    from followed
    join held
        on followed.position = held.position
        and followed.tag = held.tag
    group by followed.position
),

stretch as (
    select
        followed.position,
        known.digest,
        known.valid_from,
        known.valid_to,
        known.last_observed_at,
        coalesce(
            lag(known.digest) over (
                partition by followed.position
                order by known.valid_from
            ) <> known.digest,
            false
        ) as is_move,
    from followed
    join known
        on followed.repository = known.repository
        and followed.tag = known.tag
),

moved as (
    select
        stretch.position,
        max(stretch.digest) filter (where stretch.valid_to is null) as current_digest,
        max(stretch.last_observed_at) as last_observed_at,
        count(*) filter (where stretch.is_move) as move_count,
        count(*) filter (where stretch.is_move and stretch.valid_from >= left_at.replaced_at) as move_behind_count,
    from stretch
    left join left_at on stretch.position = left_at.position
    group by stretch.position
),

known_repository as (
    select distinct known.repository,
    from known
),

shown as (
    select followed.digest,
    from followed
    union
    select moved.current_digest as digest,
    from moved
),

shown_image as materialized (
    select index_image.index_digest, index_image.position, index_image.manifest_digest,
    from index_image_of('shown') as index_image
),

described as materialized (
    select image.*,
    from image_of('shown_image') as image
),

wanted_platform as (
    select
        followed.position,
        coalesce(described.series, $platform::varchar) as platform,
    from followed
    left join described on followed.digest = described.manifest_digest
),

pinned_image as (
    select
        followed.position,
        shown_image.manifest_digest,
    from followed
    join wanted_platform on followed.position = wanted_platform.position
    join shown_image on followed.digest = shown_image.index_digest
    join described on shown_image.manifest_digest = described.manifest_digest
    where wanted_platform.platform in (described.platform, described.series)
    qualify row_number() over (partition by followed.position order by shown_image.position) = 1
),

current_image as (
    select
        moved.position,
        shown_image.manifest_digest,
    from moved
    join wanted_platform on moved.position = wanted_platform.position
    join shown_image on moved.current_digest = shown_image.index_digest
    join described on shown_image.manifest_digest = described.manifest_digest
    where wanted_platform.platform in (described.platform, described.series)
    qualify row_number() over (partition by moved.position order by shown_image.position) = 1
),

compared_image as (
    select pinned_image.manifest_digest,
    from pinned_image
    union
    select current_image.manifest_digest,
    from current_image
),

shown_layer as materialized (
    select image_layer.manifest_digest, image_layer.layer_digest, image_layer.compressed_bytes,
    from image_layer_of('compared_image') as image_layer
),

new_layer as (
    select distinct
        current_image.position,
        image_layer.layer_digest,
        image_layer.compressed_bytes,
    from current_image
    join pinned_image on current_image.position = pinned_image.position
    join shown_layer as image_layer on current_image.manifest_digest = image_layer.manifest_digest
    anti join shown_layer as old_layer
        on pinned_image.manifest_digest = old_layer.manifest_digest
        and image_layer.layer_digest = old_layer.layer_digest
),

pull as (
    select
        new_layer.position,
        case
            when count(*) = count(new_layer.compressed_bytes) then sum(new_layer.compressed_bytes)::bigint
        end as pull_bytes,
    from new_layer
    group by new_layer.position
)

select
    followed.position,
    followed.repository,
    followed.tag,
    followed.digest,
    case
        when known_repository.repository is null then 'unknown repository'
        when followed.digest is not null and followed.first_seen_at is null then 'unknown digest'
        when followed.digest is null and moved.position is null then 'unknown tag'
        when moved.current_digest is null then 'tag gone'
        when followed.digest is null then 'not pinned'
        when left_at.position is null then 'never of this tag'
        when left_at.replaced_at is null then 'current'
        else 'behind'
    end as state,
    followed.is_there,
    followed.had_by,
    followed.first_seen_at,
    left_at.replaced_at,
    moved.last_observed_at,
    case
        when left_at.replaced_at is not null
            then greatest(date_diff('day', left_at.replaced_at, moved.last_observed_at), 0)
        when left_at.position is not null then 0
    end as behind_days,
    case when left_at.position is not null then moved.move_behind_count end as moves_behind,
    moved.move_count,
    case
        when pinned_image.position is null or current_image.position is null then null
        when then_there.layer_count is null or now_there.layer_count is null then null
        when starts_with(pinned_image.manifest_digest, 'config+') <> starts_with(current_image.manifest_digest, 'config+')
            then null
        when pull.position is null then 0
        else pull.pull_bytes
    end as pull_bytes,
    now_there.compressed_bytes - then_there.compressed_bytes as delta_bytes,
    now_there.compressed_bytes,
    moved.current_digest,
    pinned_image.manifest_digest,
    current_image.manifest_digest as current_manifest_digest,
from followed
left join known_repository on followed.repository = known_repository.repository
left join left_at on followed.position = left_at.position
left join moved on followed.position = moved.position
left join pinned_image on followed.position = pinned_image.position
left join current_image on followed.position = current_image.position
left join described as then_there on pinned_image.manifest_digest = then_there.manifest_digest
left join described as now_there on current_image.manifest_digest = now_there.manifest_digest
left join pull on followed.position = pull.position
order by followed.position
