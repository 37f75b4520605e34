"""Chainguard's Tag History API: what is asked for, what becomes of it, and what its faults leave behind."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from faulty import Behaviour, cut, endless, reply
from history_servers import NOW, PASSWORD, USERNAME, Chainguard, collected, running, said
from hypothesis import given
from hypothesis import strategies as st
from made import day, digest

from imglab.errors import ParseError
from imglab.http import Credentials, Limits
from imglab.records import Failure, Listing, Record, TagObservation
from imglab.sources.chainguard import collect, parse_history
from imglab.sources.history_api import Move, Window

PATH = "chainguard/python"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def server() -> Iterator[Chainguard]:
    """A registry with three moves of one tag and one of another."""
    chainguard = Chainguard()
    for number, name in enumerate(("a1", "a2", "a1"), 1):
        chainguard.move(PATH, "latest", day(number), name)
    chainguard.move(PATH, "latest-dev", day(2), "d1")
    with running(chainguard):
        yield chainguard


def repository(server: Chainguard) -> str:
    """The canonical name of its repository."""
    return f"{server.registry}/{PATH}"


def moves(records: list[Record]) -> list[tuple[str, datetime, str]]:
    """Tag, time and digest of all moves."""
    return [
        (record.tag, record.observed_at, record.digest)
        for record in records
        if isinstance(record, TagObservation) and record.digest
    ]


def failures(records: list[Record]) -> list[tuple[str, str]]:
    """Kind and locator of all failures."""
    return [(record.kind, record.locator) for record in records if isinstance(record, Failure)]


def fill(server: Chainguard, count: int, step: timedelta = MINUTE) -> list[tuple[str, datetime, str]]:
    """*count* moves of the tag `busy`, in order."""
    for number in range(count):
        server.move(PATH, "busy", day(1) + number * step, f"{number:06x}")
    return [("busy", day(1) + number * step, digest(f"{number:06x}")) for number in range(count)]


def test_every_move_of_a_tag_is_told(server: Chainguard) -> None:
    """A move is a sighting at the instant of the move, as the registry itself says it; a return is a move too."""
    records = collected(collect, f"{repository(server)}:latest")
    assert records == [
        TagObservation(repository(server), "latest", at, changed_at=at, digest=digest(name))
        for at, name in ((day(1), "a1"), (day(2), "a2"), (day(3), "a1"))
    ]


def test_a_repository_without_a_tag_is_listed_first(server: Chainguard) -> None:
    """Every listed tag is there, and its moves are told."""
    records = collected(collect, repository(server))
    assert records[:3] == [
        Listing(repository(server), NOW, True),
        TagObservation(repository(server), "latest", NOW),
        TagObservation(repository(server), "latest-dev", NOW),
    ]
    assert sorted(tag for tag, _, _ in moves(records)) == ["latest"] * 3 + ["latest-dev"]


def test_patterns_and_tags_of_other_things(server: Chainguard) -> None:
    """Signatures are not asked about unless a pattern is; other tags only as far as it matches."""
    signature = f"sha256-{'1' * 64}.sig"
    server.move(PATH, signature, day(1), "5e")
    tags = {tag for tag, _, _ in moves(collected(collect, repository(server)))}
    assert tags == {"latest", "latest-dev"}
    assert signature not in "".join(server.asked("history"))
    assert {tag for tag, _, _ in moves(collected(collect, f"{repository(server)}:*-dev"))} == {"latest-dev"}
    assert {tag for tag, _, _ in moves(collected(collect, f"{repository(server)}:sha256-*"))} == {signature}
    assert {tag for tag, _, _ in moves(collected(collect, f"{repository(server)}:{signature}"))} == {signature}


def test_a_tag_that_is_meant_twice_is_asked_about_once(server: Chainguard) -> None:
    """By name, again, and as one of its repository."""
    texts = [f"{repository(server)}:latest", f"{repository(server)}:latest", repository(server)]
    collected(collect, *texts)
    assert len(server.asked("history/latest")) == 2  # and latest-dev


@pytest.mark.parametrize("keys", [("updateTimestamp", "digest"), ("UpdateTimestamp", "Digest")])
def test_keys_are_spelled_in_two_ways(server: Chainguard, keys: tuple[str, str]) -> None:
    """Early answers wrote them with capitals."""
    server.keys = keys
    assert len(moves(collected(collect, f"{repository(server)}:latest"))) == 3


@pytest.mark.parametrize("has_links", [False, True])
@pytest.mark.parametrize("is_newest_first", [False, True])
@pytest.mark.parametrize("is_start_included", [False, True])
def test_long_histories_come_in_pages(
    server: Chainguard, has_links: bool, is_newest_first: bool, is_start_included: bool
) -> None:
    """A thousand at a time, in either order, with links or by windows: each move once, oldest first."""
    server.has_links, server.is_newest_first, server.is_start_included = has_links, is_newest_first, is_start_included
    told = fill(server, 2500)
    assert moves(collected(collect, f"{repository(server)}:busy")) == told
    assert len(server.asked("history")) == 3


def test_a_page_that_is_just_full_is_not_the_last(server: Chainguard) -> None:
    """A thousand moves cost a second request, which has nothing new."""
    told = fill(server, 1000)
    assert moves(collected(collect, f"{repository(server)}:busy")) == told
    assert len(server.asked("history")) == 2


def test_milliseconds_are_kept_and_windows_overlap(server: Chainguard) -> None:
    """Moves a millisecond apart at the edge of a page are not lost."""
    told = fill(server, 1500, timedelta(milliseconds=1))
    assert moves(collected(collect, f"{repository(server)}:busy")) == told


def test_moves_told_twice_count_once(server: Chainguard) -> None:
    """Of several digests at one instant the last one stays."""
    for name in ("b1", "b1", "b2"):
        server.move(PATH, "twice", day(5), name)
    assert moves(collected(collect, f"{repository(server)}:twice")) == [("twice", day(5), digest("b2"))]


@pytest.mark.parametrize(
    ("window", "days", "query"),
    [
        (Window(since=day(2)), [2, 3], "start=2026-01-02T00:00:00.000Z"),
        (Window(until=day(2)), [1, 2], "end=2026-01-02T00:00:00.000Z"),
        (Window(day(2), day(2)), [2], "start=2026-01-02T00:00:00.000Z&end=2026-01-02T00:00:00.000Z"),
        (Window(until=day(2).replace(year=3000)), [1, 2, 3], "end=3000-01-02T00:00:00.000Z"),
        (Window(since=day(2) + timedelta(microseconds=1)), [3], "start=2026-01-02T00:00:00.000001Z"),
    ],
)
def test_a_window_is_asked_for(server: Chainguard, window: Window, days: list[int], query: str) -> None:
    """Only what moved in it, both ends included, is asked for and told."""
    records = collected(collect, f"{repository(server)}:latest", window=window)
    assert [at.day for _, at, _ in moves(records)] == days
    assert server.asked("history")[-1].partition("?")[2] == query


def test_a_server_that_gives_more_than_the_window(server: Chainguard) -> None:
    """What was not asked for is not told."""
    body = {"history": [{"updateTimestamp": f"2026-01-0{n}T00:00:00Z", "digest": digest("a1")} for n in (1, 2, 3)]}
    server.fault(lambda asked: "history" in asked.path and bool(asked.bearer), said(body))
    records = collected(collect, f"{repository(server)}:latest", window=Window(day(2), day(2)))
    assert [at.day for _, at, _ in moves(records)] == [2]


def test_only_what_is_new_is_asked_for(server: Chainguard) -> None:
    """After a known move, from a little before it on; that move is not told again."""
    known = {(repository(server), "latest"): Move(day(3), digest("a1"))}
    assert collected(collect, f"{repository(server)}:latest", newest=known) == []
    assert server.asked("history")[-1].partition("?")[2] == "start=2026-01-02T23:59:59.999Z"
    server.move(PATH, "latest", day(4), "a4")
    assert moves(collected(collect, f"{repository(server)}:latest", newest=known)) == [("latest", day(4), digest("a4"))]
    # A limit that somebody gives is what is asked for, whatever is known.
    records = collected(collect, f"{repository(server)}:latest", newest=known, window=Window(since=day(2)))
    assert [at.day for _, at, _ in moves(records)] == [2, 3, 4]


def test_listed_tags_without_news_are_there(server: Chainguard) -> None:
    """A complete listing ends no tag of which nothing new is told."""
    known = {(repository(server), tag): Move(day(3), digest("a1")) for tag in ("latest", "latest-dev")}
    records = collected(collect, repository(server), newest=known)
    assert {record.tag for record in records if isinstance(record, TagObservation)} == {"latest", "latest-dev"}


# --- who asks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_silent", [False, True])
def test_a_token_is_asked_for_in_advance(server: Chainguard, is_silent: bool) -> None:
    """Anybody gets one for a public image, whether its history says so or only the registry as a whole."""
    server.is_silent = is_silent
    collected(collect, repository(server))
    assert server.asked("token") == [f"/token?service=cgr.dev&scope=repository:{PATH}:pull"]
    assert len([seen for seen in server.seen if "authorization" not in seen.headers]) == 2  # the ping and the token


@pytest.mark.parametrize("is_silent", [False, True])
def test_a_token_that_ends_between_pages_is_renewed(server: Chainguard, is_silent: bool) -> None:
    """A long history outlives its token."""
    told = fill(server, 1500)
    server.is_silent = is_silent
    ended: list[str] = []

    def ends(asked: Any) -> bool:
        if "start" in asked.query:
            ended.append(asked.path)
            if len(ended) == 1:
                server.tokens.clear()
        return False

    server.fault(ends, reply(500))
    assert moves(collected(collect, f"{repository(server)}:busy")) == told
    assert len(server.asked("token")) == 2


def test_a_private_image_needs_a_password(server: Chainguard) -> None:
    """It goes to the token server only; a wrong one, or none, is one failure for the repository."""
    server.is_private = True
    good = {server.registry: Credentials(USERNAME, PASSWORD)}
    assert len(moves(collected(collect, f"{repository(server)}:latest", credentials=good))) == 3
    basic = [seen.path for seen in server.seen if seen.headers.get("authorization", "").startswith("Basic")]
    assert [path.partition("?")[0] for path in basic] == ["/token"]
    texts = [f"{repository(server)}:latest", f"{repository(server)}:latest-dev"]
    wrong = collected(collect, *texts, credentials={server.registry: Credentials(USERNAME, "wrong")})
    assert failures(wrong) == [("unauthorized", repository(server))]
    assert failures(collected(collect, *texts)) == [("denied", repository(server))]
    assert 'wrong"' not in str(wrong)


# --- what goes wrong -------------------------------------------------------------------------------------------------


def is_page(number: int) -> Callable[[Any], bool]:
    """Whether a request is for a page of a history, counted from 1."""
    return lambda asked: "/busy" in asked.path and bool(asked.bearer) and ("start" in asked.query) == (number > 1)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (reply(500), "server-error"),
        (reply(404), "not-found"),
        (reply(403), "denied"),
        (reply(429, retry_after="3600"), "rate-limited"),
        (cut(b'{"history": [', 1000), "unreachable"),
        (reply(200, b'{"history": ['), "bad-document"),
        (reply(200, b"\xff\xfe"), "bad-document"),
        (reply(200, b"[" * 100_000), "bad-document"),
        (reply(200, b"[]"), "bad-document"),
        (reply(200, b"{}"), "bad-document"),
        (reply(200, b'{"history": {}}'), "bad-document"),
        (endless(), "too-large"),
        (reply(302, location="file:///etc/passwd"), "redirect"),
    ],
)
def test_a_page_that_fails_keeps_what_came_before(server: Chainguard, fault: Behaviour, kind: str) -> None:
    """The first thousand moves are told, with one failure; the other tag is not concerned."""
    told = fill(server, 1500)
    server.fault(is_page(2), *[fault] * 4)
    records = collected(collect, f"{repository(server)}:busy", f"{repository(server)}:latest")
    assert [move for move in moves(records) if move[0] == "busy"] == told[:1000]
    assert len(moves(records)) == 1003
    assert failures(records) == [(kind, f"{repository(server)}:busy")]


def test_what_passes_is_tried_again(server: Chainguard) -> None:
    """A fault or two on the way costs nothing but time."""
    told = fill(server, 1500)
    server.fault(is_page(1), reply(503))
    server.fault(is_page(2), cut(b"{", 100))
    records = collected(collect, f"{repository(server)}:busy")
    assert (moves(records), failures(records)) == (told, [])


def test_a_tag_that_is_not_there_is_a_failure(server: Chainguard) -> None:
    """The others go on; nothing is said of when it was there."""
    records = collected(collect, f"{repository(server)}:nothing", f"{repository(server)}:latest-dev")
    assert failures(records) == [("not-found", f"{repository(server)}:nothing")]
    assert len(moves(records)) == 1
    assert failures(collected(collect, f"{server.registry}/no/such")) == [("not-found", f"{server.registry}/no/such")]


def full_page() -> Behaviour:
    """The same thousand moves whatever is asked for."""
    entries = [
        {"updateTimestamp": f"2026-01-01T00:{n // 60:02}:{n % 60:02}Z", "digest": digest("a1")} for n in range(1000)
    ]
    return said({"history": entries})


def test_pages_that_repeat_are_left(server: Chainguard) -> None:
    """A server that does not look at the window is asked twice, not for ever; what it said stays."""
    server.fault(lambda asked: "history" in asked.path and bool(asked.bearer), *[full_page()] * 10)
    records = collected(collect, f"{repository(server)}:latest")
    assert failures(records) == [("bad-response", f"{repository(server)}:latest")]
    assert (len(moves(records)), len(server.asked("history"))) == (1000, 2)


def test_more_moves_at_one_instant_than_fit_a_page(server: Chainguard) -> None:
    """A window that cannot be moved on ends the tag."""
    fill(server, 2500, timedelta(0))
    records = collected(collect, f"{repository(server)}:busy")
    assert failures(records) == [("bad-response", f"{repository(server)}:busy")]
    assert len(moves(records)) == 1


def test_pages_without_end_are_counted(server: Chainguard) -> None:
    """After so many pages a history is left."""
    fill(server, 5000)
    records = collected(collect, f"{repository(server)}:busy", limits=Limits(tries=1, pages=3))
    assert failures(records) == [("bad-response", f"{repository(server)}:busy")]
    assert len(server.asked("history")) == 3


@pytest.mark.parametrize("link", ["https://evil.example/x", "//evil.example/x", "http://[bad/", ""])
def test_links_elsewhere_are_not_followed(server: Chainguard, link: str) -> None:
    """A link to another server, or to the same page, ends the tag; no token leaves."""
    entry = {"updateTimestamp": "2026-01-01T00:00:00Z", "digest": digest("a1")}
    page = said({"history": [entry]}, link=f'<{link}>; rel="next"')
    server.fault(lambda asked: "history" in asked.path and bool(asked.bearer), *[page] * 3)
    records = collected(collect, f"{repository(server)}:latest")
    assert failures(records) == [("bad-response", f"{repository(server)}:latest")]
    assert len(moves(records)) == 1
    assert len(server.asked("history")) == 1


BAD_ENTRIES: list[object] = [
    None,
    1,
    [],
    {},
    {"updateTimestamp": "2026-01-01T00:00:00Z"},
    {"digest": digest("a1")},
    {"updateTimestamp": None, "digest": digest("a1")},
    {"updateTimestamp": 1767225600, "digest": digest("a1")},
    {"updateTimestamp": "yesterday", "digest": digest("a1")},
    {"updateTimestamp": "2026-13-01T00:00:00Z", "digest": digest("a1")},
    {"updateTimestamp": "9999-01-01T00:00:00Z", "digest": digest("a1")},
    {"updateTimestamp": "2026-02-02T00:00:00Z", "digest": digest("a1")},
    {"updateTimestamp": "0001-01-01T00:00:00Z", "digest": digest("a1")},
    {"updateTimestamp": "2026-01-01T00:00:00Z", "digest": "sha256:abc"},
    {"updateTimestamp": "2026-01-01T00:00:00Z", "digest": digest("A1").upper()},
    {"updateTimestamp": "2026-01-01T00:00:00Z", "digest": "../../etc/passwd"},
    {"updateTimestamp": "2026-01-01T00:00:00Z", "digest": "\ud800"},
    {"updateTimestamp": "2026-01-01T00:00:00\x00Z", "digest": digest("a1")},
]


@pytest.mark.parametrize("entry", BAD_ENTRIES)
def test_an_entry_that_is_none_is_left_out(entry: object) -> None:
    """It is named; its neighbours are kept."""
    good = {"updateTimestamp": "2026-01-01T00:00:00.5Z", "digest": digest("a1")}
    page = parse_history(json.dumps({"history": [good, entry, good]}).encode(), source="x", now=NOW)
    assert page.rows == (Move(day(1) + timedelta(milliseconds=500), digest("a1")),) * 2
    (defect,) = page.defects
    assert str(defect).startswith("x: history[1]")
    (failure,) = page.failures("y")
    assert (failure.kind, failure.locator, failure.is_temporary) == ("malformed", "y", False)
    assert "one of 1 of 3 entries" in failure.message


def test_bad_entries_are_one_failure_a_page(server: Chainguard) -> None:
    """However many they are."""
    page = said({"history": [*BAD_ENTRIES, {"updateTimestamp": "2026-01-01T00:00:00Z", "digest": digest("a1")}]})
    server.fault(lambda asked: "history" in asked.path and bool(asked.bearer), page)
    records = collected(collect, f"{repository(server)}:latest")
    assert failures(records) == [("malformed", f"{repository(server)}:latest")]
    assert len(moves(records)) == 1


def test_zones_are_understood() -> None:
    """Any offset of RFC 3339 is the same instant."""
    entries = [
        {"updateTimestamp": text, "digest": digest("a1")}
        for text in ("2026-01-01T01:00:00+01:00", "2025-12-31T19:00:00-05:00", "2026-01-01t00:00:00z")
    ]
    page = parse_history(json.dumps({"history": entries}).encode(), source="x", now=NOW)
    assert {move.changed_at for move in page.rows} == {day(1)}


def test_an_empty_history_is_one() -> None:
    """Null is how some encoders write an empty list."""
    assert parse_history(b'{"history": null}', source="x", now=NOW).rows == ()
    assert parse_history(b'{"history": []}', source="x", now=NOW).rows == ()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.binary(max_size=60) | st.builds(lambda rows: json.dumps({"history": rows}).encode(), JSON))
def test_any_page_is_survived(body: bytes) -> None:
    """Whatever comes, it is read or it is a ParseError."""
    try:
        page = parse_history(body, source="x", now=NOW)
    except ParseError:
        return
    assert all(move.changed_at <= NOW + timedelta(days=1) for move in page.rows)
