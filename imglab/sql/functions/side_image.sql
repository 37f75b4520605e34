-- Function of a relation `tagged` (by name; rows of tag_image, with `is_told`: whether what is compared is known of the
-- image), and of a repository, tag, time and whether the first are meant: one side of a comparison. One row per image that
-- the tag gave at that time; if it is null, the first of each series that is told or, else, those of the newest stretch with
-- one. at: the time, or where none was given when the first came there, or the newest was last seen.
select
    given.*,
    case
        when wanted_at is not null then wanted_at
        when is_first then given.valid_from
        else given.last_observed_at
    end as at,
from query_table(tagged) as given
where
    given.repository = wanted_repository
    and given.tag = wanted_tag
    and case
        when wanted_at is null then given.is_told
        else given.valid_from <= wanted_at and (given.valid_to is null or given.valid_to > wanted_at)
    end
qualify
    wanted_at is not null
    or case
        when is_first then rank() over (partition by given.series order by given.valid_from) = 1
        else rank() over (order by given.valid_from desc) = 1
    end
