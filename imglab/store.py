"""
The store: a DuckDB file derived from the journal. Deleting it is always safe.

Each load makes a new file, `<data>/store/imglab-<generation>.duckdb`, from a copy of the newest one and the runs it
lacks, and then moves the link `<data>/imglab.duckdb` to it. A published file never changes, so readers and the loader
never wait for each other, and a load that dies leaves only a temporary file. A new name for each generation is needed
because DuckDB gives the old file back for a path that any connection of the process still holds (2.0.0, 2026-10).
This module is the only home of duckdb.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import re
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Self

import duckdb
import polars as pl

from imglab.errors import StoreBusy, StoreEmpty, StoreError, UsageError
from imglab.journal import Journal, schema, sync
from imglab.records import RECORDS, Record

STAGING = (
    "stg_run",
    "stg_listing",
    "stg_tag_observation",
    "stg_definition",
    "stg_tag_definition",
    "stg_document_version",
    "stg_failure",
    "stg_index_entry",
    "stg_manifest",
    "stg_layer",
    "stg_config",
    "stg_history",
    "stg_blob",
    "stg_sbom",
    "stg_package",
)


@dataclasses.dataclass(frozen=True)
class Derived:
    """A table that SQL derives, not from itself; a load replaces the rows whose `key` is in the table `touched`."""

    name: str
    key: tuple[str, ...]
    touched: str
    folder: str = "marts"


MARTS = (
    Derived("index_image", ("index_digest",), "touched_index"),
    Derived("image", ("manifest_digest",), "touched_manifest"),
    Derived("image_layer", ("manifest_digest",), "touched_manifest"),
    Derived("tag_interval", ("repository", "tag"), "touched_tag"),
    Derived("tag_image", ("repository", "tag"), "touched_tag"),
)
VIEWS = ("definition_interval", "tag_definition_interval", "image_sbom")  # marts that are cheap to derive anew
FUNCTIONS = {  # that give relations, with the names of what they take
    "image_of": "wanted",
    "image_layer_of": "wanted",
    "history_of": "wanted",
    "index_image_of": "wanted",
    "tag_interval_of": "wanted",
    "tag_image_of": "wanted",
    "reference_image": "asked, wanted_platform, wanted_at",
    "pointed_image": "wanted_repository, wanted_tag, wanted_platform, wanted_at",
    "side_image": "tagged, wanted_repository, wanted_tag, wanted_at, is_first",
    "image_pair": "side, are_single_paired",
    "image_stretch": "wanted_repository, wanted_tag, wanted_platform",
    "base_of": "wanted",
    "stretch_base": "wanted_repository, wanted_tag, wanted_platform",
    "step_match": "pair, layer := 'image_layer'",
    "step_growth": "pair",
    "image_change": "pair",
    "tag_move": "wanted_repository, wanted_tag, wanted_platform",
}
TOUCHED = ("touched_manifest", "touched_index", "touched_tag")
CHECKS = ("overlapping_interval", "layer_sum", "orphan", "repeated_row")

_SQL_TYPES = {
    pl.String(): "varchar",
    pl.Int64(): "bigint",
    pl.Boolean(): "boolean",
    pl.Binary(): "blob",
    pl.Datetime("us", "UTC"): "timestamptz",
    pl.List(pl.String()): "varchar[]",
}
_KEPT_GENERATIONS = 2
_MANY_ROWS = 50_000  # that one statement may leave uncommitted in memory
_FEW_IMAGES = 10_000  # whose layers and steps a load with little memory has room for
_CONFIG: dict[str, str | bool | int | float | list[str]] = {"autoinstall_known_extensions": False}


def read_sql(folder: str, name: str) -> str:
    """The text of one packaged SQL file."""
    return resources.files("imglab").joinpath("sql", folder, f"{name}.sql").read_text("utf-8")


def read_macros() -> str:
    """The packaged SQL macros."""
    return resources.files("imglab").joinpath("sql", "macros.sql").read_text("utf-8")


@dataclasses.dataclass(frozen=True)
class Load:
    """What one load did; `unreadable` names journal files that could not be read (their runs are left out)."""

    runs: int
    rows: int
    seconds: float
    is_rebuild: bool
    unreadable: tuple[str, ...] = ()


class Paths:
    """Where things lie below the data folder."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.journal = data / "journal"
        self.store = data / "store"
        self.link = data / "imglab.duckdb"

    def published(self) -> Path | None:
        """The newest published file, or None if there is none (never loaded, or deleted)."""
        with contextlib.suppress(OSError):
            return self.link.resolve(strict=True)
        return None


