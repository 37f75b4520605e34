-- One row per run, with the rank of its source: where two sources describe the same thing, the lower rank wins.
select
    run.*,
    case run.source
        when 'registry' then 1
        when 'oci-layout' then 1
        when 'docker-archive' then 1
        when 'chainguard' then 2
        when 'quay' then 2
        when 'docker-hub' then 4
        when 'official-images' then 5
        when 'docs-readme' then 6
        when 'repo-info' then 7
        when 'tags-history' then 8
        else 9
    end as source_rank,
from journal.run
