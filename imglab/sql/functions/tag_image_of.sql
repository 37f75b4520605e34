-- Function of a relation `wanted` (by name; columns repository, tag): the images of these tags, as in `tag_image`.
-- One row per tag interval and image. Found as image_of finds images.
with fetched as materialized (
    select tag_image.*,
    from tag_image
    semi join (
        select tag_image.rowid as place,
        from tag_image
        semi join (
            select listed.name.repository, listed.name.tag,
            from (
                select unnest(array_agg(distinct {'repository': given.repository, 'tag': given.tag})) as name,
                from query_table(wanted) as given
            ) as listed
        ) as named
            on tag_image.repository = named.repository
            and tag_image.tag = named.tag
    ) as found on tag_image.rowid = found.place
)

select fetched.*,
from fetched
