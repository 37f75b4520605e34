-- Function of a relation `wanted` (by name; column digest): what is below these digests, as in `index_image`.
-- One row per digest and image. Found as image_of finds images.
with fetched as materialized (
    select index_image.*,
    from index_image
    semi join (
        select index_image.rowid as place,
        from index_image
        semi join (
            select unnest(array_agg(distinct given.digest)) as digest,
            from query_table(wanted) as given
        ) as listed on index_image.index_digest = listed.digest
    ) as found on index_image.rowid = found.place
)

select fetched.*,
from fetched
