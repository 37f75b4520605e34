"""What a whole registry is made of: given rows, expected rows; and charts of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import polars as pl
import pytest
from made import REPOSITORY, commit, config, day, digest, image, index, seen

import imglab
from imglab import ask, charts, queries
from imglab.errors import UsageError
from imglab.journal import Journal
from imglab.records import Layer, Manifest, Record, TagObservation
from imglab.store import Store

OTHER = "registry.test/team/other"


def store_of(tmp_path: Path, *records: Record) -> Store:
    commit(tmp_path, day(20), records)
    return Store.in_memory(Journal(tmp_path / "journal"))


def elsewhere(tag: str, name: str | None, number: int) -> TagObservation:
    return dataclasses.replace(seen(tag, name, day(number)), repository=OTHER)


def undescribed_layer(name: str) -> list[Record]:
    """An image whose one layer has no known size."""
    manifest = Manifest(digest(name), "m", "image", None, None, None, 1, None)
    return [manifest, Layer(digest(name), 0, digest("dff"), None, None, is_foreign=True)]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """
    Two images now: a1 (layers 10, 20, 20) under two tags and below an index with an attestation; b1 (10, 5) elsewhere.

    Gone: a0 (layer 3), which a tag gave until day 3. Undescribed: c1, whose layer has no size.
    """
    attestation = [*image("e1", [7], kind="attestation")]
    return store_of(
        tmp_path,
        *(*image("a1", [10, 20, 20]), *image("b1", [10, 5]), *image("a0", [3]), *undescribed_layer("c1")),
        *(*index("1", [("a1", "linux/amd64"), ("e1", None)]), *attestation),
        *(seen("latest", "a0", day(1)), seen("latest", "1", day(3)), seen("3.1", "1", day(3))),
        *(seen("gone", "a0", day(1)), seen("gone", None, day(2), is_absent=True), seen("odd", "c1", day(2))),
        elsewhere("latest", "b1", 4),
    )


def test_percents_of_sizes(store: Store) -> None:
    """Of three images 50 and 15 bytes are known; of their different layers 5, 10, 20; of all three the layer counts."""
    frame = queries.size_distribution(store)
    assert frame["percent"].to_list() == [*range(101)] * 3
    at = frame.filter(pl.col("percent").is_in([0, 33, 34, 50, 51, 90, 100]))
    told = {key[0]: part["value"].to_list() for key, part in at.group_by("measure")}
    assert told == {
        "image_bytes": [15, 15, 15, 15, 50, 50, 50],
        "layer_bytes": [5, 5, 10, 10, 10, 20, 20],
        "layer_count": [1, 1, 2, 2, 2, 3, 3],
    }
    assert frame.group_by("measure").agg(pl.col("value_count").first()).sort("measure").rows() == [
        ("image_bytes", 2),
        ("layer_bytes", 3),
        ("layer_count", 3),
    ]
    published = frame.filter(pl.col("published_value").is_not_null())
    assert published.select("measure", "percent", "published_value").rows() == [
        ("image_bytes", 50, 17_000_000),
        ("image_bytes", 90, 480_000_000),
        ("layer_bytes", 50, 4_000_000),
        ("layer_bytes", 90, 63_000_000),
        ("layer_count", 50, 8),
        ("layer_count", 90, 18),
    ]


def test_a_part_of_the_store_at_a_time(store: Store) -> None:
    """Patterns of repositories and tags, a platform, a time."""

    def sizes(**given: object) -> set[int]:
        frame = queries.size_distribution(store, **given)  # type: ignore[arg-type]
        return set(frame.filter(pl.col("measure") == "image_bytes")["value"])

    assert sizes(repository="registry.test/team/*") == {15, 50}
    assert sizes(repository=OTHER) == {15}
    assert sizes(tag="3.*") == {50}
    assert sizes(platform="linux/amd64") == {50}  # of b1 nobody told the platform
    assert sizes(at=day(2)) == sizes(repository=REPOSITORY, at=day(1)) == {3}
    assert sizes(repository="ghcr.io/*") == set()


def test_what_images_share(store: Store) -> None:
    """a1 has a layer twice and shares its lowest with b1; c1 counts, but nobody told the size of its layer."""
    frame = queries.sharing(store)
    assert frame.rows() == [
        # repository; images, undescribed; layers, different, of no size; each for itself, once, in several; ratio
        (None, 3, 0, 6, 4, 1, 65, 35, 10, 65 / 35),
        (REPOSITORY, 2, 0, 4, 3, 1, 50, 30, 0, 50 / 30),
        (OTHER, 1, 0, 2, 2, 0, 15, 15, 0, 1.0),
    ]


def test_an_image_of_two_repositories_counts_once_for_both(tmp_path: Path) -> None:
    """In each it weighs what it weighs; all together it is one image, and shares nothing with itself."""
    store = store_of(
        tmp_path,
        *image("a1", [10, 20]),
        *image("b1", [10]),
        seen("x", "a1", day(1)),
        elsewhere("y", "a1", 1),
        elsewhere("z", "b1", 1),
    )
    columns = ("repository", "image_count", "layer_count", "unique_layer_count", "image_bytes", "shared_bytes")
    assert queries.sharing(store).select(columns).rows() == [
        (None, 2, 3, 2, 40, 10),
        (OTHER, 2, 3, 2, 40, 10),
        (REPOSITORY, 1, 2, 2, 30, 0),
    ]


def test_images_that_nobody_described_are_counted_apart(tmp_path: Path) -> None:
    """An index names an image for arm64 of which no source told anything."""
    children = [("a1", "linux/amd64"), ("a2", "linux/arm64")]
    store = store_of(tmp_path, *image("a1", [10]), *index("1", children), seen("latest", "1", day(1)))
    assert queries.sharing(store)["undescribed_image_count"].to_list() == [1, 1]
    assert queries.sharing(store)["image_bytes"].to_list() == [10, 10]


def test_bytes_lie_at_depths(store: Store) -> None:
    """The lowest layer of a1 and b1 is the same; c1's has no size."""
    frame = queries.bytes_by_depth(store)
    assert frame.rows() == [(0, 3, 2, 20, 10, 20 / 65), (1, 2, 2, 25, 25, 25 / 65), (2, 1, 1, 20, 20, 20 / 65)]


