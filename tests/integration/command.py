"""The real command in a process of its own, and what its store holds."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from imglab.cli import main
from imglab.data import open_store
from imglab.store import MARTS

Rows = list[tuple[object, ...]]


@dataclass(frozen=True)
class Finished:
    """How a command ended."""

    code: int
    out: str
    err: str


def arguments(data: Path, *command: str | Path) -> list[str]:
    """The command line of `imglab` with its data in *data*."""
    return [sys.executable, "-m", "imglab.cli", "--data", str(data), *map(str, command)]


def environment() -> dict[str, str]:
    """This process's environment, in which a command finds no data of anybody else."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("IMGLAB_", "COV_", "PYTEST_"))}


def imglab(
    data: Path, *command: str | Path, text: str = "", timeout: float = 120, before: Callable[[], None] | None = None
) -> Finished:
    """`imglab` run to its end, *text* on its standard input; no trace of an exception may ever be seen."""
    done = subprocess.run(
        arguments(data, *command),
        input=text,
        capture_output=True,
        encoding="utf-8",
        timeout=timeout,
        env=environment(),
        preexec_fn=before,
        check=False,
    )
    assert "Traceback" not in done.stderr + done.stdout, done.stderr
    return Finished(done.returncode, done.stdout, done.stderr)


def good(data: Path, *command: str | Path, text: str = "") -> str:
    """What `imglab` prints when all goes well."""
    done = imglab(data, *command, text=text)
    assert done.code == 0, done
    return done.out


def quickly(data: Path, *command: str | Path) -> str:
    """The same within this process, without the second that starting takes: for what only prepares a test."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(["--data", str(data), *map(str, command)])
    assert code == 0, (code, out.getvalue(), err.getvalue())
    return out.getvalue()


def rows(data: Path, query: str, parameters: dict[str, object] | None = None) -> Rows:
    """The rows of *query* over the store in *data*."""
    with open_store(data) as store:
        return store.sql(query, parameters).rows()


def marts(data: Path) -> dict[str, Rows]:
    """All rows of all marts, sorted."""
    with open_store(data) as store:
        return {mart.name: store.sql(f"select * from {mart.name} order by all").rows() for mart in MARTS}


def lines(text: str) -> Sequence[str]:
    """The lines of *text* that are not blank."""
    return [line for line in text.splitlines() if line.strip()]
