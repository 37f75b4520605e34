"""What images are built on: given rows, expected rows."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from made import REPOSITORY, commit, day, digest, image, index, seen

from imglab import charts, imports, queries
from imglab.journal import Journal
from imglab.records import Blob, Config, IndexEntry, Layer, Manifest, Record, TagObservation
from imglab.store import Store, load

HOUR = timedelta(hours=1)
DEBIAN = "docker.io/library/debian"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
NAME, DIGEST = "org.opencontainers.image.base.name", "org.opencontainers.image.base.digest"
FOUND = ["valid_from", "evidence", "base_repository", "base_tags", "base_manifest_digest"]


def store_of(tmp_path: Path, *runs: Iterable[Record], source: str = "registry") -> Store:
    """A store of runs on days 40, 41, …"""
    for number, records in enumerate(runs):
        commit(tmp_path, day(40 + number), records, source=source)
    return Store.in_memory(Journal(tmp_path / "journal"))


def made(name: str, sizes: Iterable[int], *, platform: str = "linux/amd64", **more: object) -> list[Record]:
    """An image for a platform, with a config that has *more* than that."""
    os, architecture = platform.split("/")
    return [*image(name, sizes), Config(digest("c" + name), os, architecture, **more)]  # type: ignore[arg-type]


def of(repository: str, tag: str, name: str | None, at: object, **more: object) -> TagObservation:
    """An observation of a tag of another repository."""
    observed = seen(tag, name, at, **more)  # type: ignore[arg-type]
    return dataclasses.replace(observed, repository=repository)


def bases(store: Store, tag: str = "app") -> pl.DataFrame:
    return queries.bases(store, repository=REPOSITORY, tag=tag)


# --- bases -----------------------------------------------------------------------------------------------------------


def test_the_base_is_the_longest_beginning_that_is_an_image(tmp_path: Path) -> None:
    """Of two images with whose layers it begins, the larger; with their names, bytes and share."""
    store = store_of(
        tmp_path,
        [
            *(of(DEBIAN, "8", "a1", day(1)), of(DEBIAN, "jessie", "a1", day(1)), of(DEBIAN, "latest", "a1", day(1))),
            *(of("docker.io/library/buildpack", "jessie", "a2", day(2)), seen("app", "a3", day(3))),
            *(*made("a1", [60]), *made("a2", [60, 15]), *made("a3", [60, 15, 25])),
        ],
    )
    frame = bases(store)
    assert frame.select(FOUND).rows() == [
        (day(3), "layers", "docker.io/library/buildpack", "jessie", digest("a2")),
    ]
    assert frame.select("base_digest", "base_layer_count", "base_bytes", "base_share").rows() == [
        (digest("a2"), 2, 75, 0.75),
    ]
    below = queries.bases(store, repository="docker.io/library/buildpack")
    assert below.select("base_repository", "base_tag", "base_tags", "base_tag_seen", "base_share").rows() == [
        (DEBIAN, "jessie", "jessie, 8, latest", "then", 0.8),
    ]


def test_an_image_is_no_base_of_itself_nor_of_its_equal(tmp_path: Path) -> None:
    """Nothing was added to it; other orders of layers, other platforms and unknown layers are no bases either."""
    hub = Manifest(digest("a5"), None, "image", compressed_bytes=60, os="linux", architecture="amd64")
    store = store_of(
        tmp_path,
        [
            *(seen("app", "a1", day(1)), seen("same", "a2", day(1)), seen("turned", "a3", day(1))),
            *(seen("arm", "a4", day(1)), seen("hub", "a5", day(1)), seen("late", "a6", day(1)), hub),
            *(*made("a1", [60, 15]), *made("a2", [60, 15]), *made("a3", [15, 60])),
            *(*made("a4", [60], platform="linux/arm64"), *made("a6", [25, 60, 15])),
        ],
    )
    frame = queries.bases(store, repository=REPOSITORY)
    assert frame["tag"].to_list() == ["app", "hub", "late", "same", "turned"]
    assert frame.select(pl.exclude("repository", "tag", "platform", "digest", "manifest_digest")).select(
        "evidence", "base_repository", "base_manifest_digest", "base_bytes", "base_share"
    ).unique().rows() == [(None, None, None, None, None)]


def test_a_base_is_told_by_the_tags_that_it_had_then(tmp_path: Path) -> None:
    """When the image came, give or take a day; if there were none, those that it had before, or got after."""
    store = store_of(
        tmp_path,
        [
            *(of(DEBIAN, "jessie", "a1", day(1)), of(DEBIAN, "latest", "a1", day(1))),
            *(
                of(DEBIAN, "latest", "a2", day(5)),
                of(DEBIAN, "jessie", "a2", day(8)),
                of(DEBIAN, "stretch", "a3", day(20)),
            ),
            *(seen("app", "b1", day(2)), seen("app", "b2", day(5) + 12 * HOUR), seen("app", "b3", day(7))),
            *(seen("app", "b4", day(12)), seen("app", "b5", day(13))),
            *(*made("a1", [60]), *made("a2", [61]), *made("a3", [62])),
            *(
                *made("b1", [60, 1]),
                *made("b2", [60, 2]),
                *made("b3", [60, 3]),
                *made("b4", [60, 4]),
                *made("b5", [62, 5]),
            ),
        ],
    )
    assert bases(store).select("valid_from", "base_tag", "base_tags", "base_tag_seen").rows() == [
        (day(2), "jessie", "jessie, latest", "then"),
        (day(5) + 12 * HOUR, "jessie", "jessie, latest", "then"),
        (day(7), "jessie", "jessie", "then"),
        (day(12), "jessie", "jessie, latest", "before"),
        (day(13), "stretch", "stretch", "after"),
    ]


def test_the_best_known_of_equal_bases_counts(tmp_path: Path) -> None:
    """The one that had a tag then; of several the official one; a copy elsewhere is another name for it."""
    store = store_of(
        tmp_path,
        [
            *(of("registry.test/mirror", "a", "a1", day(1)), of(DEBIAN, "jessie", "a1", day(2))),
            *(of("registry.test/aaa", "new", "a2", day(1)), seen("app", "b1", day(5))),
            *(*made("a1", [60]), *made("a2", [60]), *made("b1", [60, 1])),
        ],
    )
    assert bases(store).select(FOUND[1:]).rows() == [("layers", DEBIAN, "jessie", digest("a1"))]


def test_bases_follow_the_tag_through_time(tmp_path: Path) -> None:
    """A row for each image, also while the tag was gone and born again; moves that left it as it was make none."""
    store = store_of(
        tmp_path,
        [
            *(of(DEBIAN, "jessie", "a1", day(1)), *made("a1", [60]), *made("b1", [60, 1]), *made("b2", [60, 2])),
            *(seen("app", "e1", day(2)), seen("app", "e2", day(3)), seen("app", None, day(4), is_absent=True)),
            *(seen("app", "e2", day(6)), seen("app", "b2", day(8)), seen("other", "b2", day(8))),
            *index("e1", [("b1", "linux/amd64"), ("f1", None)]),
            *(*index("e2", [("b1", "linux/amd64")]), *image("f1", [60, 1, 1], kind="attestation")),
        ],
    )
    frame = queries.bases(store, repository=REPOSITORY)
    assert frame.select("tag", "valid_from", "valid_to", "digest", "base_tag", "base_bytes").rows() == [
        ("app", day(2), day(4), digest("e1"), "jessie", 60),
        ("app", day(6), day(8), digest("e2"), "jessie", 60),
        ("app", day(8), None, digest("b2"), "jessie", 60),
        ("other", day(8), None, digest("b2"), "jessie", 60),
    ]
    at = queries.bases(store, repository=REPOSITORY, at=day(7))
    assert at.select("tag", "valid_from").rows() == [("app", day(6))]
    assert queries.bases(store, repository=REPOSITORY, tag="a*", since=day(8)).height == 1


def test_repeated_and_unsized_layers_count_as_in_the_size(tmp_path: Path) -> None:
    """A layer twice in the base is twice in its bytes; of a layer without a size nobody knows what the base brings."""
    unsized = [
        Layer(digest("a2"), 0, digest("1")),
        Layer(digest("b2"), 0, digest("1")),
        Layer(digest("b2"), 1, digest("2")),
    ]
    known = {"media_type": None, "kind": "image", "os": "linux", "architecture": "amd64"}
    store = store_of(
        tmp_path,
        [
            *(of(DEBIAN, "twice", "a1", day(1)), of(DEBIAN, "unsized", "a2", day(1))),
            *(seen("app", "b1", day(2)), seen("unsized", "b2", day(2)), *unsized),
            *(*made("a1", [30, 4, 4]), *made("b1", [30, 4, 4, 12])),
            *(Manifest(digest("a2"), layer_count=1, **known), Manifest(digest("b2"), layer_count=2, **known)),  # type: ignore[arg-type]
        ],
    )
    frame = queries.bases(store, repository=REPOSITORY)
    assert frame.select("tag", "base_tag", "base_layer_count", "base_bytes", "base_share").rows() == [
        ("app", "twice", 3, 38, 0.76),
        ("unsized", "unsized", 1, None, None),
    ]


def test_unpacked_layers_tell_of_bases_that_were_packed_anew(tmp_path: Path) -> None:
    """Packed again a layer has another digest and size, and the same diff id; a Docker archive knows nothing else."""
    archive = "config+" + digest("ca3")
    store = store_of(
        tmp_path,
        [
            *(of(DEBIAN, "jessie", "a1", day(1)), *made("a1", [60], diff_ids=[digest("f1")])),
            *(seen("app", "a2", day(2)), *made("a2", [55, 5], diff_ids=[digest("f1"), digest("f2")])),
            TagObservation(REPOSITORY, "saved", day(2), digest=archive),
            Manifest(archive, None, "image", digest("ca3"), layer_count=3),
            *(Layer(archive, at, digest(f"f{at + 1}")) for at in range(3)),
            Config(digest("ca3"), "linux", "amd64", diff_ids=[digest("f1"), digest("f2"), digest("f3")]),
            *(seen("short", "a4", day(2)), *made("a4", [55, 7], diff_ids=[digest("f1")])),
        ],
    )
    frame = queries.bases(store, repository=REPOSITORY)
    assert frame.select("tag", "evidence", "base_repository", "base_tags", "base_layer_count", "base_bytes").rows() == [
        ("app", "diff_ids", DEBIAN, "jessie", 1, 55),
        ("saved", "layers", REPOSITORY, "app", 2, None),
        ("short", None, None, None, None, None),
    ]


def stated(name: str, annotations: dict[str, object], body: bytes | None = None) -> Blob:
    """The manifest of an image with annotations, as it was received."""
    return Blob(digest(name), None, body or json.dumps({"annotations": annotations}).encode())


def test_an_annotation_names_the_base(tmp_path: Path) -> None:
    """Before layers do: of an image or index that is known, with its names then; else as it is stated."""
    store = store_of(
        tmp_path,
        [
            *(of(DEBIAN, "jessie", "e1", day(1)), *index("e1", [("a1", "linux/amd64"), ("a2", "linux/arm64")])),
            *(*made("a1", [60]), *made("a2", [50], platform="linux/arm64"), *made("a3", [60, 7])),
            *(seen("known", "b1", day(2)), seen("squashed", "b2", day(2)), seen("unknown", "b3", day(2))),
            *(seen("named", "b4", day(2)), seen("a3", "a3", day(1)), seen("blank", "b5", day(2))),
            *(record for name in ("b1", "b3", "b4", "b5") for record in made(name, [60, 7, int(name[1])])),
            *made("b2", [44]),
            *(stated(name, {NAME: "debian:jessie", DIGEST: digest("e1")}) for name in ("b1", "b2")),
            *(stated("b3", {NAME: "corp/base:1", DIGEST: digest("ee")}), stated("b4", {NAME: "scratch"})),
            *(stated("b5", {NAME: "", DIGEST: 7}, b"\xff\xfe{"), stated("a3", {}, b'{"annotations": [1]}')),
        ],
    )
    frame = queries.bases(store, repository=REPOSITORY)
    columns = ["tag", "evidence", "base_name", "base_repository", "base_tags", "base_digest", "base_bytes"]
    assert frame.select(columns).rows() == [
        ("a3", "layers", None, DEBIAN, "jessie", digest("e1"), 60),
        ("blank", "layers", None, REPOSITORY, "a3", digest("a3"), 67),
        ("known", "annotation", "debian:jessie", DEBIAN, "jessie", digest("e1"), 60),
        ("named", "annotation", "scratch", None, None, None, None),
        ("squashed", "annotation", "debian:jessie", DEBIAN, "jessie", digest("e1"), None),
        ("unknown", "annotation", "corp/base:1", None, None, digest("ee"), None),
    ]


def test_an_index_may_say_what_its_images_are_built_on(tmp_path: Path) -> None:
    """Each entry has annotations of its own; those of the manifest count before them."""
    entries = [
        {"digest": digest(name), "annotations": {NAME: f"by-index:{name}", DIGEST: digest("a1")}}
        for name in ("b1", "b2")
    ]
    store = store_of(
        tmp_path,
        [
            *(
                of(DEBIAN, "jessie", "a1", day(1)),
                *made("a1", [60]),
                seen("app", "e1", day(2)),
                seen("two", "b2", day(2)),
            ),
            *(*index("e1", [("b1", "linux/amd64"), ("b2", "linux/amd64")]), *made("b1", [60, 1]), *made("b2", [60, 2])),
            Blob(digest("e1"), INDEX_TYPE, json.dumps({"manifests": [*entries, 3]}).encode()),
            stated("b2", {NAME: "by-manifest"}),
        ],
    )
    frame = queries.bases(store, repository=REPOSITORY)
    assert frame.select("tag", "evidence", "base_name", "base_tag", "base_bytes").rows() == [
        ("app", "annotation", "by-index:b1", "jessie", 60),
        ("two", "annotation", "by-manifest", None, None),
    ]


def test_an_inherited_label_is_no_evidence(tmp_path: Path) -> None:
    """What the base has too says what the base is built on; a label of its own says it of the image."""
    labels = [f"{DIGEST}={digest('ee')}", f"{NAME}=corp/base:1", "maintainer=x"]
    store = store_of(
        tmp_path,
        [
            *(of(DEBIAN, "jessie", "a1", day(1)), seen("middle", "a2", day(2)), seen("top", "a3", day(3))),
            *(seen("own", "a4", day(3)), seen("deep", "a5", day(3))),
            *(*made("a1", [60]), *made("a2", [60, 1], labels=labels), *made("a3", [60, 1, 2], labels=labels)),
            *made("a4", [60, 1, 3], labels=[f"{NAME}=middle"]),
            *made("a5", [60, 1, 4], labels=[f"{DIGEST}={digest('a1')}", f"{NAME}=debian:jessie"]),
        ],
    )
    frame = queries.bases(store, repository=REPOSITORY)
    assert frame.select("tag", "evidence", "base_name", "base_tag", "base_manifest_digest").rows() == [
        ("deep", "layers", None, "middle", digest("a2")),
        ("middle", "label", "corp/base:1", None, None),
        ("own", "label", "middle", None, None),
        ("top", "layers", None, "middle", digest("a2")),
    ]


def test_windows_images_have_bases_by_build(tmp_path: Path) -> None:
    """Two builds of one platform stand on two bases; foreign layers are layers."""
    core = "docker.io/library/windows"
    builds = {"b1": ("10.0.17763.1", "a1", [90, 1]), "b2": ("10.0.20348.2", "a2", [80, 2])}
    records: list[Record] = [of(core, "1809", "a1", day(1)), of(core, "2022", "a2", day(1)), seen("app", "e1", day(2))]
    records.append(Manifest(digest("e1"), INDEX_TYPE, "index"))
    for at, (name, (build, base, sizes)) in enumerate(builds.items()):
        entry = {"os": "windows", "architecture": "amd64", "os_version": build}
        records.append(IndexEntry(digest("e1"), at, digest(name), **entry))  # type: ignore[arg-type]
        for each, layers in ((name, sizes), (base, sizes[:1])):
            records += image(each, layers)[:1]
            records += [
                Layer(digest(each), position, digest(f"d{size}"), None, size, None, ["https://x.test"], position == 0)
                for position, size in enumerate(layers)
            ]
            records.append(Config(digest("c" + each), "windows", "amd64", os_version=build))
    store = store_of(tmp_path, records)
    tags = [
        queries.bases(store, repository=REPOSITORY, platform=platform)["base_tag"].to_list()
        for platform in ("windows/amd64", "windows/amd64 10.0.17763", "windows/amd64 10.0.20348")
    ]
    assert tags == [["1809"], ["1809"], ["2022"]]


def test_bases_do_not_depend_on_the_order_of_runs(tmp_path: Path) -> None:
    """A base that is learnt after what is built on it is found all the same, after each load and after a rebuild."""
    base = [of(DEBIAN, "jessie", "a1", day(1)), *made("a1", [60])]
    built = [seen("app", "b1", day(2)), *made("b1", [60, 1])]
    for number, records in enumerate((built, base, built)):
        commit(tmp_path, day(40 + number), records)
        load(tmp_path)
    answers = [bases(Store(tmp_path)).rows()]
    load(tmp_path, rebuild=True)
    answers.append(bases(Store(tmp_path)).rows())
    answers.append(bases(store_of(tmp_path / "turned", base, built)).rows())
    assert answers[0] == answers[1] == answers[2]
    assert answers[0][0][13] == "jessie"


def test_a_chain_follows_the_better_source(tmp_path: Path) -> None:
    """Docker Hub's list tells no layers; once a registry does, the image is a base."""
    hub = Manifest(digest("a1"), None, "image", compressed_bytes=60, os="linux", architecture="amd64")
    commit(tmp_path, day(40), [of(DEBIAN, "jessie", "a1", day(1)), hub], source="docker-hub")
    commit(tmp_path, day(41), [seen("app", "b1", day(2)), *made("b1", [60, 1])])
    load(tmp_path)
    assert bases(Store(tmp_path))["base_tag"].to_list() == [None]
    commit(tmp_path, day(42), made("a1", [60]))
    load(tmp_path)
    assert bases(Store(tmp_path))["base_tag"].to_list() == ["jessie"]


