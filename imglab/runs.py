"""One run of one source into the journal, and from there into the store."""

from __future__ import annotations

import dataclasses
import logging
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import polars as pl

from imglab import __version__
from imglab.ahead import Origin
from imglab.errors import SourceError, StoreError
from imglab.journal import Journal, RunWriter
from imglab.records import (
    Config,
    DocumentVersion,
    Failure,
    Listing,
    Manifest,
    Record,
    Rows,
    Run,
    Sbom,
    TagObservation,
)
from imglab.store import Load, Paths, load

_logger = logging.getLogger("imglab")
_LOAD_MEMORY = "100MB"  # beside what a process holds that has just read a registry: 400 MB for 100,000 manifests


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

    requests: int | None = 0  # null: not known any more
    received_bytes: int | None = 0


def utc_now() -> datetime:
    """The present, UTC."""
    return datetime.now(UTC)


def take(
    data: Path,
    *,
    source: str,
    target: str,
    records: Iterable[Record | Rows],
    traffic: Callable[[], Traffic] | None = None,
    started_at: datetime | None = None,
    now: Callable[[], datetime] = utc_now,
) -> Outcome:
    """
    Everything that *records* yields, committed as one run that began at *started_at* (by default now) and loaded.

    Items that could not be read are `Failure` records among them; a SourceError that ends the source early becomes one
    too, after what came before is kept. A source with *traffic* can be resumed: if the process dies, `recover` commits
    what it brought. Raises JournalError if the run cannot be written: then nothing of it remains.
    """
    recover(data)
    journal = Journal(Paths(data).journal)
    started_at = started_at or now()
    tally = _Tally(journal)
    origin = Origin(source, target, started_at) if traffic else None
    with journal.begin(now=started_at, origin=origin) as writer:
        _write(records, writer, tally, target)
        run = tally.run(Origin(source, target, started_at), now(), traffic() if traffic else Traffic())
        run_id = writer.commit(run)
    loaded, problem = load_or_reason(data, memory=_LOAD_MEMORY if traffic else None)
    return Outcome(run, run_id, tuple(tally.failures), loaded, problem)


def recover(data: Path) -> None:
    """
    Commit what runs brought whose processes died, as partial ones; the next load takes them in.

    So nothing that was fetched and verified is fetched again. Raises JournalError if they cannot be written: then they
    stay as they are.
    """
    journal = Journal(Paths(data).journal)
    for left in journal.abandoned():
        tally = _Tally(journal)
        stopped = Failure(
            left.origin.target, "interrupted", None, "the run was stopped; the next goes on from there", True
        )
        with journal.resume(left) as writer:
            for record in chain(map(_cut_short, left.records()), [stopped]):
                writer.add(record)
                tally.add(record)
            writer.commit(tally.run(left.origin, left.ended_at, Traffic(None, None)))
        _logger.info(
            "going on from the run that was stopped at %s: %s tags and %s documents are kept (%s)",
            f"{left.ended_at:%Y-%m-%d %H:%M:%S} UTC",
            f"{tally.counts['tags']:,}",
            f"{tally.counts['manifests']:,}",
            left.run_id,
        )


def _cut_short(record: Record) -> Record:
    """*record* as one of a run that was stopped: tags that its listings had need not have been looked up any more."""
    return dataclasses.replace(record, is_complete=False) if isinstance(record, Listing) else record


def load_or_reason(data: Path, *, memory: str | None = None) -> tuple[Load | None, str | None]:
    """The load of everything new, or the reason why it has to wait."""
    try:
        return load(data, memory=memory), None
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
            case Sbom():
                self.counts["sboms"] += 1

    def run(self, origin: Origin, finished_at: datetime, traffic: Traffic) -> Run:
        """The `run` row of what was counted."""
        outcome = "complete"
        if self.failures:
            outcome = "partial" if self.counts.total() else "failed"
        return Run(
            source=origin.source,
            target=origin.target,
            started_at=origin.started_at,
            finished_at=finished_at,
            outcome=outcome,
            tags=self.counts["tags"] or self.counts["versions"],
            tags_changed=self.counts["tags_changed"],
            manifests=self.counts["manifests"],
            requests=traffic.requests,
            received_bytes=traffic.received_bytes,
            failures=len(self.failures),
            imglab_version=__version__,
        )

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
