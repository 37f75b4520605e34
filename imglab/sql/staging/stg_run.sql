-- One row per run, with the rank of its source: where two sources describe the same thing, the lower rank wins.
select
    run.*,
    case run.source
        when 'registry' then 1
        when 'official-images' then 3
        when 'repo-info' then 5
        else 9
    end as source_rank,
from journal.run
