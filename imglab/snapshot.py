"""One run of one source into the journal, and from there into the store."""

from __future__ import annotations

import dataclasses
import gc
from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import polars as pl

from imglab import __version__
from imglab.errors import SourceError, StoreError
from imglab.gitlog import Documents, open_documents
from imglab.http import Client
from imglab.journal import Journal, RunWriter
from imglab.oci import Platform, canonical_repository
from imglab.progress import Report
from imglab.records import (
    Blob,
    Config,
    DocumentVersion,
    Failure,
    IndexEntry,
    Manifest,
    Record,
    Rows,
    Run,
    TagObservation,
)
from imglab.sources import chainguard, dockerhub, docs_readme, official_images, quay, registry, repo_info, tags_history
from imglab.sources.documents import Reading
from imglab.sources.history_api import ENTRY_FAULT, Move, Pass, Window
from imglab.store import Load, Paths, load


@dataclasses.dataclass(frozen=True)
class Outcome:
    """
    What a run left: its `run` row, its failures, and what became of loading it.

    `load_problem` says why the store does not have the run yet; it is safe in the journal all the same.
    """

    run: Run
    run_id: str
    failures: tuple[Failure, ...]
    load: Load | None
    load_problem: str | None


@dataclasses.dataclass
class Traffic:
    """HTTP requests sent and bytes received, as far as the source makes any."""

    requests: int = 0
    received_bytes: int = 0


def utc_now() -> datetime:
    """The present, UTC."""
    return datetime.now(UTC)


def take(
    data: Path,
    *,
    source: str,
    target: str,
    records: Iterable[Record | Rows],
    traffic: Callable[[], Traffic] = Traffic,
    now: Callable[[], datetime] = utc_now,
) -> Outcome:
    """
    Everything that *records* yields, committed as one run and loaded.

    Items that could not be read are `Failure` records among them; a SourceError that ends the source early becomes one
    too, after what came before is kept. Raises JournalError if the run cannot be written: then nothing of it remains.
    """
    journal = Journal(Paths(data).journal)
    journal.remove_abandoned()
    started_at = now()
    tally = _Tally(journal)
    with journal.begin(now=started_at) as writer:
        _write(records, writer, tally, target)
        run = Run(
            source=source,
            target=target,
            started_at=started_at,
            finished_at=now(),
            outcome=tally.outcome(),
            tags=tally.counts["tags"] or tally.counts["versions"],
            tags_changed=tally.counts["tags_changed"],
            manifests=tally.counts["manifests"],
            requests=traffic().requests,
            received_bytes=traffic().received_bytes,
            failures=len(tally.failures),
            imglab_version=__version__,
        )
        run_id = writer.commit(run)
    loaded, problem = load_or_reason(data)
    return Outcome(run, run_id, tuple(tally.failures), loaded, problem)


def snapshot(
    data: Path,
    targets: Sequence[registry.Target],
    client: Client,
    *,
    platforms: Collection[Platform] = (),
    progress: Report = lambda what, done, total: None,
    now: Callable[[], datetime] = utc_now,
) -> Outcome:
    """What registries say of *targets* now, as one run. Documents that the journal holds are not fetched again."""
    known = Known(Journal(Paths(data).journal), platforms)
    records = registry.collect(targets, client, known, now=now, platforms=platforms, progress=progress)
    with client, closing(records):  # in this order, or an unfinished batch would outlive the client's loop
        return take(
            data,
            source="registry",
            target=" ".join(str(target) for target in targets),
            records=records,
            traffic=lambda: Traffic(client.requests, client.received_bytes),
            now=now,
        )


def backfill(
    data: Path,
    api: str,
    targets: Sequence[registry.Target],
    client: Client,
    *,
    window: Window | None = None,
    progress: Report = lambda what, done, total: None,
    now: Callable[[], datetime] = utc_now,
) -> Outcome:
    """
    What the history *api* of registries says of *targets*, as one run: chainguard, quay or docker-hub.

    Where the API can be asked for what is new alone, it is; what comes again merges into the same intervals.
    """
    journal = Journal(Paths(data).journal)
    state = Pass(client, now, window or Window(), progress)
    if api == "chainguard":
        state.newest = _newest_moves(journal, api)
    elif api == "docker-hub":
        state.described = journal.known_digests()
    records = _HISTORIES[api](targets, state)
    with client, closing(records):
        return take(
            data,
            source=api,
            target=" ".join(map(str, targets)) + str(state.window),
            records=records,
            traffic=lambda: Traffic(client.requests, client.received_bytes),
            now=now,
        )


