-- One row per platform and package that differs between two images; by platform, then ecosystem and name.
-- Parameters: $repository, $tag, $since and $to_repository, $to_tag, $until; $platform (null: all that both have).
-- Without $since the first image of each platform with a bill of materials, or the newest where another tag is compared
-- with; without $until the newest with one. $is_one_tag: both sides are the same tag.
-- Of several bills of materials that of the image's own index counts first, then that of the image and not of a stage,
-- then CycloneDX, which can tell sizes. Images are paired by image_pair.
-- What a version is paired with: itself; or where a package lost one version and got one, these two. Nothing says which
-- of several belong together.
with tagged as not materialized (
    select
        tag_image.*,
        image_sbom.sbom_digest,
        array_to_string(image_sbom.tools, ', ') as tools,
        true as is_told,
    from tag_image
    join image_sbom on tag_image.manifest_digest = image_sbom.manifest_digest
    where $platform::varchar is null or $platform in (tag_image.platform, tag_image.series)
    qualify
        row_number() over (
            partition by
                tag_image.repository, tag_image.tag, tag_image.valid_from, tag_image.digest, tag_image.position
            order by
                coalesce(image_sbom.index_digest = tag_image.digest, false) desc,
                image_sbom.is_extra,
                image_sbom.format,
                image_sbom.position,
                image_sbom.sbom_digest
        ) = 1
),

chosen as (
    select true as is_from, side_image.*,
    from side_image('tagged', $repository, $tag, $since::timestamptz, $is_one_tag) as side_image
    union all by name
    select false as is_from, side_image.*,
    from side_image('tagged', $to_repository, $to_tag, $until::timestamptz, false) as side_image
),

pair as (
    select
        compared.image_to.platform,
        compared.image_from.series as from_series,
        compared.image_to.series as to_series,
        compared.image_from.at as from_at,
        compared.image_to.at as to_at,
        compared.image_from.digest as from_digest,
        compared.image_to.digest as to_digest,
        compared.image_from.manifest_digest as from_manifest_digest,
        compared.image_to.manifest_digest as to_manifest_digest,
        compared.image_from.sbom_digest as from_sbom_digest,
        compared.image_to.sbom_digest as to_sbom_digest,
        compared.image_from.tools as from_tools,
        compared.image_to.tools as to_tools,
        row_number() over (
            order by compared.image_to.platform, compared.image_to.series, compared.image_to.position
        ) as pair_number,
    from image_pair('chosen', false) as compared
),

listed as (
    select pair.pair_number, true as is_from, stg_package.*,
    from pair
    join stg_package on pair.from_sbom_digest = stg_package.sbom_digest
    union all
    select pair.pair_number, false as is_from, stg_package.*,
    from pair
    join stg_package on pair.to_sbom_digest = stg_package.sbom_digest
),

version as (
    select
        listed.pair_number,
        listed.ecosystem,
        listed.name,
        listed.version,
        count(*) filter (where listed.is_from) as from_count,
        count(*) filter (where not listed.is_from) as to_count,
        count(listed.installed_bytes) filter (where listed.is_from) as from_sized_count,
        count(listed.installed_bytes) filter (where not listed.is_from) as to_sized_count,
        sum(listed.installed_bytes) filter (where listed.is_from) as from_sum,
        sum(listed.installed_bytes) filter (where not listed.is_from) as to_sum,
    from listed
    group by listed.pair_number, listed.ecosystem, listed.name, listed.version
),

sized as (
    select
        version.*,
        case when version.from_count = version.from_sized_count then version.from_sum end::bigint as from_bytes,
        case when version.to_count = version.to_sized_count then version.to_sum end::bigint as to_bytes,
        count(*) filter (where version.to_count = 0) over same_package as gone_count,
        count(*) filter (where version.from_count = 0) over same_package as new_count,
    from version
    window same_package as (partition by version.pair_number, version.ecosystem, version.name)
),

changed as (
    select
        sized.*,
        case
            when sized.from_count > 0 and sized.to_count > 0 and sized.from_count <> sized.to_count then 'copies'
            when sized.from_count > 0 and sized.to_count > 0 and sized.from_bytes <> sized.to_bytes then 'resized'
            when sized.from_count > 0 and sized.to_count > 0 then null
            when sized.gone_count = 1 and sized.new_count = 1 then 'changed'
            when sized.to_count = 0 then 'went'
            else 'came'
        end as change,
    from sized
),

package_change as (
    select
        changed.pair_number,
        changed.ecosystem,
        changed.name,
        changed.change,
        max(changed.version) filter (where changed.from_count > 0) as from_version,
        max(changed.version) filter (where changed.to_count > 0) as to_version,
        sum(changed.from_count)::bigint as from_count,
        sum(changed.to_count)::bigint as to_count,
        sum(changed.from_bytes)::bigint as from_installed_bytes,
        sum(changed.to_bytes)::bigint as to_installed_bytes,
    from changed
    where changed.change is not null
    group by
        changed.pair_number,
        changed.ecosystem,
        changed.name,
        changed.change,
        case when changed.change <> 'changed' then changed.version end
)

select
    $repository::varchar as repository,
    $tag::varchar as tag,
    $to_repository::varchar as to_repository,
    $to_tag::varchar as to_tag,
    pair.platform,
    pair.from_series,
    pair.to_series,
    pair.from_at,
    pair.to_at,
    pair.from_digest,
    pair.to_digest,
    pair.from_manifest_digest,
    pair.to_manifest_digest,
    pair.from_sbom_digest,
    pair.to_sbom_digest,
    pair.from_tools,
    pair.to_tools,
    package_change.ecosystem,
    package_change.name,
    package_change.from_version,
    package_change.to_version,
    package_change.change,
    package_change.from_count,
    package_change.to_count,
    package_change.from_installed_bytes,
    package_change.to_installed_bytes,
    case
        when package_change.change = 'came' then package_change.to_installed_bytes
        when package_change.change = 'went' then -package_change.from_installed_bytes
        else package_change.to_installed_bytes - package_change.from_installed_bytes
    end as delta_bytes,
from pair
join package_change on pair.pair_number = package_change.pair_number
order by
    pair.pair_number,
    package_change.ecosystem,
    package_change.name,
    package_change.from_version,
    package_change.to_version
