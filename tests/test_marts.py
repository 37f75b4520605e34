"""The marts: given observations and documents, the rows that follow."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from made import REPOSITORY, commit, config, day, defined, definition, digest, image, index, seen

from imglab import queries
from imglab.journal import Journal
from imglab.records import Config, History, IndexEntry, Layer, Listing, Manifest, Record
from imglab.store import CHECKS, Store

NOON, MICROSECOND = timedelta(hours=12), timedelta(microseconds=1)
Runs = list[tuple[str, Iterable[Record]]]


def store_of(tmp_path: Path, *runs: Iterable[Record], source: str = "registry") -> Store:
    """A store of runs on days 20, 21, …"""
    for number, records in enumerate(runs):
        commit(tmp_path, day(20 + number), records, source=source)
    return Store.in_memory(Journal(tmp_path / "journal"))


def intervals(store: Store) -> list[tuple[object, ...]]:
    """Tag, digest and bounds of all intervals; days as numbers."""
    frame = store.sql(
        """
        select tag, left(digest, 9) as digest, day(valid_from_earliest), day(valid_from), day(valid_to),
            day(last_observed_at)
        from tag_interval
        order by tag, valid_from
        """
    )
    return frame.rows()


def test_equal_sightings_are_one_interval(tmp_path: Path) -> None:
    """A tag seen three times at one digest and then elsewhere has two intervals; the move lies between sightings."""
    sightings = [seen("a", "1", day(1)), seen("a", "1", day(3)), seen("a", "1", day(5)), seen("a", "2", day(9))]
    assert intervals(store_of(tmp_path, sightings)) == [
        ("a", "sha256:10", None, 1, 9, 5),
        ("a", "sha256:20", 5, 9, None, 9),
    ]


def test_a_tag_that_comes_back_has_two_intervals(tmp_path: Path) -> None:
    """Returning to an earlier digest is a move, not a merge."""
    sightings = [seen("a", "1", day(1)), seen("a", "2", day(2)), seen("a", "1", day(3))]
    assert [row[1] for row in intervals(store_of(tmp_path, sightings))] == ["sha256:10", "sha256:20", "sha256:10"]


def test_a_complete_listing_ends_the_tags_it_lacks(tmp_path: Path) -> None:
    """A tag that a complete listing does not show is gone; it may be born again later."""
    store = store_of(
        tmp_path,
        [Listing(REPOSITORY, day(1), True), seen("a", "1", day(1)), seen("b", "1", day(1))],
        [Listing(REPOSITORY, day(3), True), seen("a", "1", day(3))],
        [Listing(REPOSITORY, day(5), True), seen("a", "1", day(5)), seen("b", "1", day(5))],
    )
    assert intervals(store) == [
        ("a", "sha256:10", None, 1, None, 5),
        ("b", "sha256:10", None, 1, 3, 1),
        ("b", "sha256:10", 3, 5, None, 5),
    ]


def test_a_listing_that_broke_off_ends_nothing(tmp_path: Path) -> None:
    """Only a complete listing speaks about tags that it does not show."""
    store = store_of(
        tmp_path,
        [Listing(REPOSITORY, day(1), True), seen("a", "1", day(1))],
        [Listing(REPOSITORY, day(3), False)],
    )
    assert intervals(store) == [("a", "sha256:10", None, 1, None, 1)]


def test_a_listed_tag_of_unknown_digest_goes_on(tmp_path: Path) -> None:
    """A tag that was listed but not looked up (filtered, or its HEAD failed) keeps its interval."""
    store = store_of(
        tmp_path,
        [Listing(REPOSITORY, day(1), True), seen("a", "1", day(1))],
        [Listing(REPOSITORY, day(3), True), seen("a", None, day(3))],
    )
    assert intervals(store) == [("a", "sha256:10", None, 1, None, 1)]


def test_a_listing_before_the_first_sighting_bounds_it(tmp_path: Path) -> None:
    """A tag that an earlier listing did not show was born after that listing."""
    store = store_of(
        tmp_path,
        [Listing(REPOSITORY, day(1), True), seen("a", "1", day(1))],
        [Listing(REPOSITORY, day(3), True), seen("a", "1", day(3)), seen("b", "1", day(3))],
    )
    assert intervals(store)[1] == ("b", "sha256:10", 1, 3, None, 3)


def test_asking_for_a_tag_that_is_not_there_ends_it(tmp_path: Path) -> None:
    """A source that says there is no such tag ends its interval."""
    store = store_of(tmp_path, [seen("a", "1", day(1))], [seen("a", None, day(4), is_absent=True)])
    assert intervals(store) == [("a", "sha256:10", None, 1, 4, 1)]


@pytest.mark.parametrize(("changed", "valid_from"), [(3, 3), (1, 5), (7, 5)])
def test_a_stated_time_of_change_counts_if_it_can_be_true(tmp_path: Path, changed: int, valid_from: int) -> None:
    """The time a source states lies after the last other sighting and not after its own, or is not believed."""
    store = store_of(tmp_path, [seen("a", "1", day(2)), seen("a", "2", day(5), changed_at=day(changed))])
    assert intervals(store)[1][3] == valid_from


def test_a_time_of_change_may_be_stated_later(tmp_path: Path) -> None:
    """Whichever sighting states it: the most precise statement that can be true counts, the better source's first."""
    sightings = [seen("a", "1", day(2)), seen("a", "2", day(7)), seen("a", "2", day(8), changed_at=day(9))]
    pages = [seen("a", "2", day(9), changed_at=day(5), time_precision="day", document="p.md")]
    hub = [seen("a", "2", day(10), changed_at=day(6))]
    for number, order in enumerate(
        itertools.permutations([(sightings, "registry"), (pages, "x"), (hub, "docker-hub")])
    ):
        data = tmp_path / str(number)
        for at, (records, source) in enumerate(order):
            commit(data, day(20 + at), records, source=source)
        rows = intervals(Store.in_memory(Journal(data / "journal")))
        assert rows == [("a", "sha256:10", None, 2, 6, 2), ("a", "sha256:20", 6, 6, None, 10)]


