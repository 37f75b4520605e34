"""The histories of all systems and what a registry says in between: the same marts in any order, each row traceable."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from made import commit

from imglab import imports, runs
from imglab.data import open_store
from imglab.records import Record, TagObservation
from imglab.store import CHECKS, MARTS, VIEWS, Store

pytestmark = pytest.mark.real_history
BUNDLES = [
    ("official-images", "official-images.bundle"),
    ("docs-readme", "docs-readme.bundle"),
    ("tags-history", "chainguard-tags-history.bundle"),
    ("repo-info", "docs-tag-details.bundle"),
    ("repo-info", "repo-info.bundle"),
]
OWN = {"run_id"}  # of a run: other in every store


def looked() -> list[Record]:
    """What a registry might have said at four moments: simulated, and nothing that a document ever showed."""
    python, chainguard = "docker.io/library/python", "cgr.dev/chainguard/python"
    moments = [
        (python, datetime(2016, 10, 15, 12, tzinfo=UTC), "1"),
        (python, datetime(2018, 3, 1, tzinfo=UTC), "2"),
        (chainguard, datetime(2024, 6, 10, 12, tzinfo=UTC), "3"),
        (chainguard, datetime(2024, 6, 10, 18, tzinfo=UTC), "3"),
    ]
    return [TagObservation(name, "latest", at, digest="sha256:" + digit * 64) for name, at, digit in moments]


def store_after(data: Path, real_data: Path, order: Iterable[tuple[str, str] | None]) -> Store:
    """The store after imports in this order; None is the registry's word."""
    for step in order:
        if step is None:
            commit(data, datetime(2026, 11, 1, tzinfo=UTC), looked())
            runs.load_or_reason(data)
        else:
            imports.import_documents(data, step[0], real_data / step[1])
    return open_store(data)


@pytest.fixture(scope="module")
def straight(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterable[Store]:
    """Everything once, the registry last."""
    with store_after(tmp_path_factory.mktemp("straight"), real_data, [*BUNDLES, None]) as store:
        yield store


@pytest.fixture(scope="module")
def reversed_twice(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterable[Store]:
    """In the opposite order with the registry in between, and then all documents once more."""
    order = [*BUNDLES[:2:-1], None, *BUNDLES[2::-1], *BUNDLES]
    with store_after(tmp_path_factory.mktemp("reversed"), real_data, order) as store:
        yield store


NAMES = [name for name in (*(mart.name for mart in MARTS), *VIEWS) if name != "image_sbom"]  # none of them has any


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_imports_does_not_matter(straight: Store, reversed_twice: Store, name: str) -> None:
    """Row for row the same, but for the names of runs."""
    columns = [column for column in straight.sql(f"select * from {name} limit 0").columns if column not in OWN]
    text = f"select {', '.join(columns)} from {name} order by all"
    one, other = straight.sql(text), reversed_twice.sql(text)
    assert one.height > 1_000
    assert one.equals(other)


def test_a_second_import_reads_nothing(reversed_twice: Store) -> None:
    """The last five runs found every version read, and stated nothing."""
    rows = reversed_twice.sql("select tags, manifests, failures from stg_run order by started_at desc limit 5").rows()
    assert rows == [(0, 0, 0)] * 5


def test_no_check_finds_anything(straight: Store) -> None:
    """Over all sources together."""
    assert [name for name in CHECKS if straight.check(name).height] == []


def test_every_interval_can_be_traced(straight: Store) -> None:
    """Each interval of a document names it and the commit that said it first, and that version was read."""
    untraced = straight.sql(
        """
        with told as (
            select document, document_revision from tag_interval where source != 'registry'
            union
            select document, document_revision from definition_interval
        )

        select told.document, told.document_revision
        from told
        anti join stg_document_version
            on told.document = stg_document_version.document
            and told.document_revision = stg_document_version.document_revision
        """
    )
    assert untraced.is_empty()
    sources = straight.sql(
        "select source from tag_interval union select source from definition_interval order by source"
    ).to_series()
    assert set(sources) == {"registry", "official-images", "tags-history", "repo-info"} | (
        {"docs-readme"} & set(sources)  # only where official-images never named the tag
    )


def test_a_registry_is_believed_beside_pages(straight: Store) -> None:
    """Its word stands between those of the pages, and ends when they show something new."""
    rows = straight.sql(
        """
        select
            left(digest, 8) as digest,
            last_observed_at::varchar,
            valid_to is null as is_current,
        from tag_interval
        where repository in ('docker.io/library/python', 'cgr.dev/chainguard/python') and tag = 'latest'
            and source = 'registry'
        order by valid_from
        """
    ).rows()
    assert rows == [
        ("sha256:1", "2016-10-15 12:00:00+00", False),
        ("sha256:2", "2018-03-01 00:00:00+00", True),
        ("sha256:3", "2024-06-10 18:00:00+00", False),
    ]
