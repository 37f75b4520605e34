"""
Quay's tag API: where each tag of a repository pointed, from when to when, to the second.

Reference: quay/quay `endpoints/api/tag.py` and `data/model/oci/tag.py`, read in November 2026; nothing was asked of the
real service. `GET /api/v1/repository/<name>/tag/?limit=100&page=`, anonymous for public repositories, else with an
OAuth token. An entry is a stretch: `start_ts`, and `end_ts` where it ended (another one begins in that second, or the
tag was removed) or will end (it expires). Both are cut to seconds, so several moves may fall into one; the last counts.

All pages are read each time: entries come by their start, newest first, but a tag that is removed or expires only gets
an end, wherever its entry stands. Quay forgets ended stretches after some time (two weeks, unless a namespace says
otherwise), so it pays to ask often; of a tag that is forgotten whole, a snapshot sees that it is gone. Entries may move
between pages while these are read: what is said of now is said of the moment before the first page. An end with nothing
after it is a removal, unless entries could not be read: one of them may be what came after.

`size` and `is_manifest_list` make no manifest row: an entry may be an image, a chart or a signature, and a row that
does not know which would stand in the way of sources that do.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from urllib.parse import urlencode

from imglab.errors import ParseError, SourceError
from imglab.http import Answer, Login, Request, redacted
from imglab.oci import Reference
from imglab.records import Record, TagObservation
from imglab.sources.history_api import (
    QUAY_TOKEN_NAME,
    Entries,
    Fields,
    Pass,
    by_repository,
    is_past,
    is_wanted,
    missing,
    read_object,
)
from imglab.sources.registry import Target

PAGE_LENGTH = 100
# The second is what Quay wants to see of browsers, where it is set up so.
_HEADERS = {"accept": "application/json", "x-requested-with": "XMLHttpRequest"}
_LOGIN = Login(username=QUAY_TOKEN_NAME)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A tag at one digest; seconds since 1970, None where Quay leaves them out."""

    tag: str
    digest: str
    start: int | None
    end: int | None  # may lie ahead: then the tag expires


@dataclass(frozen=True, slots=True)
class Page:
    """One page of entries, newest start first."""

    stretches: Entries[Stretch]
    has_more: bool


def parse_page(body: bytes, *, source: str, now: datetime) -> Page:
    """What one page says. Raises ParseError if it is none."""

    def entry(fields: Fields) -> Stretch:
        start, end, digest = fields.whole("start_ts"), fields.whole("end_ts"), fields.digest("manifest_digest")
        if digest is None:
            raise fields.wrong("manifest_digest", "must be there")
        if start and not is_past(start, now):
            raise fields.wrong("start_ts", "must be seconds since 1970, in the past")
        if start and end and end < start:
            raise fields.wrong("end_ts", "must not lie before start_ts")
        return Stretch(fields.tag("name"), digest, start or None, end or None)

    document = read_object(body, source=source)
    if "tags" not in document.values:
        raise document.wrong("tags", "must be a list")
    return Page(document.listed("tags", entry), document.flag("has_additional"))


@dataclass(slots=True)
class _Series:
    """A repository, or one tag of it, whose entries are being read."""

    reference: Reference
    targets: list[Target]
    asked_at: datetime  # of this moment it is told what was there
    page: int = 1
    stretches: dict[Stretch, None] = field(default_factory=dict)  # newest start first
    is_sound: bool = True  # every entry could be read


def collect(targets: Iterable[Target], state: Pass) -> Generator[Record, None, None]:
    """Where the tags of *targets* came to point and ended, where they point now, and failures."""
    series = [_Series(reference, wanted, state.now()) for reference, wanted in by_repository(targets)]
    done = 0
    requests = [_request(state, one) for one in series]
    while requests:
        following: list[Request] = []
        for answer in state.client.fetch(requests):
            ahead = len(following)
            yield from _page(state, answer, following)
            done += len(following) == ahead
            state.progress("histories", done, len(series))
        requests = following


def _request(state: Pass, series: _Series) -> Request:
    query = {"limit": str(PAGE_LENGTH), "page": str(series.page)}
    query |= {"specificTag": series.reference.tag} if series.reference.tag else {}
    base = f"{state.client.base_url(series.reference.registry)}/api/v1/repository/{series.reference.path}"
    return Request(f"{base}/tag/?{urlencode(query)}", headers=_HEADERS, key=series, login=_LOGIN)


def _page(state: Pass, answer: Answer, following: list[Request]) -> Iterator[Record]:
    """What a page says of what is wrong with it; after the last one, all that its series says."""
    series: _Series = answer.request.key
    repository, locator = series.reference.repository, str(series.reference)
    is_whole = False
    try:
        if answer.error:
            raise answer.error
        state.reached(repository)
        page = parse_page(answer.body, source=redacted(answer.request.url), now=series.asked_at)
        yield from page.stretches.failures(locator)
        series.is_sound &= not page.stretches.defects
        if _has_more(state, series, page):
            series.page += 1
            following.append(_request(state, series))
            return
        is_whole = series.is_sound
    except (SourceError, ParseError) as error:
        yield from state.failure(repository, locator, error)
    yield from _told(state, series)
    if is_whole and state.window.is_whole:
        yield from missing(series.targets, {stretch.tag for stretch in series.stretches}, series.asked_at)


def _has_more(state: Pass, series: _Series, page: Page) -> bool:
    """Whether another page follows *page*, whose entries are kept."""
    before = len(series.stretches)
    series.stretches.update(dict.fromkeys(page.stretches.rows))
    if not page.has_more:
        return False
    is_new = len(series.stretches) > before or page.stretches.defects
    if not is_new or series.page >= state.client.limits.pages:
        raise SourceError(f"{series.reference}: its pages do not end", kind="bad-response")
    return True


def _told(state: Pass, series: _Series) -> Iterator[TagObservation]:
    """Where the wanted tags of a series came to point and ended, by tag, then time."""
    by_tag: dict[str, list[Stretch]] = {}
    for stretch in reversed(series.stretches):  # oldest start first, also within a second
        by_tag.setdefault(stretch.tag, []).append(stretch)
    for tag in sorted(tag for tag in by_tag if is_wanted(tag, series.targets)):
        for observation in observations(series.reference.repository, by_tag[tag], series.asked_at):
            if observation.observed_at in state.window and (series.is_sound or not observation.is_absent):
                yield observation


def observations(repository: str, stretches: Sequence[Stretch], asked_at: datetime) -> list[TagObservation]:
    """
    What the *stretches* of one tag, oldest first, say as of *asked_at*; by time, one for each instant.

    A stretch that ended before another one began is followed by an absence, and one that goes on is seen at *asked_at*.
    """
    told: dict[datetime, TagObservation] = {}
    ordered = sorted(stretches, key=lambda stretch: stretch.start or 0)
    next_starts = [*(stretch.start for stretch in ordered[1:]), None]
    asked = asked_at.timestamp()
    for stretch, next_start in zip(ordered, next_starts, strict=False):
        changed_at = _moment(stretch.start) if stretch.start else None
        there = TagObservation(repository, stretch.tag, asked_at, changed_at, stretch.digest)
        if changed_at:
            told[changed_at] = replace(there, observed_at=changed_at)
        if stretch.end is None or stretch.end > asked:
            if (stretch.start or 0) <= asked:
                told[asked_at] = there
        elif next_start is None or next_start > stretch.end:
            told[_moment(stretch.end)] = TagObservation(repository, stretch.tag, _moment(stretch.end), is_absent=True)
    return sorted(told.values(), key=lambda observation: observation.observed_at)


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
