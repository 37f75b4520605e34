"""
Documents of docker-library/repo-info with their history, one pass over all of them.

Reference: https://github.com/docker-library/repo-info, last looked at in September 2026. What the pages say is read by
`tag_page`. Oddities met in real histories:

- Of several commits in one second the last one counts.
- Pages are removed when a tag is no longer supported, which says nothing about the registry.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from imglab.errors import InvalidReference, ParseError, UsageError
from imglab.gitlog import Change, Documents, Version, unread
from imglab.oci import canonical_repository
from imglab.records import Config, DocumentVersion, Manifest, Record
from imglab.sources.documents import Reading, check_times, defect_failure, failure, in_time, locator
from imglab.sources.tag_page import Page, image_records, index_records, newest_date, page_observation, parse_page

_REMOTE_PAGE = re.compile(r"(?:.*/)?repos/(.+)/remote/([^/]+)\.md")
_OTHER_PAGE = re.compile(r"(?:.*/)?(?:README|tag-details)\.md|(?:.*/)?repos/.+/local/[^/]+\.md")


def collect(documents: Documents, reading: Reading) -> Iterator[Record]:
    """
    Records of every page in *documents*, oldest version first; parts that cannot be read are Failure records.

    A version in a history was observed at its commit's time; a plain file at the time given, else at the newest date in
    its text. A page removed from a history is no observation: it is no longer kept, its tag may live on.
    Each digest is told once, and not if it is known; versions read before are passed over. Every version that is read
    leaves a DocumentVersion, a plain file only if it says what it is about and when: its form is `page`, `absent` (the
    page of a tag that does not exist), or null.
    Raises UsageError if there are no pages, or if a time is given for a history.
    """
    check_times(documents, reading)
    todo = unread(in_time(_page_changes(documents)), reading.read)
    collector = _Collector(reading)
    for done, version in enumerate(documents.read(todo)):
        reading.progress(done, len(todo))
        yield from collector.records(version)
    yield from collector.deferred()
    reading.progress(len(todo), len(todo))


def _page_changes(documents: Documents) -> list[Change]:
    """Changes of all pages: what is named if it is one file, else remote pages, else whatever may be a page."""
    if documents.is_single:
        return documents.changes(lambda path: True)
    changes = documents.changes(lambda path: path.endswith(".md") and not _OTHER_PAGE.fullmatch(path))
    if documents.is_history and any(path.startswith("repos/") or "/repos/" in path for path in _paths(changes)):
        changes = [change for change in changes if _REMOTE_PAGE.fullmatch(change.path)]
    if not changes:
        raise UsageError(f"{documents.location} holds no pages of repo-info (repos/<image>/remote/<tag>.md)")
    return changes


def _paths(changes: list[Change]) -> set[str]:
    return {change.path for change in changes}


class _Collector:
    """Turns versions into records, remembering what was told already."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._known = set(reading.known)
        self._observed: dict[tuple[str, str, datetime], str | None] = {}
        self._incomplete: dict[str, list[Record]] = {}

    def records(self, version: Version) -> Iterator[Record]:
        """The records of one version."""
        where = locator(version)
        if version.error:
            yield failure(where, "missing-document", f"{where}: {version.error}")
            return
        page: Page | None = None
        if version.body is not None:
            try:
                page = parse_page(version.body, source=where)
            except ParseError as error:
                yield failure(where, "not-a-page" if error.place == "line 1" else "unreadable", str(error))
        observed_at = version.committed_at or self._reading.observed_at or (newest_date(page) if page else None)
        if page:
            yield from (defect_failure(where, defect) for defect in page.defects)
            yield from self._page_records(page, version, observed_at)
        repository = self._reading.repository or (page.repository if page else _repository_kept_at(version.path))
        if observed_at and (repository or version.commit):
            form = None if page is None else "absent" if page.is_absent else "page"
            yield DocumentVersion(version.path, version.commit, observed_at, repository, version.body is None, form)

    def deferred(self) -> Iterator[Record]:
        """Indexes of which no version of any page showed all platforms."""
        for records in self._incomplete.values():
            yield from records

    def _page_records(self, page: Page, version: Version, observed_at: datetime | None) -> Iterator[Record]:
        where = locator(version)
        if observed_at is None:
            yield failure(where, "no-date", f"{where}: the page has no date and no history: say when it was observed")
            return
        observation = page_observation(page, observed_at, version.path, version.commit, self._reading.repository)
        key = observation.repository, observation.tag, observed_at
        if key not in self._observed:
            self._observed[key] = page.digest
            yield observation
        elif self._observed[key] != page.digest:
            message = f"{where}: another document says that {page.name}:{page.tag} was elsewhere at {observed_at}"
            yield failure(where, "contradiction", message)
        yield from self._content(page)

    def _content(self, page: Page) -> Iterator[Record]:
        if page.digest is not None and page.digest not in self._known:
            index = index_records(page)
            if page.defects:
                self._incomplete.setdefault(page.digest, index)
            elif index:
                self._incomplete.pop(page.digest, None)
                self._known.add(page.digest)
                yield from index
        for record in image_records(page, self._known):
            if isinstance(record, Manifest | Config):
                self._known.add(record.digest)
            yield record


def _repository_kept_at(path: str) -> str | None:
    """The repository that a page is about by its path; None if that does not tell."""
    match = _REMOTE_PAGE.fullmatch(path)
    try:
        return canonical_repository(match[1]) if match else None
    except InvalidReference:
        return None
