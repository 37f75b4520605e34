"""How architectures compare, through time and step by step: given rows, expected rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

import polars as pl
import pytest
from built import Made, built
from made import REPOSITORY, commit, day, digest, image, index, seen

import imglab
from imglab import ask, charts, queries
from imglab.errors import UsageError
from imglab.imports import import_documents
from imglab.journal import Journal
from imglab.records import Config, Manifest, Record
from imglab.store import Store, load

AMD64, ARM64 = "linux/amd64", "linux/arm64"


def store_of(tmp_path: Path, records: Iterable[Record]) -> Store:
    """A store of one run of a registry."""
    commit(tmp_path, day(20), records)
    return Store.in_memory(Journal(tmp_path / "journal"))


def sized(name: str, platform: str, size: int | None) -> list[Record]:
    """An image with one layer of a size."""
    operating_system, architecture = platform.split("/")
    manifest = Manifest(digest(name), None, "image", digest("c" + name), layer_count=1, compressed_bytes=size)
    return [manifest, Config(digest("c" + name), operating_system, architecture)]


def series_of(sizes: Iterable[tuple[int | None, int | None]], tag: str = "latest") -> list[Record]:
    """A tag that moves each day, with sizes for amd64 and arm64."""
    records: list[Record] = []
    for at, (amd64, arm64) in enumerate(sizes, 1):
        records += [*sized(f"a{at}0", AMD64, amd64), *sized(f"b{at}0", ARM64, arm64)]
        records += index(f"e{at}0", [(f"a{at}0", AMD64), (f"b{at}0", ARM64)])
        records.append(seen(tag, f"e{at}0", day(at)))
    return records


# --- architecture_ratios ---------------------------------------------------------------------------------------------


def test_sizes_are_compared_while_both_images_stay(tmp_path: Path) -> None:
    """A move that left both as they were begins no stretch; times without one of them have no row."""
    records = [
        *(*image("a1", [100]), *image("a2", [120]), *image("b1", [90]), *image("b2", [60]), *image("5390", [50])),
        *index("e1", [("a1", AMD64), ("b1", ARM64)]),
        *index("e2", [("a1", AMD64), ("b1", ARM64), ("5390", "linux/s390x")]),
        *index("e3", [("a2", AMD64), ("b1", ARM64)]),
        *index("e4", [("b1", ARM64)]),
        *index("e5", [("a2", AMD64), ("b2", ARM64), ("f1", None)]),
        *(seen("latest", f"e{at}", day(at)) for at in range(1, 6)),
        *(seen("latest", None, day(6), is_absent=True), seen("latest", "e5", day(7))),
    ]
    frame = queries.architecture_ratios(store_of(tmp_path, records), repository=REPOSITORY, tag="latest")
    columns = ["platform", "valid_from", "valid_to", "compressed_bytes", "against_bytes", "ratio", "is_outlier"]
    assert frame.select(columns).rows() == [
        (ARM64, day(1), day(3), 90, 100, 0.9, None),
        (ARM64, day(3), day(4), 90, 120, 0.75, None),
        (ARM64, day(5), day(6), 60, 120, 0.5, None),
        (ARM64, day(7), None, 60, 120, 0.5, None),
        ("linux/s390x", day(2), day(3), 50, 100, 0.5, None),
    ]
    assert frame["median_ratio"].to_list() == [0.625, 0.625, 0.625, 0.625, 0.5]
    assert frame["last_observed_at"].to_list() == [day(2), day(3), day(5), day(7), day(2)]
    names = ["digest", "manifest_digest", "against_manifest_digest"]
    assert frame.select(names).row(0) == (digest("e1"), digest("b1"), digest("a1"))
    assert frame["against"].unique().to_list() == [AMD64]


def test_a_stretch_ends_where_either_image_becomes_another(tmp_path: Path) -> None:
    """And not at the moves before and after, which left both as they were."""
    indexes = [("e1", "a1", "b1"), ("e2", "a1", "b2"), ("e3", "a1", "b2"), ("e4", "a2", "b2"), ("e5", "a2", "b2")]
    sizes = {"a1": 100, "a2": 120, "b1": 90, "b2": 60}
    records = [
        *(row for name, size in sizes.items() for row in image(name, [size])),
        *(row for name, amd64, arm64 in indexes for row in index(name, [(amd64, AMD64), (arm64, ARM64)])),
        *(seen("latest", name, day(at)) for at, (name, _, _) in enumerate(indexes, 1)),
    ]
    frame = queries.architecture_ratios(store_of(tmp_path, records), repository=REPOSITORY, tag="latest")
    assert frame.select("valid_from", "valid_to", "ratio", "digest").rows() == [
        (day(1), day(2), 0.9, digest("e1")),
        (day(2), day(4), 0.6, digest("e2")),
        (day(4), None, 0.5, digest("e4")),
    ]


def test_another_platform_may_be_the_measure(tmp_path: Path) -> None:
    """What is compared with is not among what is compared; one platform and a time may be chosen."""
    store = store_of(tmp_path, series_of([(100, 90), (100, 80), (100, 50)]))
    frame = queries.architecture_ratios(store, repository=REPOSITORY, tag="latest", against=ARM64)
    assert frame.select("platform", "against", "ratio").rows() == [
        (AMD64, ARM64, 100 / 90),
        (AMD64, ARM64, 1.25),
        (AMD64, ARM64, 2.0),
    ]
    late = queries.architecture_ratios(
        store, repository=REPOSITORY, tag="latest", platform=ARM64, since=day(2), until=day(3)
    )
    assert late.select("ratio", "median_ratio").rows() == [(0.8, 0.8)]
    assert queries.architecture_ratios(store, repository=REPOSITORY, tag="latest", platform="linux/386").is_empty()
    assert queries.architecture_ratios(store, repository=REPOSITORY, tag="latest", against="linux/386").is_empty()


@pytest.mark.parametrize(
    ("arm64", "outliers"),
    [
        ([90, 90, 90, 90, 90, 90], []),
        ([90, 90, 90, 90, 90, 94], []),  # 4 %: nothing else ever moved, but it is little
        ([90, 90, 90, 90, 90, 95], [95]),  # more than 5 % of 90
        ([80, 85, 90, 95, 100, 110], []),  # restless: five times 1.4826 * 7.5 is 55.6
        ([90, 91, 89, 90, 150, 90], [150]),
        ([90, 90, 90, 150], None),  # too few to tell
        ([90, None, 90, 90, 90, 90, 45], [45]),
    ],
)
def test_outliers_are_far_from_the_median(tmp_path: Path, arm64: list[int | None], outliers: list[int] | None) -> None:
    """Five robust deviations and five per cent of the median; a steady series has none."""
    store = store_of(tmp_path, series_of((100, size) for size in arm64))
    frame = queries.architecture_ratios(store, repository=REPOSITORY, tag="latest")
    assert frame["compressed_bytes"].to_list() == arm64
    if outliers is None:
        assert frame["is_outlier"].to_list() == [None] * len(arm64)
    else:
        assert frame.filter("is_outlier")["compressed_bytes"].to_list() == outliers
        assert frame["is_outlier"].null_count() == arm64.count(None)


def test_builds_of_windows_are_series_of_their_own(tmp_path: Path) -> None:
    """Two builds of a platform are two lines; a build may be what others are compared with."""
    records: list[Record] = [*image("a1", [100])]
    builds = {"b1": ("10.0.1.5", 900), "b2": ("10.0.2.7", 500)}
    for name, (_, size) in builds.items():
        records += sized(name, "windows/amd64", size)
    entries = index("e1", [("a1", AMD64), ("b1", "windows/amd64"), ("b2", "windows/amd64")])
    versions = [None, None, *(os_version for os_version, _ in builds.values())]
    records += [
        dataclasses.replace(entry, os_version=version) if version else entry  # type: ignore[call-arg]
        for entry, version in zip(entries, versions, strict=True)
    ]
    store = store_of(tmp_path, [*records, seen("latest", "e1", day(1))])
    frame = queries.architecture_ratios(store, repository=REPOSITORY, tag="latest")
    assert frame.select("platform", "series", "ratio").rows() == [
        ("windows/amd64", "windows/amd64 10.0.1", 9.0),
        ("windows/amd64", "windows/amd64 10.0.2", 5.0),
    ]
    older = queries.architecture_ratios(
        store, repository=REPOSITORY, tag="latest", platform="windows/amd64", against="windows/amd64 10.0.1"
    )
    assert older.select("series", "ratio").rows() == [("windows/amd64 10.0.2", 500 / 900)]


# --- step_ratios -----------------------------------------------------------------------------------------------------

ROOT = "ADD file:" + "ab12" * 16 + " in / "
BUILD = "RUN curl -o x.tgz https://x.test/x-1.2-linux-"


def two_platforms(tmp_path: Path) -> Store:
    """Root, a build that names the architecture, a copy that both share, empty layers, a step of arm64's own."""
    amd64 = [
        Made("1", 50, ROOT),
        Made("2", 30, BUILD + "amd64.tgz"),
        Made("3", 7, "COPY app /app"),
        Made("0", 1, "RUN true"),
        Made("0", 1, "WORKDIR /app"),
    ]
    arm64 = [
        Made("4", 45, ROOT.replace("ab", "cd")),
        Made("5", 33, BUILD + "arm64.tgz"),
        Made("6", 4, "RUN patch arm"),
        Made("3", 7, "COPY app /app"),
        Made("0", 1, "RUN true"),
        Made("0", 1, "WORKDIR /app"),
    ]
    return store_of(
        tmp_path,
        [
            *built("a1", amd64),
            *built("b1", arm64, platform=ARM64),
            *built("b0", [Made("7", None, ROOT), Made("8", 20, BUILD + "s390x.tgz")], platform="linux/s390x"),
            *index("e1", [("a1", AMD64), ("b1", ARM64), ("f1", None)]),
            *index("e2", [("a1", AMD64), ("b0", "linux/s390x")]),
            *(seen("latest", "e1", day(1)), seen("latest", "e2", day(5)), seen("latest", "e2", day(7))),
        ],
    )


