-- Function of a relation `wanted` (by name; column manifest_digest): the layers of these images, as in `image_layer`.
-- One row per image and layer. Found as image_of finds images.
with fetched as materialized (
    select image_layer.*,
    from image_layer
    semi join (
        select image_layer.rowid as place,
        from image_layer
        semi join (
            select unnest(array_agg(distinct given.manifest_digest)) as manifest_digest,
            from query_table(wanted) as given
        ) as listed on image_layer.manifest_digest = listed.manifest_digest
    ) as found on image_layer.rowid = found.place
)

select fetched.*,
from fetched