@pytest.mark.parametrize(
    ("before", "seen_at", "bounds"),
    [
        (day(2), day(6), (day(4), day(5) - MICROSECOND)),  # the whole day is possible
        (day(4) + NOON, day(6), (day(4) + NOON, day(5) - MICROSECOND)),  # it was still elsewhere at noon
        (day(2), day(4) + NOON, (day(4), day(4) + NOON)),  # it was there at noon already
        (day(5), day(6), (day(5), day(6))),  # it was elsewhere after that day: not believed
    ],
)
def test_a_move_dated_to_the_day(
    tmp_path: Path, before: datetime, seen_at: datetime, bounds: tuple[datetime, datetime]
) -> None:
    """It lies within that day, as far as other sightings allow."""
    moved = seen("a", "2", seen_at, changed_at=day(4), time_precision="day")
    store = store_of(tmp_path, [seen("a", "1", before), moved])
    assert store.sql("select valid_from_earliest, valid_from from tag_interval order by valid_from").rows()[1] == bounds


def test_a_document_that_lags_behind_a_registry(tmp_path: Path) -> None:
    """It repeats what was before the registry's word, for up to three days; later the tag has really come back."""
    registry = [seen("a", "1", day(1)), seen("a", "2", day(10))]
    pages = [seen("a", "1", at, document="p.md") for at in (day(10) + NOON, day(12), day(14))]
    for number, order in enumerate(itertools.permutations([(registry, "registry"), (pages, "repo-info")])):
        data = tmp_path / str(number)
        for at, (records, source) in enumerate(order):
            commit(data, day(20 + at), records, source=source)
        store = Store.in_memory(Journal(data / "journal"))
        assert [row[1:5] for row in intervals(store)] == [
            ("sha256:10", None, 1, 10),
            ("sha256:20", 1, 10, 14),
            ("sha256:10", 10, 14, None),
        ]


def test_a_document_that_is_first_with_a_digest(tmp_path: Path) -> None:
    """What nobody saw before cannot lag: a page between two looks at a registry tells of a move."""
    store = store_of(tmp_path, [seen("a", "1", day(1)), seen("a", "2", day(2), document="p.md")])
    assert [row[1:5] for row in intervals(store)] == [("sha256:10", None, 1, 2), ("sha256:20", 1, 2, None)]


def steps(store: Store) -> list[tuple[object, ...]]:
    """Position, size and step of all layers."""
    return store.sql("select position, compressed_bytes, step_label from image_layer order by all").rows()


