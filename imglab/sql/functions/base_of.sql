-- Function of a relation `wanted` (by name; columns manifest_digest, asked_at): what images are built on. One row per image,
-- instant, level and tag that the base had then; level 1 is the nearest base, 2 the base of that, as far as known.
-- evidence: `annotation` (the manifest, or an index about it, names its base), `label` (its config does: what is built on
-- an image inherits its labels, so that one which the base by layers has too does not count, nor one that names what is
-- further down), `layers` or `diff_ids` (its first layers, packed or unpacked, are all the layers of another image of its
-- platform). Only images whose layers are known can be found by layers, and only if something was added to them.
-- base_tag_seen: `then` (the tag pointed at the base at that instant, or less than a day from it, since sources look at
-- one tag after the other), else `before`, else `after`. Of several images with the same layers, and of several
-- repositories that have it, the one that is best known counts: tagged then, of docker.io/library, nearest in time, there
-- first. All about the tag is null if no tag is known to have pointed there, and base_manifest_digest too if the base is
-- only named.
-- base_layer_count and base_bytes are of the first layers of the image itself, null where these are not the base's.
with asked as materialized (
    select distinct given.manifest_digest, given.asked_at,
    from query_table(wanted) as given
    where given.manifest_digest is not null
),

asked_image as materialized (
    select image.*,
    from image_of('asked') as image
),

layer_row as materialized (
    select
        image_layer.manifest_digest,
        image_layer.position,
        image_layer.layer_digest,
        case
            when count(*) over below = count(image_layer.compressed_bytes) over below
                then sum(image_layer.compressed_bytes) over below
        end::bigint as below_bytes,
    from image_layer_of('asked_image') as image_layer
    window below as (
        partition by image_layer.manifest_digest
        order by image_layer.position
        rows between unbounded preceding and current row
    )
),

content as (
    select layer_row.manifest_digest, layer_row.position, layer_row.layer_digest as digest, 'layers' as evidence,
    from layer_row
    union all
    select
        asked_image.manifest_digest,
        generate_subscripts(stg_config.diff_ids, 1) - 1 as position,
        unnest(stg_config.diff_ids) as digest,
        'diff_ids' as evidence,
    from asked_image
    join stg_config on asked_image.config_digest = stg_config.digest
    where asked_image.diff_chain_digest is not null
),

beginning as (
    select
        content.manifest_digest,
        content.position + 1 as layer_count,
        content.evidence,
        chain_text(
            string_agg(content.digest, ' ') over (
                partition by content.manifest_digest, content.evidence
                order by content.position
                rows between unbounded preceding and current row
            )
        ) as chain_digest,
    from content
),

below as materialized (
    select
        asked_image.manifest_digest,
        asked_image.platform,
        beginning.layer_count,
        beginning.evidence,
        beginning.chain_digest,
    from asked_image
    join beginning
        on asked_image.manifest_digest = beginning.manifest_digest
        and beginning.layer_count < asked_image.layer_count
),

-- Found by chain first and then fetched by place, as image_of does.
whole as (
    select below.manifest_digest, below.platform, below.layer_count, below.evidence, image.rowid as place,
    from below
    join image on below.chain_digest = image.chain_digest
    union all
    select below.manifest_digest, below.platform, below.layer_count, below.evidence, image.rowid as place,
    from below
    join image on below.chain_digest = image.diff_chain_digest
),

match as materialized (
    select
        whole.manifest_digest,
        image.manifest_digest as base_manifest_digest,
        any_value(image.config_digest) as base_config_digest,
        any_value(image.chain_digest) as base_chain_digest,
        whole.layer_count,
        max(whole.evidence) as evidence,
    from whole
    join image on whole.place = image.rowid and whole.platform = image.platform
    group by whole.manifest_digest, image.manifest_digest, whole.layer_count
),

nearest as (
    select match.manifest_digest, match.base_manifest_digest, match.base_config_digest,
    from match
    qualify rank() over (partition by match.manifest_digest order by match.layer_count desc) = 1
),

parent as (
    select distinct stg_index_entry.index_digest,
    from stg_index_entry
    semi join asked_image on stg_index_entry.manifest_digest = asked_image.manifest_digest
),