def test_steps_are_compared_with_the_same_of_the_other_platform(tmp_path: Path) -> None:
    """The parts add up to the difference of the images, each layer as often as it is there."""
    frame = queries.step_ratios(two_platforms(tmp_path), repository=REPOSITORY, tag="latest", at=day(2))
    columns = ["step_position", "match", "change", "compressed_bytes", "against_bytes", "ratio", "delta_bytes"]
    assert frame.select(columns).rows() == [
        (0, "normal text", "shrank", 45, 50, 0.9, -5),
        (1, "normal text", "grew", 33, 30, 1.1, 3),
        (2, None, "came", 4, None, None, 4),
        (3, "layer", "same layer", 7, 7, 1.0, 0),
        (4, "layer", "same layer", 1, 1, 1.0, 0),
        (5, "layer", "same layer", 1, 1, 1.0, 0),
    ]
    assert frame["delta_share"].to_list() == [-2.5, 1.5, 2.0, 0.0, 0.0, 0.0]
    totals = frame.select("total_bytes", "against_total_bytes", pl.col("delta_bytes").sum().alias("sum")).unique()
    assert totals.rows() == [(91, 89, 2)]
    names = ["digest", "manifest_digest", "against_manifest_digest", "layer_digest", "against_layer_digest"]
    of_patch = frame.select(names).row(2)
    assert of_patch == (digest("e1"), digest("b1"), digest("a1"), digest("d6"), None)
    assert frame.select("position", "against_position").rows() == [(0, 0), (1, 1), (2, None), (3, 2), (4, 3), (5, 4)]
    assert frame["at"].unique().to_list() == [day(2)]