@pytest.mark.parametrize(
    ("lines", "sizes", "source", "expected"),
    [
        ([("ADD x", False), ("CMD y", True), ("RUN z", False)], [3, 4], "stated", ["ADD x", "RUN z"]),
        ([("ADD x", False), ("RUN z", False)], [3, 3], "stated", ["ADD x", "RUN z"]),
        ([("ADD x", False), ("RUN z", False)], [3], None, [None]),
        ([("ADD x", False)], [3, 4], None, [None, None]),
        ([("ADD x", False), ("CMD y", False), ("RUN z", False)], [3, 4], None, [None, None]),
        ([("ADD x", False), ("CMD y", False), ("RUN z", True)], [3, 4, 5], None, [None, None, None]),
        ([("ADD x", None), ("CMD y", None), ("RUN z", None)], [3, 4], "instruction", ["ADD x", "RUN z"]),
        ([("ADD x", None), ("WORKDIR y", None), ("RUN z", None)], [3, 4], "instruction", ["ADD x", "RUN z"]),
        (
            [("ADD x", None), ("WORKDIR y", None), ("ENV z", None)],
            [3, 4],
            "instruction, workdir",
            ["ADD x", "WORKDIR y"],
        ),
        ([("RUN x", None), ("ENV y", None)], [3, 4], "every line", ["RUN x", "ENV y"]),
        ([("RUN x", None), ("RUN y", None), ("RUN z", None)], [3], None, [None]),
        ([], [3], None, [None]),
    ],
)
def test_steps_are_aligned_with_layers_only_where_counts_agree(
    tmp_path: Path,
    lines: list[tuple[str, bool | None]],
    sizes: list[int],
    source: str | None,
    expected: list[str | None],
) -> None:
    """Stated empty layers first; for pages by instruction; else the step is unknown and the image says so."""
    store = store_of(tmp_path, [*image("a1", sizes), *config("a1", lines)])
    assert store.sql("select step_source from image").rows() == [(source,)]
    labels = [f"label of {label}" if label else None for label in expected]
    assert steps(store) == [(at, sizes[at], labels[at]) for at in range(len(sizes))]


@pytest.mark.parametrize(
    ("count", "source", "labels"),
    [(None, "stated", ["ADD x", "RUN z"]), (2, "stated", ["ADD x", "RUN z"]), (1, None, None), (3, None, None)],
)
def test_a_config_of_another_number_of_layers_is_not_that_of_these(
    tmp_path: Path, count: int | None, source: str | None, labels: list[str] | None
) -> None:
    """Where `diff_ids` are more or fewer than the layers of the manifest, steps that would fit are not believed."""
    lines: list[tuple[str, bool | None]] = [("ADD x", False), ("CMD y", True), ("RUN z", False)]
    row, *history = config("a1", lines)
    assert isinstance(row, Config)
    diff_ids = None if count is None else [digest(f"d{number}") for number in range(count)]
    store = store_of(tmp_path, [*image("a1", [3, 4]), dataclasses.replace(row, diff_ids=diff_ids), *history])
    assert store.sql("select step_source from image").rows() == [(source,)]
    expected = [f"label of {label}" for label in labels] if labels else [None, None]
    assert steps(store) == [(0, 3, expected[0]), (1, 4, expected[1])]


def test_a_condition_that_was_not_met_makes_no_layer(tmp_path: Path) -> None:
    """Of three RUN steps on a page and two layers, the one that is all condition is left out."""
    lines = [("RUN x", False), ("RUN if y", True), ("RUN z", False)]
    history = [
        History(digest("ca1"), at, None, text, instruction="RUN", step_label=text, is_conditional=conditional)
        for at, (text, conditional) in enumerate(lines)
    ]
    store = store_of(tmp_path, [*image("a1", [3, 4]), Config(digest("ca1"), "linux", "amd64"), *history])
    assert steps(store) == [(0, 3, "RUN x"), (1, 4, "RUN z")]


def test_an_index_gives_each_platform_its_image(tmp_path: Path) -> None:
    """Attestations are no images, nested indexes are flattened, what was not fetched has no size."""
    nested = [
        Manifest(digest("e2"), None, "index"),
        IndexEntry(digest("e2"), 0, digest("e1"), "application/vnd.oci.image.index.v1+json"),
        IndexEntry(digest("e2"), 1, digest("a9"), None, 10, "windows", "amd64", None, "10.0.17763.805"),
    ]
    store = store_of(
        tmp_path,
        [
            *index("e1", [("a1", "linux/amd64"), ("a2", "linux/arm64/v8"), ("ab", None)]),
            *image("a1", [3, 4]),
            *image("a2", [5]),
            *image("ab", [1], kind="attestation"),
            *nested,
            seen("a", "e2", day(1)),
        ],
    )
    frame = store.sql("select platform, series, os_version, compressed_bytes from tag_image order by position")
    assert frame.rows() == [
        ("linux/amd64", "linux/amd64", None, 7),
        ("linux/arm64", "linux/arm64", None, 5),
        ("windows/amd64", "windows/amd64 10.0.17763", "10.0.17763.805", None),
    ]


