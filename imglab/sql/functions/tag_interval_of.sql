-- Function of a relation `wanted` (by name; columns repository, tag): the stretches of time of these tags, as in
-- `tag_interval`. One row per tag and stretch. Found as image_of finds images.
with fetched as materialized (
    select tag_interval.*,
    from tag_interval
    semi join (
        select tag_interval.rowid as place,
        from tag_interval
        semi join (
            select listed.name.repository, listed.name.tag,
            from (
                select unnest(array_agg(distinct {'repository': given.repository, 'tag': given.tag})) as name,
                from query_table(wanted) as given
            ) as listed
        ) as named
            on tag_interval.repository = named.repository
            and tag_interval.tag = named.tag
    ) as found on tag_interval.rowid = found.place
)

select fetched.*,
from fetched
