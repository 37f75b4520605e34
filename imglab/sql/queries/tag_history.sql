-- One row per stretch of time in which a tag pointed at one digest; by tag, then time.
-- Parameters: $repository, $tag (a glob such as 3.*; null: all tags), $since, $until (null: no limit)
select
    tag_interval.repository,
    tag_interval.tag,
    tag_interval.digest,
    tag_interval.valid_from_earliest,
    tag_interval.valid_from,
    tag_interval.valid_to,
    tag_interval.last_observed_at,
    tag_interval.source,
    tag_interval.document,
    tag_interval.document_revision,
from tag_interval
where
    tag_interval.repository = $repository
    and ($tag::varchar is null or tag_interval.tag glob $tag)
    and is_told_tag(tag_interval.tag, $tag::varchar)
    and ($since::timestamptz is null or tag_interval.valid_to is null or tag_interval.valid_to > $since)
    and ($until::timestamptz is null or tag_interval.valid_from < $until)
order by tag_interval.tag, tag_interval.valid_from