-- Found by digest first and then fetched by place: the bodies of all others would be unpacked too (duckdb 2.0.0).
kept as (
    select blob.rowid as place,
    from journal.blob
    semi join (
        select asked_image.manifest_digest as digest,
        from asked_image
        union
        select parent.index_digest as digest,
        from parent
    ) as wanted_blob on blob.digest = wanted_blob.digest
),

document as (
    select
        blob.digest,
        try_cast(try(decode(blob.body)) as json) as body,
    from journal.blob
    semi join kept on blob.rowid = kept.place
),

manifest_statement as (
    select
        asked_image.manifest_digest,
        0 as statement_rank,
        document.digest as document_digest,
        json_extract(document.body, '$.annotations') as annotations,
    from asked_image
    join document on asked_image.manifest_digest = document.digest
),

descriptor as (
    select
        parent.index_digest,
        unnest(json_extract(document.body, '$.manifests[*]')) as body,
    from parent
    join document on parent.index_digest = document.digest
),

index_statement as (
    select
        asked_image.manifest_digest,
        1 as statement_rank,
        descriptor.index_digest as document_digest,
        json_extract(descriptor.body, '$.annotations') as annotations,
    from asked_image
    join descriptor on asked_image.manifest_digest = json_extract_string(descriptor.body, '$.digest')
),

annotated as (
    select
        statement.manifest_digest,
        statement.statement_rank,
        statement.document_digest,
        nullif(json_extract_string(statement.annotations, '$."org.opencontainers.image.base.name"'), '') as name,
        nullif(json_extract_string(statement.annotations, '$."org.opencontainers.image.base.digest"'), '') as digest,
    from (
        from manifest_statement
        union all
        from index_statement
    ) as statement
),

label_row as (
    select
        image.manifest_digest,
        unnest(stg_config.labels) as label,
    from (
        select asked_image.manifest_digest, asked_image.config_digest,
        from asked_image
        union
        select nearest.base_manifest_digest as manifest_digest, nearest.base_config_digest as config_digest,
        from nearest
    ) as image
    join stg_config on image.config_digest = stg_config.digest
),

label as (
    select
        label_row.manifest_digest,
        left(label_row.label, position('=' in label_row.label) - 1) as name,
        substr(label_row.label, position('=' in label_row.label) + 1) as value,
    from label_row
    where position('=' in label_row.label) > 0
),

labelled as (
    select
        label.manifest_digest,
        nullif(max(label.value) filter (where label.name = 'org.opencontainers.image.base.name'), '') as name,
        nullif(max(label.value) filter (where label.name = 'org.opencontainers.image.base.digest'), '') as digest,
    from label
    group by label.manifest_digest
),

own_label as (
    select labelled.*,
    from labelled
    semi join asked_image on labelled.manifest_digest = asked_image.manifest_digest
    anti join (
        select nearest.manifest_digest, inherited.name, inherited.digest,
        from nearest
        join labelled as inherited on nearest.base_manifest_digest = inherited.manifest_digest
    ) as below
        on labelled.manifest_digest = below.manifest_digest
        and labelled.name is not distinct from below.name
        and labelled.digest is not distinct from below.digest
),

stated as materialized (
    select said.*,
    from (
        select annotated.manifest_digest, annotated.name, annotated.digest, 'annotation' as evidence,
            annotated.statement_rank, annotated.document_digest,
        from annotated
        union all
        select own_label.manifest_digest, own_label.name, own_label.digest, 'label' as evidence, 2 as statement_rank,
            own_label.manifest_digest as document_digest,
        from own_label
    ) as said
    where said.name is not null or said.digest is not null
    qualify
        row_number() over (
            partition by said.manifest_digest
            order by said.statement_rank, said.digest is null, said.document_digest
        ) = 1
),

stated_below as materialized (
    select index_image.*,
    from index_image_of('stated') as index_image
),

stated_image as (
    select
        stated.manifest_digest,
        stated.name,
        stated.digest,
        stated.evidence,
        base.manifest_digest as base_manifest_digest,
        base.chain_digest as base_chain_digest,
        match.layer_count,
    from stated
    join asked_image on stated.manifest_digest = asked_image.manifest_digest
    left join stated_below as index_image on stated.digest = index_image.index_digest
    left join image_of('stated_below') as base
        on index_image.manifest_digest = base.manifest_digest
        and asked_image.platform = base.platform
    left join match
        on stated.manifest_digest = match.manifest_digest
        and base.manifest_digest = match.base_manifest_digest
    qualify
        row_number() over (
            partition by stated.manifest_digest
            order by match.layer_count desc nulls last, base.manifest_digest is null, index_image.position
        ) = 1
),

