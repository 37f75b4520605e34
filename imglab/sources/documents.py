"""What the sources share that read documents: how a pass over them goes, and how its failures are told."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container
from dataclasses import dataclass, replace
from datetime import datetime

from imglab.errors import UsageError
from imglab.gitlog import Change, Documents, Version
from imglab.records import Failure


@dataclass(frozen=True, slots=True)
class Reading:
    """How documents are to be read, and what was read of them before."""

    now: datetime
    repository: str | None = None  # canonical; instead of the one that the documents are about by themselves
    observed_at: datetime | None = None  # of plain files; None: what the source takes it to be
    known: Collection[str] = frozenset()  # digests that were described before
    read: Container[tuple[str, str]] = frozenset()  # (document, commit) of versions read before
    progress: Callable[[int, int], None] = lambda done, total: None  # versions


@dataclass(frozen=True, slots=True)
class Defect:
    """A part of a document that is not what it should be."""

    line: int  # from 1
    message: str
    kind: str = "malformed"


def check_times(documents: Documents, reading: Reading) -> None:
    """Raise UsageError if a time is given for documents whose history tells theirs."""
    if documents.is_history and reading.observed_at is not None:
        raise UsageError(f"{documents.location} has a history: its commits say when, leave out the time")


def in_time(changes: list[Change]) -> list[Change]:
    """
    *changes* with times that do not go back within a document, and of each time the last state only.

    Clocks of committers differ; the order of the history is the order in which states were published.
    """
    newest: dict[str, datetime] = {}
    moved = []
    for change in changes:
        if change.committed_at is not None:
            at = max(change.committed_at, newest.get(change.path, change.committed_at))
            newest[change.path] = at
            moved.append(change if at == change.committed_at else replace(change, committed_at=at))
        else:
            moved.append(change)
    last = {(change.path, change.committed_at): position for position, change in enumerate(moved)}
    return [change for position, change in enumerate(moved) if last[change.path, change.committed_at] == position]


def locator(version: Version) -> str:
    """The name of a version in failures: its path, and its commit if it has one."""
    return f"{version.path}@{version.commit}" if version.commit else version.path


def failure(where: str, kind: str, message: str) -> Failure:
    """The row for a document that cannot be read; *where* is its locator."""
    return Failure(locator=where, kind=kind, status=None, message=message, is_temporary=False)


def defect_failure(where: str, defect: Defect) -> Failure:
    """The row for a part of a document that cannot be read."""
    return failure(f"{where}:{defect.line}", defect.kind, f"{where}: line {defect.line}: {defect.message}")
