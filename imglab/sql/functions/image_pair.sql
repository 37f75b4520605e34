-- Function of a relation `side` (by name; one row per image, with is_from, position, platform, series): which image of the
-- first side is compared with which of the second. One row per pair: image_from and image_to, each a row of the relation.
-- Images are paired by series; where each side has one of a platform, whatever its build; and if so is wanted, where each
-- side has one alone, these.
with counted as (
    select
        given.*,
        row_number() over (partition by given.is_from, given.series order by given.position) as series_number,
        count(*) over (partition by given.is_from, given.platform) as platform_count,
        count(*) over (partition by given.is_from) as image_count,
    from query_table(side) as given
)

select
    image_from,
    image_to,
from (select counted.* from counted where counted.is_from) as image_from
join (select counted.* from counted where not counted.is_from) as image_to
    on (
        image_from.series is not distinct from image_to.series
        and image_from.series_number = image_to.series_number
    )
    or (
        image_from.platform = image_to.platform
        and image_from.platform_count = 1
        and image_to.platform_count = 1
    )
    or (
        are_single_paired
        and image_from.image_count = 1
        and image_to.image_count = 1
    )
