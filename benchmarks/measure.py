"""Seconds, processor time and peak memory of a process, and the one table that each benchmark prints."""

from __future__ import annotations

import dataclasses
import functools
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

_BYTECODE = tempfile.TemporaryDirectory(prefix="imglab-bytecode-")
_STARTS = "import imglab.cli, imglab.snapshot, imglab.imports, imglab.output, imglab.targets, aiohttp"


@dataclasses.dataclass(frozen=True)
class Measured:
    """What one thing took; `count` is of what the table is about, memory 0 if it was not looked at."""

    name: str
    seconds: float
    peak_bytes: int
    count: int = 0
    out: str = ""
    processor_seconds: float = 0.0
    server_seconds: float = 0.0  # processor time that a server took beside it

    def counting(self, count: int) -> Measured:
        return dataclasses.replace(self, count=count)


@functools.cache
def environment() -> dict[str, str]:
    """
    Ours, with compiled modules at hand, as they are from the second start of an installed imglab on.

    They are kept in a folder of the benchmark's own: some machines are told to keep none.
    """
    found = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    found["PYTHONPYCACHEPREFIX"] = _BYTECODE.name
    subprocess.run([sys.executable, "-c", _STARTS], env=found, check=True)
    return found


def imglab(data: Path, *command: str | Path) -> list[str]:
    """The command line of `imglab` with its data in *data*."""
    return [sys.executable, "-m", "imglab.cli", "--data", str(data), "--quiet", *map(str, command)]


def measured(name: str, command: Sequence[str | Path], *, text: bytes | None = None) -> Measured:
    """*command* run to its end in a process of its own; fails if it does."""
    surroundings = environment()
    began = time.monotonic()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=surroundings) as process:
        assert process.stdin and process.stdout
        if text:
            process.stdin.write(text)
        process.stdin.close()
        out = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - began
    if process.returncode:
        raise SystemExit(f"{name}: exit code {process.returncode}")
    spent = usage.ru_utime + usage.ru_stime
    return Measured(name, seconds, usage.ru_maxrss * 1024, 0, out.decode(errors="replace"), spent)


def processor_seconds(pid: int) -> float:
    """User and system time of another process so far, as Linux tells it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def show(rows: Sequence[Measured], what: str, *, beside: Measured) -> None:
    """Print the table: seconds, how many *what* a second, processor time, memory, and the ratio to *beside*."""
    width = max(len(row.name) for row in rows)
    has_server = any(row.server_seconds for row in rows)
    server = f"{'server s':>9}" if has_server else ""
    print(
        f"\n{'':{width}}  {'seconds':>8} {what:>10} {'a second':>10} {'CPU s':>7}{server} {'peak MB':>8} {'ratio':>6}"
    )
    for row in rows:
        rate = row.count / row.seconds
        memory = f"{row.peak_bytes / 1e6:,.0f}" if row.peak_bytes else "-"
        spent = f"{row.processor_seconds:.1f}" if row.processor_seconds else "-"
        server = f"{row.server_seconds:9.1f}" if has_server else ""
        ratio = row.seconds / beside.seconds
        print(
            f"{row.name:{width}}  {row.seconds:8.2f} {row.count:10,} {rate:10,.0f} {spent:>7}{server} {memory:>8} "
            f"{ratio:6.2f}"
        )
    packages = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "polars", "httpx", "aiohttp"))
    shared = f"load {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores"
    print(f"\nPython {platform.python_version()}, {packages}; {shared}; {time.strftime('%Y-%m-%d %H:%M')}")
