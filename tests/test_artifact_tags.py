"""Tags of signatures and of lists of referrers: they are kept, and no question about tags counts them."""

from __future__ import annotations

import inspect
from datetime import timedelta
from pathlib import Path

import pytest
from made import REPOSITORY, commit, config, day, image, index, seen
from polars.testing import assert_frame_equal

from imglab import queries, render
from imglab.cli import QUESTIONS
from imglab.journal import Journal
from imglab.records import Listing, Record
from imglab.sources.tag_choice import is_artifact_tag
from imglab.store import CHECKS, Store

HEX = "a1".ljust(64, "0")
LIST, SIGNATURE, GONE = f"sha256-{HEX}", f"sha256-{HEX}.sig", f"sha512-{HEX}.att"
EARLY = day(1) - timedelta(hours=1)


def images() -> list[Record]:
    """Three tags of images, of which two move together and one ends."""
    return [
        *(seen("latest", "e1", day(1)), seen("latest", "e2", day(5)), seen("latest", "e1", day(9))),
        *(seen("1.0", "e1", day(1)), seen("1.0", "e2", day(5)), seen("1.0", "e1", day(9))),
        *(seen("old", "a1", day(2)), seen("old", None, day(3), is_absent=True)),
        *index("e1", [("a1", "linux/amd64")]),
        *index("e2", [("a1", "linux/amd64"), ("a2", "linux/arm64")]),
        *(*image("a1", [3]), *config("a1", [("RUN x", False)])),
        *(*image("a2", [4]), *config("a2", [("RUN x", False)], platform="linux/arm64")),
    ]


def artifacts() -> list[Record]:
    """A list of referrers that grows, a signature, a statement that was removed, and one at an image by mistake."""
    return [
        *(seen(LIST, f"f{n}", EARLY + n * timedelta(days=2)) for n in range(5)),
        seen(SIGNATURE, "fa", EARLY),
        *(seen(GONE, "fb", EARLY), seen(GONE, None, day(4), is_absent=True)),
        *(seen(f"sha256-{HEX}.sbom", "a1", day(1)), seen(f"sha256-{HEX}.sbom", "a2", day(9))),
        *index("f4", [("fa", None)]),
        *image("fa", [1], kind="artifact"),
    ]


def stored(folder: Path, *records: Record) -> Store:
    commit(folder, day(20), records)
    return Store.in_memory(Journal(folder / "journal"))


@pytest.fixture
def plain(tmp_path: Path) -> Store:
    """Images alone."""
    return stored(tmp_path / "plain", *images())


@pytest.fixture
def signed(tmp_path: Path) -> Store:
    """The same images, and what is attached to them."""
    return stored(tmp_path / "signed", *images(), *artifacts())


@pytest.mark.parametrize("tag", [None, "*", "*.*", "?*1*"])
@pytest.mark.parametrize("question", QUESTIONS)
def test_no_question_counts_them(plain: Store, signed: Store, question: str, tag: str | None) -> None:
    """The answer is the same with and without them, whatever pattern of tags is asked about."""
    function = getattr(queries, question)
    parameters = inspect.signature(function).parameters
    given = {"repository": REPOSITORY} if "repository" in parameters else {"references": [f"{REPOSITORY}:latest"]}
    if "tag" not in parameters:
        pass
    elif parameters["tag"].default is inspect.Parameter.empty:
        given["tag"] = "latest"
    elif tag:
        given["tag"] = tag
    assert_frame_equal(function(signed, **given).drop("run_id", strict=False), function(plain, **given))


@pytest.mark.parametrize("question", ["tags", "tag_history", "tag_churn", "tag_lifetimes", "aliases", "update_gaps"])
def test_questions_about_them_are_answered(signed: Store, question: str) -> None:
    """By name, or by a pattern that begins as they do."""
    for tag in (LIST, "sha256-*", "sha*-a1*"):
        frame = getattr(queries, question)(signed, repository=REPOSITORY, tag=tag)
        assert frame.is_empty() == tag.startswith("sha*")
        if "tag" in frame.columns and question != "update_gaps" and not frame.is_empty():
            assert LIST in frame["tag"]


def test_pages_and_counts_leave_them_out(plain: Store, signed: Store) -> None:
    """What is known of a repository is said in tags of images."""
    columns = ["tags", "tags_now", "intervals", "images"]
    assert (
        signed.query("status").select(columns).rows() == plain.query("status").select(columns).rows() == [(3, 2, 7, 2)]
    )
    assert render.tags_history(signed, REPOSITORY, at=day(10)) == render.tags_history(plain, REPOSITORY, at=day(10))


def test_they_are_kept(signed: Store) -> None:
    """Their intervals are in the store, and end when they are gone."""
    rows = signed.sql("select tag, count(*), max(valid_to) from tag_interval group by tag order by tag").rows()
    assert [row for row in rows if is_artifact_tag(row[0])] == [
        (LIST, 5, EARLY + timedelta(days=8)),
        (f"sha256-{HEX}.sbom", 2, day(9)),
        (SIGNATURE, 1, None),
        (GONE, 1, day(4)),
    ]
    assert all(signed.check(name).height == 0 for name in CHECKS)


def test_listed_ones_do_not_end(tmp_path: Path) -> None:
    """A run that lists them without looking them up says that they are there; one that lists others ends them."""
    commit(tmp_path, day(1), [Listing(REPOSITORY, day(1), True), seen(SIGNATURE, "fa", day(1))])
    commit(tmp_path, day(2), [Listing(REPOSITORY, day(2), True), seen(SIGNATURE, None, day(2))])
    query = "select valid_to from tag_interval"
    with Store.in_memory(Journal(tmp_path / "journal")) as store:
        assert store.sql(query).rows() == [(None,)]
    commit(tmp_path, day(3), [Listing(REPOSITORY, day(3), True), seen("1.0", "e1", day(3))])
    with Store.in_memory(Journal(tmp_path / "journal")) as store:
        assert store.sql(f"{query} where tag <> '1.0'").rows() == [(day(3),)]


@pytest.mark.parametrize(
    "tag",
    [
        *(LIST, SIGNATURE, f"sha512-{HEX}", f"sha256-{HEX}.att", f"sha256-{HEX}.sbom", GONE),
        *(f"sha256-{HEX}0", f"sha256-{HEX}.sigs", f"sha256-{HEX.upper()}", f"x-sha256-{HEX}", "sha256-1", "latest", ""),
    ],
)
def test_both_rules_are_one(plain: Store, tag: str) -> None:
    """SQL and Python take the same tags for those of artifacts."""
    assert plain.sql("select is_artifact_tag($tag)", {"tag": tag}).item() == is_artifact_tag(tag)
