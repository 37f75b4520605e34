"""
The cases that each question is tested in, with rows computed by hand, and how to see that a store has one.

A test names the cases that it holds: `@pytest.mark.case("update_cost", "foreign layers", "reborn tag")`. After the test
`conftest.py` looks whether a store of it has them; `test_cases.py` looks whether a question lacks any.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from imglab.cli import QUESTIONS
from imglab.journal import Journal
from imglab.store import Store

EMPTY = "empty store"
TESTED = (*QUESTIONS, "diff", "budget_image", "budget_step")

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


_BELOW = ("repeated layers", "unknown steps", "unknown sizes", "foreign layers")
_STEPS = ("unknown steps",)

# Cases that make no difference to a question: questions, cases, why.
EXEMPT: tuple[tuple[tuple[str, ...], tuple[str, ...], str], ...] = (
    (
        ("tag_history", "tag_churn", "tag_lifetimes", "digest_lifetimes", "aliases", "update_gaps"),
        (*_BELOW, "attestations", "windows builds"),
        "reads where tags point, and nothing that lies below a digest",
    ),
    (
        ("tag_sources",),
        (*_BELOW, "attestations", "referrers", "windows builds", "shared image", "single image", "two names"),
        "reads what documents define, which names no digest",
    ),
    (("architecture_support",), _BELOW, "reads which platforms tags gave images to, and nothing of these images"),
    (
        ("bases", "base_lag", "base_share", "fleet_cost", "common_bases", "update_cost", "pins"),
        _STEPS,
        "compares layers by their digests, and never the steps that made them",
    ),
    (("package_growth",), _BELOW, "reads bills of materials, and no layer of the image that they are about"),
)


def exempt(question: str) -> set[str]:
    """The cases that make no difference to *question*."""
    return {case for questions, cases, _ in EXEMPT if question in questions for case in cases}


def marked() -> Iterator[tuple[str, str]]:
    """Every question and case that a test in this folder says to hold."""
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        if "mark.case(" in path.read_text("utf-8"):
            for value in vars(importlib.import_module(path.stem)).values():
                for mark in _marks(getattr(value, "pytestmark", ())):
                    yield from ((mark.args[0], case) for case in mark.args[1:])


def _marks(marks: Iterable[pytest.Mark]) -> Iterator[pytest.Mark]:
    for mark in marks:
        if mark.name == "case":
            yield mark
        if mark.name == "parametrize":
            for given in mark.args[1]:
                yield from _marks(one.mark for one in getattr(given, "marks", ()))


def holes(questions: Iterable[str], found: set[tuple[str, str]]) -> list[tuple[str, str]]:
    """The questions and cases that neither a test holds nor a reason excuses."""
    wanted = ((question, case) for question in questions for case in (*CASES, EMPTY))
    return [
        (question, case) for question, case in wanted if (question, case) not in found and case not in exempt(question)
    ]
