"""How far a long job is: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Report = Callable[[str, int, int], None]  # what is counted, how many are done, of how many

_logger = logging.getLogger("imglab")
_LINE_SECONDS = 10.0


@contextmanager
def reporting(*, quiet: bool = False) -> Iterator[Report]:
    """A function to call with (what, done, total) as often as one likes; nothing is shown in the first second."""
    if quiet:
        yield lambda what, done, total: None
    elif sys.stderr.isatty():
        yield from _bar()
    else:
        yield _lines()


def _bar() -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TaskID, TimeRemainingColumn

    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    bars = Progress(*columns, console=Console(stderr=True), transient=True)
    tasks: dict[str, TaskID] = {}
    began = time.monotonic()

    def report(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = bars.add_task(what, total=total)
        bars.update(tasks[what], completed=done, total=total)
        if not bars.live.is_started and time.monotonic() - began > 1:
            bars.start()

    try:
        yield report
    finally:
        bars.stop()


def _lines() -> Report:
    began = said = time.monotonic()

    def report(what: str, done: int, total: int) -> None:
        nonlocal said
        now = time.monotonic()
        if now - said < _LINE_SECONDS:
            return
        said = now
        rate = done / (now - began)
        left = f", {(total - done) / rate:,.0f} s left" if rate else ""
        _logger.info("%s: %s of %s, %s a second%s", what, f"{done:,}", f"{total:,}", f"{rate:,.0f}", left)

    return report
