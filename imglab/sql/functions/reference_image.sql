-- Function of a relation `asked` (by name; columns position, repository, tag, digest), a platform and a time (null: the
-- newest): what references stand for. One row per reference; all about its image is null where none is known. A reference
-- without tag and digest means latest. Of several images for the platform (Windows builds) the first one counts unless the
-- platform names a series.
with asked_tag as (
    select given.repository, coalesce(given.tag, 'latest') as tag,
    from query_table(asked) as given
    where given.digest is null
),

pointed as materialized (
    select
        given.position,
        given.repository,
        coalesce(given.tag, case when given.digest is null then 'latest' end) as tag,
        coalesce(given.digest, tag_interval.digest) as digest,
        tag_interval.valid_from,
    from query_table(asked) as given
    left join tag_interval_of('asked_tag') as tag_interval
        on given.digest is null
        and given.repository = tag_interval.repository
        and coalesce(given.tag, 'latest') = tag_interval.tag
        and (
            wanted_at is null
            or (
                tag_interval.valid_from <= wanted_at
                and (tag_interval.valid_to is null or tag_interval.valid_to > wanted_at)
            )
        )
    qualify row_number() over (partition by given.position order by tag_interval.valid_from desc nulls last) = 1
),

held as materialized (
    select index_image.*,
    from index_image_of('pointed') as index_image
),

found as (
    select
        pointed.position,
        image.manifest_digest,
        image.chain_digest,
        image.layer_count,
        image.created_at,
    from pointed
    join held on pointed.digest = held.index_digest
    join image_of('held') as image on held.manifest_digest = image.manifest_digest
    where wanted_platform in (image.platform, image.series)
    qualify row_number() over (partition by pointed.position order by held.position) = 1
)

select
    pointed.*,
    found.* exclude (position),
from pointed
left join found on pointed.position = found.position
