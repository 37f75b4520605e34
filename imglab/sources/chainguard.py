"""
Chainguard's Tag History API: every digest that a tag of cgr.dev pointed at, to the millisecond.

Reference: Chainguard's page "Using the Tag History API", last read in November 2026; nothing was asked of the real
service. `GET /v2/<name>/_chainguard/history/<tag>?start=&end=`, with a token as for pulling, which is given to anybody
for public images. At most 1,000 entries come at a time, oldest first, so that what is newer than the last known entry
can be asked for alone, and a history that broke off goes on where it ended. Not documented, but seen by others: with an
`end` far ahead the newest come first, and a `Link` leads on; so the order is looked at, not assumed. Early answers
spelled the keys `UpdateTimestamp` and `Digest`.

An entry says when a tag moved, and nothing says that it is still there: that is for a snapshot to see. Tags that hold
signatures and the like (`sha256-….sig`) are asked about only where a pattern names them.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlencode

from imglab.errors import ParseError, SourceError
from imglab.http import Answer, Request, next_page, redacted
from imglab.oci import Reference
from imglab.records import Record, TagObservation
from imglab.sources.history_api import Entries, Fields, Move, Pass, read_object
from imglab.sources.registry import Target, list_tags

PAGE_LENGTH = 1000
_OVERLAP = timedelta(milliseconds=1)  # between windows, whose ends nobody documents as in or out
_OF_ANOTHER = re.compile(r"sha(?:256-[0-9a-f]{64}|512-[0-9a-f]{64,128})(?:\..*)?")


def parse_history(body: bytes, *, source: str, now: datetime) -> Entries[Move]:
    """The moves of one page, in its order. Raises ParseError if it is none."""

    def entry(fields: Fields) -> Move:
        early = "UpdateTimestamp" in fields.values
        changed_at = fields.instant("UpdateTimestamp" if early else "updateTimestamp", now)
        digest = fields.digest("Digest" if "Digest" in fields.values else "digest")
        if changed_at is None or digest is None:
            raise ParseError(source, fields.place, "must have updateTimestamp and digest")
        return Move(changed_at, digest)

    document = read_object(body, source=source)
    if "history" not in document.values:
        raise document.wrong("history", "must be a list")
    return document.listed("history", entry)


@dataclass(slots=True)
class _History:
    """A tag whose history is being read."""

    reference: Reference
    start: datetime | None
    end: datetime | None
    known: Move | None
    moves: dict[Move, None] = field(default_factory=dict)  # in the order of the answers
    pages: set[str] = field(default_factory=set)


def collect(targets: Iterable[Target], state: Pass) -> Generator[Record, None, None]:
    """The moves of the tags of *targets* that are not known yet, listings where no tag is named, and failures."""
    targets = list(targets)
    tags = {target.reference: None for target in targets if target.reference.tag}
    listed: list[Reference] = []
    yield from list_tags(targets, state.client, now=state.now, listed=listed)
    patterned = {target.reference.repository for target in targets if target.glob}
    for reference in listed:
        state.reached(reference.repository)
        if reference.repository in patterned or not _OF_ANOTHER.fullmatch(reference.tag or ""):
            tags.setdefault(reference)
    done = 0
    requests = [_first(state, reference) for reference in tags]
    while requests:
        following: list[Request] = []
        for answer in state.client.fetch(requests):
            ahead = len(following)
            yield from _page(state, answer, following)
            done += len(following) == ahead
            state.progress("tags", done, len(tags))
        requests = following


def _first(state: Pass, reference: Reference) -> Request:
    known = state.newest.get((reference.repository, reference.tag or "")) if state.window.is_whole else None
    start = known.changed_at - _OVERLAP if known else state.window.since
    history = _History(reference, start, state.window.until, known)
    return _request(state, history, start, history.end)


def _request(state: Pass, history: _History, start: datetime | None, end: datetime | None) -> Request:
    reference = history.reference
    window = {name: _stamp(moment) for name, moment in (("start", start), ("end", end)) if moment}
    url = f"{state.client.base_url(reference.registry)}/v2/{reference.path}/_chainguard/history/{reference.tag}"
    url += f"?{urlencode(window)}" if window else ""
    if url in history.pages or len(history.pages) >= state.client.limits.pages:
        raise _endless(url)
    history.pages.add(url)
    return Request(url, scope=f"repository:{reference.path}:pull", key=history)


def _stamp(moment: datetime) -> str:
    precision = "microseconds" if moment.microsecond % 1000 else "milliseconds"
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")


def _endless(url: str) -> SourceError:
    return SourceError(f"{redacted(url)}: its pages do not end", kind="bad-response")


def _page(state: Pass, answer: Answer, following: list[Request]) -> Iterator[Record]:
    """What a page says of what is wrong with it; after the last one, all moves of its tag."""
    history: _History = answer.request.key
    repository, locator = history.reference.repository, str(history.reference)
    try:
        if answer.error:
            raise answer.error
        state.reached(repository)
        page = parse_history(answer.body, source=redacted(answer.request.url), now=state.now())
        yield from page.failures(locator)
        if request := _next(state, history, answer, page):
            following.append(request)
            return
    except (SourceError, ParseError) as error:
        yield from state.failure(repository, locator, error)
    yield from _told(state, history)


def _next(state: Pass, history: _History, answer: Answer, page: Entries[Move]) -> Request | None:
    """The request for what comes after *page*, whose moves are kept; None after the last."""
    before = len(history.moves)
    history.moves.update(dict.fromkeys(page.rows))
    is_full = page.count >= PAGE_LENGTH
    if len(history.moves) == before:
        if is_full:
            raise _endless(answer.request.url)
        return None
    request = next_page(answer, history.pages, state.client.limits.pages)
    if request or not is_full:
        return request
    first, last = page.rows[0].changed_at, page.rows[-1].changed_at
    if first <= last:
        return _request(state, history, last - _OVERLAP, history.end)
    return _request(state, history, history.start, last + _OVERLAP)


def _told(state: Pass, history: _History) -> Iterator[TagObservation]:
    """The moves of a tag that are new, oldest first; of several at one instant the last."""
    moves = list(history.moves)
    if moves and moves[0].changed_at > moves[-1].changed_at:
        moves.reverse()
    at = {move.changed_at: move for move in sorted(moves, key=lambda move: move.changed_at)}
    for move in at.values():
        is_known = history.known and (move.changed_at < history.known.changed_at or move == history.known)
        if move.changed_at in state.window and not is_known:
            repository, tag = history.reference.repository, history.reference.tag or ""
            yield TagObservation(repository, tag, move.changed_at, changed_at=move.changed_at, digest=move.digest)
