-- Content that one run states twice: each digest is learnt once.
select 'manifest' as what, manifest.run_id, manifest.digest as subject, count(*) as row_count,
from journal.manifest
group by manifest.run_id, manifest.digest
having count(*) > 1
union all
select 'layer' as what, layer.run_id, layer.manifest_digest || ' ' || layer.position as subject, count(*) as row_count,
from journal.layer
group by layer.run_id, layer.manifest_digest, layer.position
having count(*) > 1
union all
select
    'index_entry' as what,
    index_entry.run_id,
    index_entry.index_digest || ' ' || index_entry.position as subject,
    count(*) as row_count,
from journal.index_entry
group by index_entry.run_id, index_entry.index_digest, index_entry.position
having count(*) > 1
union all
select
    'history' as what,
    history.run_id,
    history.config_digest || ' ' || history.position as subject,
    count(*) as row_count,
from journal.history
group by history.run_id, history.config_digest, history.position
having count(*) > 1
union all
select
    'package' as what,
    package.run_id,
    package.sbom_digest || ' ' || package.position as subject,
    count(*) as row_count,
from journal.package
group by package.run_id, package.sbom_digest, package.position
having count(*) > 1
union all
select
    'tag_observation' as what,
    tag_observation.run_id,
    tag_observation.repository || ':' || tag_observation.tag || ' ' || tag_observation.observed_at as subject,
    count(*) as row_count,
from journal.tag_observation
group by tag_observation.run_id, tag_observation.repository, tag_observation.tag, tag_observation.observed_at
having count(*) > 1
