"""What a whole registry is made of, in every case: two repositories whose figures are computed by hand."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import polars as pl
import pytest
from made import REPOSITORY, commit, config, day, digest, image, seen

from imglab import queries
from imglab.journal import Journal
from imglab.records import IndexEntry, Layer, Manifest, Record
from imglab.store import Store

MIRROR = "mirror.test/team/app"
INDEX_TYPE, IMAGE_TYPE = "application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json"
NEW = "windows/amd64 10.0.20348"
ALL = [
    *("repeated layers", "unknown steps", "unknown sizes", "attestations", "referrers", "foreign layers"),
    *("reborn tag", "several sources", "windows builds", "shared image", "single image", "two names"),
]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """
    Where tags pointed:

        latest  a0 day 1 to 3, gone, e1 since day 5     odd  c1 since day 2: layers of 10 and of unknown size
        same    e1 since day 4                          hub  b9 since day 2: 36 bytes, of which nobody told the layers
        single  a3 since day 6                          old  a0 day 1 to 6

    Index e1 has a1 (10, 20, 20), an attestation of it (9 bytes), and two builds of Windows (foreign 90 and 80, and the
    same 6). A mirror has it as latest since day 2. Another attestation of a1, of unknown size, and a signature refer to
    it. A page lags: it saw latest at a0 on day 7, and a registry e1 on day 8.
    """
    foreign = {"b1": [("f9", 90), ("6", 6)], "b2": [("f8", 80), ("6", 6)]}
    moves = [
        ("latest", "a0", 1),
        ("latest", None, 3),
        ("latest", "e1", 5),
        ("latest", "e1", 8),
        ("same", "e1", 4),
        ("single", "a3", 6),
    ]
    moves += [("odd", "c1", 2), ("hub", "b9", 2), ("old", "a0", 1), ("old", None, 6)]
    children: list[tuple[str, dict[str, str]]] = [
        ("a1", {"os": "linux", "architecture": "amd64"}),
        ("f1", {"os": "unknown", "architecture": "unknown", "attests_digest": digest("a1")}),
        ("b1", {"os": "windows", "architecture": "amd64", "os_version": "10.0.17763.1"}),
        ("b2", {"os": "windows", "architecture": "amd64", "os_version": "10.0.20348.1"}),
    ]
    records: list[Record] = [
        *(seen(tag, name, day(at), is_absent=name is None) for tag, name, at in moves),
        seen(f"sha256-{'a1'.ljust(64, '0')}.sig", "f3", day(1)),
        seen(f"sha256-{'a1'.ljust(64, '0')}.sbom", "a1", day(1)),  # by mistake
        dataclasses.replace(seen("latest", "e1", day(2)), repository=MIRROR),
        Manifest(digest("e1"), INDEX_TYPE, "index"),
        *(IndexEntry(digest("e1"), at, digest(name), **more) for at, (name, more) in enumerate(children)),  # type: ignore[arg-type]
        *(*image("a0", [3]), *image("a1", [10, 20, 20]), *image("a3", [10, 5]), *config("a3", [])),
        Manifest(digest("c1"), IMAGE_TYPE, "image", layer_count=2),
        *(Layer(digest("c1"), 0, digest("d10"), None, 10), Layer(digest("c1"), 1, digest("dff"))),
        Manifest(digest("b9"), None, "image", compressed_bytes=36),
        *(
            Manifest(digest(name), IMAGE_TYPE, "image", None, None, None, 2, sum(size for _, size in layers))
            for name, layers in foreign.items()
        ),
        *(
            Layer(digest(name), at, digest("d" + content), None if at else "foreign", size, is_foreign=at == 0)
            for name, layers in foreign.items()
            for at, (content, size) in enumerate(layers)
        ),
        Manifest(digest("f1"), IMAGE_TYPE, "attestation", layer_count=1, compressed_bytes=9),
        Manifest(digest("f2"), IMAGE_TYPE, "attestation", subject_digest=digest("a1")),
        Manifest(
            digest("f3"), IMAGE_TYPE, "artifact", subject_digest=digest("a1"), layer_count=1, compressed_bytes=888
        ),
    ]
    commit(tmp_path, day(40), records)
    page = [seen("latest", "a0", day(7), document="app.md", document_revision="r7")]
    commit(tmp_path, day(41), [*page, *image("a1", [777])], source="repo-info")
    return Store.in_memory(Journal(tmp_path / "journal"))


@pytest.mark.case("size_distribution", *ALL)
def test_size_distribution(store: Store) -> None:
    """
    Of six images now: bytes are known of five (15, 36, 50, 86, 96), layers of five (3, 2, 2, 2, 2).

    Of their seven layers the sizes of six are known: 5, 6, 10, 20, 80, 90.
    """
    frame = queries.size_distribution(store)
    at = frame.filter(pl.col("percent").is_in([0, 20, 21, 50, 51, 80, 81, 100]))
    assert at.group_by("measure", maintain_order=True).agg("value", pl.col("value_count").first()).rows() == [
        ("image_bytes", [15, 15, 36, 50, 50, 86, 96, 96], 5),
        ("layer_bytes", [5, 6, 6, 10, 20, 80, 80, 90], 6),
        ("layer_count", [2, 2, 2, 2, 2, 2, 3, 3], 5),
    ]
    mirrored = queries.size_distribution(store, repository=MIRROR, platform=NEW)
    assert mirrored.select("measure", "value", "value_count").unique(maintain_order=True).rows() == [
        ("image_bytes", 86, 1),
        *(("layer_bytes", 6, 2), ("layer_bytes", 80, 2)),
        ("layer_count", 2, 1),
    ]
    then = queries.size_distribution(store, repository=REPOSITORY, at=day(3)).filter(percent=100)
    assert then.select("measure", "value", "value_count").rows() == [
        ("image_bytes", 36, 2),  # a0 under old, b9; latest was gone
        ("layer_bytes", 10, 2),
        ("layer_count", 2, 2),
    ]


@pytest.mark.case("sharing", *ALL)
def test_sharing(store: Store) -> None:
    """Layer 10 is in three images, 6 in two, 20 twice in one; the mirror's images are the same ones."""
    weighed = 50 + 15 + 10 + 96 + 86, 10 + 20 + 5 + 90 + 80 + 6
    mirrored = 50 + 96 + 86, 10 + 20 + 90 + 80 + 6
    rows = [
        # repository; images, undescribed; layers, different, of no size; each for itself, once, in several; ratio
        (None, 6, 1, 11, 7, 1, *weighed, 10 + 6, 257 / 211),
        (REPOSITORY, 6, 1, 11, 7, 1, *weighed, 10 + 6, 257 / 211),
        (MIRROR, 3, 0, 7, 5, 0, *mirrored, 6, 232 / 206),
    ]
    assert queries.sharing(store).rows() == rows
    assert queries.sharing(store, repository="mirror.test/*").rows()[1:] == rows[2:]
    linux = queries.sharing(store, repository=REPOSITORY, tag="s*", platform="linux/amd64")
    assert linux.rows()[1:] == [(REPOSITORY, 2, 0, 5, 3, 0, 65, 35, 10, 65 / 35)]
    single, hub = queries.sharing(store, tag="single"), queries.sharing(store, tag="hub")
    assert single.rows()[1:] == [(REPOSITORY, 1, 0, 2, 2, 0, 15, 15, 0, 1.0)]
    assert hub.rows()[1:] == [(REPOSITORY, 1, 1, *[None] * 7)]
    assert queries.bytes_by_depth(store, tag="single")["image_bytes"].to_list() == [10, 5]
    assert queries.size_distribution(store, tag="hub")["measure"].unique().to_list() == ["image_bytes"]