def test_steps_of_unknown_size_have_no_difference(tmp_path: Path) -> None:
    """Nor have their images; without a time it is the newest interval, as it was last seen."""
    frame = queries.step_ratios(two_platforms(tmp_path), repository=REPOSITORY, tag="latest")
    assert frame.select("platform", "step_label", "compressed_bytes", "delta_bytes", "total_bytes").rows() == [
        ("linux/s390x", "ADD root filesystem", None, None, None),
        ("linux/s390x", frame["step_label"][1], 20, -10, None),
        ("linux/s390x", "COPY app to /app", None, -7, None),
        ("linux/s390x", "RUN true", None, -1, None),
        ("linux/s390x", "WORKDIR /app", None, -1, None),
    ]
    assert frame["delta_share"].null_count() == frame.height
    assert frame["at"].unique().to_list() == [day(7)]


def test_images_without_steps_are_compared_by_place_or_as_a_whole(tmp_path: Path) -> None:
    """As many layers as the other has; or nothing known but the sum."""
    records = [
        *built("a1", [Made("1", 50, ROOT), Made("2", 30, "RUN make")]),
        *built("b1", [Made("3", 40, None), Made("4", 20, None)], platform=ARM64),
        Manifest(digest("b0"), None, "image", compressed_bytes=70, os="linux", architecture="386"),
        *index("e1", [("a1", AMD64), ("b1", ARM64), ("b0", "linux/386")]),
        seen("latest", "e1", day(1)),
    ]
    frame = queries.step_ratios(store_of(tmp_path, records), repository=REPOSITORY, tag="latest")
    assert frame.select("platform", "match", "change", "delta_bytes", "delta_share").rows() == [
        ("linux/386", None, "unknown", -10, 1.0),
        (ARM64, "position", "shrank", -10, 0.5),
        (ARM64, "position", "shrank", -10, 0.5),
    ]