# --- base_lag --------------------------------------------------------------------------------------------------------


@pytest.fixture
def following(tmp_path: Path) -> Store:
    """
    A tag that follows jessie two days late, skips an image of it, and is rebuilt on one that is out of date.

    jessie: a1 from day 1, a2 day 10, a3 day 20, a4 day 22. app: on a1 from day 2, on a2 day 12 and 14, on a4 day 25.
    """
    return store_of(
        tmp_path,
        [
            *(of(DEBIAN, "jessie", name, day(at)) for name, at in (("a1", 1), ("a2", 10), ("a3", 20), ("a4", 22))),
            of(DEBIAN, "jessie", "a4", day(30)),
            *(seen("app", name, day(at)) for name, at in (("b1", 2), ("b2", 12), ("b3", 14), ("b4", 25), ("b4", 31))),
            *(*made("a1", [60]), *made("a2", [61]), *made("a3", [62]), *made("a4", [63])),
            *(*made("b1", [60, 1]), *made("b2", [61, 2]), *made("b3", [61, 3]), *made("b4", [63, 4])),
        ],
    )


def test_lag_is_from_the_move_of_the_base_to_the_move_that_followed(following: Store) -> None:
    """The first look is no move. A base is out of date from the next move of its tag, until the tag follows."""
    frame = queries.base_lag(following, repository=REPOSITORY, tag="app")
    columns = ["base_tag", "base_moved_at", "valid_from", "valid_to", "lag_days", "outdated_from", "outdated_days"]
    assert frame.select(columns).rows() == [
        ("jessie", None, day(2), day(12), None, day(10), 2.0),
        ("jessie", day(10), day(12), day(25), 2.0, day(20), 5.0),
        ("jessie", day(22), day(25), None, 3.0, None, 0.0),
    ]
    assert frame.select("manifest_digest", "base_manifest_digest", "image_count").rows() == [
        (digest("b1"), digest("a1"), 1),
        (digest("b2"), digest("a2"), 2),
        (digest("b4"), digest("a4"), 1),
    ]
    late = queries.base_lag(following, repository=REPOSITORY, tag="app", since=day(25))
    assert late["lag_days"].to_list() == [3.0]


