"""Bases, and bytes on the wire, in every case: a tag and its bases whose rows are computed by hand."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from made import REPOSITORY, commit, config, day, digest, seen

from imglab import queries
from imglab.journal import Journal
from imglab.records import IndexEntry, Layer, Manifest, Record
from imglab.store import Store

AMD64, WINDOWS = "linux/amd64", "windows/amd64"
OLD, NEW = "windows/amd64 10.0.17763", "windows/amd64 10.0.20348"
DEBIAN, CORE, ODD = "docker.io/library/debian", "docker.io/library/core", "docker.io/library/odd"
MIRROR = "mirror.test/team/app"
ALL = [
    *("repeated layers", "unknown sizes", "attestations", "referrers", "foreign layers", "reborn tag"),
    *("several sources", "windows builds", "shared image", "single image", "two names"),
]


def layered(name: str, *layers: tuple[str, int | None], platform: str = AMD64) -> list[Record]:
    """An image of layers: content (of a foreign one it begins with f) and size."""
    sizes = [size for _, size in layers]
    whole = None if None in sizes else sum(size for size in sizes if size)
    return [
        Manifest(digest(name), None, "image", digest("c" + name), layer_count=len(layers), compressed_bytes=whole),
        *(
            Layer(digest(name), at, digest("d" + content), None, size, is_foreign=content.startswith("f"))
            for at, (content, size) in enumerate(layers)
        ),
        *config(name, [], platform=platform),
    ]


def index(name: str, amd64: str, *windows: tuple[str, str]) -> list[Record]:
    """An index of an image for Linux, an attestation of it and images for builds of Windows."""
    return [
        Manifest(digest(name), None, "index"),
        IndexEntry(digest(name), 0, digest(amd64), os="linux", architecture="amd64"),
        IndexEntry(digest(name), 1, digest("f1"), os="unknown", attests_digest=digest(amd64)),
        *(
            IndexEntry(digest(name), at, digest(child), os="windows", architecture="amd64", os_version=version)
            for at, (child, version) in enumerate(windows, 2)
        ),
    ]


def of(repository: str, tag: str, name: str, number: int) -> Record:
    return dataclasses.replace(seen(tag, name, day(number)), repository=repository)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """
    Where tags pointed:

        app     e1 day 2 · gone 4 · e1 6 · e2 12, seen until day 20     debian:12    a1 day 1 · a2 10, seen until day 30
        web     e1 since day 3                                          core:1809    f91 day 1, core:2022  f81 day 1
        single  c2 since day 2, an image without index                  odd:latest   c1 day 1, of unknown size

    A page lags: it saw app at e1 on day 14. Mirrors have e1 as app since day 2 and a1 as 12 since day 1; b1 is signed.
    For Linux e1 has b1, e2 has b2; for Windows both have b3 on 1809, e1 has b4 and e2 b5 on 2022.
    """
    twice = [("4", 4), ("4", 4)]
    images = [
        *(*layered("a1", ("60", 60), *twice), *layered("a2", ("61", 61), *twice)),
        *(*layered("b1", ("60", 60), *twice, ("7", 7)), *layered("b2", ("61", 61), *twice, ("8", 8))),
        *(*layered("a3", ("f9", 90), platform=WINDOWS), *layered("a4", ("f8", 80), platform=WINDOWS)),
        *layered("b3", ("f9", 90), ("6", 6), platform=WINDOWS),
        *(
            *layered("b4", ("f8", 80), ("6", 6), platform=WINDOWS),
            *layered("b5", ("f8", 80), ("9", 9), platform=WINDOWS),
        ),
        *(*layered("c1", ("aa", None)), *layered("c2", ("aa", None), ("5", 5))),
    ]
    old, new, newest = ("b3", "10.0.17763.1"), ("b4", "10.0.20348.1"), ("b5", "10.0.20348.2")
    looks: dict[str, list[tuple[str | None, int]]] = {
        "app": [("e1", 2), (None, 4), ("e1", 6), ("e2", 12), ("e2", 20)],
        "web": [("e1", 3)],
        "single": [("c2", 2)],
        f"sha256-{'b1'.ljust(64, '0')}.sig": [("f2", 2)],
        f"sha256-{'b1'.ljust(64, '0')}.sbom": [("b1", 2), ("b2", 6)],  # by mistake
    }
    told = [
        *(seen(tag, name, day(at), is_absent=name is None) for tag, found in looks.items() for name, at in found),
        *(of(DEBIAN, "12", "a1", 1), of(DEBIAN, "12", "a2", 10), of(DEBIAN, "12", "a2", 30)),
        *(of(CORE, "1809", "a3", 1), of(CORE, "2022", "a4", 1), of(ODD, "latest", "c1", 1)),
        *(of(MIRROR, "app", "e1", 2), of("mirror.test/debian", "12", "a1", 1)),
        *(*index("e1", "b1", old, new), *index("e2", "b2", old, newest), *images),
        Manifest(digest("f1"), None, "attestation", layer_count=1, compressed_bytes=999),
        Manifest(digest("f2"), None, "artifact", subject_digest=digest("b1")),
    ]
    commit(tmp_path, day(40), told)
    page = [seen("app", "e1", day(14), document="app.md", document_revision="r14")]
    commit(tmp_path, day(41), [*page, *layered("b1", ("1", 777))], source="repo-info")
    return Store.in_memory(Journal(tmp_path / "journal"))


@pytest.mark.case("bases", *ALL)
def test_bases(store: Store) -> None:
    """A layer twice in a base weighs twice in its bytes; of several names the official one counts."""
    frame = queries.bases(store, repository=REPOSITORY)
    columns = [
        "tag",
        "valid_from",
        "valid_to",
        "base_repository",
        "base_tags",
        "base_manifest_digest",
        "base_layer_count",
    ]
    first, second = (DEBIAN, "12", digest("a1"), 3, 68, 68 / 75), (DEBIAN, "12", digest("a2"), 3, 69, 69 / 77)
    assert frame.select(*columns, "base_bytes", "base_share").rows() == [
        ("app", day(2), day(4), *first),
        ("app", day(6), day(12), *first),
        ("app", day(12), None, *second),
        ("single", day(2), None, ODD, "latest", digest("c1"), 1, None, None),
        ("web", day(3), None, *first),
    ]
    assert frame.select("evidence", "base_tag_seen").unique().rows() == [("layers", "then")]
    told = ["valid_from", "base_repository", "base_tag", "base_bytes", "base_share"]
    builds = {
        name: queries.bases(store, repository=REPOSITORY, tag="app", platform=name) for name in (OLD, NEW, WINDOWS)
    }
    assert builds[OLD].select(told).rows() == [
        (day(2), CORE, "1809", 90, 90 / 96),
        (day(6), CORE, "1809", 90, 90 / 96),  # the move of day 12 left it as it was
    ]
    assert builds[WINDOWS].select(told).rows() == builds[OLD].select(told).rows()
    assert builds[NEW].select(told).rows() == [
        (day(2), CORE, "2022", 80, 80 / 86),
        (day(6), CORE, "2022", 80, 80 / 86),
        (day(12), CORE, "2022", 80, 80 / 89),
    ]
    at = [queries.bases(store, repository=REPOSITORY, tag="app", at=day(number)).height for number in (3, 4, 6)]
    assert at == [1, 0, 1]
    assert queries.bases(store, repository=MIRROR).select("base_repository", "base_tag").rows() == [(DEBIAN, "12")]


@pytest.mark.case("base_lag", *ALL)
def test_base_lag(store: Store) -> None:
    """Back on a base that moved on meanwhile the tag was out of date for two days, and followed two days late."""
    frame = queries.base_lag(store, repository=REPOSITORY, tag="app")
    columns = ["valid_from", "valid_to", "base_moved_at", "lag_days", "outdated_from", "outdated_days", "image_count"]
    assert frame.select(*columns, "base_manifest_digest").rows() == [
        (day(2), day(4), None, None, None, 0.0, 1, digest("a1")),
        (day(6), day(12), None, None, day(10), 2.0, 1, digest("a1")),
        (day(12), None, day(10), 2.0, None, 0.0, 1, digest("a2")),
    ]
    assert frame["last_observed_at"].to_list() == [day(2), day(6), day(20)]
    assert frame.select("base_repository", "base_tag").unique().rows() == [(DEBIAN, "12")]
    new = queries.base_lag(store, repository=REPOSITORY, tag="app", platform=NEW)
    assert new.select("valid_from", "base_tag", "lag_days", "outdated_days", "image_count").rows() == [
        (day(2), "2022", None, 0.0, 1),
        (day(6), "2022", None, 0.0, 2),
    ]
    single = queries.base_lag(store, repository=REPOSITORY, tag="single")
    assert single.select("base_repository", "base_moved_at", "outdated_days").rows() == [(ODD, None, 0.0)]
    web = queries.base_lag(store, repository=REPOSITORY, tag="web")
    assert web.select("valid_from", "outdated_from", "outdated_days").rows() == [(day(3), day(10), 0.0)]


def test_who_moves_with_the_base_is_never_out_of_date(tmp_path: Path) -> None:
    """The base is told by its name in words; what left it less than a day ago had it then, after a day before."""
    images = [("a1", 60), ("a2", 61)]
    built = [("b1", 60), ("b2", 61), ("b3", 60), ("b4", 60)]
    moves = [("app", "e1", 2), ("app", "e2", 4), ("app", "b2", 5), ("late", "b3", 6)]
    records = [
        *(of(DEBIAN, tag, name, at) for tag in ("8", "jessie") for name, at in (("a1", 1), ("a2", 5))),
        *(row for name, size in images for row in layered(name, (f"{size}", size))),
        *(row for at, (name, size) in enumerate(built, 1) for row in layered(name, (f"{size}", size), (f"{at}", at))),
        *(*index("e1", "b1"), *index("e2", "b1", ("ff", "10.0.1.1")), seen("app", "e2", day(4) + timedelta(hours=1))),
        *(*(seen(tag, name, day(at)) for tag, name, at in moves), seen("soon", "b4", day(6) - timedelta(hours=1))),
    ]
    commit(tmp_path, day(40), records)
    store = Store.in_memory(Journal(tmp_path / "journal"))
    lag = queries.base_lag(store, repository=REPOSITORY, tag="app")
    columns = ["base_tag", "valid_from", "lag_days", "outdated_from", "outdated_days", "last_observed_at"]
    seen_at = day(4) + timedelta(hours=1)
    assert lag.select(columns).rows() == [
        ("jessie", day(2), None, None, 0.0, seen_at),
        ("jessie", day(5), 0.0, None, 0.0, day(5)),
    ]
    share = queries.base_share(store, repository=REPOSITORY, tag="app")
    assert share.select("valid_from", "valid_to", "last_observed_at", "base_tag", "digest").rows() == [
        (day(2), day(5), seen_at, "jessie", digest("e1")),
        (day(2), day(5), seen_at, None, digest("e1")),
        (day(5), None, day(5), "jessie", digest("b2")),
        (day(5), None, day(5), None, digest("b2")),
    ]
    known = queries.bases(store, repository=REPOSITORY)
    assert known.select("tag", "base_tag_seen", "base_tags").rows() == [
        *[("app", "then", "jessie, 8")] * 2,
        ("late", "before", "jessie, 8"),
        ("soon", "then", "jessie, 8"),
    ]


def test_a_base_that_was_made_anew_is_named_by_the_first_image(tmp_path: Path) -> None:
    """Two manifests with the same layers are one base; the digests are those that the first reference stands on."""
    records = [
        *(of(DEBIAN, "12", "a1", 1), of(DEBIAN, "12", "a2", 5), seen("x", "b1", day(2)), seen("y", "b2", day(6))),
        *(*layered("a1", ("60", 60)), *layered("a2", ("60", 60))),
        *(*layered("b1", ("60", 60), ("1", 1)), *layered("b2", ("60", 60), ("2", 2))),
    ]
    commit(tmp_path, day(40), records)
    store = Store.in_memory(Journal(tmp_path / "journal"))
    for tags, base in (("xy", "a1"), ("yx", "a2")):
        frame = queries.common_bases(store, references=[f"{REPOSITORY}:{tag}" for tag in tags])
        columns = ["base_digest", "base_manifest_digest", "base_bytes", "image_count", "saved_bytes"]
        assert frame.select(columns).rows() == [(digest(base), digest(base), 60, 2, 60)]


@pytest.mark.case("base_share", *ALL)
def test_base_share(store: Store) -> None:
    """A base of unknown size is in the part above it."""
    frame = queries.base_share(store, repository=REPOSITORY, tag="app", since=day(6))
    columns = [
        "valid_from",
        "level",
        "base_tag",
        "part_layer_count",
        "part_bytes",
        "stack_from_bytes",
        "stack_to_bytes",
    ]
    assert frame.select(*columns, "part_share", "base_share").rows() == [
        (day(6), 1, "12", 3, 68, 0, 68, 68 / 75, 68 / 75),
        (day(6), 0, None, 1, 7, 68, 75, 7 / 75, 68 / 75),
        (day(12), 1, "12", 3, 69, 0, 69, 69 / 77, 69 / 77),
        (day(12), 0, None, 1, 8, 69, 77, 8 / 77, 69 / 77),
    ]
    whole = queries.base_share(store, repository=REPOSITORY, tag="app")
    assert whole["valid_from"].unique(maintain_order=True).to_list() == [day(2), day(6), day(12)]
    new = queries.base_share(store, repository=REPOSITORY, tag="app", platform=NEW, since=day(12))
    assert new.select("base_tag", "part_bytes", "part_share").rows() == [("2022", 80, 80 / 89), (None, 9, 9 / 89)]
    single = queries.base_share(store, repository=REPOSITORY, tag="single")
    assert single.select("level", "part_layer_count", "part_bytes", "part_share", "base_share").rows() == [
        (0, 2, None, None, None)
    ]


FLEET = [f"{REPOSITORY}:app", f"{REPOSITORY}:web", f"{REPOSITORY}:single", f"{MIRROR}:app"]


@pytest.mark.case("fleet_cost", *ALL)
def test_fleet_cost(store: Store) -> None:
    """A layer that is there twice is stored once; an image under two names is one; what is not known is left out."""
    columns = ["manifest_digest", "total_bytes", "unique_bytes", "shared_bytes", "added_bytes", "layer_count"]
    frame = queries.fleet_cost(store, references=FLEET)
    assert frame.select(*columns, "cumulative_bytes").rows() == [
        (digest("b2"), 61 + 4 + 8, 61 + 8, 4, 73, 3, 73),
        (digest("b1"), 60 + 4 + 7, 0, 71, 60 + 7, 3, 140),
        (digest("c2"), None, None, None, None, None, 140),
        (digest("b1"), 71, 0, 71, 0, 3, 140),
    ]
    assert frame.select("fleet_bytes", "unknown_count").unique().rows() == [(140, 1)]
    new = queries.fleet_cost(store, references=FLEET[:2], platform=NEW)
    assert new.select(columns).rows() == [
        (digest("b5"), 80 + 9, 9, 80, 89, 2),
        (digest("b4"), 80 + 6, 6, 80, 6, 2),
    ]
    gone = queries.fleet_cost(store, references=FLEET[:2], at=day(5))
    assert gone.select("total_bytes", "unique_bytes", "unknown_count").rows() == [(None, None, 1), (71, 71, 1)]
    lagged = queries.fleet_cost(store, references=FLEET[:1], at=day(14))
    assert lagged["digest"].to_list() == [digest("e2")]


@pytest.mark.case("common_bases", *ALL)
def test_common_bases(store: Store) -> None:
    """Of two on one base one is saved, each layer once; of a base of unknown size nobody knows what."""
    columns = ["base_repository", "base_tag", "base_layer_count", "base_bytes", "image_count", "saved_bytes"]
    frame = queries.common_bases(store, references=FLEET)
    assert frame.select(columns).rows() == [
        (DEBIAN, "12", 3, 60 + 4, 2, 60 + 4),
        (DEBIAN, "12", 3, 61 + 4, 1, 0),
        (ODD, "latest", 1, None, 1, None),
    ]
    assert frame["image_references"].to_list() == [f"{FLEET[1]}, {FLEET[3]}", FLEET[0], FLEET[2]]
    assert frame["base_manifest_digest"].to_list() == [digest("a1"), digest("a2"), digest("c1")]
    new = queries.common_bases(store, references=FLEET, platform=NEW)
    assert new.select(columns).rows() == [(CORE, "2022", 1, 80, 3, 160)]
    assert queries.common_bases(store, references=FLEET[:1], at=day(5)).is_empty()


@pytest.mark.case("update_cost", *ALL)
def test_update_cost(store: Store) -> None:
    """Back as it was nothing is pulled; a foreign layer that stays is kept; of an unknown size nothing is known."""

    def every(tag: str, platform: str = AMD64) -> pl.DataFrame:
        frame = queries.update_cost(store, repository=REPOSITORY, tag=tag, platform=platform)
        return frame.filter(cadence="every move")

    columns = ["pulled_at", "pull_bytes", "full_bytes", "kept_bytes", "pull_layer_count", "full_layer_count"]
    assert every("app").select(columns).rows() == [
        (day(2), 60 + 4 + 7, 71, 0, 3, 3),
        (day(12), 61 + 8, 73, 4, 2, 3),
    ]
    assert every("app", NEW).select(columns).rows() == [(day(2), 86, 86, 0, 2, 2), (day(12), 9, 89, 80, 1, 2)]
    assert every("app", OLD).select(columns).rows() == every("app", WINDOWS).select(columns).rows()
    assert every("app", OLD).select(columns).rows() == [(day(2), 96, 96, 0, 2, 2)]
    assert every("web").select(columns).rows() == [(day(3), 71, 71, 0, 3, 3)]
    assert every("single").select(*columns, "unknown_count").rows() == [(day(2), None, None, None, 2, 2, 1)]
    weekly = queries.update_cost(store, repository=REPOSITORY, tag="app", period="week")
    assert weekly.select("pulled_at", "pull_bytes").rows() == [(day(2), 71), (day(19), 69)]  # Mondays
    assert queries.update_cost(store, repository=MIRROR, tag="app", period="day")["pull_bytes"].to_list() == [71]