_HISTORIES: dict[str, Callable[[Iterable[registry.Target], Pass], Generator[Record, None, None]]] = {
    "chainguard": chainguard.collect,
    "quay": quay.collect,
    "docker-hub": dockerhub.collect,
}


def _newest_moves(journal: Journal, source: str) -> dict[tuple[str, str], Move]:
    """
    The last move of each tag that *source* told together with all moves before it.

    What was asked for with limits does not count, nor a history that broke off: before its moves some may be missing.
    """
    runs = {"run_id", "source", "target"}
    failures = {"run_id", "locator", "kind"}
    moves = {"run_id", "repository", "tag", "changed_at", "digest"}
    newest = pl.col("digest").sort_by("changed_at").last(), pl.col("changed_at").max()

    def told() -> pl.LazyFrame:
        is_whole = pl.col("source").eq(source) & ~pl.col("target").str.contains(" --", literal=True)
        broken = journal.scan(Failure, failures).filter(pl.col("kind") != ENTRY_FAULT)
        return (
            journal.scan(TagObservation, moves)
            .drop_nulls("digest")
            .join(journal.scan(Run, runs).filter(is_whole), on="run_id", how="semi")
            .with_columns(locator=pl.format("{}:{}", "repository", "tag"))
            .join(broken, on=["run_id", "locator"], how="anti")
            .group_by("repository", "tag")
            .agg(newest)
        )

    rows = journal.collect(told).select("repository", "tag", "changed_at", "digest").iter_rows()
    return {(repository, tag): Move(changed_at, digest) for repository, tag, changed_at, digest in rows}


def import_documents(
    data: Path,
    source: str,
    path: Path,
    *,
    repository: str | None = None,
    observed_at: datetime | None = None,
    progress: Report = lambda what, done, total: None,
    now: Callable[[], datetime] = utc_now,
) -> Outcome:
    """
    The documents of *source* at *path* with their history, as one run; what was read before is passed over.

    *repository* is what they are about, if not what they say; files without a history stood so at *observed_at*, by
    default what the source takes it to be. Raises UsageError if there are no such documents, SourceError if their
    history cannot be read: then there is no run.
    """
    journal = Journal(Paths(data).journal)
    with open_documents(path) as documents:
        reading = Reading(
            now=now(),
            repository=canonical_repository(repository) if repository else None,
            observed_at=observed_at,
            known=journal.known_digests(besides="docker-hub"),  # which names no layers: whoever does is read
            read=journal.read_versions() if documents.is_history else frozenset(),
            progress=lambda done, total: progress("versions", done, total),
        )
        records = DOCUMENT_SOURCES[source](documents, reading)
        with _without_collection():
            return take(data, source=source, target=str(path), records=_checked(records), now=now)


DOCUMENT_SOURCES: dict[str, Callable[[Documents, Reading], Iterator[Record | Rows]]] = {
    "repo-info": repo_info.collect,
    "official-images": official_images.collect,
    "docs-readme": docs_readme.collect,
    "tags-history": tags_history.collect,
}


