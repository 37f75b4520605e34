-- One row: what is known of a repository at a time, and of which version of a tags-history page it is told.
-- Parameters: $repository, $at (null: the newest state)
-- `first_known_at` is the earliest moment of which anything is known, whatever the time asked for; `looked_at` when
-- anybody last looked before it. The page is the newest that could be read, be it removed since; null without one, or
-- where another source looked after it.
with moment as (
    select coalesce($at::timestamptz, 'infinity'::timestamptz) as until_at,
),

looked as (
    select stg_tag_observation.observed_at, stg_tag_observation.source,
    from stg_tag_observation
    where stg_tag_observation.repository = $repository
    union all
    select stg_listing.observed_at, stg_run.source,
    from stg_listing
    join stg_run on stg_listing.run_id = stg_run.run_id
    where stg_listing.repository = $repository
),

-- Not the staged versions: single files are told apart by their name there, and pages share theirs.
page as (
    select
        document_version.run_id,
        document_version.document,
        document_version.observed_at,
        document_version.form,
    from journal.document_version
    join stg_run on document_version.run_id = stg_run.run_id
    where
        stg_run.source = 'tags-history'
        and document_version.repository = $repository
        and document_version.form is not null
),

newest as (
    select page.*,
    from page
    cross join moment
    where page.observed_at <= moment.until_at
    qualify rank() over (order by page.observed_at desc) = 1
),

-- Where two pages say the same at the same time, it is told of one of them only.
chosen as (
    select
        newest.run_id,
        newest.document,
        newest.observed_at,
        newest.form,
    from newest
    left join stg_tag_observation
        on newest.run_id = stg_tag_observation.run_id
        and newest.document = stg_tag_observation.document
        and newest.observed_at = stg_tag_observation.observed_at
    group by newest.run_id, newest.document, newest.observed_at, newest.form
    qualify row_number() over (
        order by count(stg_tag_observation.tag) desc, newest.run_id desc, newest.document
    ) = 1
),

known as (
    select tag_interval.valid_from as known_at,
    from tag_interval
    where tag_interval.repository = $repository
    union all
    select page.observed_at as known_at,
    from page
),

summary as (
    select
        (select min(known.known_at) from known) as first_known_at,
        max(looked.observed_at) as looked_at,
        max(looked.observed_at) filter (where looked.source != 'tags-history') as looked_elsewhere_at,
    from moment
    left join looked on looked.observed_at <= moment.until_at
)

select
    summary.first_known_at,
    summary.looked_at,
    chosen.run_id as page_run_id,
    chosen.document as page_document,
    chosen.observed_at as page_observed_at,
    chosen.form as page_form,
from summary
left join chosen
    on summary.looked_elsewhere_at is null
    or chosen.observed_at >= summary.looked_elsewhere_at