def test_media_types_by_when_they_came(store: Store) -> None:
    """Each digest counts once, when it was first under a tag; the attestation is no image."""
    frame = queries.media_types(store, period="day").with_columns(pl.col("media_type").str.split(".").list.get(-1))
    index_type, image_type = "v1+json", "v1+json"
    assert frame.rows() == [
        (day(1), "image", image_type, 1, 3),
        (day(1), "layer", None, 1, 3),
        (day(2), "image", "m", 1, None),
        (day(2), "layer", None, 1, None),
        (day(3), "image", image_type, 1, 50),
        (day(3), "index", index_type, 1, None),
        (day(3), "layer", None, 2, 30),
        (day(4), "image", image_type, 1, 15),
        (day(4), "layer", None, 1, 5),
    ]
    late = queries.media_types(store, period="year", since=day(3), until=day(4), repository=REPOSITORY)
    assert late["document_count"].to_list() == [1, 1, 2]
    with pytest.raises(UsageError, match="no period"):
        queries.media_types(store, period="fortnight")  # type: ignore[arg-type]


def test_what_attestations_weigh(store: Store) -> None:
    """Seven bytes beside fifty of a1 (and c1, whose size is unknown); elsewhere there are none."""
    frame = queries.attestation_overhead(store)
    assert frame.rows() == [(REPOSITORY, 2, 50, 1, 0, 7, 7 / 50), (OTHER, 1, 15, 0, 0, 0, 0.0)]


def test_attestations_by_subject_and_without_a_size(tmp_path: Path) -> None:
    """One refers to its image and is in no index; of one that an index names nobody told the size."""
    refers = Manifest(digest("e2"), "m", "attestation", None, None, digest("a1"), 1, 9)
    children = [("a1", "linux/amd64"), ("e1", None)]
    records = [*image("a1", [90]), refers, *index("1", children), seen("latest", "1", day(1))]
    frame = queries.attestation_overhead(store_of(tmp_path, *records))
    assert frame.rows() == [(REPOSITORY, 1, 90, 2, 1, 9, 0.1)]


