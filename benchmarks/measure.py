"""Seconds and peak memory of a process, and the one table that each benchmark prints."""

from __future__ import annotations

import dataclasses
import os
import platform
import subprocess
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Measured:
    """What one thing took; `count` is of what the table is about, memory 0 if it was not looked at."""

    name: str
    seconds: float
    peak_bytes: int
    count: int = 0
    out: str = ""
    processor_seconds: float = 0.0

    def counting(self, count: int) -> Measured:
        return dataclasses.replace(self, count=count)


def measured(name: str, command: Sequence[str | Path], *, text: bytes | None = None) -> Measured:
    """*command* run to its end in a process of its own; fails if it does."""
    began = time.monotonic()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
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


def show(rows: Sequence[Measured], what: str, *, beside: Measured) -> None:
    """Print the table: seconds, how many *what* a second, memory, and the ratio to *beside*."""
    width = max(len(row.name) for row in rows)
    print(f"\n{'':{width}}  {'seconds':>8} {what:>10} {'a second':>10} {'CPU s':>7} {'peak MB':>8} {'ratio':>6}")
    for row in rows:
        rate = row.count / row.seconds
        memory = f"{row.peak_bytes / 1e6:,.0f}" if row.peak_bytes else "-"
        spent = f"{row.processor_seconds:.1f}" if row.processor_seconds else "-"
        ratio = row.seconds / beside.seconds
        print(
            f"{row.name:{width}}  {row.seconds:8.2f} {row.count:10,} {rate:10,.0f} {spent:>7} {memory:>8} {ratio:6.2f}"
        )
    packages = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "polars", "httpx", "aiohttp"))
    print(f"\nPython {platform.python_version()}, {packages}; {os.cpu_count()} cores; {time.strftime('%Y-%m-%d')}")
