-- One row per tag that was there when last looked at; by repository, then tag. Sizes are those of linux/amd64, or of the
-- only image where there is but one; null otherwise.
-- Parameters: $repository (null: all), $tag (a glob; null: all tags)
with newest as (
    select
        tag_interval.repository,
        tag_interval.tag,
        tag_interval.digest,
        tag_interval.valid_from,
        tag_interval.last_observed_at,
        tag_interval.source,
    from tag_interval
    where
        tag_interval.valid_to is null
        and ($repository::varchar is null or tag_interval.repository = $repository)
        and ($tag::varchar is null or tag_interval.tag glob $tag)
        and is_told_tag(tag_interval.tag, $tag::varchar)
),

sized as (
    select
        newest.repository,
        newest.tag,
        count(tag_image.manifest_digest) as image_count,
        arg_min(
            {'compressed_bytes': tag_image.compressed_bytes, 'layer_count': tag_image.layer_count}, tag_image.position
        ) filter (where tag_image.platform = 'linux/amd64') as amd64,
        any_value({'compressed_bytes': tag_image.compressed_bytes, 'layer_count': tag_image.layer_count}) as any_image,
    from newest
    left join tag_image
        on newest.repository = tag_image.repository
        and newest.tag = tag_image.tag
        and newest.valid_from = tag_image.valid_from
    group by newest.repository, newest.tag
)

select
    newest.repository,
    newest.tag,
    newest.digest,
    newest.valid_from,
    newest.last_observed_at,
    newest.source,
    sized.image_count,
    coalesce(
        sized.amd64.compressed_bytes, case when sized.image_count = 1 then sized.any_image.compressed_bytes end
    ) as compressed_bytes,
    coalesce(
        sized.amd64.layer_count, case when sized.image_count = 1 then sized.any_image.layer_count end
    ) as layer_count,
from newest
join sized
    on newest.repository = sized.repository
    and newest.tag = sized.tag
order by newest.repository, newest.tag
