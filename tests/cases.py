"""
The cases that each question is tested in, with rows computed by hand, and how to see that a store has one.

A test names the cases that it holds: `@pytest.mark.case("update_cost", "foreign layers", "reborn tag")`. After the test
`conftest.py` looks whether a store of it has them; `test_cases.py` looks whether a question lacks any.
"""

from __future__ import annotations

from pathlib import Path

from imglab.journal import Journal
from imglab.store import Store

EMPTY = "empty store"

# Each finds at least one row in a store that has the case.
CASES = {
    "repeated layers": """
        select manifest_digest from image_layer
        group by manifest_digest, layer_digest having count(*) > 1
    """,
    "unknown steps": "select manifest_digest from image where step_source is null and layer_count > 0",
    "unknown sizes": """
        select manifest_digest from tag_image where compressed_bytes is null
        union all
        select manifest_digest from image_layer where compressed_bytes is null
    """,
    "attestations": "select manifest_digest from stg_index_entry where os = 'unknown' and attests_digest is not null",
    "referrers": """
        select digest from stg_manifest where subject_digest is not null
        union all
        select digest from tag_interval where is_artifact_tag(tag)
    """,
    "foreign layers": "select manifest_digest from image_layer where is_foreign",
    # Gone for a time, from the registry or from the documents that define it.
    "reborn tag": """
        with life as (
            select repository, tag, 'digest' as basis, valid_from, valid_to from tag_interval
            union all
            select repository, tag, 'definition', valid_from, valid_to from definition_interval
        )
        select tag from life
        qualify lag(valid_to) over (partition by repository, tag, basis order by valid_from) < valid_from
    """,
    # Two sources that look at a tag in the same time, and one of them says what is not taken for true.
    "several sources": """
        with look as (
            select repository, tag, source, min(observed_at) as looked_from, max(observed_at) as looked_to
            from stg_tag_observation group by repository, tag, source
        ),
        doubted as (
            select told.repository, told.tag
            from stg_tag_observation as told
            anti join tag_interval
                on told.repository = tag_interval.repository and told.tag = tag_interval.tag
                and told.digest = tag_interval.digest and told.observed_at >= tag_interval.valid_from
                and (tag_interval.valid_to is null or told.observed_at < tag_interval.valid_to)
            where told.digest is not null
        )
        select one.tag
        from look as one
        join look as other
            on one.repository = other.repository and one.tag = other.tag and one.source < other.source
            and one.looked_from <= other.looked_to and other.looked_from <= one.looked_to
        semi join doubted on one.repository = doubted.repository and one.tag = doubted.tag
        union all
        select tag from stg_tag_definition group by repository, tag having count(distinct source) > 1
    """,
    "windows builds": """
        select tag from tag_image where platform like 'windows/%'
        group by repository, tag, valid_from, platform having count(distinct series) > 1
    """,
    "shared image": """
        select manifest_digest from tag_image where not is_artifact_tag(tag)
        group by repository, manifest_digest having count(distinct tag) > 1
    """,
    "single image": "select tag from tag_image where digest = manifest_digest",
    "two names": "select digest from tag_interval group by digest having count(distinct repository) > 1",
}


def cases_of(folder: Path) -> set[str]:
    """The cases that stores of the journals in *folder* have; the empty store, where no run was committed."""
    journals = [Journal(path) for path in folder.rglob("journal") if path.is_dir()]
    filled = [journal for journal in journals if journal.run_ids()]
    found = set() if filled else {EMPTY}
    for journal in filled:
        with Store.in_memory(journal) as store:
            found |= {case for case, query in CASES.items() if not store.sql(query).is_empty()}
    return found