def load(data: Path, *, rebuild: bool = False, wait_seconds: float = 10.0, memory: str | None = None) -> Load:
    """
    Bring the store up to the journal; with *rebuild* make it from nothing.

    It does with so much *memory* (such as 150MB) as far as it can, with more time; without, it takes what is there.
    Raises StoreBusy if another process is loading for longer than *wait_seconds*, StoreError if the store cannot be
    written. The journal is never touched.
    """
    started = time.monotonic()
    paths = Paths(data)
    with _loading(paths, wait_seconds):
        journal = Journal(paths.journal)
        base, loaded = (None, frozenset[str]()) if rebuild else _usable_base(paths, journal)
        new = sorted(set(journal.run_ids()) - loaded)
        try:
            runs, rows = _load_sound(paths, journal, base, new, memory)
        except duckdb.Error:
            before = journal.damaged_files(new)
            journal.look_closely(new, _reads)
            if journal.damaged_files(new) == before:
                raise
            runs, rows = _load_sound(paths, journal, base, new, memory)
        damaged = tuple(map(str, journal.damaged_files(new)))
        return Load(runs, rows, time.monotonic() - started, base is None, damaged)


def _load_sound(
    paths: Paths, journal: Journal, base: Path | None, new: list[str], memory: str | None
) -> tuple[int, int]:
    """Publish *base* with those of the *new* runs that are sound; the numbers of these and of their rows."""
    sound = journal.sound_run_ids(new)
    if base and not sound:
        return 0, 0
    try:
        return len(sound), _publish(paths, journal, base, sound, memory)
    except duckdb.OutOfMemoryException:
        if memory is None:
            raise
    return len(sound), _publish(paths, journal, base, sound, None)


def _reads(path: Path) -> bool:
    """Whether DuckDB can read every row of a file."""
    with _connect(":memory:") as connection:
        try:
            connection.execute("create table probe as select * from read_parquet($1)", [str(path)])
        except duckdb.Error:
            return False
    return True


@contextlib.contextmanager
def _loading(paths: Paths, wait_seconds: float) -> Iterator[None]:
    """Hold the right to load; the system frees it when the process ends, however it ends."""
    try:
        paths.store.mkdir(parents=True, exist_ok=True)
        lock = (paths.store / "load.lock").open("w")
    except OSError as error:
        raise StoreError(f"cannot write the store in {paths.store}: {error.strerror}") from error
    with lock:
        deadline = time.monotonic() + wait_seconds
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise StoreBusy(
                        f"another process is loading {paths.store}; nothing is lost: run `imglab load` later"
                    ) from None
                time.sleep(0.05)
        try:
            yield
        except duckdb.Error as error:
            raise StoreError(f"cannot load the store in {paths.store}: {_first_line(error)}") from error
        except OSError as error:
            raise StoreError(f"cannot write the store in {paths.store}: {error.strerror or error}") from error


def _usable_base(paths: Paths, journal: Journal) -> tuple[Path | None, frozenset[str]]:
    """
    The published file and the runs that it holds.

    None if this version of imglab cannot add to it, or the journal no longer holds all of these.
    """
    published = paths.published()
    if published is None:
        return None, frozenset()
    try:
        with _connect(published, read_only=True) as connection:
            definitions = connection.sql("select definition from store_definition").fetchall()
            loaded = frozenset(run_id for (run_id,) in connection.sql("select run_id from loaded_run").fetchall())
    except duckdb.Error:
        return None, frozenset()
    is_usable = definitions == [(_definition(),)] and loaded <= set(journal.run_ids())
    return (published, loaded) if is_usable else (None, frozenset())


