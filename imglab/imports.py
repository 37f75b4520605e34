"""Documents that others keep, with their history, and images in archives, read as one run."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import chain
from pathlib import Path

import polars as pl

from imglab.archive import Files, open_files
from imglab.gitlog import Documents, open_documents
from imglab.journal import Journal
from imglab.oci import canonical_repository
from imglab.progress import Report
from imglab.records import Blob, Manifest, Record, Rows
from imglab.runs import Outcome, take, utc_now
from imglab.sources import docs_readme, layout, official_images, repo_info, tags_history
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
    began = now()
    journal = Journal(Paths(data).journal)
    with open_documents(path) as documents:
        reading = Reading(
            now=began,
            repository=canonical_repository(repository) if repository else None,
            observed_at=observed_at,
            known=journal.known_digests(besides="docker-hub"),  # which names no layers: whoever does is read
            read=journal.read_versions() if documents.is_history else frozenset(),
            progress=lambda done, total: progress("versions", done, total),
        )
        records = DOCUMENT_SOURCES[source](documents, reading)
        with _without_collection():
            return take(data, source=source, target=str(path), records=_checked(records), started_at=began, now=now)


DOCUMENT_SOURCES: dict[str, Callable[[Documents, Reading], Iterator[Record | Rows]]] = {
    "repo-info": repo_info.collect,
    "official-images": official_images.collect,
    "docs-readme": docs_readme.collect,
    "tags-history": tags_history.collect,
}


def import_images(
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
    The images in the folder or archive *path* as one run; documents that the journal holds are not told again.

    *source* is oci-layout or docker-archive. *repository* is what they are images of, if not what their names say;
    their tags pointed at them at *observed_at*, by default now. Raises UsageError, SourceError or ParseError if
    nothing can be read or named: then there is no run.
    """
    began = now()
    journal = Journal(Paths(data).journal)
    with open_files(path, progress) as files:
        wanted = layout.Import(
            observed_at=observed_at or began,
            repository=canonical_repository(repository) if repository else None,
            held=set(journal.collect(lambda: journal.scan(Blob, {"digest"}).unique())["digest"]),
            saved=_told_by_config(journal),
        )
        records = IMAGE_SOURCES[source](files, wanted)
        return take(data, source=source, target=files.location, records=_checked(records), started_at=began, now=now)


IMAGE_SOURCES: dict[str, Callable[[Files, layout.Import], Iterator[Record | Rows]]] = {
    "oci-layout": layout.collect_layout,
    "docker-archive": layout.collect_archive,
}


def _told_by_config(journal: Journal) -> dict[str, bool]:
    """The keys of images without a manifest that some run told, and whether with their sizes."""
    is_key, size = pl.col("digest").str.starts_with(layout.CONFIG_KEY), pl.col("compressed_bytes")
    told = journal.collect(
        lambda: (
            journal.scan(Manifest, {"digest", "compressed_bytes"})
            .filter(is_key)
            .group_by("digest")
            .agg(size.is_not_null().any())
        )
    )
    return dict(told.select("digest", "compressed_bytes").iter_rows())


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
