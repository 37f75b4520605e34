"""
The journal: append-only Parquet run folders, `<data>/journal/<run_id>/<record>.parquet`.

A run is written under a hidden temporary name and committed by one rename; its `run` file is written last, so that
where a rename is not atomic that file is the commit. Folders without it, and hidden ones, do not count. Files are
never rewritten. This module is the only home of Parquet files.

A run that costs requests writes what it brings ahead as well (see `ahead`). When its process dies, the next run finds
that and commits it before it begins.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import secrets
import shutil
import types
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Self, TextIO, get_type_hints

import polars as pl

from imglab.ahead import Abandoned, Ahead, Origin, abandoned
from imglab.errors import JournalError
from imglab.records import (
    RECORDS,
    Blob,
    Config,
    Definition,
    DocumentVersion,
    Layer,
    Manifest,
    Record,
    Rows,
    Run,
    TagObservation,
)

_AHEAD = "ahead.jsonl"
_AGAIN = ".again"
_FLUSH_ROWS = 50_000  # held back before they are written, of all tables but bodies
_FLUSH_BYTES = 8_000_000  # of document bodies held back; several times as much is at work when parts are joined
# Some damaged bytes make polars panic, which is no Exception (2.1.0, 2026-11).
_UNREADABLE = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)
_POLARS_TYPES: dict[Any, pl.DataType] = {
    str: pl.String(),
    int: pl.Int64(),
    bool: pl.Boolean(),
    bytes: pl.Binary(),
    datetime: pl.Datetime("us", "UTC"),
    list[str]: pl.List(pl.String()),
}


def schema(record: type[Record]) -> dict[str, pl.DataType]:
    """The columns of *record*'s table, `run_id` first, with their polars types."""
    columns: dict[str, pl.DataType] = {"run_id": pl.String()}
    hints = get_type_hints(record)
    for field in dataclasses.fields(record):
        hint = hints[field.name]
        if isinstance(hint, types.UnionType):
            (hint,) = (part for part in hint.__args__ if part is not type(None))
        columns[field.name] = _POLARS_TYPES[hint]
    return columns


def new_run_id(now: datetime) -> str:
    """A name for a run that sorts by the time at which it began."""
    return f"{now:%Y%m%dT%H%M%S%f}Z-{secrets.token_hex(3)}"


