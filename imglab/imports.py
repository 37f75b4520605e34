"""Documents that others keep, read with their history as one run."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import chain
from pathlib import Path

from imglab.gitlog import Documents, open_documents
from imglab.journal import Journal
from imglab.oci import canonical_repository
from imglab.progress import Report
from imglab.records import Record, Rows
from imglab.runs import Outcome, take, utc_now
from imglab.sources import docs_readme, official_images, repo_info, tags_history
from imglab.sources.documents import Reading
from imglab.store import Paths


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
