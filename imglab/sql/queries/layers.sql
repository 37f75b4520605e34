-- One row per layer of the image that a tag gave to a platform at a time, or of one image named by digest; by position.
-- Parameters: $repository, $tag, $platform, $at (null: the newest interval); or $digest, the others null
with chosen as (
    select
        tag_image.repository,
        tag_image.tag,
        tag_image.platform,
        tag_image.manifest_digest,
    from tag_image
    where
        tag_image.repository = $repository
        and tag_image.tag = $tag
        and $platform in (tag_image.platform, tag_image.series)
        and (
            $at::timestamptz is null
            or (tag_image.valid_from <= $at and (tag_image.valid_to is null or tag_image.valid_to > $at))
        )
    qualify row_number() over (order by tag_image.valid_from desc, tag_image.position) = 1
    union all
    select
        $repository::varchar as repository,
        null as tag,
        image.platform,
        image.manifest_digest,
    from image
    where image.manifest_digest = $digest
)

select
    chosen.repository,
    chosen.tag,
    chosen.platform,
    chosen.manifest_digest,
    image_layer.position,
    image_layer.layer_digest,
    image_layer.compressed_bytes,
    image_layer.media_type,
    image_layer.is_foreign,
    image_layer.step_label,
    image_layer.created_by,
    image_layer.step_created_at,
from chosen
join image_layer_of('chosen') as image_layer on chosen.manifest_digest = image_layer.manifest_digest
order by image_layer.position
