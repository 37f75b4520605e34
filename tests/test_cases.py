"""Every question is tested in every case that makes a difference to it."""

from __future__ import annotations

from pathlib import Path

import pytest
from cases import CASES, EMPTY, EXEMPT, TESTED, cases_of, exempt, holes, marked
from made import commit, config, day, image, index, seen


@pytest.fixture(scope="module")
def found() -> set[tuple[str, str]]:
    """The questions and cases that tests hold."""
    return set(marked())


def test_every_question_has_every_case(found: set[tuple[str, str]]) -> None:
    """Who adds a question adds rows computed by hand for each case, or a reason why it makes no difference."""
    assert holes(TESTED, found) == []
    assert holes(["new_question"], found) == [("new_question", case) for case in (*CASES, EMPTY)]


def test_names_are_those_of_questions_and_cases(found: set[tuple[str, str]]) -> None:
    """A slip of the pen holds no case."""
    known = {(question, case) for question in TESTED for case in (*CASES, EMPTY)}
    excused = {(question, case) for questions, cases, _ in EXEMPT for question in questions for case in cases}
    assert found - known == excused - known == set()
    assert all(reason for _, _, reason in EXEMPT)


def test_nothing_is_excused_that_is_tested(found: set[tuple[str, str]]) -> None:
    """A reason that no longer holds is taken away."""
    assert [(question, case) for question, case in sorted(found) if case in exempt(question)] == []


def test_a_plain_store_has_no_case(tmp_path: Path) -> None:
    """A tag with one image in an index is none of them, nothing at all is the empty store."""
    assert cases_of(tmp_path) == {EMPTY}
    steps = [("ADD x", False), ("RUN y", False)]
    plain = [
        *image("a1", [30, 4]),
        *config("a1", steps),
        *index("e1", [("a1", "linux/amd64")]),
        seen("a", "e1", day(1)),
    ]
    commit(tmp_path, day(20), plain)
    assert cases_of(tmp_path) == set()
