-- One row per tag that sources saw in a repository at a time; by tag. Signatures and the like, whose tag is the digest of
-- what they are about (`sha256-…`), are none that anybody supports.
-- Parameters: $repository, $at (null: the newest state)
-- `platforms` are those of its images (null: none are known).
with moment as (
    select coalesce($at::timestamptz, 'infinity'::timestamptz) as until_at,
),

pointed as (
    select
        tag_interval.tag,
        tag_interval.digest,
        tag_interval.valid_from,
    from tag_interval
    cross join moment
    where
        tag_interval.repository = $repository
        and tag_interval.valid_from <= moment.until_at
        and (tag_interval.valid_to is null or tag_interval.valid_to > moment.until_at)
        and not regexp_matches(tag_interval.tag, '^sha(256|512)-[0-9a-f]{64}')
)

select
    pointed.tag,
    pointed.digest,
    list(distinct tag_image.platform order by tag_image.platform)
        filter (where tag_image.platform is not null) as platforms,
from pointed
left join tag_image
    on tag_image.repository = $repository
    and pointed.tag = tag_image.tag
    and pointed.valid_from = tag_image.valid_from
group by pointed.tag, pointed.digest
order by pointed.tag
