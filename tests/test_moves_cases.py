"""What moves changed, in every case: a repository whose moves are judged by hand."""

from __future__ import annotations

import dataclasses
from datetime import date
from pathlib import Path

import pytest
from built import Made, built
from made import REPOSITORY, commit, day, digest, seen

from imglab import queries
from imglab.journal import Journal
from imglab.records import IndexEntry, Layer, Manifest, Record
from imglab.store import Store

AMD64, OLD, NEW = "linux/amd64", "windows/amd64 10.0.17763", "windows/amd64 10.0.20348"
MIRROR = "mirror.test/team/app"
ROOT, OTHER_ROOT = "ADD file:12ab34cd56ef in / ", "ADD file:65fe43dc21ba in / "
ALL = [
    *("repeated layers", "unknown steps", "unknown sizes", "attestations", "referrers", "foreign layers"),
    *("reborn tag", "several sources", "windows builds", "shared image", "single image", "two names"),
]


def index(name: str, amd64: str, attestation: str, *windows: tuple[str, str]) -> list[Record]:
    """An index of an image for Linux, an attestation of it and images for builds of Windows."""
    return [
        Manifest(digest(name), None, "index"),
        IndexEntry(digest(name), 0, digest(amd64), os="linux", architecture="amd64"),
        IndexEntry(digest(name), 1, digest(attestation), os="unknown", attests_digest=digest(amd64)),
        *(
            IndexEntry(digest(name), at, digest(child), os="windows", architecture="amd64", os_version=version)
            for at, (child, version) in enumerate(windows, 2)
        ),
    ]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """
    Where tags pointed:

        latest  e1 day 1 · gone 3 · e1 5 · e2 7 · e3 9 · e4 10      odd   0a day 2 · 0b 6, whose steps nobody tells
        alias   e1 day 1 · e2 7                                     back  a1 day 2 · gone 4 · a2 8

    A page lags: it saw latest at e1 on day 8. A mirror has latest at e1 on day 1, at e2 on day 2; the signature of a1
    moved. The second index has another base for Linux, the third ran a step again, and one of a build of Windows; the
    fourth names another attestation.
    """
    old, new = Made("f1", 90, "Apply image 1", is_foreign=True), Made("f2", 80, "Apply image 2", is_foreign=True)
    images = {
        "a1": [Made("11", 50, ROOT), Made("21", 20, "RUN make"), Made("31", 1, "RUN true"), Made("31", 1, "RUN x")],
        "a2": [
            Made("12", 51, OTHER_ROOT),
            Made("22", 21, "RUN make"),
            Made("32", 2, "RUN true"),
            Made("32", 2, "RUN x"),
        ],
        "a3": [
            Made("12", 51, OTHER_ROOT),
            Made("23", None, "RUN make"),
            Made("32", 2, "RUN true"),
            Made("32", 2, "RUN x"),
        ],
        "b1": [old, Made("61", 6, "RUN make")],
        "b2": [new, Made("62", 6, "RUN make")],
        "b3": [new, Made("63", 8, "RUN make")],
        "0a": [Made("71", 5, None), Made("72", 6, None)],
        "0b": [Made("71", 5, None), Made("73", 7, None)],
    }
    first, second, third = ("b1", "10.0.17763.1"), ("b2", "10.0.20348.1"), ("b3", "10.0.20348.2")
    looks: dict[str, list[tuple[str | None, int]]] = {
        "latest": [("e1", 1), (None, 3), ("e1", 5), ("e2", 7), ("e3", 9), ("e4", 10)],
        "alias": [("e1", 1), ("e2", 7)],
        "odd": [("0a", 2), ("0b", 6)],
        "back": [("a1", 2), (None, 4), ("a2", 8)],
        f"sha256-{'a1'.ljust(64, '0')}.sig": [("f2", 1), ("f3", 6)],
        f"sha256-{'a1'.ljust(64, '0')}.sbom": [("a1", 2), ("a2", 6)],  # by mistake
    }
    told = [
        *(seen(tag, name, day(at), is_absent=name is None) for tag, found in looks.items() for name, at in found),
        *(dataclasses.replace(seen("latest", name, day(at)), repository=MIRROR) for name, at in (("e1", 1), ("e2", 2))),
        *(*index("e1", "a1", "f1", first, second), *index("e2", "a2", "f1", first, second)),
        *(*index("e3", "a3", "f1", first, third), *index("e4", "a3", "f4", first, third)),
        *(
            record
            for name, layers in images.items()
            for record in built(name, layers, platform="windows/amd64" if name.startswith("b") else AMD64)
        ),
        Manifest(digest("f2"), None, "artifact", subject_digest=digest("a1")),
    ]
    commit(tmp_path, day(40), told)
    page = [seen("latest", "e1", day(8), document="app.md", document_revision="r8")]
    commit(tmp_path, day(41), [*page, *built("a1", [Made("1", 777, ROOT)])], source="repo-info")
    return Store.in_memory(Journal(tmp_path / "journal"))