def test_a_tag_that_never_followed_is_still_out_of_date(tmp_path: Path) -> None:
    """Up to when it was last seen; built anew on what the base had left already, it is so from the beginning."""
    store = store_of(
        tmp_path,
        [
            *(
                of(DEBIAN, "jessie", "a1", day(1)),
                of(DEBIAN, "jessie", "a2", day(4)),
                *made("a1", [60]),
                *made("a2", [61]),
            ),
            *(seen("app", "b1", day(2)), seen("app", "b1", day(10)), *made("b1", [60, 1]), *made("b2", [60, 2])),
            *(
                seen("stale", "b2", day(9)),
                seen("stale", "b2", day(12)),
                seen("alone", "c1", day(3)),
                *made("c1", [5, 6]),
            ),
        ],
    )
    columns = ["valid_from", "valid_to", "lag_days", "outdated_from", "outdated_days"]
    told = {
        tag: queries.base_lag(store, repository=REPOSITORY, tag=tag).select(columns).rows()
        for tag in ("app", "stale", "alone")
    }
    assert told == {
        "app": [(day(2), None, None, day(4), 6.0)],
        "stale": [(day(9), None, None, day(9), 3.0)],
        "alone": [(day(3), None, None, None, None)],
    }


def test_a_change_of_the_base_itself_is_no_lag(tmp_path: Path) -> None:
    """From jessie to stretch, which had moved long before; and a base rebuilt with the same layers did not change."""
    store = store_of(
        tmp_path,
        [
            *(
                of(DEBIAN, "jessie", "a1", day(1)),
                of(DEBIAN, "jessie", "a2", day(3)),
                of(DEBIAN, "stretch", "a3", day(1)),
            ),
            *(
                of(DEBIAN, "stretch", "a4", day(5)),
                *made("a1", [60]),
                *made("a2", [60]),
                *made("a3", [70]),
                *made("a4", [71]),
            ),
            *(seen("app", "b1", day(2)), seen("app", "b2", day(4)), seen("app", "b3", day(20))),
            *(*made("b1", [60, 1]), *made("b2", [60, 2]), *made("b3", [71, 3])),
        ],
    )
    frame = queries.base_lag(store, repository=REPOSITORY, tag="app")
    assert frame.select(
        "base_tag", "base_moved_at", "valid_from", "lag_days", "outdated_from", "image_count"
    ).rows() == [
        ("jessie", None, day(2), None, None, 2),
        ("stretch", day(5), day(20), None, None, 1),
    ]


