"""Questions on the command line: days, platforms, and what the store does not know."""

from __future__ import annotations

from pathlib import Path

import pytest
from made import REPOSITORY, commit, config, day, image, index, seen

from imglab.cli import main
from imglab.store import load


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A tag that moved in the course of day 5 and again of day 9; another one has a Windows image alone."""
    windows = "windows/amd64"
    records = [
        *(seen("latest", "e1", day(1)), seen("latest", "e2", day(5).replace(hour=9)), seen("nano", "a5", day(1))),
        seen("latest", "e3", day(9).replace(hour=9)),
        *index("e1", [("a1", "linux/amd64"), ("a2", "linux/arm64")]),
        *index("e2", [("a3", "linux/amd64"), ("a2", "linux/arm64")]),
        *index("e3", [("a4", "linux/amd64"), ("a2", "linux/arm64")]),
        *(row for number in (1, 3, 4) for row in image(f"a{number}", [number])),
        *(row for number in (1, 3, 4) for row in config(f"a{number}", [("RUN x", False)])),
        *(*image("a2", [2]), *config("a2", [("RUN x", False)], platform="linux/arm64")),
        *(*image("a5", [5]), *config("a5", [("RUN x", False)], platform=windows)),
    ]
    commit(tmp_path, day(20), records)
    load(tmp_path)
    return tmp_path


def asked(data: Path, capsys: pytest.CaptureFixture[str], question: str, *options: str) -> list[str]:
    """The lines of the answer as CSV, without its header."""
    command = ["--data", str(data), "ask", question, "--format", "csv", "--repository", REPOSITORY, *options]
    assert main(command) == 0
    return capsys.readouterr().out.splitlines()[1:]


@pytest.mark.parametrize(
    ("since", "until", "moves"),
    [
        ("2026-01-05", "2026-01-05", ["2026-01-05T09"]),
        ("2026-01-05", "2026-01-09", ["2026-01-05T09", "2026-01-09T09"]),
        ("2026-01-06", "2026-01-08", []),
        ("2026-01-05T10:00:00Z", "2026-01-09", ["2026-01-09T09"]),
        ("2026-01-05", "2026-01-09T08:00:00Z", ["2026-01-05T09"]),
    ],
)
def test_both_days_of_a_stretch_count(
    data: Path, capsys: pytest.CaptureFixture[str], since: str, until: str, moves: list[str]
) -> None:
    """From the start of the one to the end of the other; times are meant as they are."""
    rows = asked(data, capsys, "moves", "--tag", "latest", "--since", since, "--until", until)
    assert [row.split(",")[4][:13] for row in rows] == moves


def test_at_a_day_is_what_the_day_ended_with(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The image of the move in its course, as `diff latest@DAY` has it."""
    of = ("--tag", "latest", "--platform", "linux/amd64")
    for when, size in (("2026-01-04", 1), ("2026-01-05", 3), ("2026-01-05T08:00:00Z", 1), ("2026-01-10", 4)):
        (row,) = asked(data, capsys, "layers", *of, "--at", when)
        assert f",{size}," in row


def refused(data: Path, capsys: pytest.CaptureFixture[str], *command: str) -> str:
    """What is said in place of an answer."""
    assert main(["--data", str(data), "ask", *command]) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("question", ["size_over_time", "layer_growth", "moves", "update_cost", "bases"])
def test_a_platform_without_images_is_told_with_those_that_there_are(
    data: Path, capsys: pytest.CaptureFixture[str], question: str
) -> None:
    """Of the tag, not of all."""
    of = ("--repository", REPOSITORY, "--tag", "latest")
    said = refused(data, capsys, question, *of, "--platform", "linux/arm")
    words = f"no image of {REPOSITORY}:latest for linux/arm in the store; there are some for linux/amd64, linux/arm64\n"
    assert said == f"imglab: {words}"


def test_platforms_are_looked_for_where_the_question_is(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In the tag that is compared with, in the platform that is, and in the whole store for references."""
    of = ("--repository", REPOSITORY, "--tag", "latest")
    with_nano = ("--to-tag", "nano", "--platform", "linux/arm64")
    said = refused(data, capsys, "growth_by_step", *of, *with_nano)
    assert f"no image of {REPOSITORY}:nano for linux/arm64 in the store; there are some for windows/amd64" in said
    build = refused(
        data, capsys, "layers", "--repository", REPOSITORY, "--tag", "nano", "--platform", "windows/amd64 9"
    )
    assert "for windows/amd64 9 in the store; there are some for windows/amd64\n" in build
    assert "for linux/arm " in refused(data, capsys, "architecture_ratios", *of, "--against", "linux/arm")
    said = refused(data, capsys, "fleet_cost", "--reference", f"{REPOSITORY}:latest", "--platform", "linux/x")
    assert "no image for linux/x in the store; there are some for linux/amd64, linux/arm64, windows/amd64" in said


def test_an_empty_answer_may_be_right(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A platform that there is, at a time when there was nothing."""
    of = ("--tag", "latest", "--platform", "linux/arm64", "--until", "2025-12-31")
    assert asked(data, capsys, "size_over_time", *of) == []
