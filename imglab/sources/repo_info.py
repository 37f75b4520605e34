"""
Documents of docker-library/repo-info and its predecessors with their history, one pass over all of them.

Reference: https://github.com/docker-library/repo-info and, until August 2016, https://github.com/docker-library/docs;
last looked at in September 2026. There are two kinds: a page for each tag, `repos/<image>/remote/<tag>.md` (see
`tag_page`), and one document with all tags of an image, `repos/<image>/tag-details.md` and in docs
`<image>/tag-details.md` (see `tag_details`). Oddities met in real histories:

- Of several commits in one second the last one counts.
- A document is removed when its tag or image is no longer kept there, which says nothing about the registry.
- Since there are pages (2016-09-09) `tag-details.md` is made from them in the same commit, and says the same: of 300
  sections in 57 versions all do. Where a commit wrote pages beside it, it is not read: it is several times as long as
  these. Any other version, also a file beside files, speaks for the tags that have no page in its tree.
- Until mid-August 2016 the media types of layers are missing. Content told without them waits for the end of the pass:
  a later version may tell it in full.
- A bot of docs went to and fro between two states of a document. Each of them was published, and is an observation.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from imglab.errors import InvalidReference, ParseError, UsageError
from imglab.gitlog import Change, Documents, Version, unread
from imglab.oci import canonical_repository
from imglab.records import Config, DocumentVersion, Manifest, Record, TagObservation
from imglab.sources.documents import Defect, Reading, check_times, defect_failure, failure, in_time, locator
from imglab.sources.tag_details import (
    LayeredTag,
    TagDetails,
    is_tag_details,
    layered_records,
    newest_date_in,
    parse_tag_details,
    tag_observation,
)
from imglab.sources.tag_page import Page, image_records, index_records, newest_date, page_observation, parse_page

_PAGE = re.compile(r"(?:(?:.*/)?repos/(.+)/|.*/|)remote/[^/]+\.md")
_DETAILS = re.compile(r"(?:(?:.*/)?repos/(.+)/|(?:.*/)?([^/]+)/|)tag-details\.md")
_OTHER = re.compile(r"(?:.*/)?README\.md|(?:.*/)?repos/.+/local/[^/]+\.md")


def collect(documents: Documents, reading: Reading) -> Iterator[Record]:
    """
    Records of every document in *documents*, oldest version first; parts that cannot be read are Failure records.

    A version in a history was observed at its commit's time; a plain file at the time given, else at the newest date in
    its text. A document removed from a history is no observation: it is no longer kept, its tags may live on.
    Each digest is told once, and not if it is known; versions read before are passed over. Every version that is read
    leaves a DocumentVersion, a plain file only if it says what it is about and when. Its form is `page`, `absent` (the
    page of a tag that does not exist), one of those of `tag_details`, or null.
    Raises UsageError if there are no such documents, if none can be read as one, or if a time is given for a history.
    """
    check_times(documents, reading)
    changes = _wanted_changes(documents)
    pages = _Pages(changes)
    todo = [change for change in unread(in_time(changes), reading.read) if not pages.made(change)]
    collector = _Collector(reading, pages)
    for done, version in enumerate(documents.read(todo)):
        reading.progress(done, len(todo))
        yield from collector.records(version)
    if todo and collector.is_foreign and len(todo) == len(changes):
        raise UsageError(f"{documents.location} holds no documents of repo-info: none could be read as one")
    yield from collector.deferred()
    reading.progress(len(todo), len(todo))


def _wanted_changes(documents: Documents) -> list[Change]:
    """Changes of what is named if it is one file, else of what lies at its place, else of whatever may be a page."""
    if documents.is_single:
        return documents.changes(lambda path: True)
    changes = documents.changes(lambda path: path.endswith(".md") and not _OTHER.fullmatch(path))
    in_place = [change for change in changes if _PAGE.fullmatch(change.path) or _DETAILS.fullmatch(change.path)]
    if not changes:
        where = "repos/<image>/remote/<tag>.md, <image>/tag-details.md"
        raise UsageError(f"{documents.location} holds no pages of repo-info ({where})")
    return in_place or changes


class _Pages:
    """Which pages lay beside each version of a document of many tags."""

    def __init__(self, changes: list[Change]) -> None:
        self._numbers = {commit: number for number, commit in enumerate(dict.fromkeys(one.commit for one in changes))}
        self._changes: dict[str, list[tuple[int, bool]]] = {}  # by path: number of the commit, whether it left a page
        self._written: set[tuple[str, str]] = set()  # folder of pages, commit
        for change in changes:
            is_there = change.blob is not None or change.commit is None
            self._changes.setdefault(change.path, []).append((self._numbers[change.commit], is_there))
            if change.commit and change.blob:
                self._written.add((change.path.rpartition("/")[0], change.commit))

    def made(self, change: Change) -> bool:
        """Whether *change* is that of a document of many tags which its commit made from pages."""
        is_made = change.commit is not None and (_pages_beside(change.path), change.commit) in self._written
        return is_made and change.blob is not None and _DETAILS.fullmatch(change.path) is not None

    def has(self, version: Version, tag: str) -> bool:
        """Whether *tag* had a page in the tree that *version*, a document of many tags, was part of."""
        path = f"{_pages_beside(version.path)}/{tag}.md"
        changes = self._changes.get(path, [])
        before = bisect(changes, (self._numbers[version.commit], True))
        return before > 0 and changes[before - 1][1]


def _pages_beside(path: str) -> str:
    """The folder of the pages from which the document at *path* would be made."""
    return f"{path.rpartition('/')[0]}/remote".removeprefix("/")


class _Collector:
    """Turns versions into records, remembering what was told already."""

    def __init__(self, reading: Reading, pages: _Pages) -> None:
        self._reading = reading
        self._pages = pages
        self._known = set(reading.known)
        self._observed: dict[tuple[str, str, datetime], str | None] = {}
        self._told: set[tuple[str, str]] = set()
        self._incomplete: dict[str, list[Record]] = {}
        self._untyped: dict[str | None, Page] = {}
        self.is_foreign = True  # no version was a document of repo-info

    def records(self, version: Version) -> Iterator[Record]:
        """The records of one version."""
        where = locator(version)
        if version.error:
            self.is_foreign = False
            yield failure(where, "missing-document", f"{where}: {version.error}")
            return
        document: Page | TagDetails | None = None
        if version.body is not None:
            try:
                document = self._parse(version, version.body)
                self.is_foreign = False
            except ParseError as error:
                is_page = error.place != "line 1"
                self.is_foreign &= not is_page
                yield failure(where, "unreadable" if is_page else "not-a-page", str(error))
        observed_at = version.committed_at or self._reading.observed_at or _newest_date(document)
        if document:
            yield from (defect_failure(where, defect) for defect in self._new_defects(document, version.path))
            yield from self._statements(document, version, observed_at)
        repository = self._reading.repository or (document.repository if document else _repository_at(version.path))
        if observed_at and (repository or version.commit):
            is_removed = version.body is None
            form = _form(document)
            yield DocumentVersion(version.path, version.commit, observed_at, repository, is_removed, form)

    def deferred(self) -> Iterator[Record]:
        """Content of which no version told the types of layers, and indexes of which none showed all platforms."""
        for page in self._untyped.values():
            yield from self._learnt(image_records(page, self._known))
        for records in self._incomplete.values():
            yield from records

    def _parse(self, version: Version, body: bytes) -> Page | TagDetails:
        where = locator(version)
        if _DETAILS.fullmatch(version.path) or is_tag_details(body):
            return parse_tag_details(body, source=where, has_page=lambda tag: self._pages.has(version, tag))
        return parse_page(body, source=where)

    def _new_defects(self, document: Page | TagDetails, path: str) -> Iterator[Defect]:
        """Defects of *document*; those of a section that stays as it is from version to version are told once."""
        for defect in document.defects:
            told = path, defect.message
            if isinstance(document, Page) or told not in self._told:
                self._told.add(told)
                yield defect

    def _statements(
        self, document: Page | TagDetails, version: Version, observed_at: datetime | None
    ) -> Iterator[Record]:
        if observed_at is None:
            where = locator(version)
            message = f"{where}: the document has no date and no history: say when it was observed"
            yield failure(where, "no-date", message)
        elif isinstance(document, Page):
            yield from self._statement(document, version, observed_at)
        else:
            for section in document.sections:
                yield from self._statement(section.said, version, observed_at, section.position)

    def _statement(
        self, said: Page | LayeredTag, version: Version, observed_at: datetime, position: int | None = None
    ) -> Iterator[Record]:
        if isinstance(said, Page):
            seen, content = page_observation(said, observed_at), self._page_content(said)
        else:
            seen, content = tag_observation(said, observed_at), self._learnt(layered_records(said, self._known))
        seen = replace(
            seen,
            repository=self._reading.repository or seen.repository,
            document=version.path,
            document_revision=version.commit,
            document_position=position,
        )
        yield from self._observation(seen, locator(version))
        yield from content

    def _observation(self, seen: TagObservation, where: str) -> Iterator[Record]:
        """*seen*, unless something was said of the tag and time before; a failure if that was something else."""
        key = seen.repository, seen.tag, seen.observed_at
        if key not in self._observed:
            self._observed[key] = seen.digest
            yield seen
        elif self._observed[key] != seen.digest:
            message = f"it was told already that {seen.repository}:{seen.tag} was elsewhere at {seen.observed_at}"
            yield failure(where, "contradiction", f"{where}: {message}")

    def _page_content(self, page: Page) -> Iterator[Record]:
        if page.digest is not None and page.digest not in self._known:
            index = index_records(page)
            if page.defects:
                self._incomplete.setdefault(page.digest, index)
            elif index:
                self._incomplete.pop(page.digest, None)
                self._known.add(page.digest)
                yield from index
        if page.lacks_types:
            self._untyped.setdefault(page.digest, page)
        else:
            yield from self._learnt(image_records(page, self._known))

    def _learnt(self, records: Iterator[Record]) -> Iterator[Record]:
        """*records*, whose digests are known from then on."""
        for record in records:
            if isinstance(record, Manifest | Config):
                self._known.add(record.digest)
            yield record


def _form(document: Page | TagDetails | None) -> str | None:
    if isinstance(document, Page):
        return "absent" if document.is_absent else "page"
    return document.form if document else None


def _newest_date(document: Page | TagDetails | None) -> datetime | None:
    if isinstance(document, Page):
        return newest_date(document)
    return newest_date_in(document) if document else None


def _repository_at(path: str) -> str | None:
    """The repository that the document at *path* is about; None if its place does not tell."""
    match = _PAGE.fullmatch(path) or _DETAILS.fullmatch(path)
    image = match and next(filter(None, match.groups()), None)
    try:
        return canonical_repository(image) if image else None
    except InvalidReference:
        return None
