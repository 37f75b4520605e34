"""Quay's tag API: what its entries mean, how its pages are read, and what its faults leave behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from faulty import Behaviour, cut, endless, reply
from history_servers import NOW, Quay, collected, running, said
from hypothesis import given
from hypothesis import strategies as st
from made import day, digest

from imglab.errors import ParseError
from imglab.http import Credentials, Limits
from imglab.records import Failure, Record, TagObservation
from imglab.sources.history_api import Window
from imglab.sources.quay import Stretch, collect, observations, parse_page

PATH = "team/app"
SECOND = timedelta(seconds=1)


@pytest.fixture
def server() -> Iterator[Quay]:
    """An empty repository."""
    quay = Quay()
    quay.rows[PATH] = []
    with running(quay):
        yield quay


def repository(server: Quay) -> str:
    """The canonical name of the repository."""
    return f"{server.registry}/{PATH}"


def told(records: list[Record]) -> list[tuple[str, datetime, str | None, datetime | None]]:
    """Tag, time, beginning of the digest (None: absent) and time of the move, of all observations."""
    return [
        (record.tag, record.observed_at, record.digest and record.digest[7:9], record.changed_at)
        for record in records
        if isinstance(record, TagObservation)
    ]


def failures(records: list[Record]) -> list[tuple[str, str]]:
    """Kind and locator of all failures."""
    return [(record.kind, record.locator) for record in records if isinstance(record, Failure)]


def test_moves_ends_and_what_is_there_now(server: Quay) -> None:
    """A tag comes to be, moves, comes back, and is there; another one is removed and comes again."""
    for number, name in enumerate(("a1", "a2", "a1"), 1):
        server.push(PATH, "latest", name, day(number))
    server.push(PATH, "old", "b1", day(1))
    server.delete(PATH, "old", day(4))
    server.push(PATH, "old", "b2", day(6))
    server.delete(PATH, "old", day(8))
    records = collected(collect, repository(server))
    assert {type(record) for record in records} == {TagObservation}
    assert told(records) == [
        ("latest", day(1), "a1", day(1)),
        ("latest", day(2), "a2", day(2)),
        ("latest", day(3), "a1", day(3)),
        ("latest", NOW, "a1", day(3)),
        ("old", day(1), "b1", day(1)),
        ("old", day(4), None, None),
        ("old", day(6), "b2", day(6)),
        ("old", day(8), None, None),
    ]
    absent = [record for record in records if isinstance(record, TagObservation) and record.is_absent]
    assert [(record.tag, record.observed_at) for record in absent] == [("old", day(4)), ("old", day(8))]


def test_an_end_ahead_is_no_death(server: Quay) -> None:
    """A tag that expires is there until then; one that has expired is not, also without anybody removing it."""
    server.push(PATH, "short", "a1", day(1), expires=NOW + SECOND)
    server.push(PATH, "over", "b1", day(1), expires=day(20))
    server.push(PATH, "far", "c1", day(1), expires=day(1).replace(year=9000))
    assert [row[:3] for row in told(collected(collect, repository(server)))] == [
        ("far", day(1), "c1"),
        ("far", NOW, "c1"),
        ("over", day(1), "b1"),
        ("over", day(20), None),
        ("short", day(1), "a1"),
        ("short", NOW, "a1"),
    ]


def test_moves_within_a_second_are_one(server: Quay) -> None:
    """Seconds are all that is told: the last digest of one counts, and a tag that lived shorter was not there."""
    for number, name in enumerate(("a1", "a2", "a3")):
        server.push(PATH, "busy", name, day(1) + number * timedelta(milliseconds=300))
    server.push(PATH, "brief", "b1", day(2))
    server.delete(PATH, "brief", day(2) + timedelta(milliseconds=500))
    server.push(PATH, "twice", "c1", day(3))
    server.delete(PATH, "twice", day(3) + timedelta(milliseconds=300))
    server.push(PATH, "twice", "c2", day(3) + timedelta(milliseconds=600))
    assert told(collected(collect, repository(server))) == [
        ("brief", day(2), None, None),
        ("busy", day(1), "a3", day(1)),
        ("busy", NOW, "a3", day(1)),
        ("twice", day(3), "c2", day(3)),
        ("twice", NOW, "c2", day(3)),
    ]


def test_all_pages_are_read(server: Quay) -> None:
    """A hundred entries at a time, until there are no more."""
    for number in range(250):
        server.push(PATH, f"tag-{number:03}", "a1", day(1) + number * SECOND)
    records = collected(collect, repository(server))
    assert len({tag for tag, *_ in told(records)}) == 250
    assert [path.partition("?")[2] for path in server.asked()] == [f"limit=100&page={number}" for number in (1, 2, 3)]
    assert server.seen[0].headers["x-requested-with"] == "XMLHttpRequest"
    assert "authorization" not in server.seen[0].headers


def test_a_removal_far_back_is_seen(server: Quay) -> None:
    """The entry of an old tag that was removed lately stands on the last page: all pages are read each time."""
    server.push(PATH, "ancient", "a1", day(1))
    for number in range(150):
        server.push(PATH, f"tag-{number:03}", "a1", day(2) + number * SECOND)
    server.delete(PATH, "ancient", day(30))
    assert told(collected(collect, repository(server)))[:2] == [
        ("ancient", day(1), "a1", day(1)),
        ("ancient", day(30), None, None),
    ]


def test_one_tag_is_asked_for_alone(server: Quay) -> None:
    """Named tags cost a request each; as soon as a pattern is among them, the repository is read once."""
    for tag in ("v1", "v1.1", "v2"):
        server.push(PATH, tag, "a1", day(1))
    records = collected(collect, f"{repository(server)}:v1", f"{repository(server)}:v2", f"{repository(server)}:v2")
    assert sorted(tag for tag, at, *_ in told(records) if at == NOW) == ["v1", "v2"]
    assert sorted(path.partition("specificTag=")[2] for path in server.asked()) == ["v1", "v2"]
    server.seen.clear()
    records = collected(collect, f"{repository(server)}:v2", f"{repository(server)}:v1*")
    assert [tag for tag, at, *_ in told(records) if at == NOW] == ["v1", "v1.1", "v2"]
    assert len(server.seen) == 1
    records = collected(collect, f"{repository(server)}:*.1")
    assert {tag for tag, *_ in told(records)} == {"v1.1"}


def test_a_named_tag_that_is_not_there(server: Quay) -> None:
    """It is known to be absent, and whoever asked hears of it; one that was removed is no failure."""
    server.push(PATH, "old", "a1", day(1))
    server.delete(PATH, "old", day(2))
    for text in (f"{repository(server)}:nothing", f"{repository(server)}:o*"):
        records = collected(collect, text, f"{repository(server)}:nothing", f"{repository(server)}:old")
        assert failures(records) == [("not-found", f"{repository(server)}:nothing")]
        assert told(records).count(("nothing", NOW, None, None)) == 1
        assert ("old", day(2), None, None) in told(records)


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        (Window(since=day(2)), [(day(2), "a2"), (day(3), None), (day(4), "a1"), (NOW, "a1")]),
        (Window(until=day(3)), [(day(1), "a1"), (day(2), "a2"), (day(3), None)]),
        (Window(day(3), day(3)), [(day(3), None)]),
        (Window(day(10), day(11)), []),
    ],
)
def test_a_window_is_told(server: Quay, window: Window, expected: list[tuple[datetime, str | None]]) -> None:
    """Only what happened in it, both ends included."""
    server.push(PATH, "v", "a1", day(1))
    server.push(PATH, "v", "a2", day(2))
    server.delete(PATH, "v", day(3))
    server.push(PATH, "v", "a1", day(4))
    records = collected(collect, repository(server), window=window)
    assert [row[1:3] for row in told(records)] == expected
    assert failures(collected(collect, f"{repository(server)}:no", window=window)) == (
        [("not-found", f"{repository(server)}:no")] if window.is_whole else []
    )


# --- while it is read ------------------------------------------------------------------------------------------------


def fill(server: Quay, count: int = 250) -> None:
    """*count* tags, a second apart."""
    for number in range(count):
        server.push(PATH, f"tag-{number:03}", "a1", day(1) + number * SECOND)


def test_a_push_while_pages_are_read_is_no_removal(server: Quay) -> None:
    """The new entry is on a page that was read already; what is said is how it was before the first page."""
    fill(server)
    server.before_page[3] = lambda: server.push(PATH, "tag-000", "a2", NOW + SECOND)
    records = collected(collect, repository(server))
    assert failures(records) == []
    assert [row for row in told(records) if row[0] == "tag-000"] == [
        ("tag-000", day(1), "a1", day(1)),
        ("tag-000", NOW, "a1", day(1)),
    ]
    later = told(collected(collect, repository(server)))
    assert [row[1:3] for row in later if row[0] == "tag-000"] == [
        (day(1), "a1"),
        (NOW, "a1"),
        (NOW + SECOND, "a2"),
    ]


def test_a_removal_while_pages_are_read_is_for_the_next_time(server: Quay) -> None:
    """It ended after the moment that is told of."""
    fill(server)
    server.before_page[3] = lambda: server.delete(PATH, "tag-000", NOW + SECOND)
    records = collected(collect, repository(server))
    assert [row[1:3] for row in told(records) if row[0] == "tag-000"] == [(day(1), "a1"), (NOW, "a1")]


def test_entries_that_come_twice_count_once(server: Quay) -> None:
    """New entries move others on to the next page."""
    fill(server)
    server.before_page[2] = lambda: server.push(PATH, "new", "a2", NOW)
    records = collected(collect, repository(server))
    moves = [row[:2] for row in told(records)]
    assert len(moves) == len(set(moves)) == 500


# --- who asks --------------------------------------------------------------------------------------------------------


def test_a_private_repository_takes_a_token(server: Quay) -> None:
    """It is sent as it is; a wrong one, or none, is one failure for the repository, whatever the challenge says."""
    server.token = "oauth-token"
    server.push(PATH, "v", "a1", day(1))
    good = {server.registry: Credentials("$oauthtoken", "oauth-token")}
    assert len(told(collected(collect, repository(server), credentials=good))) == 2
    texts = [f"{repository(server)}:v", f"{repository(server)}:w"]
    wrong = collected(collect, *texts, credentials={server.registry: Credentials("$oauthtoken", "wrong-token")})
    assert failures(wrong) == [("unauthorized", repository(server))]
    assert "wrong-token" not in str(wrong)
    assert failures(collected(collect, *texts)) == [("unauthorized", repository(server))]


# --- what goes wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (reply(500), "server-error"),
        (reply(404), "not-found"),
        (reply(403), "denied"),
        (reply(429, retry_after="3600"), "rate-limited"),
        (cut(b'{"tags": [', 1000), "unreachable"),
        (reply(200, b'{"tags": ['), "bad-document"),
        (reply(200, b"[" * 100_000), "bad-document"),
        (reply(200, b'{"tags": []}'), "bad-document"),
        (reply(200, b'{"tags": [], "has_additional": "no"}'), "bad-document"),
        (reply(200, b'{"has_additional": false}'), "bad-document"),
        (reply(200, b'{"tags": {}, "has_additional": false}'), "bad-document"),
        (endless(), "too-large"),
    ],
)
def test_a_page_that_fails_keeps_what_came_before(server: Quay, fault: Behaviour, kind: str) -> None:
    """The newest entries are told, with one failure; another repository is not concerned."""
    fill(server)
    server.push("team/other", "v", "a1", day(1))
    server.fault(lambda asked: asked.query.get("page") == "2", *[fault] * 4)
    records = collected(collect, repository(server), f"{server.registry}/team/other")
    assert failures(records) == [(kind, repository(server))]
    assert sorted({tag for tag, *_ in told(records)}) == [*(f"tag-{number}" for number in range(150, 250)), "v"]


def test_a_repository_that_is_not_there(server: Quay) -> None:
    """Nothing is said of its tags."""
    records = collected(collect, f"{server.registry}/no/such:v", f"{server.registry}/no/such:w")
    assert [kind for kind, _ in failures(records)] == ["not-found"] * 2
    assert told(records) == []


def test_pages_that_repeat_or_do_not_end_are_left(server: Quay) -> None:
    """A page that has nothing new though more should follow, or too many of them; what was said stays."""
    fill(server)
    entries = [{"name": "v", "manifest_digest": digest("a1"), "start_ts": 1767225600}]
    page = said({"tags": entries, "page": 1, "has_additional": True})
    server.fault(lambda asked: True, *[page] * 5)
    records = collected(collect, repository(server))
    assert failures(records) == [("bad-response", repository(server))]
    assert (len(server.seen), len(told(records))) == (2, 2)
    server._faults.clear()
    records = collected(collect, repository(server), limits=Limits(pages=2))
    assert failures(records) == [("bad-response", repository(server))]
    assert len({tag for tag, *_ in told(records)}) == 200


GOOD = {"name": "v", "manifest_digest": digest("a1"), "start_ts": 1767225600, "is_manifest_list": False, "size": None}
BAD_ENTRIES: list[object] = [
    None,
    [],
    {},
    {**GOOD, "name": None},
    {**GOOD, "name": "../x"},
    {**GOOD, "name": "a\x00b"},
    {**GOOD, "name": "\ud800"},
    {**GOOD, "manifest_digest": None},
    {**GOOD, "manifest_digest": "sha256:abc"},
    {**GOOD, "start_ts": "1767225600"},
    {**GOOD, "start_ts": 1767225600.5},
    {**GOOD, "start_ts": True},
    {**GOOD, "start_ts": -1},
    {**GOOD, "start_ts": 10**30},
    {**GOOD, "start_ts": 1767225600000},
    {**GOOD, "end_ts": 1767225599},
    {**GOOD, "end_ts": 10**30},
    {**GOOD, "end_ts": float("nan")},
]


@pytest.mark.parametrize("entry", BAD_ENTRIES)
def test_an_entry_that_is_none_is_left_out(entry: object) -> None:
    """It is named; its neighbours are kept."""
    body = json.dumps({"tags": [GOOD, entry, GOOD], "has_additional": False}).encode()
    page = parse_page(body, source="x", now=NOW)
    assert page.stretches.rows == (Stretch("v", digest("a1"), 1767225600, None),) * 2
    assert str(page.stretches.defects[0]).startswith("x: tags[1]")


def test_an_end_beside_a_broken_entry_is_no_removal(server: Quay) -> None:
    """The entry that cannot be read may be what came after."""
    ended = {**GOOD, "end_ts": 1767312000}
    page = {"tags": [{**GOOD, "start_ts": 1767312000, "manifest_digest": "?"}, ended], "has_additional": False}
    server.fault(lambda asked: True, said(page), said({**page, "tags": [ended]}))
    records = collected(collect, f"{repository(server)}:v", f"{repository(server)}:v")
    assert failures(records) == [("malformed", f"{repository(server)}:v")]
    assert told(records) == [("v", day(1), "a1", day(1))]
    assert told(collected(collect, f"{repository(server)}:v"))[1:] == [("v", day(2), None, None)]


def test_entries_without_a_start(server: Quay) -> None:
    """What Quay does not know is not told: such a tag is there now, or ended, and nobody knows since when."""
    server.rows[PATH] = []
    entries = [
        {"name": "there", "manifest_digest": digest("a1")},
        {"name": "gone", "manifest_digest": digest("a1"), "end_ts": 1767225600},
        {"name": "zero", "manifest_digest": digest("a1"), "start_ts": 0, "end_ts": 0},
    ]
    server.fault(lambda asked: True, said({"tags": entries, "page": 1, "has_additional": False}))
    assert told(collected(collect, repository(server))) == [
        ("gone", day(1), None, None),
        ("there", NOW, "a1", None),
        ("zero", NOW, "a1", None),
    ]


STARTS = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 60), st.booleans()), max_size=8)


@given(STARTS)
def test_any_stretches_are_told_in_order(rows: list[tuple[int, int, bool]]) -> None:
    """One observation for each instant, by time, none after the moment that is told of unless a stretch began then."""
    asked_at = datetime.fromtimestamp(30, UTC)
    stretches = [
        Stretch("v", digest(f"{n:x}"), start, None if is_open else start + length)
        for n, (start, length, is_open) in enumerate(rows)
    ]
    told = observations("r", sorted(stretches, key=lambda stretch: stretch.start or 0), asked_at)
    times = [observation.observed_at for observation in told]
    assert times == sorted(set(times))
    starts = {datetime.fromtimestamp(start, UTC) for start, _, _ in rows}
    assert {time for time in times if time > asked_at} <= starts
    assert all(observation.digest is None for observation in told if observation.is_absent)


@given(
    st.binary(max_size=60)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["tags", "name", "has_additional", "start_ts", "manifest_digest"]), inner, max_size=4
            )
        ),
        max_leaves=10,
    ).map(lambda document: json.dumps(document).encode())
)
def test_any_page_is_survived(body: bytes) -> None:
    """Whatever comes, it is read or it is a ParseError."""
    try:
        page: Any = parse_page(body, source="x", now=NOW)
    except ParseError:
        return
    assert page.stretches.count >= 0