# --- base_share ------------------------------------------------------------------------------------------------------


def test_an_image_is_its_bases_and_what_was_added(tmp_path: Path) -> None:
    """From below, each part without those under it; an image without a known base is all in one part."""
    store = store_of(
        tmp_path,
        [
            *(of(DEBIAN, "jessie", "a1", day(1)), seen("buildpack", "a2", day(2)), seen("app", "b1", day(3))),
            *(seen("app", "b2", day(5)), *made("a1", [60]), *made("a2", [60, 15]), *made("b1", [60, 15, 5, 20])),
            *made("b2", [44]),
        ],
    )
    frame = queries.base_share(store, repository=REPOSITORY, tag="app")
    columns = ["valid_from", "level", "base_tag", "part_layer_count", "part_bytes", "stack_to_bytes", "part_share"]
    assert frame.select(*columns, "base_share").rows() == [
        (day(3), 2, "jessie", 1, 60, 60, 0.6, 0.75),
        (day(3), 1, "buildpack", 1, 15, 75, 0.15, 0.75),
        (day(3), 0, None, 2, 25, 100, 0.25, 0.75),
        (day(5), 0, None, 1, 44, 44, 1.0, None),
    ]
    assert frame["base_manifest_digest"].to_list() == [digest("a1"), digest("a2"), None, None]


