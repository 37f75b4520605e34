-- Function of a repository, a pattern of tags (a glob; null: all) and a platform: what the images of a tag are built on.
-- One row per stretch (image_stretch) and level of its bases (base_of); one whose level is null where no base is known.
-- base_tags are the tags that the base had then. base_tag is the one of them that the tag's bases had most often, so that
-- it is the one being followed.
with stretch as materialized (
    select image_stretch.*,
    from image_stretch(wanted_repository, wanted_tag, wanted_platform) as image_stretch
),

wanted as (
    select stretch.manifest_digest, stretch.valid_from as asked_at,
    from stretch
),

found as materialized (
    select
        stretch.*,
        base.* exclude (manifest_digest, asked_at),
    from stretch
    left join base_of('wanted') as base
        on stretch.manifest_digest = base.manifest_digest
        and stretch.valid_from = base.asked_at
),

followed as (
    select
        found.tag,
        found.level,
        found.base_repository,
        found.base_tag,
        count(*) as stretch_count,
    from found
    group by found.tag, found.level, found.base_repository, found.base_tag
),

ranked as (
    select
        found.*,
        row_number() over (
            partition by found.tag, found.stretch_number, found.level
            order by
                is_rolling_tag(found.base_tag),
                followed.stretch_count desc,
                tag_kind(followed.base_tag) <> 'name',
                length(followed.base_tag),
                followed.base_tag
        ) as tag_rank,
    from found
    left join followed
        on found.tag = followed.tag
        and found.level = followed.level
        and found.base_repository = followed.base_repository
        and found.base_tag = followed.base_tag
)

select
    ranked.* exclude (tag_rank),
    string_agg(ranked.base_tag, ', ') over (
        partition by ranked.tag, ranked.stretch_number, ranked.level
        order by ranked.tag_rank
        rows between unbounded preceding and unbounded following
    ) as base_tags,
from ranked
qualify ranked.tag_rank = 1
