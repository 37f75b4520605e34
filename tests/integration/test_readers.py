"""Notebooks that ask without pause, one that holds its connection idle, and ten snapshots that are loaded meanwhile."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest
import reader
from command import environment, imglab, quickly
from population import index, release
from registry import Registry

from imglab.data import open_store
from imglab.journal import Journal

pytestmark = pytest.mark.registry
NAMES = ("one", "two", "three", "four")
SNAPSHOTS = 10


@contextmanager
def asking(data: Path, folder: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """Four processes that ask without pause."""
    command = [sys.executable, reader.__file__, str(data), str(folder)]
    processes = [
        subprocess.Popen([*command, name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
        for name in NAMES
    ]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def wait_until_seen(folder: Path, run_id: str, processes: list[subprocess.Popen[str]]) -> None:
    """Until every reader has said that it saw *run_id*."""
    deadline = time.monotonic() + 120
    while any(not is_seen(folder / f"{name}.seen", run_id) for name in NAMES):
        ended = [process.communicate() for process in processes if process.poll() is not None]
        assert not ended, ended
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_seen(path: Path, run_id: str) -> bool:
    return path.exists() and path.read_text() == run_id


def test_readers_and_loads_do_not_disturb_each_other(registry: Registry, data: Path, tmp_path: Path) -> None:
    """No error on any side; the next query of each reader sees the newest run; the idle one sees it when it asks."""
    name = f"{registry.name}/team/app"
    states = [index("team/app", "latest", release(str(number))[:2]) for number in range(1 + SNAPSHOTS)]
    for state in reversed(states):  # later only the tag is pushed
        registry.push(state)
    quickly(data, "snapshot", name)
    (first,) = Journal(data / "journal").run_ids()
    reader.replace(tmp_path / "expected", first)
    idle = duckdb.connect(str(data / "imglab.duckdb"), read_only=True)
    with open_store(data) as resting, asking(data, tmp_path) as processes:
        assert resting.sql("select max(run_id) from loaded_run").item() == first
        wait_until_seen(tmp_path, first, processes)
        for number in range(1, SNAPSHOTS + 1):
            registry.push(states[number])
            take(data, name, is_whole_command=number == SNAPSHOTS)
            newest = Journal(data / "journal").run_ids()[-1]
            reader.replace(tmp_path / "expected", newest)
            wait_until_seen(tmp_path, newest, processes)
        (tmp_path / "stop").touch()
        rounds = [int(ended(process)) for process in processes]
        assert resting.sql("select count(*) from loaded_run").item() == 1 + SNAPSHOTS
        assert resting.sql("select count(*) from tag_interval").item() == 1 + SNAPSHOTS
    assert idle.execute("select max(run_id) from loaded_run").fetchone() == (first,)
    idle.close()
    assert min(rounds) > SNAPSHOTS


def take(data: Path, name: str, *, is_whole_command: bool) -> None:
    """A snapshot that moves the tag and is loaded at once, without a word on standard error."""
    if is_whole_command:
        done = imglab(data, "snapshot", name)
        assert (done.code, done.err) == (0, "")
        out = done.out
    else:
        out = quickly(data, "snapshot", name)
    assert out.startswith("complete: 1 tag observation")


def ended(process: subprocess.Popen[str]) -> str:
    """What a reader that was told to stop has said."""
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    return out