@pytest.mark.case("bytes_by_depth", *ALL)
def test_bytes_by_depth(store: Store) -> None:
    """Each image once, in however many tags and repositories; a layer of no known size is a layer."""
    assert queries.bytes_by_depth(store).rows() == [
        (0, 5, 3, 10 + 10 + 10 + 90 + 80, 10 + 90 + 80, 200 / 257),
        (1, 5, 4, 20 + 5 + 6 + 6, 20 + 5 + 6, 37 / 257),
        (2, 1, 1, 20, 20, 20 / 257),
    ]
    assert queries.bytes_by_depth(store, tag="odd").rows() == [(0, 1, 1, 10, 10, 1.0), (1, 1, 1, None, None, None)]
    assert queries.bytes_by_depth(store, platform=NEW).rows() == [(0, 1, 1, 80, 80, 80 / 86), (1, 1, 1, 6, 6, 6 / 86)]


@pytest.mark.case("media_types", *ALL)
def test_media_types(store: Store) -> None:
    """A digest counts when it was first under a tag, also one that was gone by then; attestations are not counted."""
    frame = queries.media_types(store, repository=REPOSITORY, period="day")
    first = [(day(1), "image", IMAGE_TYPE, 1, 3), (day(1), "layer", None, 1, 3)]
    assert frame.rows() == [
        *first,
        (day(2), "image", IMAGE_TYPE, 1, None),
        (day(2), "image", None, 1, 36),
        (day(2), "layer", None, 2, 10),
        (day(4), "image", IMAGE_TYPE, 3, 50 + 96 + 86),
        (day(4), "index", INDEX_TYPE, 1, None),
        (day(4), "layer", "foreign", 2, 90 + 80),
        (day(4), "layer", None, 2, 20 + 6),
        (day(6), "image", IMAGE_TYPE, 1, 15),
        (day(6), "layer", None, 1, 5),
    ]
    single = queries.media_types(store, tag="single", period="day")
    assert single.rows() == [(day(6), "image", IMAGE_TYPE, 1, 15), (day(6), "layer", None, 2, 10 + 5)]
    everywhere = queries.media_types(store, period="day", since=day(2), until=day(3))
    assert everywhere.rows() == [
        (day(2), "image", IMAGE_TYPE, 4, 232),
        (day(2), "image", None, 1, 36),
        (day(2), "index", INDEX_TYPE, 1, None),
        (day(2), "layer", "foreign", 2, 170),
        (day(2), "layer", None, 4, 10 + 20 + 6),
    ]