def test_what_is_no_image_is_not_counted(tmp_path: Path) -> None:
    """Attestations and artifacts, by what an index says of them or by what they are; an unknown platform alone too."""
    entries = [
        IndexEntry(digest("e1"), 0, digest("a1"), None, 10, "linux", "amd64"),
        IndexEntry(digest("e1"), 1, digest("a2"), None, 10, "linux", "amd64", attests_digest=digest("a1")),
        IndexEntry(digest("e1"), 2, digest("a3"), None, 10, "linux", "arm64", artifact_type="x/y"),
        IndexEntry(digest("e1"), 3, digest("a4"), None, 10, "unknown", "unknown"),
        IndexEntry(digest("e1"), 4, digest("a5"), None, 10),
        IndexEntry(digest("e1"), 5, digest("a6"), None, 10, "linux", "arm64"),
        IndexEntry(digest("e1"), 6, digest("a7"), None, 10, "linux", "arm64"),
        IndexEntry(digest("e1"), 7, digest("a8"), None, 10, "linux", "s390x"),
    ]
    described = [*image("a1", [3]), *image("a6", [4], kind="attestation"), *image("a7", [5], kind="artifact")]
    index_row = Manifest(digest("e1"), None, "index")
    store = store_of(tmp_path, [index_row, *entries, *described, seen("a", "e1", day(1))])
    frame = store.sql("select manifest_digest, platform, compressed_bytes from tag_image order by position")
    assert frame.rows() == [(digest("a1"), "linux/amd64", 3), (digest("a8"), "linux/s390x", None)]
    assert store.sql("select manifest_digest from image").rows() == [(digest("a1"),)]


def test_the_first_of_a_platform_is_the_image(tmp_path: Path) -> None:
    """An index may name an image twice, and two images for one platform: clients take the first, and so do answers."""
    children = [("a1", "linux/amd64"), ("a2", "linux/amd64"), ("a3", "linux/arm64"), ("a1", "linux/arm64")]
    images = [*image("a1", [3, 4]), *image("a2", [5]), *image("a3", [6])]
    store = store_of(tmp_path, [*index("e1", children), *images, seen("a", "e1", day(1))])
    frame = store.sql("select position, manifest_digest, platform from tag_image order by position")
    assert frame.rows() == [
        (0, digest("a1"), "linux/amd64"),
        (1, digest("a2"), "linux/amd64"),
        (2, digest("a3"), "linux/arm64"),
    ]
    of_tag = {"repository": REPOSITORY, "tag": "a"}
    for question in (queries.layers, queries.layer_growth):
        assert question(store, **of_tag, platform="linux/amd64")["compressed_bytes"].to_list() == [3, 4]
    assert queries.tags(store)["compressed_bytes"].to_list() == [7]


@pytest.mark.parametrize(
    ("raw", "platform"),
    [
        (("linux", "x86_64", None), "linux/amd64"),
        (("linux", "amd64", "v1"), "linux/amd64"),
        (("linux", "amd64", "v3"), "linux/amd64/v3"),
        (("linux", "aarch64", None), "linux/arm64"),
        (("linux", "arm64", "v8"), "linux/arm64"),
        (("linux", "arm", None), "linux/arm/v7"),
        (("linux", "arm", "6"), "linux/arm/v6"),
        (("linux", "armhf", None), "linux/arm/v7"),
        (("linux", "armel", None), "linux/arm/v6"),
        (("linux", "i386", None), "linux/386"),
        (("linux", "i386", "v1"), "linux/386"),
        (("Linux", "S390X", ""), "linux/s390x"),
        (("macos", "arm64", None), "darwin/arm64"),
    ],
)
def test_platforms_are_normalised_in_sql_as_in_python(
    tmp_path: Path, raw: tuple[str, str, str | None], platform: str
) -> None:
    """The macro and oci.Platform give the same text."""
    from imglab.oci import Platform

    os, architecture, variant = raw
    frame = store_of(tmp_path).sql(
        "select platform_text($os, $architecture, $variant)",
        {"os": os, "architecture": architecture, "variant": variant},
    )
    assert frame.item() == platform
    assert str(Platform.normalised(os, architecture, variant)) == platform


