-- Function of a relation `wanted` (by name; column manifest_digest): these images, as in `image`. One row per image.
-- Digests go through a list so that the few are hashed and not the many, whatever is estimated of them. Images are found by
-- digest first and then fetched by place, at once: the other columns of all of them would be unpacked too (duckdb 2.0.0).
with fetched as materialized (
    select image.*,
    from image
    semi join (
        select image.rowid as place,
        from image
        semi join (
            select unnest(array_agg(distinct given.manifest_digest)) as manifest_digest,
            from query_table(wanted) as given
        ) as listed on image.manifest_digest = listed.manifest_digest
    ) as found on image.rowid = found.place
)

select fetched.*,
from fetched