@pytest.mark.case("attestation_overhead", *ALL)
def test_attestation_overhead(store: Store) -> None:
    """One in the index and one that refers to its image; a signature is no attestation."""
    frame = queries.attestation_overhead(store)
    assert frame.rows() == [
        (MIRROR, 3, 50 + 96 + 86, 2, 1, 9, 9 / 232),
        (REPOSITORY, 6, 50 + 96 + 86 + 15 + 36, 2, 1, 9, 9 / 283),
    ]
    assert queries.attestation_overhead(store, tag="odd").rows() == [(REPOSITORY, 1, None, 0, 0, 0, None)]
    then = queries.attestation_overhead(store, repository=REPOSITORY, at=day(3))
    assert then.rows() == [(REPOSITORY, 3, 3 + 36, 0, 0, 0, 0.0)]


def test_what_weighs_the_same_is_not_the_same(tmp_path: Path) -> None:
    """Two images and two layers of equal size, first seen at once, are two of each."""
    other = [Manifest(digest("a2"), IMAGE_TYPE, "image", layer_count=1, compressed_bytes=10)]
    layer = Layer(digest("a2"), 0, digest("df"), None, 10)
    commit(tmp_path, day(40), [*image("a1", [10]), *other, layer, seen("a", "a1", day(1)), seen("b", "a2", day(1))])
    store = Store.in_memory(Journal(tmp_path / "journal"))
    frame = queries.media_types(store, period="day")
    assert frame.rows() == [(day(1), "image", IMAGE_TYPE, 2, 20), (day(1), "layer", None, 2, 20)]
    assert queries.size_distribution(store)["value_count"].unique().to_list() == [2]
    assert queries.bytes_by_depth(store).rows() == [(0, 2, 2, 20, 20, 1.0)]
    assert queries.sharing(store).rows()[0] == (None, 2, 0, 2, 2, 0, 20, 20, 0, 1.0)