def test_a_better_source_wins_whenever_it_comes(tmp_path: Path) -> None:
    """A registry's documents outrank pages about the same digest, before or after them."""
    page = [Manifest(digest("a1"), "as a page says", "image", None, None, None, 0, 0)]
    verified = [Manifest(digest("a1"), "as verified", "image", None, None, None, 0, 0)]
    for first, second in (((page, "repo-info"), (verified, "registry")), ((verified, "registry"), (page, "repo-info"))):
        data = tmp_path / first[1]
        commit(data, day(1), first[0], source=first[1])
        commit(data, day(2), second[0], source=second[1])
        store = Store.in_memory(Journal(data / "journal"))
        assert store.sql("select media_type, source from image").rows() == [("as verified", "registry")]


def hub_image(name: str, size: int, platform: str = "linux/amd64") -> Manifest:
    """An image of which only size and platform are told."""
    os, architecture = platform.split("/")
    return Manifest(digest(name), None, "image", compressed_bytes=size, os=os, architecture=architecture)


def sizes(store: Store, tag: str) -> list[tuple[object, ...]]:
    """Platform, size and number of layers of each image that a tag gives now, smallest first."""
    frame = store.query("architecture_sizes", {"repository": REPOSITORY, "tag": tag, "at": None})
    return frame.select("platform", "compressed_bytes", "layer_count").rows()


def test_sizes_without_layers_are_shown_by_architecture(tmp_path: Path) -> None:
    """An image whose layers nobody tells has its size and platform, alone and as part of an index."""
    entries = index("e1", [("a1", "linux/amd64"), ("a2", "linux/arm64")])
    told = [hub_image("a1", 7), hub_image("a2", 5, "linux/arm64"), *entries]
    told += [hub_image("a3", 9, "windows/amd64"), seen("many", "e1", day(1)), seen("one", "a3", day(1))]
    store = store_of(tmp_path, told, source="docker-hub")
    assert sizes(store, "many") == [("linux/arm64", 5, None), ("linux/amd64", 7, None)]
    assert sizes(store, "one") == [("windows/amd64", 9, None)]
    assert [store.check(name).height for name in CHECKS] == [0] * len(CHECKS)


@pytest.mark.parametrize("source", ["registry", "repo-info"])
def test_who_knows_layers_replaces_who_does_not(tmp_path: Path, source: str) -> None:
    """An index and its images by Docker Hub's list give way to those that somebody read, whoever comes first."""
    partial = [hub_image("a1", 8), *index("e1", [("a1", "linux/amd64")]), seen("a", "e1", day(1))]
    whole = [
        *index("e1", [("a2", "linux/arm64"), ("a1", "linux/amd64"), ("ab", None)]),
        *image("a1", [3, 4]),
        *image("a2", [5]),
        *image("ab", [1], kind="attestation"),
    ]
    for first, second in (((partial, "docker-hub"), (whole, source)), ((whole, source), (partial, "docker-hub"))):
        data = tmp_path / first[1]
        commit(data, day(1), first[0], source=first[1])
        commit(data, day(2), second[0], source=second[1])
        store = Store.in_memory(Journal(data / "journal"))
        assert sizes(store, "a") == [("linux/arm64", 5, 1), ("linux/amd64", 7, 2)]
        assert store.sql("select count(*) from stg_index_entry").item() == 3
        assert [store.check(name).height for name in CHECKS] == [0] * len(CHECKS)


@pytest.mark.parametrize(
    ("layer_count", "compressed_bytes", "layers", "is_found"),
    [
        (None, 5, [], False),
        (None, None, [], False),
        (0, 0, [], False),
        (0, 5, [], True),
        (1, 5, [], True),
        (None, 5, [5], True),
        (2, 5, [5], True),
        (2, 9, [4, 5], False),
        (2, 8, [4, 5], True),
        (2, None, [4, 5], True),
        (2, None, [4, None], False),
        (2, 8, [4, None], False),
        (2, 3, [4, None], True),
    ],
)
def test_layers_add_up_as_far_as_they_are_told(
    tmp_path: Path, layer_count: int | None, compressed_bytes: int | None, layers: list[int | None], is_found: bool
) -> None:
    """Nothing is said of layers that no source tells; every contradiction is found."""
    manifest = Manifest(digest("a1"), None, "image", layer_count=layer_count, compressed_bytes=compressed_bytes)
    rows = [Layer(digest("a1"), at, digest(f"d{at}"), None, size) for at, size in enumerate(layers)]
    assert bool(store_of(tmp_path, [manifest, *rows]).check("layer_sum").height) == is_found