def test_a_base_that_is_only_named_is_in_what_was_added(tmp_path: Path) -> None:
    """Its layers are not known; what lies below it is."""
    store = store_of(
        tmp_path,
        [
            *(of(DEBIAN, "jessie", "a1", day(1)), *made("a1", [60]), seen("app", "b1", day(3)), *made("b1", [60, 40])),
            stated("b1", {NAME: "corp/base:1", DIGEST: digest("ee")}),
        ],
    )
    frame = queries.base_share(store, repository=REPOSITORY, tag="app")
    assert frame.select("level", "base_tag", "part_bytes", "base_share").rows() == [
        (2, "jessie", 60, 0.6),
        (0, None, 40, 0.6),
    ]


def test_charts_say_what_they_show(following: Store) -> None:
    """How soon moves were followed; how much is base; of how many images one is known."""
    asked = {"repository": REPOSITORY, "tag": "app"}

    def notes(name: str) -> str:
        frame = getattr(queries, name)(following, **asked)
        return " ".join(charts.specification(getattr(charts, name)(frame))["title"]["subtitle"])

    assert "2 moves of the base followed, half of them within 2.5 days. Out of date for 7.0 days of 29 days" in notes(
        "base_lag"
    )
    assert "Last known, 2026-01-25: 94.0 %." in notes("base_share")
    assert "of 4 of 4 images" in notes("bases")