def _definition() -> str:
    """Changes whenever the tables, views or marts of this version do: then the store is made again."""
    parts = [read_macros(), repr(RECORDS), *(repr(schema(record)) for record in RECORDS)]
    parts += [read_sql("staging", name) for name in STAGING]
    parts += [read_sql("load", name) for name in ("document_source", *TOUCHED)]
    parts += [read_sql(mart.folder, mart.name) for mart in MARTS] + [read_sql("views", name) for name in VIEWS]
    parts += [read_sql("functions", name) for name in FUNCTIONS]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _publish(paths: Paths, journal: Journal, base: Path | None, new: list[str], memory: str | None) -> int:
    """Make the next generation from *base* and the *new* runs, and move the link to it; return the rows read."""
    _clear(paths)
    temporary = paths.store / ".next.duckdb"
    try:
        if base:
            shutil.copyfile(base, temporary)
        with _connect(temporary) as connection:
            if memory:
                _limit(connection, memory)
            if not base:
                _create(connection)
            rows = _load_runs(connection, journal, new, at_once=_FEW_IMAGES if memory else None)
            connection.execute("checkpoint")
        sync(temporary)
        generation = 1 + max((_generation(path) for path in paths.store.glob("imglab-*.duckdb")), default=0)
        published = paths.store / f"imglab-{generation:08}.duckdb"
        temporary.rename(published)
    finally:
        _clear(paths)
    _move_link(paths, published)
    for old in sorted(paths.store.glob("imglab-*.duckdb"), key=_generation)[:-_KEPT_GENERATIONS]:
        old.unlink(missing_ok=True)
    return rows


def _limit(connection: duckdb.DuckDBPyConnection, memory: str) -> None:
    """Have DuckDB do with so much *memory*: what is more goes to the disk, where it can."""
    connection.execute("set memory_limit = $1", [memory])
    connection.execute("set threads = 1")  # each takes its share; with two, joins that fit did not always fit (2.0.0)
    connection.execute("set preserve_insertion_order = false")  # which keeps what is read until all is


def _clear(paths: Paths) -> None:
    """Remove what a load was working on: a file, its log, and a folder of what memory had no room for."""
    for left in paths.store.glob(".next*"):
        if left.is_dir():
            shutil.rmtree(left)
        else:
            left.unlink()


def _generation(path: Path) -> int:
    match = re.fullmatch(r"imglab-(\d+)\.duckdb", path.name)
    return int(match[1]) if match else 0


def _move_link(paths: Paths, published: Path) -> None:
    temporary = paths.data / ".imglab.duckdb.next"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(published.relative_to(paths.data))
    temporary.replace(paths.link)


def _create(connection: duckdb.DuckDBPyConnection) -> None:
    """Lay down empty journal tables, staging views and marts."""
    connection.execute(read_macros())
    connection.execute("create schema journal")
    for record in RECORDS:
        connection.execute(f"create table journal.{record.table} ({_columns(record)})")
    connection.execute("create table store_definition as select $1 as definition", [_definition()])
    connection.execute("create table loaded_run (run_id varchar primary key)")
    connection.execute("create table document_source (digest varchar, run_id varchar)")
    for name in STAGING:
        connection.execute(f"create view {name} as {read_sql('staging', name)}")
    _begin_touched(connection, [])
    for mart in MARTS:
        connection.execute(f"create table {mart.name} as {read_sql(mart.folder, mart.name)}")
    for name in VIEWS:
        connection.execute(f"create view {name} as {read_sql('views', name)}")
    for name, given in FUNCTIONS.items():
        connection.execute(f"create macro {name}({given}) as table {read_sql('functions', name)}")
    _end_touched(connection)


def _columns(record: type[Record]) -> str:
    compressed = {"blob": " using compression zstd"}
    types = {name: _SQL_TYPES[dtype] for name, dtype in schema(record).items()}
    return ", ".join(f"{name} {kind}{compressed.get(kind, '')}" for name, kind in types.items())