@contextmanager
def _without_collection() -> Iterator[None]:
    """No search for cycles, of which rows and parsed text have none: it takes a third of the time of parsing."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _checked(records: Iterator[Record | Rows]) -> Iterator[Record | Rows]:
    """*records*, of which the first is fetched at once, so that a source that cannot begin makes no run."""
    first = next(records, None)
    return chain((first,), records) if first else records


def load_or_reason(data: Path) -> tuple[Load | None, str | None]:
    """The load of everything new, or the reason why it has to wait."""
    try:
        return load(data), None
    except StoreError as error:
        return None, f"{error}; what was read is safe in the journal"


def _write(records: Iterable[Record | Rows], writer: RunWriter, tally: _Tally, target: str) -> None:
    """Hand over *records* one by one; a source that breaks off leaves a Failure behind."""
    stream = iter(records)
    while True:
        try:
            record = next(stream, None)
        except SourceError as error:
            record = Failure(target, error.kind, error.status, str(error), error.is_temporary)
            stream = iter(())
        if record is None:
            return
        writer.add(record)
        tally.add(record)


class _Tally:
    """Counts what a run brings, against what the journal held before it."""

    def __init__(self, journal: Journal) -> None:
        self.counts: Counter[str] = Counter()
        self.failures: list[Failure] = []
        self._journal = journal
        self._last: dict[tuple[str, str], str] | None = None

    def add(self, record: Record | Rows) -> None:
        match record:
            case Failure():
                self.failures.append(record)
            case TagObservation(digest=str(digest)):
                self.counts["tags"] += 1
                self.counts["tags_changed"] += self._is_change((record.repository, record.tag), digest)
            case DocumentVersion():
                self.counts["versions"] += 1
            case Manifest() | Config():
                self.counts["manifests"] += 1

    def outcome(self) -> str:
        if not self.failures:
            return "complete"
        return "partial" if self.counts.total() else "failed"

    def _is_change(self, tag: tuple[str, str], digest: str) -> bool:
        if self._last is None:
            self._last = _last_digests(self._journal)
        before = self._last.get(tag)
        self._last[tag] = digest
        return before is not None and before != digest


def _last_digests(journal: Journal) -> dict[tuple[str, str], str]:
    """The digest at which the journal last saw each tag."""
    columns = {"repository", "tag", "observed_at", "digest"}
    newest = pl.col("digest").sort_by("observed_at").last()
    last = journal.collect(
        lambda: journal.scan(TagObservation, columns).drop_nulls("digest").group_by("repository", "tag").agg(newest)
    )
    return {(repository, tag): digest for repository, tag, digest in last.iter_rows()}


class Known:
    """What the journal holds verified: digests of documents, and what each names below it that is wanted."""

    def __init__(self, journal: Journal, platforms: Collection[Platform] = ()) -> None:
        self._bodies = journal.collect(lambda: journal.scan(Blob, {"digest"}).unique())
        is_image = (pl.col("kind") == "image", pl.col("config_digest").is_not_null())
        child = pl.col("config_digest").alias("child")
        columns = {"digest", "kind", "config_digest"}
        below = journal.collect(lambda: journal.scan(Manifest, columns).filter(*is_image).select("digest", child))
        self._below = pl.concat([_wanted_entries(journal, frozenset(map(str, platforms))), below])

    def children(self, digests: Collection[str]) -> dict[str, list[str]]:
        """For each of *digests* whose document is held, the digests that it names: manifests, or a config."""
        wanted = pl.DataFrame({"digest": list(digests)}, schema={"digest": pl.String})
        held = self._bodies.join(wanted, on="digest", how="semi")
        found: dict[str, list[str]] = {digest: [] for digest in held["digest"]}
        below = self._below.join(held, on="digest", how="semi").unique(maintain_order=True)
        for digest, child in below.iter_rows():
            found[digest].append(child)
        return found


def _wanted_entries(journal: Journal, platforms: frozenset[str]) -> pl.DataFrame:
    """Index and manifest digests; with *platforms* those that run on one, what attests these, and the unspecific."""
    columns = ["index_digest", "manifest_digest", "os", "architecture", "variant", "attests_digest"]
    entries = journal.collect(lambda: journal.scan(IndexEntry, columns).select(columns))
    if platforms:
        raw = entries.select("os", "architecture", "variant").unique()
        is_chosen = [
            os is None or architecture is None or str(Platform.normalised(os, architecture, variant)) in platforms
            for os, architecture, variant in raw.iter_rows()
        ]
        chosen = entries.join(
            raw.filter(pl.Series(is_chosen, dtype=pl.Boolean)), on=raw.columns, how="semi", nulls_equal=True
        )
        attesting = entries.join(chosen, left_on="attests_digest", right_on="manifest_digest", how="semi")
        entries = pl.concat([chosen, attesting])
    return entries.select(pl.col("index_digest").alias("digest"), pl.col("manifest_digest").alias("child"))
