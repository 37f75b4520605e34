"""The questions: given rows, expected rows."""

from __future__ import annotations

import inspect
from datetime import datetime
from pathlib import Path

import pytest
from cases import EMPTY
from made import REPOSITORY, commit, config, day, digest, image, index, seen

from imglab import queries
from imglab.cli import QUESTIONS
from imglab.errors import InvalidReference, UsageError
from imglab.journal import Journal
from imglab.records import Listing
from imglab.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A tag that moves twice; at the second move only arm64 changes. Another tag dies."""
    steps = [("ADD x", False), ("ENV y", True), ("RUN z", False)]
    records = [
        *(seen("latest", "e1", day(1)), seen("latest", "e2", day(5)), seen("latest", "e3", day(9))),
        *(seen("old", "a1", day(1)), seen("old", None, day(3), is_absent=True)),
        *index("e1", [("a1", "linux/amd64"), ("a2", "linux/arm64")]),
        *index("e2", [("a3", "linux/amd64"), ("a2", "linux/arm64")]),
        *index("e3", [("a3", "linux/amd64"), ("a4", "linux/arm64")]),
        *(*image("a1", [30, 4]), *config("a1", steps)),
        *(*image("a2", [20, 4]), *config("a2", steps, platform="linux/arm64")),
        *(*image("a3", [30, 9]), *config("a3", steps)),
        *(*image("a4", [20, 5]), *config("a4", [], platform="linux/arm64")),
    ]
    commit(tmp_path, day(20), records)
    return Store.in_memory(Journal(tmp_path / "journal"))


def test_layer_growth_stacks_the_layers_of_each_build(store: Store) -> None:
    """One stretch per image of the platform: a move that left it alone begins none."""
    frame = queries.layer_growth(store, repository=REPOSITORY, tag="latest")
    columns = ["valid_from", "valid_to", "position", "stack_from_bytes", "stack_to_bytes", "step_label", "step_group"]
    x, z = "label of ADD x", "label of RUN z"
    assert frame.select(columns).rows() == [
        (day(1), day(5), 0, 0, 30, x, x),
        (day(1), day(5), 1, 30, 34, z, z),
        (day(5), None, 0, 0, 30, x, x),
        (day(5), None, 1, 30, 39, z, z),
    ]
    assert frame["last_observed_at"].to_list() == [day(1), day(1), day(9), day(9)]


def test_layer_growth_says_where_the_step_is_unknown(store: Store) -> None:
    """An image whose steps do not fit its layers has no labels."""
    frame = queries.layer_growth(store, repository=REPOSITORY, tag="latest", platform="linux/arm64", since=day(10))
    assert frame.select("compressed_bytes", "step_label", "step_group").rows() == [
        (20, None, "unknown step"),
        (5, None, "unknown step"),
    ]


def test_layer_growth_groups_all_but_the_largest_steps(tmp_path: Path) -> None:
    """The nine steps with the largest layers keep their name."""
    sizes = list(range(1, 13))
    commit(
        tmp_path,
        day(1),
        [seen("a", "a1", day(1)), *image("a1", sizes), *config("a1", [(f"RUN {n}", False) for n in sizes])],
    )
    frame = queries.layer_growth(Store.in_memory(Journal(tmp_path / "journal")), repository=REPOSITORY, tag="a")
    groups = frame["step_group"].to_list()
    assert groups == ["other steps"] * 3 + [f"label of RUN {n}" for n in sizes[3:]]


def test_size_over_time_has_a_row_for_each_interval_and_platform(store: Store) -> None:
    """Sizes follow the tag, platform by platform."""
    frame = queries.size_over_time(store, repository=REPOSITORY, tag="latest")
    assert frame.select("valid_from", "valid_to", "platform", "compressed_bytes", "layer_count").rows() == [
        (day(1), day(5), "linux/amd64", 34, 2),
        (day(1), day(5), "linux/arm64", 24, 2),
        (day(5), day(9), "linux/amd64", 39, 2),
        (day(5), day(9), "linux/arm64", 24, 2),
        (day(9), None, "linux/amd64", 39, 2),
        (day(9), None, "linux/arm64", 25, 2),
    ]


@pytest.mark.parametrize(
    ("since", "until", "first_days"), [(day(5), None, [5, 9]), (day(4), day(5), [1]), (None, day(9), [1, 5])]
)
def test_times_limit_to_intervals_that_touch_them(
    store: Store, since: datetime | None, until: datetime | None, first_days: list[int]
) -> None:
    """since and until keep the intervals that overlap [since, until)."""
    frame = queries.size_over_time(
        store, repository=REPOSITORY, tag="latest", platform="linux/amd64", since=since, until=until
    )
    assert [moment.day for moment in frame["valid_from"]] == first_days


def test_architecture_sizes_compare_with_amd64(store: Store) -> None:
    """Smallest first, now or at a time."""
    now = queries.architecture_sizes(store, repository=REPOSITORY, tag="latest")
    assert now.select("platform", "compressed_bytes", "ratio_to_amd64").rows() == [
        ("linux/arm64", 25, 25 / 39),
        ("linux/amd64", 39, 1.0),
    ]
    then = queries.architecture_sizes(store, repository=REPOSITORY, tag="latest", at=day(2))
    assert then["compressed_bytes"].to_list() == [24, 34]
    assert then["at"].to_list() == [day(2), day(2)]


def test_tag_history_tells_all_stretches(store: Store) -> None:
    """By tag, then time; a glob chooses tags."""
    frame = queries.tag_history(store, repository=REPOSITORY)
    assert frame.select("tag", "digest", "valid_from", "valid_to").rows() == [
        ("latest", digest("e1"), day(1), day(5)),
        ("latest", digest("e2"), day(5), day(9)),
        ("latest", digest("e3"), day(9), None),
        ("old", digest("a1"), day(1), day(3)),
    ]
    assert queries.tag_history(store, repository=REPOSITORY, tag="o*")["tag"].to_list() == ["old"]


def test_tag_churn_counts_moves_not_births_or_ends(store: Store) -> None:
    """Two moves of latest, none of the tag that only came and went."""
    frame = queries.tag_churn(store, repository=REPOSITORY)
    assert frame.rows() == [(REPOSITORY, "latest", day(1), 2)]
    weekly = queries.tag_churn(store, repository=REPOSITORY, period="week")
    assert [(start.day, moves) for _, _, start, moves in weekly.rows()] == [(5, 2)]
    with pytest.raises(UsageError, match="fortnight"):
        queries.tag_churn(store, repository=REPOSITORY, period="fortnight")  # type: ignore[arg-type]


def test_layers_of_a_tag_and_of_a_digest(store: Store) -> None:
    """The same image, asked for in two ways."""
    by_tag = queries.layers(store, repository=REPOSITORY, tag="latest", at=day(2))
    by_digest = queries.layers(store, repository=REPOSITORY, digest=digest("a1"))
    columns = ["position", "layer_digest", "compressed_bytes", "step_label"]
    assert by_tag.select(columns).rows() == by_digest.select(columns).rows()
    assert by_tag["compressed_bytes"].to_list() == [30, 4]


def test_tags_are_those_that_are_there_now(store: Store) -> None:
    """The dead tag is not among them."""
    frame = queries.tags(store)
    assert frame.select("repository", "tag", "image_count", "compressed_bytes").rows() == [
        (REPOSITORY, "latest", 2, 39)
    ]


def test_sizes_of_tags_are_of_amd64_or_of_the_only_image(tmp_path: Path) -> None:
    """Wherever it stands in the index; a tag of which nobody told more is told with nothing."""
    images = {"a1": (34, "linux/amd64"), "b1": (24, "linux/arm64"), "b2": (29, "linux/s390x")}
    records = [
        *(row for name, (size, at) in images.items() for row in (*image(name, [size]), *config(name, [], platform=at))),
        *index("e1", [("b1", "linux/arm64"), ("a1", "linux/amd64")]),
        *index("e2", [("b1", "linux/arm64"), ("b2", "linux/s390x")]),
        *(seen(tag, name, day(1)) for tag, name in (("a", "e1"), ("b", "e2"), ("bare", "ff"), ("only", "b2"))),
    ]
    commit(tmp_path, day(20), records)
    frame = queries.tags(Store.in_memory(Journal(tmp_path / "journal")))
    assert frame.select("tag", "image_count", "compressed_bytes", "layer_count").rows() == [
        ("a", 2, 34, 1),
        ("b", 2, None, None),
        ("bare", 0, None, None),
        ("only", 1, 29, 1),
    ]


def test_a_listing_without_new_digests_shows_in_the_next_answer(tmp_path: Path) -> None:
    """A tag missing from a later listing is not among the tags any more."""
    commit(tmp_path, day(1), [Listing(REPOSITORY, day(1), True), seen("a", "a1", day(1))])
    commit(tmp_path, day(2), [Listing(REPOSITORY, day(2), True)])
    assert queries.tags(Store.in_memory(Journal(tmp_path / "journal"))).is_empty()


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.case(name, EMPTY)) for name in QUESTIONS])
def test_every_question_works_on_an_empty_store(tmp_path: Path, name: str) -> None:
    """Nothing known gives an empty frame with all its columns, each named in the docstring."""
    function = getattr(queries, name)
    asked = {"repository": "python", "tag": "latest", "references": []}
    given = {name: value for name, value in asked.items() if name in inspect.signature(function).parameters}
    frame = function(Store.in_memory(Journal(tmp_path)), **given)
    assert frame.is_empty()
    described = inspect.getdoc(function) or ""
    assert [column for column in frame.columns if column not in described] == []


def test_nothing_is_a_share_of_nothing(tmp_path: Path) -> None:
    """Beside images of no bytes there is no ratio: null, and neither infinite nor no number."""
    layers = {"a1": [0], "a2": [0, 0], "b1": [7]}
    records = [
        *(row for name, sizes in layers.items() for row in image(name, sizes)),
        *(*config("a1", []), *config("a2", []), *config("b1", [], platform="linux/arm64")),
        *(*index("e1", [("a2", "linux/amd64"), ("b1", "linux/arm64")]), seen("a", "e1", day(1))),
        *(*index("e2", [("a2", "linux/amd64"), ("f1", None)]), *image("f1", [9], kind="attestation")),
        *(seen("base", "a1", day(1)), seen("b", "e2", day(1))),
    ]
    commit(tmp_path, day(20), records)
    store = Store.in_memory(Journal(tmp_path / "journal"))
    amd64 = {"platform": "linux/amd64"}
    asked = {"repository": REPOSITORY, "tag": "b"}
    assert queries.sharing(store, **amd64)["sharing_ratio"].to_list() == [None, None]  # type: ignore[arg-type]
    assert queries.bytes_by_depth(store, **amd64)["image_bytes_share"].to_list() == [None, None]  # type: ignore[arg-type]
    assert queries.attestation_overhead(store, **asked)["attestation_share"].to_list() == [None]  # type: ignore[arg-type]
    sizes = queries.architecture_sizes(store, repository=REPOSITORY, tag="a")
    assert sizes.select("compressed_bytes", "ratio_to_amd64").rows() == [(0, None), (7, None)]
    assert queries.bases(store, **asked).select("base_bytes", "base_share").rows() == [(0, None)]  # type: ignore[arg-type]
    shares = queries.base_share(store, **asked).select("part_bytes", "part_share", "base_share")  # type: ignore[arg-type]
    assert shares.rows() == [(0, None, None), (0, None, None)]


def test_repositories_are_written_as_people_write_them(store: Store) -> None:
    """Bad ones are refused with a reason."""
    with pytest.raises(InvalidReference, match="Python"):
        queries.tags(store, repository="Python")
    with pytest.raises(InvalidReference, match="leave out the tag"):
        queries.tags(store, repository="python:latest")


@pytest.mark.parametrize(
    "text", ["x' or 'a' = 'a", "'; drop table image; --", '" or 1 = 1 --', "$repository", "?", "%"]
)
def test_what_is_asked_about_is_never_sql(store: Store, text: str) -> None:
    """Names, tags and platforms are compared with what is there, whatever they hold."""
    answers = [
        *(question(store, repository=REPOSITORY, tag=text) for question in (queries.tag_history, queries.tags)),
        queries.size_over_time(store, repository=REPOSITORY, tag="latest", platform=text),
        store.query(
            "size_over_time", {**dict.fromkeys(("platform", "since", "until")), "repository": text, "tag": text}
        ),
    ]
    assert [answer.height for answer in answers] == [0, 0, 0, 0]
    assert queries.tags(store)["tag"].to_list() == ["latest"]