class Journal:
    """The committed runs below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._is_sound: dict[Path, bool] = {}  # files never change, so one look at each is enough

    def run_ids(self) -> list[str]:
        """Names of the committed runs, oldest first."""
        if not self.root.is_dir():
            return []
        folders = (entry for entry in self.root.iterdir() if not entry.name.startswith("."))
        return sorted(folder.name for folder in folders if (folder / "run.parquet").is_file())

    def files(self, record: type[Record], run_ids: Iterable[str] | None = None) -> list[Path]:
        """Files that hold *record* rows in the given runs (default: in all committed ones)."""
        chosen = self.run_ids() if run_ids is None else run_ids
        candidates = (self.root / run_id / f"{record.table}.parquet" for run_id in chosen)
        return [path for path in candidates if path.is_file()]

    def damaged_files(self, run_ids: Iterable[str] | None = None) -> list[Path]:
        """Files that cannot be read, as far as was looked: at their two ends, or more with `look_closely`."""
        chosen = self.run_ids() if run_ids is None else run_ids
        files = [path for run_id in chosen for record in RECORDS for path in self.files(record, [run_id])]
        return [path for path in files if not self._looks_sound(path)]

    def sound_run_ids(self, run_ids: Iterable[str] | None = None) -> list[str]:
        """
        Those of the given runs (default: of all committed ones) without a damaged file, in the same order.

        A run counts whole or not at all: what a damaged one described would otherwise be taken for known and never be
        fetched again.
        """
        chosen = self.run_ids() if run_ids is None else run_ids
        return [run_id for run_id in chosen if not self.damaged_files([run_id])]

    def look_closely(self, run_ids: Collection[str], reads: Callable[[Path], bool] | None = None) -> None:
        """Try every row of every file of the given runs, also with *reads*: slow, for when something went wrong."""
        for record in RECORDS:
            for path in self.files(record, run_ids):
                self._is_sound[path] = is_parquet(path) and _reads(path) and (reads is None or reads(path))

    def _looks_sound(self, path: Path) -> bool:
        if path not in self._is_sound:
            self._is_sound[path] = is_parquet(path)
        return self._is_sound[path]

    def scan(self, record: type[Record], columns: Collection[str] | None = None) -> pl.LazyFrame:
        """
        All rows of *record* in all sound runs, lazily; columns that an old run lacks are null.

        Damaged runs are passed over here; loading the store is what reports them.
        """
        wanted = {name: dtype for name, dtype in schema(record).items() if columns is None or name in columns}
        files = self.files(record, self.sound_run_ids())
        if not files:
            return pl.LazyFrame(schema=wanted)
        return pl.concat([_scan_file(path, wanted) for path in files])

    def collect(self, frame: Callable[[], pl.LazyFrame]) -> pl.DataFrame:
        """The rows of *frame*, which scans this journal; raises JournalError if they cannot be read."""
        try:
            return frame().collect()
        except _UNREADABLE:
            self.look_closely(self.run_ids())
        try:
            return frame().collect()
        except _UNREADABLE as error:
            raise JournalError(f"cannot read the journal in {self.root}: {str(error).splitlines()[0]}") from error

    def known_digests(self, *, besides: str | None = None) -> set[str]:
        """
        Digests of all manifests, indexes, configs and definitions that some run described, of a source *besides*.

        A manifest is not among them if only documents told of it that do not know its layers well.
        """

        def described() -> pl.LazyFrame:
            columns = ["run_id", "digest"]
            rows = pl.concat([self.scan(record, columns).select(columns) for record in (Manifest, Config, Definition)])
            rows = rows.join(self._partly_described(), on=columns, how="anti")
            if besides is None:
                return rows.select("digest")
            others = self.scan(Run, {"run_id", "source"}).filter(pl.col("source") != besides)
            return rows.join(others, on="run_id", how="semi").select("digest")

        return set(self.collect(described)["digest"])

    def _partly_described(self) -> pl.LazyFrame:
        """
        Run and digest of manifests whose layers a document of repo-info did not tell as they are.

        Documents of 2016 leave out the media types of layers; and pages tell the layers of schema 1, which have none,
        as the registry keeps them: each blob once, with the type of its bytes.
        """
        columns = ["run_id", "digest"]
        runs = self.scan(Run, {"run_id", "source"}).filter(pl.col("source") == "repo-info")
        manifests = self.scan(Manifest, {*columns, "kind"}).join(runs, on="run_id", how="semi")
        layers = self.scan(Layer, {"run_id", "manifest_digest", "media_type"}).rename({"manifest_digest": "digest"})
        is_typed, kind = pl.col("media_type").is_not_null(), pl.col("kind")
        untyped = manifests.filter(kind == "image").join(layers.filter(~is_typed), on=columns, how="semi")
        retyped = manifests.filter(kind == "schema1").join(layers.filter(is_typed), on=columns, how="semi")
        return pl.concat([untyped, retyped]).select(columns)

    def read_versions(self) -> set[tuple[str, str]]:
        """Every (document, commit) that some run read: of which it kept the version, or an observation."""
        columns = ("document", "document_revision")
        found = self.collect(
            lambda: (
                pl.concat([self.scan(record, columns).select(columns) for record in (DocumentVersion, TagObservation)])
                .drop_nulls()
                .unique()
            )
        )
        return set(found.iter_rows())

    def begin(self, *, now: datetime, origin: Origin | None = None) -> RunWriter:
        """A writer for a new run that began at *now*; with an *origin* it can be resumed if its process dies."""
        return RunWriter(self.root, new_run_id(now), origin)

    def abandoned(self) -> Iterator[Abandoned]:
        """
        The runs of dead writers that can be resumed, oldest first; each is removed once the next is asked for.

        What cannot be resumed is removed as well. Who stops midway leaves the rest as it is.
        """
        for path in sorted(self.root.glob(".*.lock")) if self.root.is_dir() else ():
            with contextlib.suppress(BlockingIOError, FileNotFoundError), path.open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                folder = path.with_suffix(".tmp")
                run_id = path.stem.removeprefix(".")
                left = abandoned(run_id, folder / _AHEAD)
                if left and not (self.root / run_id).is_dir():
                    yield left
                if folder.is_dir():
                    shutil.rmtree(folder)
                path.unlink()

    def resume(self, left: Abandoned) -> RunWriter:
        """A writer for the run that was *left*, which stays until this one has committed."""
        return RunWriter(self.root, left.run_id, folder=f".{left.run_id}{_AGAIN}")


class RunWriter:
    """
    Collects the records of one run and commits them together.

    A context manager: left without `commit`, nothing of the run remains but what the next run can resume.
    """

    def __init__(self, root: Path, run_id: str, origin: Origin | None = None, *, folder: str | None = None) -> None:
        self.run_id = run_id
        self._root = root
        self._folder = root / f"{folder or f'.{run_id}'}.tmp"
        self._lock_path = root / f"{folder or f'.{run_id}'}.lock"
        self._origin = origin
        self._ahead: Ahead | None = None
        self._buffers: dict[type[Record], list[Record]] = {record: [] for record in RECORDS}
        self._buffered_rows = 0
        self._buffered_bytes = 0
        self._parts: dict[type[Record], list[int]] = {record: [] for record in RECORDS}  # rows in each
        self._lock: TextIO | None = None

    def __enter__(self) -> Self:
        try:
            with _written_to(self._folder):
                self._root.mkdir(parents=True, exist_ok=True)
                self._lock = _locked(self._lock_path)
                self._folder.mkdir()
                if self._origin:
                    self._ahead = Ahead(self._folder / _AHEAD, self._origin)
        except BaseException as error:
            self.__exit__(type(error))
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None = None, *_: object) -> None:
        is_resumable = False
        if self._ahead:
            self._ahead.close()
            # Whatever stopped the run may pass; only a disk that is full needs the room now.
            is_resumable = self._ahead.has_records and kind is not None and not issubclass(kind, JournalError)
        if self._folder.exists() and not is_resumable:
            shutil.rmtree(self._folder, ignore_errors=True)
        if self._lock:
            if not is_resumable:
                with contextlib.suppress(OSError):
                    self._lock_path.unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    def add(self, record: Record | Rows) -> None:
        """Take one record or many; large amounts are written out on the way, so that memory stays small."""
        if isinstance(record, Rows):
            self._add_rows(record)
            return
        if self._ahead:
            with _written_to(self._folder):
                self._ahead.add(record)
        self._buffers[type(record)].append(record)
        if isinstance(record, Blob):
            self._buffered_bytes += len(record.body)
            if self._buffered_bytes >= _FLUSH_BYTES:
                self._flush([Blob])
                self._buffered_bytes = 0
        else:
            self._buffered_rows += 1
            if self._buffered_rows >= _FLUSH_ROWS:
                self._flush(record for record in RECORDS if record is not Blob)
                self._buffered_rows = 0

    def commit(self, run: Run) -> str:
        """Make the run count, with everything added so far; returns its run_id."""
        if self._ahead:
            with _written_to(self._folder):
                self._ahead.complete()
        self._flush()
        with _written_to(self._folder):
            for record in RECORDS:
                self._join_parts(record)
            _write(self._frame([run]), self._folder / "run.parquet")
            sync(self._folder / "run.parquet")
            sync(self._folder)
            self._folder.rename(self._root / self.run_id)
            sync(self._root)
            (self._root / self.run_id / _AHEAD).unlink(missing_ok=True)
        return self.run_id

    def _add_rows(self, rows: Rows) -> None:
        with _written_to(self._folder):
            self._write_part(rows.record, _in_columns(rows, self.run_id))

    def _flush(self, records: Iterable[type[Record]] = RECORDS) -> None:
        with _written_to(self._folder):
            for record in records:
                if rows := self._buffers[record]:
                    self._write_part(record, self._frame(rows))
                    rows.clear()

    def _write_part(self, record: type[Record], frame: pl.DataFrame) -> None:
        _write(frame, self._part(record, len(self._parts[record])))
        self._parts[record].append(frame.height)

    def _part(self, record: type[Record], number: int) -> Path:
        return self._folder / f"{record.table}.part-{number:05}.parquet"

    def _join_parts(self, record: type[Record]) -> None:
        parts = [self._part(record, number) for number in range(len(self._parts[record]))]
        target = self._folder / f"{record.table}.parquet"
        if len(parts) == 1:
            parts[0].rename(target)
        elif parts:
            most = max(1, *self._parts[record])  # rows that are in memory at once
            pl.scan_parquet(parts).sink_parquet(target, compression="zstd", row_group_size=most)
            for part in parts:
                part.unlink()
        if parts:
            sync(target)

    def _frame(self, rows: Sequence[Record]) -> pl.DataFrame:
        columns = schema(type(rows[0]))
        names = [name for name in columns if name != "run_id"]
        data: dict[str, Any] = {"run_id": [self.run_id] * len(rows)}
        data |= {name: [getattr(row, name) for row in rows] for name in names}
        return pl.DataFrame(data, schema=columns)


def _in_columns(rows: Rows, run_id: str) -> pl.DataFrame:
    """The rows in all the columns of their table."""
    columns = schema(rows.record)
    stated = [_series(name, values, columns[name]) for name, values in rows.columns.items()]
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in columns.items() if name not in rows.columns]
    return pl.DataFrame(stated).with_columns(missing).with_columns(run_id=pl.lit(run_id)).select(columns.keys())


def _series(name: str, values: Sequence[Any], dtype: pl.DataType) -> pl.Series:
    """The column of *values*; polars takes microseconds to make an instant or a list, so equal ones are made once."""
    if not isinstance(dtype, pl.Datetime | pl.List):
        return pl.Series(name, values, dtype)
    distinct = {value: position for position, value in enumerate(dict.fromkeys(values))}
    return pl.Series(name, list(distinct), dtype)[[distinct[value] for value in values]]


def _write(frame: pl.DataFrame, path: Path) -> None:
    frame.write_parquet(path, compression="zstd")


def _locked(path: Path) -> TextIO:
    """*path* open and locked: as long as it is, its writer is alive."""
    while True:
        lock = path.open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Before it was locked, `abandoned` of another process may have taken it for a dead writer's.
        if path.exists() and path.stat().st_ino == os.fstat(lock.fileno()).st_ino:
            return lock
        lock.close()


def is_parquet(path: Path) -> bool:
    """Whether *path* begins and ends as Parquet: not cut off. Whether its rows can be read is not looked at."""
    try:
        with path.open("rb") as file:
            head = file.read(4)
            size = file.seek(-8, os.SEEK_END) + 8
            footer_length, tail = int.from_bytes(file.read(4), "little"), file.read(4)
    except OSError:
        return False
    return head == tail == b"PAR1" and footer_length + 12 <= size


def _reads(path: Path) -> bool:
    try:
        pl.read_parquet(path)
    except _UNREADABLE:
        return False
    return True


def _scan_file(path: Path, wanted: dict[str, pl.DataType]) -> pl.LazyFrame:
    present = pl.read_parquet_schema(path)
    columns = [
        pl.col(name) if name in present else pl.lit(None, dtype=dtype).alias(name) for name, dtype in wanted.items()
    ]
    return pl.scan_parquet(path).select(columns)


@contextlib.contextmanager
def _written_to(folder: Path) -> Iterator[None]:
    """Translate what goes wrong while writing below *folder*."""
    try:
        yield
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error).splitlines()[0]
        raise JournalError(
            f"cannot write the journal in {folder.parent}: {reason}; nothing of this run was kept"
        ) from error


def sync(path: Path) -> None:
    """Bring a file or folder to the disk before anything relies on it."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