def _load_runs(
    connection: duckdb.DuckDBPyConnection, journal: Journal, new: list[str], *, at_once: int | None = None
) -> int:
    """Read the files of the *new* runs and refresh what they touch, so many images *at_once*; return the rows read."""
    connection.execute("begin")
    rows = 0
    for record in RECORDS:
        copied = _copy_rows(connection, record, journal.files(record, new))
        _relieve(connection, copied)
        rows += copied
    connection.execute("insert into loaded_run select unnest($1::varchar[])", [new])
    _begin_touched(connection, new)
    for mart in MARTS:
        for written in _refreshed(connection, mart, at_once):
            _relieve(connection, written)
    _end_touched(connection)
    connection.execute("commit")
    return rows


def _relieve(connection: duckdb.DuckDBPyConnection, rows: int) -> None:
    """
    Commit if so many *rows* were just written that they would fill the memory.

    Nobody sees the file before it is published, so that no transaction needs to hold the load together.
    """
    if rows > _MANY_ROWS:
        connection.execute("commit")
        connection.execute("begin")


def _copy_rows(connection: duckdb.DuckDBPyConnection, record: type[Record], files: list[Path]) -> int:
    if not files:
        return 0
    names = [str(path) for path in files]
    source = "read_parquet($1, union_by_name = true)"
    described = connection.execute(f"describe select * from {source}", [names])  # noqa: S608
    present = {row[0] for row in described.fetchall()}
    columns = ", ".join(name for name in schema(record) if name in present)
    return _count(
        connection.execute(
            f"insert into journal.{record.table} ({columns}) select {columns} from {source}",  # noqa: S608
            [names],
        )
    )


def _count(done: duckdb.DuckDBPyConnection) -> int:
    """How many rows a statement wrote."""
    row = done.fetchone()
    return int(row[0]) if row else 0


def _begin_touched(connection: duckdb.DuckDBPyConnection, new: list[str]) -> None:
    connection.execute("create temp table new_run as select unnest($1::varchar[]) as run_id", [new])
    connection.execute(f"create temp table fresh as {read_sql('load', 'document_source')}")
    connection.execute("delete from document_source using fresh where document_source.digest = fresh.digest")
    connection.execute("insert into document_source by name select * from fresh")
    connection.execute("drop table temp.fresh")
    for name in TOUCHED:
        connection.execute(f"create temp table {name} as {read_sql('load', name)}")


def _end_touched(connection: duckdb.DuckDBPyConnection) -> None:
    for name in ("new_run", *TOUCHED):
        connection.execute(f"drop table temp.{name}")


def _refreshed(connection: duckdb.DuckDBPyConnection, mart: Derived, at_once: int | None) -> Iterator[int]:
    """
    Replace the rows of *mart* that its touched table names; yield how many were written, as often as that was done.

    What all layers and steps of many images take is more than a load with little memory has: *at_once* of them come
    together, at the price of another look at all layers for each such part.
    """
    if at_once is None or mart.touched != "touched_manifest":
        yield _refresh(connection, mart)
        return
    connection.execute(
        "create temp table every_touched as select *, row_number() over () - 1 as place from touched_manifest"
    )
    (count,) = connection.execute("select count(*) from every_touched").fetchone() or (0,)
    for start in range(0, count, at_once):
        connection.execute(
            "create or replace temp table touched_manifest as "
            "select * exclude (place) from every_touched where place between $first and $last",
            {"first": start, "last": start + at_once - 1},
        )
        yield _refresh(connection, mart)
    connection.execute("create or replace temp table touched_manifest as select * exclude (place) from every_touched")
    connection.execute("drop table temp.every_touched")