def test_charts_count_an_image_of_several_tags_once(tmp_path: Path) -> None:
    """Two tags with one image are two rows and one image."""
    store = store_of(tmp_path, [seen("app", "b1", day(3)), seen("web", "b1", day(3)), *made("b1", [60, 40])])
    frame = queries.bases(store, repository=REPOSITORY)
    drawn = charts.specification(charts.bases(frame))
    assert frame.height == 2
    assert "of 0 of 1 images." in drawn["title"]["subtitle"][0]


def test_a_short_lag_is_told_in_hours_and_none_as_none(following: Store) -> None:
    """Half a day is twelve hours; a tag that is always seen to move with its base follows at once."""
    frame = queries.base_lag(following, repository=REPOSITORY, tag="app")

    def note(lag: float) -> str:
        lagged = frame.with_columns(pl.when(pl.col("lag_days").is_not_null()).then(lag).alias("lag_days"))
        subtitle: list[str] = charts.specification(charts.base_lag(lagged))["title"]["subtitle"]
        return subtitle[0]

    assert "half of them within 12.0 hours." in note(0.5)
    assert "half of them at once." in note(0.0)


# --- real history ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def years(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Seven images of repo-info, September 2016 to January 2018, and what official-images built their tags from."""
    data = tmp_path_factory.mktemp("years")
    imports.import_documents(data, "repo-info", real_data / "repo-info.bundle")
    imports.import_documents(data, "official-images", real_data / "official-images.bundle")
    return Store(data)