def test_a_platform_is_chosen_and_another_compared_with(tmp_path: Path) -> None:
    """Signs turn round; what is not there gives no rows."""
    store = two_platforms(tmp_path)
    turned = queries.step_ratios(store, repository=REPOSITORY, tag="latest", at=day(2), against=ARM64, platform=AMD64)
    assert turned["delta_bytes"].sum() == -2
    assert turned.filter(pl.col("change") == "went")["against_bytes"].to_list() == [4]
    assert queries.step_ratios(store, repository=REPOSITORY, tag="latest", at=day(2), platform=AMD64).is_empty()
    assert queries.step_ratios(store, repository=REPOSITORY, tag="latest", against="linux/386").is_empty()
    assert queries.step_ratios(store, repository=REPOSITORY, tag="none").is_empty()


# --- both ------------------------------------------------------------------------------------------------------------

NAMES = ("architecture_ratios", "step_ratios")


@pytest.mark.parametrize("name", NAMES)
def test_the_sample_can_be_asked_and_drawn(name: str) -> None:
    """The images of January 2018: steps are matched by their labels, and add up."""
    with imglab.open_sample() as sample:
        given = {"at": imglab.queries.instant(day(1).replace(year=2018))} if name == "step_ratios" else {}
        frame = getattr(queries, name)(sample, repository="python", tag="latest", **given)
    assert frame.filter(pl.col("platform") == ARM64).height > 5
    assert charts.title_of(charts.specification(getattr(charts, name)(frame))).endswith("linux/amd64?")
    if name == "step_ratios":
        summed = frame.group_by("manifest_digest").agg(
            pl.col("delta_bytes").sum(), (pl.col("total_bytes") - pl.col("against_total_bytes")).first().alias("whole")
        )
        assert summed["delta_bytes"].to_list() == summed["whole"].to_list()


@pytest.mark.parametrize("name", NAMES)
def test_the_command_line_takes_the_platform_to_compare_with(tmp_path: Path, name: str) -> None:
    """Other questions do not."""
    commit(tmp_path, day(20), series_of([(100, 90)]))
    load(tmp_path)
    given = {"repository": REPOSITORY, "tag": "latest", "against": ARM64}
    assert ask.answer(name, given, data=tmp_path)["platform"].to_list() == [AMD64]
    with pytest.raises(UsageError, match="moves takes no --against"):
        ask.answer("moves", given, data=tmp_path)


def test_steps_that_weigh_the_same_are_no_picture(tmp_path: Path) -> None:
    """The chart says why there is nothing to draw."""
    store = store_of(tmp_path, series_of([(None, 90)]))
    for name, why in (("step_ratios", "sizes of the steps"), ("architecture_ratios", "sizes of both images")):
        frame = getattr(queries, name)(store, repository=REPOSITORY, tag="latest")
        assert why in str(charts.specification(getattr(charts, name)(frame)))
    same = [*image("a1", [9]), *image("b1", [9]), *index("e1", [("a1", AMD64), ("b1", ARM64)])]
    equal = store_of(tmp_path / "equal", [*same, seen("latest", "e1", day(1))])
    frame = queries.step_ratios(equal, repository=REPOSITORY, tag="latest")
    assert frame["delta_bytes"].to_list() == [0]
    assert "weighs the same" in str(charts.specification(charts.step_ratios(frame)))


@pytest.mark.real_history
def test_the_real_history_of_python(real_data: Path, tmp_path: Path) -> None:
    """Figures that were counted otherwise: steady ratios, and what makes arm64 smaller."""
    import_documents(tmp_path, "repo-info", real_data / "repo-info.bundle")
    store = Store(tmp_path)
    ratios = queries.architecture_ratios(store, repository="python", tag="latest")
    assert ratios["is_outlier"].sum() == 0
    assert ratios.filter(pl.col("platform") == ARM64)["median_ratio"].round(3).unique().to_list() == [0.912]
    steps = queries.step_ratios(store, repository="python", tag="latest", platform=ARM64)
    assert steps["delta_bytes"].sum() == steps["total_bytes"][0] - steps["against_total_bytes"][0]
    assert steps.sort("delta_bytes")["step_label"][0] == "RUN apt-get install autoconf automake …"
