"""How far a long job is, in a log and on a terminal."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest

from imglab.progress import reporting


@pytest.fixture
def said() -> Iterator[list[str]]:
    """What is logged, line by line."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("imglab")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield lines
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_a_log_says_how_far_how_fast_and_how_long(said: list[str]) -> None:
    """A line every ten seconds, with versions done, rate and time left."""
    clock = iter([0.0, 5.0, 10.0, 12.0, 40.0])
    with reporting(clock=lambda: next(clock)) as report:
        for done in (100, 500, 600, 2_000):
            report("versions", done, 2_000)
    assert said == ["versions: 500 of 2,000, 50 a second, 30 s left", "versions: 2,000 of 2,000, 50 a second, 0 s left"]


def test_a_terminal_shows_a_bar_with_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Done, total and rate stand beside the bar once a second has passed."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    clock = iter([0.0, 0.5, 2.0])
    with reporting(clock=lambda: next(clock)) as report:
        report("versions", 10, 400)
        assert screen.getvalue() == ""
        report("versions", 100, 400)
    assert "100/400" in screen.getvalue()
    assert "50 a second" in screen.getvalue()


def test_quiet_says_nothing(said: list[str]) -> None:
    """Nor does it look at the clock."""
    with reporting(quiet=True, clock=lambda: 1 / 0) as report:
        report("versions", 1, 2)
    assert said == []