def with_directories(store: Store, repository: str) -> Counter[tuple[str, str]]:
    """How often an image of a directory of Dockerfiles (without the version) stood on a base."""
    based = queries.bases(store, repository=repository).drop_nulls("evidence")
    sources = queries.tag_sources(store, repository=repository).filter(pl.col("is_main"))
    sources = sources.select("tag", "directory", built_from=pl.col("valid_from"), built_to=pl.col("valid_to"))
    is_then = (pl.col("built_from") <= pl.col("valid_from")) & (pl.col("built_to") > pl.col("valid_from")).fill_null(
        True
    )
    joined = based.join(sources, on="tag").filter(is_then)
    assert joined.height == based.height
    kind = pl.col("directory").str.extract(r"^[\d.]+(?:-rc)?/(.+)$").fill_null(".")
    base = pl.when(pl.col("base_repository").str.ends_with(repository)).then(pl.lit("itself"))
    base = base.otherwise(pl.format("{}:{}", pl.col("base_repository").str.split("/").list.last(), "base_tag"))
    return Counter(joined.select(kind.alias("kind"), base.alias("base")).rows())


@pytest.mark.real_history
def test_bases_are_those_that_dockerfiles_name(years: Store) -> None:
    """
    The directory of each Dockerfile, which official-images tells, says what it stands on; layers say the same.

    python/X/slim is FROM debian:jessie, and since October 2017 FROM debian:jessie-slim; python/X is FROM
    buildpack-deps:jessie, which the history does not have, and which is FROM debian:jessie; onbuild is FROM python:X.
    """
    assert with_directories(years, "python") == {
        (".", "debian:jessie"): 297,
        ("alpine", "alpine:3.4"): 285,
        ("alpine", "alpine:3.5"): 13,
        ("alpine3.4", "alpine:3.4"): 226,
        ("alpine3.6", "alpine:3.6"): 137,
        ("alpine3.7", "alpine:3.7"): 30,
        ("jessie", "debian:jessie"): 300,
        ("jessie/onbuild", "itself"): 155,
        ("jessie/slim", "debian:jessie"): 92,
        ("jessie/slim", "debian:jessie-slim"): 118,
        ("onbuild", "itself"): 311,
        ("slim", "debian:jessie"): 270,
        ("stretch", "debian:stretch"): 138,
        ("stretch/slim", "debian:stretch"): 9,
        ("stretch/slim", "debian:stretch-slim"): 81,
        ("wheezy", "debian:7"): 7,
        ("wheezy", "debian:wheezy"): 227,
    }
    assert with_directories(years, "golang") == {
        (".", "debian:jessie"): 136,
        (".", "debian:stretch"): 16,
        ("alpine", "alpine:3.4"): 72,
        ("alpine", "alpine:3.5"): 60,
        ("alpine", "alpine:3.6"): 12,
        ("alpine3.4", "alpine:3.4"): 2,
        ("alpine3.5", "alpine:3.5"): 72,
        ("alpine3.6", "alpine:3.6"): 174,
        ("alpine3.7", "alpine:3.7"): 36,
        ("jessie", "debian:jessie"): 72,
        ("onbuild", "itself"): 172,
        ("stretch", "debian:stretch"): 232,
        ("wheezy", "debian:wheezy"): 94,
    }