told as (
    select stated_image.*,
    from stated_image
    anti join match
        on stated_image.manifest_digest = match.manifest_digest
        and stated_image.evidence = 'label'
        and match.layer_count > stated_image.layer_count
),

candidate as (
    select
        told.manifest_digest,
        told.name as base_name,
        told.digest as base_digest,
        told.base_manifest_digest,
        told.base_chain_digest,
        told.evidence,
        told.layer_count,
        1000000 as nearness,
    from told
    union all by name
    select
        match.manifest_digest,
        match.base_manifest_digest,
        match.base_chain_digest,
        match.evidence,
        match.layer_count,
        match.layer_count as nearness,
    from match
    anti join told
        on match.manifest_digest = told.manifest_digest
        and match.layer_count >= told.layer_count
),

placed as materialized (
    select
        candidate.*,
        dense_rank() over (partition by candidate.manifest_digest order by candidate.nearness desc) as level,
    from candidate
),

placed_tag as materialized (
    select tag_image.*,
    from tag_image
    semi join (
        select tag_image.rowid as place,
        from tag_image
        semi join (
            select unnest(array_agg(distinct placed.base_manifest_digest)) as manifest_digest,
            from placed
        ) as listed on tag_image.manifest_digest = listed.manifest_digest
    ) as found on tag_image.rowid = found.place
    where not is_artifact_tag(tag_image.tag)
),

tagged as (
    select
        asked.asked_at,
        placed.*,
        tag_image.repository as base_repository,
        tag_image.tag as base_tag,
        tag_image.digest as tag_digest,
        tag_image.valid_from as base_valid_from,
        case
            when tag_image.tag is null then null
            when tag_image.valid_from >= asked.asked_at + interval 1 day then 'after'
            when tag_image.valid_to <= asked.asked_at - interval 1 day then 'before'
            else 'then'
        end as base_tag_seen,
        case
            when tag_image.valid_from > asked.asked_at then epoch_us(tag_image.valid_from) - epoch_us(asked.asked_at)
            when tag_image.valid_to <= asked.asked_at then epoch_us(asked.asked_at) - epoch_us(tag_image.valid_to)
            else 0
        end as distance,
    from asked
    join placed on asked.manifest_digest = placed.manifest_digest
    left join placed_tag as tag_image on placed.base_manifest_digest = tag_image.manifest_digest
),

best as (
    select
        tagged.*,
        first_value(
            {
                'manifest_digest': tagged.base_manifest_digest,
                'repository': tagged.base_repository,
                'seen': tagged.base_tag_seen
            }
        ) over (
            partition by tagged.manifest_digest, tagged.asked_at, tagged.level
            order by
                case tagged.base_tag_seen when 'then' then 0 when 'before' then 1 when 'after' then 2 else 3 end,
                not coalesce(starts_with(tagged.base_repository, 'docker.io/library/'), false),
                tagged.distance,
                tagged.base_valid_from,
                tagged.base_repository,
                tagged.base_manifest_digest
        ) as chosen,
    from tagged
)

select
    best.manifest_digest,
    best.asked_at,
    best.level,
    best.evidence,
    best.base_name,
    coalesce(best.base_digest, best.tag_digest) as base_digest,
    best.base_manifest_digest,
    best.base_repository,
    best.base_tag,
    best.base_tag_seen,
    best.base_chain_digest,
    best.layer_count as base_layer_count,
    layer_row.below_bytes as base_bytes,
from best
left join layer_row
    on best.manifest_digest = layer_row.manifest_digest
    and best.layer_count - 1 = layer_row.position
where
    best.base_manifest_digest is not distinct from best.chosen.manifest_digest
    and best.base_repository is not distinct from best.chosen.repository
    and best.base_tag_seen is not distinct from best.chosen.seen
qualify
    row_number() over (
        partition by best.manifest_digest, best.asked_at, best.level, best.base_tag
        order by best.distance, best.base_valid_from
    ) = 1
