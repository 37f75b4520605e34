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
def reporting(*, quiet: bool = False, clock: Callable[[], float] = time.monotonic) -> Iterator[Report]:
    """A function to call with (what, done, total) as often as one likes; nothing is shown in the first second."""
    if quiet:
        yield lambda what, done, total: None
    elif sys.stderr.isatty():
        yield from _bar(clock)
    else:
        yield _lines(clock)


def _bar(clock: Callable[[], float]) -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    rate = TextColumn("{task.fields[rate]:,.0f} a second")
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), rate, TimeRemainingColumn())
    bars = Progress(*columns, console=Console(stderr=True), transient=True)
    tasks: dict[str, TaskID] = {}
    began = clock()

    def report(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = bars.add_task(what, total=total, rate=0.0)
        seconds = clock() - began
        bars.update(tasks[what], completed=done, total=total, rate=done / max(seconds, 0.001))
        if not bars.live.is_started and seconds > 1:
            bars.start()

    try:
        yield report
    finally:
        bars.stop()


def _lines(clock: Callable[[], float]) -> Report:
    began = said = clock()

    def report(what: str, done: int, total: int) -> None:
        nonlocal said
        now = clock()
        if now - said < _LINE_SECONDS:
            return
        said = now
        rate = done / (now - began)
        left = f", {(total - done) / rate:,.0f} s left" if rate else ""
        _logger.info("%s: %s of %s, %s a second%s", what, f"{done:,}", f"{total:,}", f"{rate:,.0f}", left)

    return report
