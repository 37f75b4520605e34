"""
Chainguard's pages of tags, `…/reference/<image>/tags_history.md`: where the tags of an image point since which day.

Reference: https://github.com/chainguard-dev/edu (`content/chainguard/chainguard-images/reference/`). Last seen to hold
in July 2024, when the pages were removed there, for every form since July 2023. Five forms, each as the one before it
but for what is named:

- `single`: a table of tag, Last Updated and digest, with one tag in each row; a `menu` in the front matter.
- `grouped`: Last Changed instead, and all tags of a digest in one row.
- `tabbed`: tabs above the table, no menu.
- `dated`: `lastmod` tells when the page was written, in UTC without saying so. Before it was the same for all pages.
- `split`: a table for the public registry, and one for the private registry.

Oddities met in real data:

- Days have no year. It is the one that puts the day nearest to when the page was written, and not after it: `lastmod`
  where that tells, else the commit. So every row of a real page is 0 to 32 days old, and none is of its future; one
  that is older would count all the same.
- Pages list what changed in about the last month. A tag that is gone from one is not thereby gone from the registry,
  and a page that was removed says nothing: neither is told here.
- Where a registry has nothing there is a sentence in place of the table, or a table without rows. Pages lose their
  rows so for some days and have them back, as python its private ones in June 2024.
- The same tag has different digests in the two registries. Pages name neither: what is public is taken for
  `cgr.dev/chainguard/<image>`, and so is a single table; what is private, where production images live, for
  `cgr.dev/chainguard-private/<image>`.
- A few pages kept their single table for weeks after the others were split.
- The day of a digest may change later on, and a tag may go back to an earlier day with another digest.

What never occurred in 242,188 real rows is malformed, and only that row is left out: among it a wrong ordinal
(`June 1th`), which may be a damaged day.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from imglab.errors import InvalidReference, ParseError, UsageError
from imglab.gitlog import Change, Documents, Version, unread
from imglab.oci import Reference, canonical_repository, is_tag
from imglab.records import DocumentVersion, Failure, Record, TagObservation
from imglab.sources.documents import Defect, Reading, check_times, defect_failure, failure, in_time, locator

# --- what a page shows -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """Tags that point at one digest since a day, of which the page does not tell the year."""

    tags: tuple[str, ...]
    month: int
    day: int
    digest: str


@dataclass(frozen=True, slots=True)
class Page:
    """Everything a page shows, in its order; no tag stands twice in a table."""

    form: str  # single, grouped, tabbed, dated, split
    name: str | None  # the image that the title names
    written_at: datetime | None  # None in the forms that do not tell it
    public: tuple[Row, ...]
    private: tuple[Row, ...] = ()
    defects: tuple[Defect, ...] = ()


# --- parsing ---------------------------------------------------------------------------------------------------------

_TITLE = re.compile(r"title:\s*\"?([^\s\"]+) Image Tags History\"?\s*")
_WRITTEN_AT = re.compile(r"lastmod:\s*\"?(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\"?\s*")
_TABS = "{{< tabs >}}"
_HEADING = re.compile(r"(#{1,6})\s+(.*)")
_SECTIONS = {"Public Registry": "public", "Private/Dedicated Registry": "private"}
_NOTHING = re.compile(r"\bno (?:Developer|Production) versions\b")
_HEAD = re.compile(r"\|\s*(?:(Tag\s*\|\s*Last Updated)|Tag \(s\)\s*\|\s*Last Changed)\s*\|\s*Digest\s*\|")
_RULE = re.compile(r"\|(?:\s*:?-+:?\s*\|){3}")
_ROW = re.compile(r"\|([^|]*)\|([^|]*)\|([^|]*)\|")
_TAGS = re.compile(r"`[^`]*`(?:\s+`[^`]*`)*")
_DIGEST = re.compile(r"`(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})`")
_NOT_UTF8 = re.compile("[\udc80-\udcff]")
_MONTHS = "January February March April May June July August September October November December".split()
_SHOWN = 60  # characters of a foreign text in messages
_REMEMBERED = 1 << 16  # different rows; most stay the same from one version to the next


def day_text(day: date) -> str:
    """*day* as pages state it: June 9th."""
    ordinal = "th" if 10 < day.day < 14 else {1: "st", 2: "nd", 3: "rd"}.get(day.day % 10, "th")
    return f"{_MONTHS[day.month - 1]} {day.day}{ordinal}"


_LEAP_YEAR = [date(2000, 1, 1) + timedelta(number) for number in range(366)]
_DAYS = {day_text(day): (day.month, day.day) for day in _LEAP_YEAR}


def parse_page(body: bytes, *, source: str) -> Page:
    """
    What the page *body* says, in any of its forms; lines that are not what they should be are its defects.

    A row that cannot be trusted is left out; where rows contradict each other the first counts.
    Raises ParseError, which names *source* and the line, if *body* holds neither a table of tags nor, below the title
    of such a page, the sentence that there are none.
    """
    lines = body.decode("utf-8", "surrogateescape").replace("\r\n", "\n").removesuffix("\n").split("\n")
    defects = [Defect(number, "it is not UTF-8") for number, line in enumerate(lines, 1) if _NOT_UTF8.search(line)]
    front = _front_matter(lines)
    name = next((match[1] for line in front if (match := _TITLE.fullmatch(line))), None)
    written_at = _written_at(front, defects)
    reader = _Reader(defects)
    for number, line in enumerate(lines[len(front) :], len(front) + 1):
        reader.take(number, line.strip())
    if not reader.has_table and not (name and reader.is_told):
        place = f"line {len(lines) if name else 1}"
        raise ParseError(source, place, "there is no table of tags: it is no page of a tags history")
    reader.end(len(lines))
    form = reader.form or ("dated" if written_at else "tabbed" if _TABS in lines else "grouped")
    return Page(form, name, written_at, reader.rows("public"), reader.rows("private"), _one_each_line(defects))


def _front_matter(lines: list[str]) -> list[str]:
    """The lines from the first `---` to the second, if the document begins with one."""
    if lines[0].rstrip() != "---":
        return []
    return lines[: next((at for at, line in enumerate(lines[1:], 1) if line.rstrip() == "---"), -1) + 1]


def _written_at(front: list[str], defects: list[Defect]) -> datetime | None:
    for number, line in enumerate(front, 1):
        if match := _WRITTEN_AT.fullmatch(line):
            try:
                return datetime.fromisoformat(match[1]).replace(tzinfo=UTC)
            except ValueError:
                defects.append(Defect(number, f"lastmod should be a time that exists, not {match[1]}"))
    return None


def _one_each_line(defects: list[Defect]) -> tuple[Defect, ...]:
    """*defects* by line; what is wrong with one line is one defect."""
    messages: dict[int, list[str]] = {}
    for defect in sorted(defects, key=lambda defect: defect.line):
        messages.setdefault(defect.line, []).append(defect.message)
    return tuple(Defect(line, "; ".join(dict.fromkeys(told))) for line, told in messages.items())


@dataclass(slots=True)
class _Section:
    """What stands about one registry."""

    line: int  # of its heading
    has_head: bool = False
    is_empty: bool = False  # there is the sentence that it has nothing
    rows: list[Row] = field(default_factory=list)
    stated: dict[str, tuple[int, Row]] = field(default_factory=dict)  # by tag: line and row that named it first


class _Reader:
    """Reads a page line by line, below its front matter."""

    def __init__(self, defects: list[Defect]) -> None:
        self.form: str | None = None  # as far as tables tell it
        self._defects = defects
        self._sections: dict[str, _Section] = {}
        self._current: _Section | None = self._section("public", 1)  # None: rows are about nobody knows what
        self._is_in_table = False
        self._is_passed_over = False  # rows since the last heading, which is told once

    @property
    def has_table(self) -> bool:
        """Whether there was the head of a table, or a row."""
        return any(section.has_head or section.rows for section in self._sections.values())

    @property
    def is_told(self) -> bool:
        """Whether there was the sentence that a registry has nothing."""
        return any(section.is_empty for section in self._sections.values())

    def rows(self, which: str) -> tuple[Row, ...]:
        """The rows about the public or the private registry."""
        section = self._sections.get(which)
        return tuple(section.rows) if section else ()

    def take(self, number: int, line: str) -> None:
        """Go on by one line, without blanks around it."""
        heading = _HEADING.fullmatch(line)
        self._is_in_table = bool(line) and not heading and (self._is_in_table or line.startswith("|"))
        if heading:
            self._take_heading(number, len(heading[1]), heading[2])
        elif self._is_in_table or "`sha256:" in line:
            self._take_table_line(number, line)
        elif self._current and _NOTHING.search(line):
            self._current.is_empty = True

    def end(self, last_line: int) -> None:
        """Note what should have stood there and did not."""
        for which in ("public", "private") if self.form == "split" else ("public",):
            section = self._sections.get(which) or _Section(last_line)
            if not (section.has_head or section.is_empty or section.rows):
                self._defects.append(Defect(section.line, f"the table of the {which} registry is missing"))

    def _section(self, which: str, line: int) -> _Section:
        return self._sections.setdefault(which, _Section(line))

    def _take_heading(self, number: int, level: int, text: str) -> None:
        self._is_passed_over = False
        if which := _SECTIONS.get(text):
            self._current = self._section(which, number)
            self._current.line = number
            self.form = "split"
        elif self.form == "split" or level > 2:
            self._current = None

    def _take_table_line(self, number: int, line: str) -> None:
        head = _HEAD.fullmatch(line)
        if self._current is None:
            if not self._is_passed_over and (head or _read_row(line)[0]):
                self._defects.append(Defect(number, "it is not said which registry these tags are of"))
                self._is_passed_over = True
        elif head and self._current.has_head:
            self._defects.append(Defect(number, "a registry has one table, and this is its second"))
            self._current, self._is_passed_over = None, True
        elif head:
            self._current.has_head = True
            self.form = self.form or ("single" if head[1] else None)
        elif not _RULE.fullmatch(line):
            row, problem = _read_row(line)
            if problem:
                self._defects.append(Defect(number, problem))
            if row:
                self._add(self._current, number, row)

    def _add(self, section: _Section, number: int, row: Row) -> None:
        tags = tuple(tag for tag in row.tags if tag not in section.stated)
        for tag in row.tags:
            line, before = section.stated.setdefault(tag, (number, row))
            if (before.digest, before.month, before.day) != (row.digest, row.month, row.day):
                what = "digest" if before.digest != row.digest else "day"
                self._defects.append(Defect(number, f"{tag} stands in line {line} with another {what}"))
        if tags:
            section.rows.append(row if tags == row.tags else replace(row, tags=tags))


@functools.lru_cache(_REMEMBERED)
def _read_row(line: str) -> tuple[Row | None, str | None]:
    """The row in *line* as far as it can be trusted, and what is wrong with it."""
    cells = _ROW.fullmatch(line)
    if cells is None:
        return None, "it should be a row of tags, day and digest"
    tags, day, digest = (cell.strip() for cell in cells.groups())
    month_and_day, digest_text = _DAYS.get(day), _DIGEST.fullmatch(digest)
    if month_and_day is None:
        return None, f"{_shown(day)} is no day such as June 9th"
    if digest_text is None:
        return None, f"{_shown(digest)} is no digest in backticks"
    if not _TAGS.fullmatch(tags):
        return None, f"{_shown(tags)} is no list of tags in backticks"
    names = dict.fromkeys(tags[1:-1].split("`")[::2])
    sound, wrong = [name for name in names if is_tag(name)], [_shown(name) for name in names if not is_tag(name)]
    row = Row(tuple(sound), *month_and_day, digest_text[1]) if sound else None
    return row, f"{', '.join(wrong)} can be no tag" if wrong else None


def _shown(text: str) -> str:
    """*text* in quotes, on one line and not longer than a reader can take."""
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "...")


@functools.lru_cache(_REMEMBERED)
def day_before(month: int, day: int, reference: date) -> datetime | None:
    """Midnight UTC of the last such day that is not after *reference*; None if the calendar begins too late for one."""
    for year in range(reference.year, max(reference.year - 9, 0), -1):  # 1900 was no leap year: up to 8 years
        try:
            found = datetime(year, month, day, tzinfo=UTC)
        except ValueError:
            continue
        if found.date() <= reference:
            return found
    return None


# --- collecting ------------------------------------------------------------------------------------------------------

_FILE = re.compile(r"(?:.*/)?tags_history\.md")
_REFERENCE = re.compile(r"(?:.*/)?reference/([^/]+)/tags_history\.md")
_PUBLIC_NAMESPACE = "cgr.dev/chainguard"


def collect(documents: Documents, reading: Reading) -> Iterator[Record]:
    """
    Where tags pointed by every page in *documents*, oldest version first; lines that cannot be read are failures.

    A version in a history was observed at its commit's time; a plain file at *reading.observed_at*, else when it says
    that it was written. Its tags come before the version itself, which has the repository of the public table; a plain
    file leaves a version only if it says what it is about and when.
    Versions that are in *reading.read* are passed over. A page that is removed, and a tag that is gone from one, is no
    observation. Of two pages that say the same of a tag at the same time the first counts.
    Raises UsageError if there are no such pages, if a time is given for a history, or a repository for several pages.
    """
    check_times(documents, reading)
    changes = in_time(_page_changes(documents))
    if reading.repository:
        private_repository(reading.repository)
        if len({change.path for change in changes}) > 1:
            raise UsageError(
                f"{documents.location} holds several pages: name the one that is about {reading.repository}"
            )
    todo = unread(changes, reading.read)
    collector = _Collector(documents, reading)
    for done, version in enumerate(documents.read(todo)):
        reading.progress(done, len(todo))
        yield from collector.take(version)
    if collector.is_foreign and len(todo) == len(changes):
        raise UsageError(f"{documents.location} holds no pages of a tags history: none could be read as one")
    reading.progress(len(todo), len(todo))


def _page_changes(documents: Documents) -> list[Change]:
    changes = documents.changes(lambda path: documents.is_single or _FILE.fullmatch(path) is not None)
    if not changes:
        raise UsageError(f"{documents.location} holds no pages of a tags history (reference/<image>/tags_history.md)")
    return changes


def private_repository(public: str) -> str:
    """
    The repository of the private table where that of the public one is *public*: its namespace ends with `-private`.

    Raises UsageError if it has no namespace.
    """
    namespace, _, name = public.rpartition("/")
    if "/" not in Reference.parse(public).path:
        raise UsageError(f"{public} has no namespace, which the private registry needs: write host/namespace/{name}")
    return canonical_repository(f"{namespace}-private/{name}")


class _Collector:
    """Turns versions into records, remembering what was told already."""

    def __init__(self, documents: Documents, reading: Reading) -> None:
        self._reading = reading
        self._folder = "" if documents.is_history else f"{_folder(documents).as_posix()}/"
        self._told: dict[tuple[str, datetime], tuple[Row, ...]] = {}
        self._has_pages = False
        self._has_others = False

    @property
    def is_foreign(self) -> bool:
        """Whether documents were read, and none of them was a page."""
        return self._has_others and not self._has_pages

    def take(self, version: Version) -> Iterator[Record]:
        """The records of one version."""
        where = locator(version)
        if version.error:
            self._has_pages = True
            yield failure(where, "missing-document", f"{where}: {version.error}")
            return
        page: Page | None = None
        if version.body is not None:
            try:
                page = parse_page(version.body, source=where)
                self._has_pages = True
            except ParseError as error:
                self._has_others = True
                yield failure(where, "not-a-page", str(error))
        written_at, title = (page.written_at, page.name) if page else (None, None)
        observed_at = version.committed_at or self._reading.observed_at or written_at
        repository = self._repository(version.path, title)
        if page:
            yield from _page_failures(where, page, observed_at, repository)
        if page and observed_at and repository:
            yield from self._observations(version, page, repository, observed_at)
        if observed_at and (repository or version.commit):
            form = page.form if page else None
            yield DocumentVersion(version.path, version.commit, observed_at, repository, version.body is None, form)

    def _repository(self, path: str, title: str | None) -> str | None:
        """The public repository that the page *path* is about: its path names the image, else its title."""
        if self._reading.repository:
            return self._reading.repository
        named = _REFERENCE.fullmatch(self._folder + path)
        return _public_repository(named[1] if named else None) or _public_repository(title)

    def _observations(self, version: Version, page: Page, repository: str, observed_at: datetime) -> Iterator[Record]:
        reference = (page.written_at or observed_at).date()
        yield from _undated(locator(version), page, reference)
        for named, rows in ((repository, page.public), (private_repository(repository), page.private)):
            told = self._told.get((named, observed_at), ())
            known = {tag: row.digest for row in reversed(told) for tag in row.tags}
            yield from _contradictions(locator(version), named, rows, known, observed_at)
            self._told[named, observed_at] = (*told, *rows)
            tags = ((tag, row) for row in rows for tag in row.tags)
            for position, (tag, row) in enumerate(tags):
                if tag not in known:
                    changed_at = day_before(row.month, row.day, reference)
                    yield TagObservation(
                        repository=named,
                        tag=tag,
                        observed_at=observed_at,
                        changed_at=changed_at,
                        digest=row.digest,
                        time_precision="day" if changed_at else "second",
                        document=version.path,
                        document_revision=version.commit,
                        document_position=position,
                    )


def _contradictions(
    where: str, named: str, rows: Iterable[Row], known: Mapping[str, str], observed_at: datetime
) -> Iterator[Failure]:
    """A failure if *rows* have tags elsewhere than the digests that are *known* of the same time."""
    other = [tag for row in rows for tag in row.tags if known.get(tag, row.digest) != row.digest]
    if other:
        words = f"another page says that {named}:{other[0]} was elsewhere at {observed_at}"
        more = f", and so of {len(other) - 1} more tags" if len(other) > 1 else ""
        yield failure(f"{where}:{named}", "contradiction", f"{where}: {words}{more}")


def _folder(documents: Documents) -> Path:
    """Where plain files lie whose paths are told."""
    location = documents.location.absolute()
    return location.parent if documents.is_single else location


def _page_failures(where: str, page: Page, observed_at: datetime | None, repository: str | None) -> Iterator[Failure]:
    yield from (defect_failure(where, defect) for defect in page.defects)
    if observed_at is None:
        words = "the page does not tell when it was written: say with --observed-at when it stood so"
        yield failure(where, "no-date", f"{where}: {words}")
    if repository is None:
        words = "neither the path of the page nor its title names an image: name its repository with --repository"
        yield failure(where, "no-name", f"{where}: {words}")


def _undated(where: str, page: Page, reference: date) -> Iterator[Failure]:
    rows = [row for row in page.public + page.private if day_before(row.month, row.day, reference) is None]
    if rows:
        words = f"no year has the day that {', '.join(rows[0].tags)} changed, up to {reference}"
        yield failure(where, "no-date", f"{where}: {words}")


@functools.lru_cache(_REMEMBERED)
def _public_repository(image: str | None) -> str | None:
    """The public repository of *image*; None if that is no name of one."""
    if image is None or "/" in image:
        return None
    try:
        repository = canonical_repository(f"{_PUBLIC_NAMESPACE}/{image}")
        private_repository(repository)
    except InvalidReference:
        return None
    return repository
