"""Packages of images through time: given bills of materials, expected rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from made import REPOSITORY, commit, config, day, digest, image, index, seen

from imglab import charts, queries
from imglab.journal import Journal
from imglab.records import IndexEntry, Layer, Manifest, Package, Record, Sbom
from imglab.store import CHECKS, Store

IN_TOTO = "application/vnd.in-toto+json"
SPDX = "https://spdx.dev/Document"
Given = tuple[Any, ...]  # ecosystem, name, version, installed bytes


def sbom(name: str, packages: Iterable[Given], /, **more: Any) -> list[Record]:
    """A bill of materials with *packages*."""
    rows = [
        Package(digest(name), position, package, ecosystem, version, installed_bytes=size[0] if size else None)
        for position, (ecosystem, package, version, *size) in enumerate(packages)
    ]
    return [replace(Sbom(digest(name), 1, 9, "SPDX-2.3", "sbom", package_count=len(rows)), **more), *rows]


def attestation(name: str, *sboms: str, **more: Any) -> list[Record]:
    """A manifest whose layers are bills of materials."""
    layers = [Layer(digest(name), at, digest(one), IN_TOTO, 9, predicate_type=SPDX) for at, one in enumerate(sboms)]
    return [replace(Manifest(digest(name), None, "attestation", layer_count=len(sboms)), **more), *layers]


def build(number: int, packages: Iterable[Given], platform: str = "linux/amd64") -> list[Record]:
    """Index `e<n>` of image `a<n>` and an attestation `b<n>` about it, which holds the bill of materials `f<n>`."""
    return [
        *index(f"e{number}", [(f"a{number}", platform), (f"b{number}", None)]),
        *(*image(f"a{number}", [number]), *config(f"a{number}", [("RUN x", False)], platform=platform)),
        *(*attestation(f"b{number}", f"f{number}"), *sbom(f"f{number}", packages)),
    ]


def store_of(tmp_path: Path, *runs: Iterable[Record]) -> Store:
    """A store of runs on days 30, 31, …"""
    for number, records in enumerate(runs):
        commit(tmp_path, day(30 + number), records)
    store = Store.in_memory(Journal(tmp_path / "journal"))
    assert all(store.check(name).height == 0 for name in CHECKS)
    return store


CHANGES = ["ecosystem", "name", "from_version", "to_version", "change", "delta_bytes"]
BEFORE = [
    ("deb", "libc6", "2.36", 1000),
    ("deb", "zlib1g", "1.3", 50),
    ("deb", "gone", "1", 7),
    ("pypi", "pip", "24.0"),
    ("pypi", "wheel", "0.4"),
]
AFTER = [
    ("deb", "libc6", "2.41", 1100),
    ("deb", "zlib1g", "1.3", 50),
    ("deb", "new", "3", 11),
    ("pypi", "pip", "25.0", 5),
    ("pypi", "wheel", "0.4"),
]


def test_what_came_went_and_changed(tmp_path: Path) -> None:
    """From the first image with a bill of materials to the newest; what stayed as it was is left out."""
    store = store_of(
        tmp_path,
        [seen("latest", "e1", day(1)), seen("latest", "e2", day(5)), seen("latest", "e3", day(9))],
        [*build(1, BEFORE), *build(2, []), *build(3, AFTER)],
    )
    frame = queries.package_growth(store, repository=REPOSITORY, tag="latest")
    assert frame.select(CHANGES).rows() == [
        ("deb", "gone", "1", None, "went", -7),
        ("deb", "libc6", "2.36", "2.41", "changed", 100),
        ("deb", "new", None, "3", "came", 11),
        ("pypi", "pip", "24.0", "25.0", "changed", None),
    ]
    sizes = ["from_installed_bytes", "to_installed_bytes", "from_count", "to_count"]
    assert frame.select(sizes).rows() == [(7, None, 1, 0), (1000, 1100, 1, 1), (None, 11, 0, 1), (None, 5, 1, 1)]
    told = ["repository", "tag", "to_repository", "to_tag", "platform", "from_series", "to_series", "from_at", "to_at"]
    amd64 = ("linux/amd64",) * 3
    assert frame.select(told).unique().rows() == [(REPOSITORY, "latest", REPOSITORY, "latest", *amd64, day(1), day(9))]
    digests = [f"{side}_{what}" for side in ("from", "to") for what in ("digest", "manifest_digest", "sbom_digest")]
    expected = tuple(map(digest, ("e1", "a1", "f1", "e3", "a3", "f3")))
    assert frame.select(digests).unique().rows() == [expected]
    middle = queries.package_growth(store, repository=REPOSITORY, tag="latest", since=day(2), until=day(6))
    assert middle["change"].unique().to_list() == ["went"] and middle.height == len(BEFORE)
    back = queries.package_growth(store, repository=REPOSITORY, tag="latest", since=day(9), until=day(2))
    assert back.filter(name="libc6").select(CHANGES).row(0) == ("deb", "libc6", "2.41", "2.36", "changed", -100)
    assert queries.package_growth(store, repository=REPOSITORY, tag="latest", platform="linux/arm64").is_empty()


def test_versions_of_one_package_in_one_image(tmp_path: Path) -> None:
    """One lost and one got changed; of several nothing says which belong together; places are counted."""
    before = [
        *(("npm", "ms", "2.0.0", 10), ("npm", "ms", "2.1.3", 20)),
        *(("npm", "many", "1"), ("npm", "many", "2")),
        *(("npm", "twice", "1", 5), ("npm", "twice", "1", 6)),
        *(("npm", "more", "1"),),
        *(("npm", "silent", None), ("npm", "same", "1", 8)),
        *((None, "ms", "7"),),
    ]
    after = [
        *(("npm", "ms", "2.0.0", 10), ("npm", "ms", "3.0.0", 26)),
        *(("npm", "many", "3"), ("npm", "many", "4")),
        *(("npm", "twice", "1", 5),),
        *(("npm", "more", "1"), ("npm", "more", "2")),
        *(("npm", "silent", "1"), ("npm", "same", "1", 9)),
        *((None, "ms", "7"),),
    ]
    records = [seen("a", "e1", day(1)), seen("a", "e2", day(2)), *build(1, before), *build(2, after)]
    frame = queries.package_growth(store_of(tmp_path, records), repository=REPOSITORY, tag="a")
    assert frame.select(*CHANGES[1:], "from_count", "to_count").rows() == [
        ("many", "1", None, "went", None, 1, 0),
        ("many", "2", None, "went", None, 1, 0),
        ("many", None, "3", "came", None, 0, 1),
        ("many", None, "4", "came", None, 0, 1),
        ("more", None, "2", "came", None, 0, 1),
        ("ms", "2.1.3", "3.0.0", "changed", 6, 1, 1),
        ("same", "1", "1", "resized", 1, 1, 1),
        ("silent", None, "1", "changed", None, 1, 1),
        ("twice", "1", "1", "copies", -6, 2, 1),
    ]


def test_two_tags_are_compared_as_they_are_now(tmp_path: Path) -> None:
    """Without a time the newest of both, platform by platform: those that both have."""
    store = store_of(
        tmp_path,
        [seen("slim", "e1", day(1)), seen("slim", "e2", day(3)), seen("full", "e3", day(2)), seen("arm", "e4", day(1))],
        build(1, [("deb", "old", "1")]),
        build(2, [("deb", "a", "1")]),
        build(3, [("deb", "a", "1"), ("deb", "b", "2")]),
        build(4, [], "linux/arm64"),
    )
    frame = queries.package_growth(store, repository=REPOSITORY, tag="slim", to_tag="full")
    assert frame.select(CHANGES).rows() == [("deb", "b", None, "2", "came", None)]
    assert frame.select("from_at", "to_at").rows() == [(day(3), day(2))]
    assert queries.package_growth(store, repository=REPOSITORY, tag="slim", to_tag="arm").is_empty()
    other = queries.package_growth(store, repository=REPOSITORY, tag="slim", to_repository="python")
    assert other.is_empty()


def test_images_without_a_bill_are_passed_over(tmp_path: Path) -> None:
    """The first with one is the first; at a time at which there was none there is nothing to compare."""
    store = store_of(
        tmp_path,
        [*(seen("a", f"e{number}", day(number)) for number in (1, 2, 3, 4))],
        [*index("e1", [("a1", "linux/amd64")]), *image("a1", [1]), *config("a1", [])],
        build(2, [("apk", "musl", "1")]),
        build(3, [("apk", "musl", "2")]),
        [*index("e4", [("a4", "linux/amd64")]), *image("a4", [1]), *config("a4", [])],
    )
    frame = queries.package_growth(store, repository=REPOSITORY, tag="a")
    assert frame.select("from_at", "to_at", *CHANGES).rows() == [
        (day(2), day(3), "apk", "musl", "1", "2", "changed", None)
    ]
    assert queries.package_growth(store, repository=REPOSITORY, tag="a", since=day(1)).is_empty()


def test_the_bill_of_the_image_counts_before_those_of_stages(tmp_path: Path) -> None:
    """And that of its own index before what others attach to it; a document that could not be read is none."""
    stage = sbom("f2", [("deb", "gcc", "1")], name="/run/src/extras/sbom-build")
    own = sbom("f3", [("deb", "a", "2")], name="/run/src/core/sbom")
    foreign = sbom("f4", [("deb", "evil", "1")])
    records = [
        *(seen("a", "e1", day(1)), seen("a", "e2", day(2))),
        *build(1, [("deb", "a", "1")]),
        *index("e2", [("a2", "linux/amd64"), ("b2", None)]),
        *(*image("a2", [1]), *config("a2", []), *attestation("b2", "f1a", "f2", "f3"), *stage, *own),
        Sbom(digest("f1a"), 1, 9),
        *(*attestation("b4", "f4", kind="artifact", subject_digest=digest("a2")), *foreign),
        *index("e9", [("a2", "linux/amd64"), ("b4", None)]),
    ]
    store = store_of(tmp_path, records)
    frame = queries.package_growth(store, repository=REPOSITORY, tag="a")
    assert frame.select(CHANGES).rows() == [("deb", "a", "1", "2", "changed", None)]
    of_image = "select sbom_digest, index_digest, is_extra from image_sbom where manifest_digest = $digest order by all"
    assert store.sql(of_image, {"digest": digest("a2")}).rows() == [
        (digest("f2"), digest("e2"), True),
        (digest("f3"), digest("e2"), False),
        (digest("f4"), digest("e9"), False),
        (digest("f4"), None, False),
    ]


def test_tags_of_cosign_say_what_they_are_about(tmp_path: Path) -> None:
    """`sha256-….att` is about the digest in its name."""
    stem = digest("a2").replace(":", "-")
    records = [
        *(seen("a", "e1", day(1)), seen("a", "e2", day(2)), seen(f"{stem}.att", "b9", day(2))),
        *(seen(f"{stem}.sig", "b8", day(2)),),
        *build(1, [("deb", "a", "1")]),
        *(*index("e2", [("a2", "linux/amd64")]), *image("a2", [1]), *config("a2", [])),
        *(*attestation("b9", "f9", kind="artifact"), *sbom("f9", [("deb", "a", "3")])),
    ]
    frame = queries.package_growth(store_of(tmp_path, records), repository=REPOSITORY, tag="a")
    assert frame.select("to_version", "to_sbom_digest").rows() == [("3", digest("f9"))]


def windows(number: int, versions: Iterable[str]) -> list[Record]:
    """Index `e<n>` with an image of Windows for each build, its one package at the version of the build."""
    versions = list(versions)
    records: list[Record] = [Manifest(digest(f"e{number}"), None, "index")]
    for at, version in enumerate(versions):
        name, note, bill = (f"{letter}{number}{at}" for letter in "abf")
        records += [
            IndexEntry(digest(f"e{number}"), 2 * at, digest(name), None, 1, "windows", "amd64", os_version=version),
            IndexEntry(digest(f"e{number}"), 2 * at + 1, digest(note), os="unknown", attests_digest=digest(name)),
            *(*image(name, [1]), *config(name, [], platform="windows/amd64")),
            *(*attestation(note, bill), *sbom(bill, [("nuget", "x", f"{number}-{version}")])),
        ]
    return records


@pytest.mark.case("package_growth", "windows builds")
def test_windows_is_compared_build_by_build(tmp_path: Path) -> None:
    """Two builds of one platform are two images; a build may be asked for by itself."""
    builds = ["10.0.17763.1", "10.0.20348.1"]
    records = [seen("a", "e1", day(1)), seen("a", "e2", day(2)), *windows(1, builds), *windows(2, builds)]
    store = store_of(tmp_path, records)
    frame = queries.package_growth(store, repository=REPOSITORY, tag="a")
    assert frame.select("to_series", "from_version", "to_version").rows() == [
        ("windows/amd64 10.0.17763", "1-10.0.17763.1", "2-10.0.17763.1"),
        ("windows/amd64 10.0.20348", "1-10.0.20348.1", "2-10.0.20348.1"),
    ]
    one = queries.package_growth(store, repository=REPOSITORY, tag="a", platform="windows/amd64 10.0.20348")
    assert one["to_version"].to_list() == ["2-10.0.20348.1"]


@pytest.mark.case("package_growth", "shared image")
def test_a_document_that_was_read_again_counts_once(tmp_path: Path) -> None:
    """The newest reader's rows count, the first run's of the same reader; an image that several tags share has one."""
    again = [Sbom(digest("f2"), 2, 9, "SPDX-2.3"), Package(digest("f2"), 0, "musl", "apk", "2")]
    store = store_of(
        tmp_path,
        [seen("a", "e1", day(1)), seen("a", "e2", day(2)), seen("b", "e2", day(2))],
        [*build(1, [("apk", "musl", "1")]), *build(2, [("apk", "musl", "wrong")])],
        again,
        sbom("f1", [("apk", "musl", "1")]),
    )
    assert store.sql("select count(*) from stg_package").item() == 2
    frame = queries.package_growth(store, repository=REPOSITORY, tag="a", to_tag="b", since=day(1))
    assert frame.select(CHANGES).rows() == [("apk", "musl", "1", "2", "changed", None)]


@pytest.mark.case("package_growth", "several sources", "single image", "two names", "referrers")
def test_sources_that_disagree_and_other_registries(tmp_path: Path) -> None:
    """A page that lags chooses no image; an image without index has the bill that refers to it."""
    mirror = "mirror.test/team/app"
    records = [
        *(seen("a", "e1", day(1)), seen("a", "e2", day(5)), seen("a", "e2", day(9)), seen("single", "a3", day(2))),
        replace(seen("a", "e1", day(2)), repository=mirror),
        *(*build(1, [("deb", "x", "1")]), *build(2, [("deb", "x", "2")]), *image("a3", [7]), *config("a3", [])),
        *(*attestation("b9", "f9", kind="artifact", subject_digest=digest("a3")), *sbom("f9", [("deb", "x", "3")])),
    ]
    page = [seen("a", "e1", day(6), document="app.md", document_revision="r6")]
    commit(tmp_path, day(29), page, source="repo-info")
    store = store_of(tmp_path, records)
    columns = ["from_at", "to_at", "from_version", "to_version", "to_manifest_digest"]

    def told(**given: Any) -> list[Given]:
        return queries.package_growth(store, repository=REPOSITORY, tag="a", **given).select(columns).rows()

    assert told() == [(day(1), day(9), "1", "2", digest("a2"))]
    assert told(until=day(7)) == [(day(1), day(7), "1", "2", digest("a2"))]
    assert told(to_tag="single") == [(day(9), day(2), "2", "3", digest("a3"))]
    assert told(to_repository=mirror) == [(day(9), day(2), "2", "1", digest("a1"))]


@pytest.mark.case("package_growth", "attestations", "reborn tag")
@pytest.mark.parametrize("tag", ["a", "b"])
def test_a_tag_that_was_gone_and_came_back(tmp_path: Path, tag: str) -> None:
    """Is compared from its first life to its last; within a gap there is nothing."""
    moves = [seen("a", "e1", day(1)), seen("a", None, day(2), is_absent=True), seen("a", "e2", day(4))]
    store = store_of(tmp_path, [*moves, *build(1, [("apk", "x", "1")]), *build(2, [("apk", "x", "2")])])
    frame = queries.package_growth(store, repository=REPOSITORY, tag=tag)
    assert frame["to_version"].to_list() == (["2"] if tag == "a" else [])
    assert queries.package_growth(store, repository=REPOSITORY, tag=tag, since=day(3)).is_empty()


# --- the chart -------------------------------------------------------------------------------------------------------


def chart_of(frame: pl.DataFrame) -> dict[str, Any]:
    return charts.specification(charts.package_growth(frame))


def drawn(specification: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """The rows of each panel."""
    panels = specification.get("vconcat", [specification])
    return [specification["datasets"][panel["data"]["name"]] for panel in panels]


def growth_of(tmp_path: Path, before: Iterable[Given], after: Iterable[Given], *platforms: str) -> pl.DataFrame:
    """What changed in an image for each of *platforms*."""
    records: list[Record] = [seen("a", "e1", day(1)), seen("a", "e2", day(2))]
    for number, packages in enumerate((list(before), list(after)), 1):
        records.append(Manifest(digest(f"e{number}"), None, "index"))
        for at, platform in enumerate(platforms):
            name, note, bill = (f"{letter}{number}{at}" for letter in "abf")
            os, architecture = platform.split("/")
            entries = [
                IndexEntry(digest(f"e{number}"), 2 * at, digest(name), os=os, architecture=architecture),
                IndexEntry(digest(f"e{number}"), 2 * at + 1, digest(note), os="unknown", attests_digest=digest(name)),
            ]
            records += [*entries, *image(name, [1]), *config(name, [], platform=platform)]
            records += [*attestation(note, bill), *sbom(bill, packages)]
    return queries.package_growth(store_of(tmp_path, records), repository=REPOSITORY, tag="a")


def test_the_largest_difference_is_on_top(tmp_path: Path) -> None:
    """What has no size has a mark in place of a bar, below those that have; labels say versions and sizes."""
    frame = growth_of(tmp_path, BEFORE, AFTER, "linux/amd64")
    specification = chart_of(frame)
    assert charts.title_of(specification) == "Which packages changed in registry.test/team/app:a (linux/amd64)?"
    assert specification["title"]["subtitle"] == [
        "2026-01-01 to 2026-01-02: 1 came, 1 went, 2 changed.",
        "Installed sizes, unpacked; a square where no size is stated (1).",
    ]
    (rows,) = drawn(specification)
    assert [(row["name"], row["label"], row["difference"], row["nothing"]) for row in rows] == [
        ("libc6 (deb)", "2.36 → 2.41 · +100 B", 100.0, None),
        ("new (deb)", "3 · +11 B", 11.0, None),
        ("gone (deb)", "1 · -7 B", -7.0, None),
        ("pip (pypi)", "24.0 → 25.0", None, 0.0),
    ]


def test_forty_packages_are_drawn_and_all_are_counted(tmp_path: Path) -> None:
    """Of one platform; without any size what came is first, and there is no axis of sizes."""
    before = [("npm", f"p{number:03}", "1") for number in range(50)]
    after = [("npm", f"p{number:03}", "2") for number in range(49)]
    specification = chart_of(growth_of(tmp_path, before, [*after, ("npm", "z", "1")], "linux/amd64"))
    (rows,) = drawn(specification)
    assert [row["name"] for row in rows][:3] == ["z (npm)", "p049 (npm)", "p000 (npm)"] and len(rows) == 40
    notes = ["11 more are not drawn.", "The bills of materials state no sizes."]
    assert specification["title"]["subtitle"][1:] == notes
    assert all(layer["encoding"]["x"]["axis"] is None for layer in specification["layer"][:2])


def test_each_platform_has_a_panel_with_the_same_colours(tmp_path: Path) -> None:
    """Twelve packages of each; another tool on the other side is told."""
    before = [("npm", f"p{number:03}", "1") for number in range(20)]
    frame = growth_of(tmp_path, before, [], "linux/amd64", "linux/arm64")
    told = frame.with_columns(from_tools=pl.lit("one-1"), to_tools=pl.lit("two-2"))
    told = told.with_columns(change=pl.when(platform="linux/arm64").then(pl.lit("came")).otherwise("change"))
    specification = chart_of(told)
    assert [len(rows) for rows in drawn(specification)] == [12, 12]
    assert [panel["title"]["text"] for panel in specification["vconcat"]] == ["linux/amd64", "linux/arm64"]
    scales = [panel["layer"][0]["encoding"]["color"]["scale"] for panel in specification["vconcat"]]
    assert scales[0] == scales[1] and scales[0]["domain"] == ["came", "went"]
    assert "Found by one-1, then by two-2, which may find other packages." in specification["title"]["subtitle"]