@pytest.mark.case("moves", *ALL)
def test_moves(store: Store) -> None:
    """Back where it was is no move; a layer that is there twice is pulled once; nothing unknown is added up."""
    frame = queries.moves(store, repository=REPOSITORY)
    both = f"{AMD64}, {NEW}"
    columns = ["tag", "moved_at_earliest", "moved_at", "kind", "changed_platforms", "from_bytes", "to_bytes"]
    assert frame.select(*columns, "pulled_bytes").rows() == [
        ("alias", day(1), day(7), "base only", AMD64, 72 + 96 + 86, 76 + 96 + 86, 51 + 21 + 2),
        ("back", day(4), day(8), "base only", AMD64, 72, 76, 74),
        ("latest", day(5), day(7), "base only", AMD64, 254, 258, 74),
        ("latest", day(7), day(9), "rebuild only", both, 258, None, None),
        ("latest", day(9), day(10), "attestations only", None, None, None, 0),
        ("odd", day(2), day(6), "unknown", AMD64, 11, 12, 7),
    ]
    counts = ["image_count", "base_count", "rebuild_count", "unchanged_count", "unknown_count"]
    assert frame.select(counts).rows() == [
        (3, 1, 0, 2, 0),
        (1, 1, 0, 0, 0),
        (3, 1, 0, 2, 0),
        (3, 0, 2, 1, 0),
        (3, 0, 0, 3, 0),
        (1, 0, 0, 0, 1),
    ]
    assert frame.select("source", "document").unique().rows() == [("registry", None)]
    assert queries.moves(store, repository=MIRROR).select("moved_at", "kind").rows() == [(day(2), "base only")]


@pytest.mark.case("moves", "windows builds", "foreign layers")
def test_moves_of_one_build_of_windows(store: Store) -> None:
    """The others are not asked for; a foreign layer that the host has is not pulled again."""
    frame = queries.moves(store, repository=REPOSITORY, platform=NEW)
    assert frame.select("tag", "moved_at", "kind", "from_bytes", "to_bytes", "pulled_bytes").rows() == [
        ("alias", day(7), "unchanged", 86, 86, 0),
        ("latest", day(7), "unchanged", 86, 86, 0),
        ("latest", day(9), "rebuild only", 86, 88, 8),
        ("latest", day(10), "unchanged", 88, 88, 0),
    ]


@pytest.mark.case("move_calendar", *ALL)
def test_move_calendar(store: Store) -> None:
    """7 January 2026 is a Wednesday; two tags that moved together are two moves."""
    columns = ["move_date", "weekday", "move_count", "tag_count"]
    kinds = ["base_count", "rebuild_count", "attestation_count", "unknown_count"]
    others = ["content_count", "metadata_count", "platform_set_count", "unchanged_count"]
    frame = queries.move_calendar(store, repository=REPOSITORY)
    assert frame.select(*columns, *kinds).rows() == [
        (date(2026, 1, 6), 2, 1, 1, 0, 0, 0, 1),
        (date(2026, 1, 7), 3, 2, 2, 2, 0, 0, 0),
        (date(2026, 1, 8), 4, 1, 1, 1, 0, 0, 0),
        (date(2026, 1, 9), 5, 1, 1, 0, 1, 0, 0),
        (date(2026, 1, 10), 6, 1, 1, 0, 0, 1, 0),
    ]
    assert frame.select(others).unique().rows() == [(0, 0, 0, 0)]
    old = queries.move_calendar(store, repository=REPOSITORY, platform=OLD)
    assert old.select("move_date", "move_count", "unchanged_count").rows() == [
        (date(2026, 1, 7), 2, 2),
        (date(2026, 1, 9), 1, 1),
        (date(2026, 1, 10), 1, 1),
    ]
    assert queries.move_calendar(store, repository=MIRROR)["base_count"].to_list() == [1]


def test_what_an_archive_names_otherwise_is_no_pull(tmp_path: Path) -> None:
    """Docker keeps layers unpacked: none of their digests is a registry's, which says nothing of what a host lacks."""
    archived = "config+" + digest("ca1")
    saved = [
        Manifest(archived, None, "image", digest("ca1"), layer_count=1, compressed_bytes=70),
        Layer(archived, 0, digest("d7"), None, 70),
    ]
    moves = [dataclasses.replace(seen("a", None, day(1)), digest=archived), seen("a", "a1", day(2))]
    commit(tmp_path, day(40), [*saved, *moves, *built("a1", [Made("11", 50, ROOT)])])
    store = Store.in_memory(Journal(tmp_path / "journal"))
    frame = queries.moves(store, repository=REPOSITORY)
    assert frame.select("kind", "from_bytes", "to_bytes", "pulled_bytes").rows() == [("metadata only", 70, 50, None)]
    given = {"from_digests": [archived, digest("a1")], "to_digests": [digest("a1"), digest("a1")]}
    layers = store.query("diff_layer", given)
    assert layers.select("from_manifest_digest", "shared_bytes").rows() == [(digest("a1"), 50)]
