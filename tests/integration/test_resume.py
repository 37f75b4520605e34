"""
Fifty `kill -9` of snapshots, each taken up again by the next until one is whole: nothing is lost, nothing asked twice.

A process is killed when the proxy between it and the registry has seen a number of its requests that is chosen at
random among all that it will send, or after the last one, when it has come to one of three stages of its end.
"""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import polars as pl
import pytest
from command import Rows, arguments, environment, rows
from population import PLATFORMS, image, index
from proxy import Proxy, proxied
from registry import Registry

from imglab.data import open_store
from imglab.journal import Journal
from imglab.records import Blob, Config, History, IndexEntry, Layer, Manifest, Record
from imglab.store import MARTS

pytestmark = pytest.mark.registry
REPOSITORY, TAGS, PLATFORMS_EACH = "team/resumed", 5, 4
COURSES, KILLS_EACH, AT_A_TIME = 10, 5, 4
CONTENT: tuple[type[Record], ...] = (Blob, Manifest, IndexEntry, Layer, Config, History)
# After the last request: the first rows are written, the run is about to count, it is being loaded.
LATE = 0.25  # of all kills
STAGES = ("journal/.*.tmp/*.part-*.parquet", "journal/.*.tmp/run.parquet", "store/.next.duckdb")
# What may be on its way to a process when it dies: what it has asked for ahead, and the document that it still writes.
UNDER_WAY = 4 * AT_A_TIME + 1


@pytest.fixture(scope="module")
def port(registry: Registry) -> int:
    """The registry's port; five tags with an index, four manifests and four configs each."""
    for number in range(TAGS):
        images = [image([f"{number}-{at}"], PLATFORMS[at], size=16) for at in range(PLATFORMS_EACH)]
        registry.push(index(REPOSITORY, f"{number}.0", images))
    return registry.port


@dataclass
class Course:
    """A snapshot that is killed and started again, through a proxy of its own, until it has come to its end."""

    data: Path
    proxy: Proxy
    reference: str
    seed: int | None = None
    kills: int = 0
    late: Counter[str] = field(default_factory=Counter)  # kills after the last request, by stage
    again: list[int] = field(default_factory=list)  # documents that were served in vain, for each kill

    def run(self, kill_at: int | str | None = None) -> bool:
        """One process, killed at its request number or stage *kill_at*; whether it came to its end."""
        begun, written = len(self.proxy.served), self.written()
        command = arguments(self.data, "--quiet", "snapshot", self.reference, "--concurrency", AT_A_TIME)
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment()) as process:
            before = self.proxy.count
            if isinstance(kill_at, int):
                self.proxy.watch = lambda count: process.kill() if count - before >= kill_at else None
            elif kill_at:
                self.kill_at_stage(process, kill_at)
            _, trouble = process.communicate(timeout=60)
        self.proxy.watch = lambda count: None
        self.proxy.settle()
        assert trouble == b"", (self.seed, kill_at, trouble.decode())
        served = Counter(one.name for one in self.proxy.served[begun:] if one.name.startswith("sha256:"))
        # What was written down is not asked for again, not even in part.
        assert not written & set(served), (self.seed, kill_at, written & set(served))
        assert set(served.values()) <= {1}, (self.seed, kill_at, served)
        if process.returncode == 0:
            return True
        self.kills += 1
        self.again.append(len(set(served) - self.written()))
        if isinstance(kill_at, str):
            self.late[kill_at] += 1
            assert self.again[-1] == 0, (self.seed, kill_at)
        return False

    def kill_at_stage(self, process: subprocess.Popen[bytes], stage: str) -> None:
        """Kill the process as soon as a file of *stage* is there; one that is quicker comes to its end."""
        while process.poll() is None:
            with suppress(FileNotFoundError):  # a run's folder takes its name while it is looked through
                if any(self.data.glob(stage)):
                    process.kill()

    def written(self) -> set[str]:
        """The digests that the journal holds now, or that stand in what a killed process wrote ahead."""
        held = set(Journal(self.data / "journal").scan(Blob).collect()["digest"])
        for path in self.data.glob("journal/.*.tmp/ahead.jsonl"):
            for line in path.read_bytes().splitlines(keepends=True)[1:]:
                if line.endswith(b"\n"):
                    held |= {row[1] for row in json.loads(line) if row[0] == Blob.table}
        return held


def course(port: int, data: Path, seed: int) -> Course:
    """A course that was killed KILLS_EACH times, each at a moment chosen at random among all that is left to do."""
    random = Random(seed)
    whole = 2 + TAGS + TAGS * (1 + 2 * PLATFORMS_EACH)
    with proxied(port) as proxy:
        found = Course(data, proxy, f"{proxy.name}/{REPOSITORY}", seed)
        for _ in range(3 * KILLS_EACH):  # a process that was too quick for its stage is no kill
            rest = whole - len(found.written())
            found.run(kill_at=random.choice(STAGES) if random.random() < LATE else random.randint(1, rest))
            if found.kills == KILLS_EACH:
                break
        assert found.run()
        return found


def without_times(data: Path) -> dict[str, Rows]:
    """The marts without times, names and numbers of runs, and the name of the proxy."""
    found: dict[str, Rows] = {}
    with open_store(data) as store:
        for mart in MARTS:
            frame = store.sql(f"select * from {mart.name}")
            kept = [name for name, kind in frame.schema.items() if kind not in (pl.Datetime, pl.Duration)]
            kept = [name for name in kept if not name.endswith(("run_id", "repository", "observation_count"))]
            found[mart.name] = sorted(frame.select(kept).rows(), key=str)
    return found


def content(data: Path) -> dict[str, Rows]:
    """Every row of the journal about content, without the name of its run."""
    journal = Journal(data / "journal")
    return {record.table: sorted(journal.scan(record).drop("run_id").collect().rows(), key=str) for record in CONTENT}


def test_fifty_kills_lose_nothing_and_fetch_nothing_twice(port: int, tmp_path: Path) -> None:
    """Wherever a snapshot dies, the next goes on: the same rows in the end as if nothing had happened, each once."""
    with proxied(port) as proxy:
        undisturbed = Course(tmp_path / "whole", proxy, f"{proxy.name}/{REPOSITORY}")
        assert undisturbed.run()
    expected, marts = content(undisturbed.data), without_times(undisturbed.data)
    assert len(expected["blob"]) == TAGS * (1 + 2 * PLATFORMS_EACH)

    with ThreadPoolExecutor(2) as pool:
        courses = list(pool.map(lambda seed: course(port, tmp_path / f"course-{seed}", seed), range(COURSES)))
    for one in courses:
        print(f"seed {one.seed}: {one.kills} kills, {one.late.total()} of them late; served in vain: {one.again}")
    assert sum(one.kills for one in courses) == COURSES * KILLS_EACH
    for one in courses:
        assert content(one.data) == expected, one.seed
        assert without_times(one.data) == marts, one.seed
        assert max(one.again, default=0) <= UNDER_WAY, one.seed
        assert list(one.data.glob("journal/.*")) == [], one.seed
        interrupted = rows(one.data, "select count(*) from journal.failure where kind = 'interrupted'")
        assert interrupted[0][0] <= one.kills, one.seed
    assert sum(sum(one.again) for one in courses) > 0  # else the kills hit nobody at work
    assert sum((one.late for one in courses), Counter()).total() > 0  # nor anybody at its end