@pytest.mark.parametrize(
    "name", ["size_distribution", "sharing", "bytes_by_depth", "media_types", "attestation_overhead"]
)
def test_charts_draw_many_one_and_nothing(store: Store, tmp_path: Path, name: str) -> None:
    """The specification is valid, its fields are in its data, and it is the same each time."""
    draw, question = getattr(charts, name), getattr(queries, name)
    one = store_of(tmp_path / "one", *image("a1", [0]), *config("a1", []), seen("t" * 128, "a1", day(1)))
    for source in (store, one, Store.in_memory(Journal(tmp_path / "none"))):
        frame = question(source)
        assert charts.specification(draw(frame)) == charts.specification(draw(frame))
    with pytest.raises(charts.MissingColumn, match=name):
        draw(pl.DataFrame({"other": []}))
    with imglab.open_sample() as sample:
        assert len(str(charts.specification(draw(question(sample))))) > 1_000


def test_patterns_of_repositories_on_the_command_line(store: Store, tmp_path: Path) -> None:
    """A pattern that matches nothing is an empty answer, a repository that is not there a mistake."""
    imglab.open_store(tmp_path).close()
    assert ask.answer("sharing", {"repository": "registry.test/*"}, data=tmp_path).height == 3
    assert ask.answer("sharing", {"repository": "ghcr.io/*"}, data=tmp_path).is_empty()
    with pytest.raises(UsageError, match="no repository"):
        ask.answer("sharing", {"repository": "registry.test/team/ap"}, data=tmp_path)


@pytest.mark.parametrize(
    ("starts", "written", "is_whole"),
    [
        (["2024-01-01", "2025-01-01"], ["2024", "2025"], True),
        (["2024-01-01", "2026-01-01"], ["2024", "2026"], False),
        (["2024-01-01", "2024-02-01"], ["2024-01", "2024-02"], True),
        (["2024-01-01", "2024-01-02"], ["2024-01-01", "2024-01-02"], True),
    ],
)
def test_periods_are_written_as_short_as_they_can_be(starts: list[str], written: list[str], is_whole: bool) -> None:
    """Years without their days, so that they stand beside each other; the chart says if its axis leaves some out."""
    frame = pl.DataFrame({"period_start": starts}).with_columns(
        pl.col("period_start").str.to_datetime(time_unit="us", time_zone="UTC"),
        kind=pl.lit("layer"),
        media_type=pl.lit("application/vnd.oci.image.layer.v1.tar+gzip"),
        document_count=pl.lit(3),
        compressed_bytes=pl.lit(9),
    )
    found = charts.specification(charts.media_types(frame))
    assert [row["period"] for rows in found["datasets"].values() for row in rows] == written
    assert ("axis is not even" in found["title"]["subtitle"][0]) is not is_whole


def test_what_all_share_is_drawn_alone() -> None:
    """Also where no repository is told beside it, and with a ratio of two decimals."""
    frame = pl.DataFrame(
        {"repository": [None], "image_count": [2], "layer_count": [4], "unique_layer_count": [3]}
        | {"image_bytes": [300], "unique_bytes": [200], "shared_bytes": [100], "sharing_ratio": [1.5]},
        schema_overrides={"repository": pl.String},
    )
    rows = [row for rows in charts.specification(charts.sharing(frame))["datasets"].values() for row in rows]
    assert [(row["name"], row["label"]) for row in rows] == [("all together", "200 B instead of 300 B · 1.50×")]


def test_attestations_that_weigh_next_to_nothing_are_not_zero() -> None:
    """A share that rounds to nothing is told as under the smallest that is written; one repository has no others."""
    frame = pl.DataFrame(
        {"repository": ["docker.io/library/hello-world"], "image_count": [9], "image_bytes": [10**9]}
        | {"attestation_count": [2], "attestation_bytes": [42_900], "attestation_share": [0.000_042_9]}
    )
    found = charts.specification(charts.attestation_overhead(frame))
    labels = [row["label"] for rows in found["datasets"].values() for row in rows]
    assert labels == ["42.9 kB · under 0.01 % of the images"]
    none = charts.specification(charts.attestation_overhead(frame.with_columns(attestation_count=pl.lit(0))))
    assert "There is nothing to draw: it has none." in str(none)
