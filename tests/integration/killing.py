"""
`kill -9` of a snapshot at chosen moments, and what must hold afterwards: the store opens, whole runs count, earlier
ones are kept, and what the killed one had written down is a run after the next.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from command import Rows, arguments, environment, marts, quickly, rows
from population import index, release
from registry import Registry

from imglab.journal import Journal
from imglab.store import MARTS, Store, load

APP, EARLIER = "team/app", "team/earlier"
TAGS = 6


def fill(registry: Registry) -> None:
    """Tags of eight platforms each for the snapshots that are killed, and one for the run before them."""
    registry.push(index(EARLIER, "1.0", release("earlier")))
    for number in range(TAGS):
        registry.push(index(APP, f"{number}.0", release(str(number))))


@dataclass(frozen=True)
class Timed:
    """How long a whole snapshot took to begin its run, and from there to its end."""

    starting: float
    working: float


@dataclass(frozen=True)
class Base:
    """A data folder with one earlier run, from which each attempt begins."""

    data: Path
    reference: str
    run_id: str
    marts: dict[str, Rows]

    @classmethod
    def made(cls, data: Path, registry: Registry) -> Base:
        quickly(data, "snapshot", f"{registry.name}/{EARLIER}")
        (run_id,) = Journal(data / "journal").run_ids()
        return cls(data, f"{registry.name}/{APP}", run_id, marts(data))

    def copy(self, data: Path) -> Path:
        shutil.copytree(self.data, data, symlinks=True)
        return data

    def start(self, data: Path) -> subprocess.Popen[bytes]:
        command = arguments(data, "--quiet", "snapshot", self.reference)
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment())


def wait_for_run(data: Path, process: subprocess.Popen[Any]) -> None:
    """Until the process has begun its run: a temporary folder stands in the journal."""
    deadline = time.monotonic() + 60
    while process.poll() is None and not list((data / "journal").glob(".*")):
        assert time.monotonic() < deadline
        time.sleep(0.001)


def timed(base: Base, data: Path) -> Timed:
    """A whole snapshot, measured."""
    base.copy(data)
    began = time.monotonic()
    with base.start(data) as process:
        wait_for_run(data, process)
        begun = time.monotonic()
        assert process.wait(120) == 0
    return Timed(begun - began, time.monotonic() - begun)


def killed(base: Base, data: Path, moment: float, *, from_run: bool) -> bool:
    """Kill a snapshot at *moment* seconds after its start, or after its run began; whether it was still at work."""
    base.copy(data)
    with base.start(data) as process:
        if from_run:
            wait_for_run(data, process)
        time.sleep(moment)
        process.kill()
        _, trouble = process.communicate(timeout=30)
    assert not trouble, trouble.decode()
    return process.returncode != 0


def moments(random: Random, count: int, duration: float) -> list[float]:
    """*count* moments within *duration*, one at random in each of as many equal parts."""
    return [(number + random.random()) * duration / count for number in range(count)]


def holds(base: Base, data: Path) -> list[str]:
    """What must hold after a kill, at once and after the next load; the names of the runs that are in the journal."""
    journal = Journal(data / "journal")
    at_once = {str(run_id) for (run_id,) in rows(data, "select run_id from loaded_run")}
    assert base.run_id in at_once <= set(journal.run_ids())
    if at_once == {base.run_id}:
        assert marts(data) == base.marts  # nothing of a run that does not count is seen
    load(data)
    loaded = {str(run_id) for (run_id,) in rows(data, "select run_id from loaded_run")}
    assert loaded == set(journal.run_ids())
    assert {row[0] for row in rows(data, "select run_id from journal.run")} == loaded
    assert marts(data) == marts_of_rebuild(journal)
    assert half_counted(data) == []
    earlier = {"repository": base.reference.replace(APP, EARLIER)}
    kept = rows(data, "select * from tag_interval where repository = $repository", earlier)
    assert kept == base.marts["tag_interval"]
    return journal.run_ids()


def half_counted(data: Path) -> Rows:
    """Runs whose own count of tags is not that of their rows."""
    return rows(
        data,
        """
        select run.run_id
        from journal.run left join journal.tag_observation using (run_id)
        group by run.run_id, run.tags
        having count(tag_observation.tag) <> run.tags
        """,
    )


def marts_of_rebuild(journal: Journal) -> dict[str, Rows]:
    """All rows of all marts of a store made from nothing."""
    with Store.in_memory(journal) as store:
        return {mart.name: store.sql(f"select * from {mart.name} order by all").rows() for mart in MARTS}


def next_run_works(base: Base, data: Path) -> None:
    """A snapshot after the kill is whole, what the killed one brought is a run, and nothing is left beside runs."""
    before, left = Journal(data / "journal").run_ids(), resumable(data)
    quickly(data, "snapshot", base.reference)
    after = Journal(data / "journal").run_ids()
    assert after[:-1] == sorted([*before, *left])
    assert sorted(entry.name for entry in (data / "journal").iterdir()) == after
    assert not list((data / "store").glob(".next*"))
    assert rows(data, "select count(*) from tag_image where repository = $r", {"r": base.reference}) == [(TAGS * 8,)]
    *others, run = rows(data, "select tags, failures, outcome from journal.run order by run_id")
    assert run == (TAGS, 0, "complete")
    stopped = rows(data, "select run_id from journal.failure where kind = 'interrupted'")
    assert sorted(str(run_id) for (run_id,) in stopped) == left
    assert sum(outcome == "partial" for *_, outcome in others) == len(left)
    doubled = "select digest from journal.blob group by digest having count(*) > 1"
    assert rows(data, doubled) == []
    assert quickly(data, "check").endswith(" checks found nothing\n")


def resumable(data: Path) -> list[str]:
    """The runs of dead processes that brought something, and did not commit it."""
    found = []
    for folder in sorted((data / "journal").glob(".*.tmp")):
        run_id = folder.name.strip(".").removesuffix(".tmp")
        ahead = folder / "ahead.jsonl"
        lines = ahead.read_bytes().count(b"\n") if ahead.exists() else 0
        if lines > 1 and not (data / "journal" / run_id).exists():
            found.append(run_id)
    return found