@pytest.mark.real_history
def test_bases_that_are_not_found_are_older_than_the_history(years: Store) -> None:
    """Of 864 images of python 11 have none: all were there at the first look, on bases that were replaced by then."""
    frame = queries.bases(years, repository="python")
    assert (frame.height, frame["manifest_digest"].n_unique()) == (2_722, 864)
    none = frame.filter(pl.col("evidence").is_null())
    first = years.sql("select min(valid_from) from tag_image where repository = 'docker.io/library/debian'").item()
    assert (none.height, none["manifest_digest"].n_unique()) == (26, 11)
    assert none["valid_from"].unique().to_list() == [first]
    assert frame["base_tag_seen"].drop_nulls().unique().to_list() == ["then"]
    other = [queries.bases(years, repository=name) for name in ("golang", "zookeeper")]
    assert [(found.height, found["evidence"].null_count()) for found in other] == [(1_150, 0), (147, 0)]
    assert other[1]["base_repository"].unique().to_list() == ["docker.io/library/alpine"]


@pytest.mark.real_history
def test_the_real_slim_followed_its_base(years: Store) -> None:
    """It was rebuilt within six days of each move of debian:jessie, mostly within one; 55 % of it were its base."""
    frame = queries.base_lag(years, repository="python", tag="slim")
    lags = frame["lag_days"].drop_nulls()
    assert (lags.len(), round(float(lags.max()), 1), round(float(lags.median()), 1)) == (15, 5.9, 1.0)  # type: ignore[arg-type]
    share = queries.base_share(years, repository="python", tag="slim", since=datetime(2017, 12, 25, tzinfo=UTC))
    assert share.select("base_tag", "part_bytes").rows() == [("jessie-slim", 30_114_519), (None, 24_642_394)]
