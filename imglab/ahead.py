"""
What a run brings, written down line by line before it is committed, so that a run whose process dies can be resumed.

The first line of the file says where the run comes from; each other line holds a group of records as JSON. A group is a
record that can stand alone and those that follow from it, such as a document and its rows: it is there whole or not at
all, and of a process that died the last line may be cut off.
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import json
import operator
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO, get_type_hints

from imglab.records import RECORDS, Blob, Failure, Listing, Record, Sbom, TagObservation

_BEGINS = (Blob, Sbom, TagObservation, Listing, Failure)
_TABLES = {record.table: record for record in RECORDS}


@dataclasses.dataclass(frozen=True)
class Origin:
    """Where a run comes from, as its `run` row says it."""

    source: str
    target: str
    started_at: datetime


class Ahead:
    """The file of a run that is under way."""

    def __init__(self, path: Path, origin: Origin) -> None:
        self.has_records = False  # complete ones
        self._file: TextIO = path.open("w", encoding="utf-8")
        self._group: list[list[Any]] = []
        self._write([origin.source, origin.target, origin.started_at])

    def add(self, record: Record) -> None:
        """Take a record; the group before it is written if it begins one."""
        if isinstance(record, _BEGINS):
            self.complete()
        self._group.append([record.table, *_values(record.table)(record)])

    def complete(self) -> None:
        """Write the group that was added last: nothing more of it comes."""
        if self._group:
            self._write(self._group)
            self._group = []
            self.has_records = True

    def close(self) -> None:
        """End without the last group, which may not be whole."""
        self._file.close()

    def _write(self, value: object) -> None:
        self._file.write(json.dumps(value, default=_plain, separators=(",", ":")) + "\n")
        self._file.flush()


@dataclasses.dataclass(frozen=True)
class Abandoned:
    """A run whose process died."""

    run_id: str
    origin: Origin
    ended_at: datetime  # when it last wrote, UTC
    path: Path

    def records(self) -> Iterator[Record]:
        """Everything that it brought, in its order."""
        with self.path.open(encoding="utf-8") as file:
            file.readline()
            for line in file:
                if line.endswith("\n"):
                    yield from (_record(*row) for row in json.loads(line))


def abandoned(run_id: str, path: Path) -> Abandoned | None:
    """The run that the file at *path* was written for; None if it brought nothing."""
    try:
        with path.open(encoding="utf-8") as file:
            source, target, started_at = json.loads(file.readline())
            if not file.readline().endswith("\n"):
                return None
            ended_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            return Abandoned(run_id, Origin(source, target, datetime.fromisoformat(started_at)), ended_at, path)
    except (OSError, ValueError):
        return None


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    raise AssertionError(f"no record holds {type(value)}")


@functools.cache
def _values(table: str) -> Callable[[Record], tuple[Any, ...]]:
    return operator.attrgetter(*(field.name for field in dataclasses.fields(_TABLES[table])))


@functools.cache
def _readers(table: str) -> tuple[Callable[[Any], Any] | None, ...]:
    """For each field what makes its value of the one in JSON; None where they are the same."""
    hints = get_type_hints(_TABLES[table])
    readers: list[Callable[[Any], Any] | None] = []
    for field in dataclasses.fields(_TABLES[table]):
        hint = hints[field.name]
        kinds = {hint, *getattr(hint, "__args__", ())}
        readers.append(datetime.fromisoformat if datetime in kinds else base64.b64decode if bytes in kinds else None)
    return tuple(readers)


def _record(table: str, *values: Any) -> Record:
    pairs = zip(values, _readers(table), strict=True)
    return _TABLES[table](*(reader(value) if reader and value is not None else value for value, reader in pairs))
