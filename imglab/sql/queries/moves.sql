-- One row per move of a tag from one digest to another, with what it changed (tag_move); by tag, then time.
-- Parameters: $repository, $tag (a glob; null: all tags), $platform (null: all images together), $since, $until (of the
-- move; null: no limit)
select
    move.repository,
    move.tag,
    $platform::varchar as platform,
    move.moved_at_earliest,
    move.moved_at,
    move.kind,
    move.from_digest,
    move.to_digest,
    move.changed_platforms,
    move.image_count,
    move.content_count,
    move.base_count,
    move.rebuild_count,
    move.metadata_count,
    move.unchanged_count,
    move.unknown_count,
    move.came_count,
    move.went_count,
    move.from_bytes,
    move.to_bytes,
    move.delta_bytes,
    move.pulled_bytes,
    move.source,
    move.document,
    move.document_revision,
from tag_move($repository::varchar, $tag::varchar, $platform::varchar) as move
where
    ($since::timestamptz is null or move.moved_at >= $since)
    and ($until::timestamptz is null or move.moved_at < $until)
order by move.tag, move.moved_at
