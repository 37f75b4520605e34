"""Two images step by step, in every case: pairs whose steps are computed by hand."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from built import Made, built
from cases import EMPTY
from made import REPOSITORY, commit, day, digest, seen

from imglab import diff as diffs
from imglab import queries
from imglab.errors import UsageError
from imglab.journal import Journal
from imglab.records import IndexEntry, Manifest, Record
from imglab.store import Store

AMD64, ARM64, WINDOWS = "linux/amd64", "linux/arm64", "windows/amd64"
OLD, NEW = "windows/amd64 10.0.17763", "windows/amd64 10.0.20348"
MIRROR = "mirror.test/team/app"
ROOT, OTHER_ROOT = "ADD file:12ab34cd56ef in / ", "ADD file:65fe43dc21ba in / "
STEPS = ["change", "match", "from_bytes", "to_bytes", "delta_bytes"]
ALL = [
    *("repeated layers", "unknown steps", "unknown sizes", "attestations", "referrers", "foreign layers"),
    *("reborn tag", "several sources", "windows builds", "shared image", "single image", "two names"),
]


def index(name: str, *images: tuple[str, str], windows: tuple[tuple[str, str], ...]) -> list[Record]:
    """An index of an attestation of its first image, of images for architectures of Linux and for builds of Windows."""
    return [
        Manifest(digest(name), None, "index"),
        IndexEntry(digest(name), 0, digest("f1"), os="unknown", attests_digest=digest(images[0][0])),
        *(
            IndexEntry(digest(name), at, digest(child), os="linux", architecture=architecture)
            for at, (child, architecture) in enumerate(images, 1)
        ),
        *(
            IndexEntry(digest(name), at, digest(child), os="windows", architecture="amd64", os_version=version)
            for at, (child, version) in enumerate(windows, 9)
        ),
    ]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """
    Where tags pointed:

        latest  e1 day 1 · gone 3 · e1 5 · e2 7, seen until day 10      alias  e1 since day 2
        odd     0a day 2 · 0b 6, single images whose steps nobody tells

    Index e1 has a1 (linux/amd64), c1 (linux/arm64), b1 and b2 (builds of Windows), e2 has a2, b1 and b3. A page lags:
    it saw latest at e1 on day 8, and tells other layers of a1. A mirror has e1 since day 4; a1 has a signature.
    """
    old, new = Made("f1", 90, "Apply image 1", is_foreign=True), Made("f2", 80, "Apply image 2", is_foreign=True)
    twice = [Made("31", 1, "RUN true"), Made("31", 1, "RUN x")]
    images = {
        "a1": [Made("11", 50, ROOT), Made("21", 20, "RUN make"), *twice],
        "a2": [Made("11", 50, ROOT), Made("22", 25, "RUN make"), twice[0], Made("44", None, "COPY a /a")],
        "c1": [Made("1c", 45, OTHER_ROOT), Made("2c", None, "RUN make"), *twice],
        "b1": [old, Made("61", 6, "RUN make")],
        "b2": [new, Made("62", 6, "RUN make")],
        "b3": [new, Made("63", 8, "RUN make")],
        "0a": [Made("71", 5, None), Made("72", 6, None)],
        "0b": [Made("71", 5, None), Made("73", 7, None)],
    }
    platforms = {"b": WINDOWS, "c": ARM64}
    first, second, third = ("b1", "10.0.17763.1"), ("b2", "10.0.20348.1"), ("b3", "10.0.20348.2")
    looks: dict[str, list[tuple[str | None, int]]] = {
        "latest": [("e1", 1), (None, 3), ("e1", 5), ("e2", 7), ("e2", 10)],
        "alias": [("e1", 2)],
        "odd": [("0a", 2), ("0b", 6)],
        f"sha256-{'a1'.ljust(64, '0')}.sig": [("f2", 1)],
    }
    told = [
        *(seen(tag, name, day(at), is_absent=name is None) for tag, found in looks.items() for name, at in found),
        dataclasses.replace(seen("latest", "e1", day(4)), repository=MIRROR),
        *index("e1", ("a1", "amd64"), ("c1", "arm64"), windows=(first, second)),
        *index("e2", ("a2", "amd64"), windows=(first, third)),
        *(
            record
            for name, layers in images.items()
            for record in built(name, layers, platform=platforms.get(name[0], AMD64))
        ),
        Manifest(digest("f1"), None, "attestation", layer_count=1, compressed_bytes=999),
        Manifest(digest("f2"), None, "artifact", subject_digest=digest("a1")),
    ]
    commit(tmp_path, day(40), told)
    page = [seen("latest", "e1", day(8), document="app.md", document_revision="r8")]
    commit(tmp_path, day(41), [*page, *built("a1", [Made("1", 777, ROOT)])], source="repo-info")
    return Store.in_memory(Journal(tmp_path / "journal"))


@pytest.mark.case("growth_by_step", *ALL)
def test_growth_by_step(store: Store) -> None:
    """From the first image of each platform to that of a time, over the time in which the tag was gone."""
    frame = queries.growth_by_step(store, repository=REPOSITORY, tag="latest", until=day(10))
    assert frame.select("to_series", *STEPS).rows() == [
        (AMD64, "same layer", "layer", 50, 50, 0),
        (AMD64, "grew", "text", 20, 25, 5),
        (AMD64, "same layer", "layer", 1, 1, 0),
        (AMD64, "went", None, 1, None, -1),  # the second time that the layer was there
        (AMD64, "came", None, None, None, None),
        (OLD, "same layer", "layer", 90, 90, 0),
        (OLD, "same layer", "layer", 6, 6, 0),
        (NEW, "same layer", "layer", 80, 80, 0),
        (NEW, "grew", "text", 6, 8, 2),
    ]
    totals = frame.select("to_series", "from_at", "to_at", "from_total_bytes", "to_total_bytes").unique(
        maintain_order=True
    )
    assert totals.rows() == [
        (AMD64, day(1), day(10), 72, None),
        (OLD, day(1), day(10), 96, 96),
        (NEW, day(1), day(10), 86, 88),
    ]
    assert frame["delta_share"].to_list() == [None] * 7 + [0.0, 1.0]
    newest = queries.growth_by_step(store, repository=REPOSITORY, tag="latest")
    assert newest.rows() == frame.filter(platform=WINDOWS).rows()  # nobody told the size of a2
    gone = queries.growth_by_step(store, repository=REPOSITORY, tag="latest", since=day(4))
    lagged = queries.growth_by_step(store, repository=REPOSITORY, tag="latest", until=day(8))
    assert gone.is_empty() and lagged["to_digest"].unique().to_list() == [digest("e2")]


@pytest.mark.case("growth_by_step", "unknown steps", "shared image", "single image", "two names", "windows builds")
def test_growth_from_tag_to_tag(store: Store) -> None:
    """Two layers between the same neighbours are one step; an image under two names is the same under both."""
    odd = queries.growth_by_step(store, repository=REPOSITORY, tag="odd")
    assert odd.select(*STEPS, "step_label").rows() == [
        ("same layer", "layer", 5, 5, 0, None),
        ("grew", "position", 6, 7, 1, None),
    ]
    other: list[dict[str, Any]] = [{"to_tag": "alias"}, {"to_repository": MIRROR}]
    for given, at in zip(other, (day(2), day(4)), strict=True):
        frame = queries.growth_by_step(store, repository=REPOSITORY, tag="latest", platform=NEW, **given)
        assert frame.select("from_at", "to_at", *STEPS).rows() == [
            (day(10), at, "same layer", "layer", 80, 80, 0),
            (day(10), at, "shrank", "text", 8, 6, -2),
        ]
    then: dict[str, Any] = {"since": day(5), "until": day(5)}
    same = queries.growth_by_step(
        store, repository=MIRROR, tag="latest", to_repository=REPOSITORY, to_tag="alias", **then
    )
    assert same["change"].unique().to_list() == ["same layer"]
    assert same["platform"].unique(maintain_order=True).to_list() == [AMD64, ARM64, WINDOWS]


@pytest.mark.case("step_ratios", *ALL)
def test_step_ratios(store: Store) -> None:
    """Each layer as often as it is there; what is not known of one platform has no ratio to the other."""
    frame = queries.step_ratios(store, repository=REPOSITORY, tag="latest", platform=ARM64, at=day(2))
    columns = ["match", "change", "compressed_bytes", "against_bytes", "ratio", "delta_bytes"]
    assert frame.select(*columns, "total_bytes", "against_total_bytes").rows() == [
        ("normal text", "shrank", 45, 50, 0.9, -5, None, 72),
        ("text", "unknown", None, 20, None, None, None, 72),
        ("layer", "same layer", 1, 1, 1.0, 0, None, 72),
        ("layer", "same layer", 1, 1, 1.0, 0, None, 72),
    ]
    builds = queries.step_ratios(store, repository=REPOSITORY, tag="latest", platform=NEW, against=WINDOWS)
    assert builds.select("series", *columns, "delta_share", "at").rows() == [
        (NEW, "normal text", "shrank", 80, 90, 80 / 90, -10, -10 / -8, day(10)),
        (NEW, "text", "grew", 8, 6, 8 / 6, 2, 2 / -8, day(10)),
    ]
    alias = queries.step_ratios(store, repository=REPOSITORY, tag="alias", platform=NEW, against=OLD)
    mirror = queries.step_ratios(store, repository=MIRROR, tag="latest", platform=NEW, against=OLD)
    assert (
        alias.select(columns).rows()
        == mirror.select(columns).rows()
        == [
            ("normal text", "shrank", 80, 90, 80 / 90, -10),
            ("text", "same size", 6, 6, 1.0, 0),
        ]
    )
    assert queries.step_ratios(store, repository=REPOSITORY, tag="latest", at=day(4)).is_empty()  # gone
    assert queries.step_ratios(store, repository=REPOSITORY, tag="odd").is_empty()  # nothing beside linux/amd64
    lagged = queries.step_ratios(store, repository=REPOSITORY, tag="latest", at=day(8))
    assert lagged["digest"].unique().to_list() == [digest("e2")]


def rows(
    store: Store, section: str, *columns: str, first: str, second: str = "now", **options: Any
) -> list[tuple[Any, ...]]:
    """These columns of a section of a difference."""
    found = json.loads(diffs.as_json(*diffs.diff(store, first, second, **options)))
    return [tuple(row[column] for column in columns) for row in found["sections"][section]["rows"]]


@pytest.mark.case("diff", *ALL)
def test_diff(store: Store) -> None:
    """Attestations are no platforms; each missing layer is pulled once, a foreign one that the host has not at all."""
    latest, odd = f"{REPOSITORY}:latest@2026-01-06", f"{REPOSITORY}:odd@2026-01-03"
    sizes = ("from_bytes", "to_bytes", "delta_bytes", "from_layer_count", "to_layer_count")
    assert rows(store, "platforms", "platform", "change", *sizes, first=latest) == [
        (AMD64, "other image", 72, None, None, 4, 4),
        (ARM64, "gone", None, None, None, 4, None),
        (OLD, "same image", 96, 96, 0, 2, 2),
        (NEW, "other image", 86, 88, 2, 2, 2),
    ]
    counts = ("shared_count", "shared_bytes", "fetched_count", "fetched_bytes", "dropped_count", "dropped_bytes")
    assert rows(store, "layers", *counts, first=latest) == [(2, 50 + 1, 2, None, 1, 20)]
    assert rows(store, "layers", *counts, first=latest, platform=NEW) == [(1, 80, 1, 8, 1, 6)]
    foreign = rows(store, "layers", *counts, "foreign_count", "foreign_bytes", first=f"{MIRROR}:latest", second=odd)
    assert foreign == [(0, 0, 2, 5 + 6, 3, 50 + 20 + 1, 0, 0)]
    assert rows(store, "steps", "change", "delta_bytes", first=latest, platform=NEW) == [("same layer", 0), ("grew", 2)]
    assert rows(store, "steps", "change", "match", "delta_bytes", first=odd) == [
        ("same layer", "layer", 0),
        ("grew", "position", 1),
    ]
    alias = rows(store, "platforms", "change", first=latest, second=f"{REPOSITORY}:alias")
    assert alias == [("same image",)] * 4
    assert rows(store, "sources", "of", "source", first=f"{REPOSITORY}:latest@2026-01-08")[0] == ("A", "registry")
    with pytest.raises(UsageError, match="first seen at 2026-01-01, and gone at 2026-01-03"):
        diffs.diff(store, f"{REPOSITORY}:latest@2026-01-04", "now")
    with pytest.raises(UsageError, match="first seen at 2026-01-02"):  # other tags were there before
        diffs.diff(store, f"{REPOSITORY}:alias@2026-01-01", "now")


def test_an_image_that_is_only_named_is_a_platform(tmp_path: Path) -> None:
    """Of arm64 nobody told more than that it is there, and that it became another image."""
    told = [
        *(seen("a", "e1", day(1)), seen("a", "e2", day(5)), *built("a1", [Made("11", 50, ROOT)])),
        *index("e1", ("a1", "amd64"), ("ff", "arm64"), windows=()),
        *index("e2", ("a1", "amd64"), ("fe", "arm64"), windows=()),
    ]
    commit(tmp_path, day(40), told)
    store = Store.in_memory(Journal(tmp_path / "journal"))
    columns = ("platform", "change", "from_bytes", "to_bytes", "delta_bytes", "to_layer_count")
    assert rows(store, "platforms", *columns, first=f"{REPOSITORY}:a@2026-01-01") == [
        (AMD64, "same image", 50, 50, 0, 1),
        (ARM64, "other image", None, None, None, None),
    ]
    times: dict[str, Any] = {"since": day(1), "until": day(5)}
    frame = queries.growth_by_step(store, repository=REPOSITORY, tag="a", platform=ARM64, **times)
    assert frame.select(*STEPS, "from_digest", "to_digest").rows() == [
        ("unknown", None, None, None, None, digest("e1"), digest("e2"))
    ]


@pytest.mark.case("diff", EMPTY)
def test_nothing_differs_in_an_empty_store(tmp_path: Path) -> None:
    """What is asked for is not there, and that is said."""
    store = Store.in_memory(Journal(tmp_path / "journal"))
    with pytest.raises(UsageError, match="no repository"):
        diffs.diff(store, f"{REPOSITORY}:latest@2026-01-04", "now")
    nothing = {"from_digests": [], "to_digests": []}
    assert store.query("diff_layer", nothing).is_empty()
    assert isinstance(store.query("diff_image", {"digest": digest("a1")}), pl.DataFrame)