def definition_rows(store: Store) -> list[tuple[object, ...]]:
    """Tag, commit, bounds, source and the version that said it first; days as numbers."""
    return store.sql(
        """
        select tag, git_commit, day(valid_from), day(valid_to), source, document_revision
        from tag_definition_interval
        order by tag, valid_from, position
        """
    ).rows()


def test_definitions_do_not_depend_on_the_order_of_runs(tmp_path: Path) -> None:
    """Versions told by several runs, some twice, give the same stretches in any order of arrival."""
    runs = [
        [definition("1"), defined("a", "1", day(1)), defined("b", "1", day(1))],
        [defined("a", "1", day(2)), defined("b", None, day(3))],
        [definition("1"), definition("2"), defined("a", "2", day(4)), defined("a", "1", day(1))],
    ]
    expected = [
        ("a", "1", 1, 4, "official-images", "01"),
        ("a", "2", 4, None, "official-images", "04"),
        ("b", "1", 1, 3, "official-images", "01"),
    ]
    for order in itertools.permutations(range(3)):
        store = store_of(tmp_path / str(order), *(runs[at] for at in order), source="official-images")
        assert definition_rows(store) == expected


def test_a_definition_has_a_row_for_each_build(tmp_path: Path) -> None:
    """Architectures of a source are rows of their own, numbered through; where none is stated there is one row."""
    other = dataclasses.replace(definition("1", architectures=["s390x"], directory="d"), position=2)
    both = definition("1", architectures=["amd64", "arm64v8"])
    records = [both, other, definition("2", architectures=None), defined("a", "1", day(1)), defined("b", "2", day(1))]
    store = store_of(tmp_path, records, source="official-images")
    rows = store.sql("select tag, position, architecture, directory from tag_definition_interval order by all").rows()
    assert rows == [("a", 0, "amd64", "."), ("a", 1, "arm64v8", "."), ("a", 2, "s390x", "d"), ("b", 0, None, ".")]
    assert store.sql("select count(*) from stg_tag_definition").item() == 4


def test_the_best_source_defines_a_tag(tmp_path: Path) -> None:
    """Where official-images defines a tag, what another source says of it does not count, before or after."""
    elsewhere = [definition("9"), defined("a", "9", day(2)), defined("c", "9", day(2))]
    commit(tmp_path, day(1), elsewhere, source="elsewhere")
    told = [definition("1"), definition("2"), defined("a", "1", day(1)), defined("a", "2", day(3))]
    store = store_of(tmp_path, told, source="official-images")
    assert [row[:5] for row in definition_rows(store)] == [
        ("a", "1", 1, 3, "official-images"),
        ("a", "2", 3, None, "official-images"),
        ("c", "9", 2, None, "elsewhere"),
    ]


def test_a_definition_that_nobody_told_is_found(tmp_path: Path) -> None:
    """A tag that is said to be built from what no run describes."""
    store = store_of(tmp_path, [defined("a", "1", day(1))], source="official-images")
    assert store.check("orphan")["what"].to_list() == ["tag_definition without definition"]


@pytest.mark.parametrize("name", CHECKS)
def test_checks_find_what_must_not_exist(tmp_path: Path, name: str) -> None:
    """Every check is quiet on good rows and finds a planted bad one."""
    good = [*image("a1", [3]), *config("a1", [("RUN x", False)]), seen("a", "a1", day(1))]
    good += [definition("1"), defined("a", "1", day(1))]
    assert store_of(tmp_path / "good", good).check(name).is_empty()
    store = store_of(tmp_path / "bad", good)
    planted = {
        "overlapping_interval": "insert into tag_interval by name select * replace (valid_from + interval 1 day as "
        "valid_from) from tag_interval",
        "layer_sum": "update image set compressed_bytes = 4",
        "orphan": "delete from image",
        "repeated_row": "insert into journal.layer select * from journal.layer",
    }
    store._connection.execute(planted[name])
    assert store.check(name).height >= 1