def _refresh(connection: duckdb.DuckDBPyConnection, mart: Derived) -> int:
    """Replace the rows of *mart* that its touched table names by what its SQL says now; return how many these are."""
    columns = mart.key if mart.touched == "touched_tag" else ("digest",)
    matches = " and ".join(
        f"{mart.name}.{key} = {mart.touched}.{column}" for key, column in zip(mart.key, columns, strict=True)
    )
    connection.execute(f"delete from {mart.name} using {mart.touched} where {matches}")  # noqa: S608
    return _count(connection.execute(f"insert into {mart.name} by name {read_sql(mart.folder, mart.name)}"))


class Store:
    """
    Read access to the newest published store; follows it as runs are loaded.

    A context manager. Safe to keep open for days: it never blocks a load.
    """

    def __init__(self, data: Path) -> None:
        self._paths = Paths(data)
        self._attached: Path | None = None
        self._lock = threading.Lock()
        self._is_fixed = False
        self._connection = _connect(":memory:")

    @classmethod
    def in_memory(cls, journal: Journal) -> Self:
        """A store of all runs of *journal* that lives in memory and follows nothing: for the sample and for tests."""
        store = cls(journal.root)
        _create(store._connection)
        _load_runs(store._connection, journal, journal.run_ids())
        store._is_fixed = True
        return store

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the published file."""
        self._connection.close()

    def query(self, name: str, parameters: Mapping[str, Any] | None = None) -> pl.DataFrame:
        """The rows of the packaged query *name* over the newest store."""
        return self.sql(read_sql("queries", name), parameters)

    def check(self, name: str) -> pl.DataFrame:
        """The rows of the packaged check *name*, which must not exist."""
        return self.sql(read_sql("checks", name))

    def sql(self, text: str, parameters: Mapping[str, Any] | None = None) -> pl.DataFrame:
        """
        The rows of one SELECT over the newest store.

        Raises StoreEmpty if nothing was ever loaded, UsageError if the text is not a valid read-only query, StoreError
        where it may be one, but of another version of imglab than the store is of.
        """
        with self._lock:
            self._follow()
            try:
                relation = self._connection.sql(text, params=dict(parameters or {}))
                if relation is None:
                    raise UsageError("only queries that return rows are possible here: the store is read-only")
                return pl.DataFrame(relation)
            except duckdb.Error as error:
                if isinstance(error, duckdb.ProgrammingError) and not self._is_of_this_version():
                    raise StoreError(
                        f"the store in {self._paths.store} was made by another version of imglab: `imglab load` makes "
                        "it anew from the journal"
                    ) from error
                raise UsageError(f"the query cannot be run: {_first_line(error)}") from error

    def _is_of_this_version(self) -> bool:
        try:
            rows = self._connection.sql("select definition from store_definition").fetchall()
        except duckdb.Error:
            return False
        return rows == [(_definition(),)]

    def close_to_files(self) -> None:
        """Refuse every access to other files from now on, for SQL that somebody typed."""
        with self._lock:
            self._follow()
            self._connection.execute("set enable_external_access = false")
            self._connection.execute("set lock_configuration = true")
            self._is_fixed = True

    def _follow(self) -> None:
        """Attach the newest published file unless it is attached already."""
        if self._is_fixed:
            return
        for attempt in range(20):
            published = self._paths.published()
            if published is None:
                raise StoreEmpty(
                    f"no store in {self._paths.data.absolute()}: run `imglab load`, or load something first"
                )
            if published == self._attached:
                return
            try:
                self._connection.execute("use memory")
                location = str(published).replace("'", "''")
                self._connection.execute(f"attach or replace '{location}' as imglab (read_only)")
                self._connection.execute("use imglab")
            except duckdb.IOException:  # removed between reading the link and opening: two loads went by
                time.sleep(0.01 * attempt)
                continue
            self._attached = published
            return
        raise StoreError(f"cannot open {self._paths.link}: delete it and run `imglab rebuild`")


def _connect(path: Path | str, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(str(path), read_only=read_only, config=_CONFIG)
    connection.execute("set timezone = 'UTC'")
    with contextlib.suppress(duckdb.InvalidInputException):  # in a notebook without ipywidgets there is no bar to set
        connection.execute("set enable_progress_bar = false")  # it would be drawn on standard output
    return connection


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
