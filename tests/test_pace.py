"""How hard a server is asked: its waits, its troubles, its pulls, and what a run may send."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from random import Random

import httpx
import pytest

from imglab.errors import Postponed, SourceError
from imglab.http import Answer, Client, Limits, Request
from imglab.pace import Clock, Pace, asked_wait

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
URL = "https://r.example/v2/a/b"


class Timeline:
    """A clock that stands still while anything can be done, and then moves to where the first sleeper wakes."""

    def __init__(self) -> None:
        self.time = 0.0
        self._wakings: list[float] = []

    async def sleep(self, seconds: float) -> None:
        until = self.time + seconds
        self._wakings.append(until)
        while self.time < until:
            for _ in range(100):
                await asyncio.sleep(0)
            if min(self._wakings) == until:
                self.time = max(self.time, until)
        self._wakings.remove(until)

    def seconds(self) -> float:
        return self.time


class Server:
    """A server that answers as it is told to, in turn, and remembers when it was asked for what."""

    def __init__(self, answer: Callable[[httpx.Request, int], httpx.Response]) -> None:
        self.timeline = Timeline()
        self.asked: list[tuple[float, str, str]] = []
        self._answer = answer

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append((self.timeline.time, request.method, str(request.url)))
        return self._answer(request, len(self.asked))

    def client(self, concurrency: int = 4, **limits: object) -> Client:
        """A client of this server, on its time."""
        return Client(
            transport=httpx.MockTransport(self),
            concurrency=concurrency,
            limits=Limits(**limits),  # type: ignore[arg-type]
            sleep=self.timeline.sleep,
            clock=self.timeline.seconds,
            now=lambda: NOON,
            jitter=lambda: 0.0,
        )

    def answers(self, requests: Iterator[Request], concurrency: int = 4, **limits: object) -> list[Answer]:
        """What comes of *requests*."""
        with self.client(concurrency, **limits) as client:
            return list(client.fetch(requests))


def requests(count: int, url: str = URL, **more: object) -> Iterator[Request]:
    return (Request(f"{url}/{number}", key=number, **more) for number in range(count))  # type: ignore[arg-type]


def kinds(answers: list[Answer]) -> Counter[str | None]:
    return Counter(answer.error.kind if answer.error else None for answer in answers)


# --- waits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("value", ["10", "Thu, 01 Jan 2026 12:00:10 GMT"])
def test_whom_one_is_told_to_wait_all_wait(status: int, value: str) -> None:
    """A server's wait is for every request to it, not only for the one that was told; other servers are not it."""
    is_told = lambda request, count: count == 1 and request.url.host == "r.example"  # noqa: E731
    server = Server(lambda request, count: httpx.Response(status if is_told(request, count) else 200, headers=headers))
    headers = {"retry-after": value}
    mixed = itertools.chain.from_iterable(zip(requests(8), requests(8, "https://other.example"), strict=True))
    answers = server.answers(mixed)
    assert kinds(answers) == {None: 16}
    own = [at for at, _, url in server.asked if url.startswith("https://r.example")]
    assert len(own) == 9
    assert [at for at in own[1:] if at < 10] == []
    assert sum(at == 0 for at, _, url in server.asked if "other" in url) == 8


@pytest.mark.parametrize(("asked", "jitter", "slept"), [(10.0, 0.0, 10.0), (10.0, 1.0, 10.5), (2.0, 0.5, 2.05)])
def test_those_that_waited_come_back_one_after_another(asked: float, jitter: float, slept: float) -> None:
    """After a wait the next request leaves up to a twentieth of it later, and up to half a second, as chance has it."""
    timeline = Timeline()
    one = Pace("r.example", Limits(), 4, Clock(timeline.sleep, timeline.seconds, lambda: NOON, lambda: jitter))

    async def course() -> float:
        async with one.turn(is_pull=False) as turn:
            one.heard(429, {"retry-after": f"{asked:.0f}"}, b"", turn=turn, is_pull=False)
        async with one.turn(is_pull=False):
            return timeline.time

    assert asyncio.run(course()) == slept


def test_a_storm_of_429_is_sat_out() -> None:
    """A server that takes ten requests in ten seconds is asked in its rhythm: all is answered, little refused."""
    taken: Counter[int] = Counter()

    def limited(request: httpx.Request, count: int) -> httpx.Response:
        window = int(server.timeline.time // 10)
        taken[window] += 1
        if taken[window] > 10:
            return httpx.Response(429, headers={"retry-after": str(int(10 - server.timeline.time % 10) + 1)})
        return httpx.Response(200)

    server = Server(limited)
    assert kinds(server.answers(requests(200), 16)) == {None: 200}
    assert len(server.asked) < 300


def test_a_wait_beyond_the_cap_ends_the_server_for_the_run() -> None:
    """All that is left is postponed with the time to resume at, without being asked for."""
    server = Server(lambda request, count: httpx.Response(503, headers={"retry-after": "3600"}))
    answers = server.answers(requests(200))
    assert len(server.asked) <= 4
    assert all(isinstance(answer.error, Postponed) for answer in answers)
    assert {str(answer.error) for answer in answers} == {
        "r.example asks to wait 3600 s, longer than the 60 s that are waited for: resume after 2026-01-01 13:00:00 UTC"
    }


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": " 7 "}, 7),
        ({"retry-after": "Thu, 01 Jan 2026 12:01:00 GMT"}, 60),
        ({"retry-after": "Thu, 01 Jan 2026 11:00:00 GMT"}, 0),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "9" * 1000}, 999_999_999_999),
        ({"ratelimit-reset": "30"}, 30),
        ({"ratelimit-reset": str(int(NOON.timestamp()) + 5)}, 5),
        ({"x-ratelimit-reset": "30"}, None),
        ({"x-ratelimit-reset": str(int(NOON.timestamp()) + 5)}, 5),
        ({"retry-after": "1", "ratelimit-reset": "30"}, 1),
        ({}, None),
    ],
)
def test_waits_are_read(headers: dict[str, str], seconds: float | None) -> None:
    """Seconds, dates, resets of limits; what is unreadable is no wait."""
    assert asked_wait(429, headers, NOON) == seconds


# --- how many at a time ----------------------------------------------------------------------------------------------


def pace(**limits: int) -> Pace:
    timeline = Timeline()
    clock = Clock(timeline.sleep, timeline.seconds, lambda: NOON, lambda: 0.0)
    return Pace("r.example", Limits(**limits), 16, clock)


async def hear(one: Pace, *statuses: int) -> None:
    """Requests on their way together that are answered so."""
    async with AsyncExitStack() as stack:
        turns = [await stack.enter_async_context(one.turn(is_pull=False)) for _ in statuses]
        for status, turn in zip(statuses, turns, strict=True):
            one.heard(status, {}, b"", turn=turn, is_pull=False)


def test_a_server_in_trouble_is_asked_less_at_a_time() -> None:
    """Half as much after each 503 or 429 to what was sent since, never none; slowly more while it goes well."""

    async def widths() -> list[int]:
        one, found = pace(patience=100), []
        for _ in range(6):
            await hear(one, *[503, 429, 503][: one.width])
            found.append(one.width)
        for count in (1 + 2 + 3, 10_000):
            for _ in range(count):
                await hear(one, 404)
            found.append(one.width)
        return found

    assert asyncio.run(widths()) == [8, 4, 2, 1, 1, 1, 4, 16]


def test_the_width_is_kept_to() -> None:
    """After it was lowered, no more requests than that are under way at a time; after it rose again, as many."""

    async def most_at_a_time(one: Pace) -> int:
        counts, now = [], 0

        async def turn() -> None:
            nonlocal now
            async with one.turn(is_pull=False):
                now += 1
                counts.append(now)
                await asyncio.sleep(0)
                now -= 1

        await asyncio.gather(*(turn() for _ in range(50)))
        return max(counts)

    async def course() -> list[int]:
        one = pace(patience=100)
        found = [await most_at_a_time(one)]
        for statuses in ([503], [429], [200] * 10_000):
            for status in statuses:
                await hear(one, status)
            found.append(await most_at_a_time(one))
        return found

    assert asyncio.run(course()) == [16, 8, 4, 16]


# --- patience --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", [httpx.Response(500), httpx.Response(503), httpx.ConnectError("refused")])
def test_a_dying_server_is_left_alone(trouble: httpx.Response | Exception) -> None:
    """It gets a few second tries in all, not four for each item; then nothing, and what is left is postponed."""

    def dies(request: httpx.Request, count: int) -> httpx.Response:
        if count <= 100:
            return httpx.Response(200)
        if isinstance(trouble, Exception):
            raise trouble
        return httpx.Response(trouble.status_code)

    server = Server(dies)
    answers = server.answers(requests(5_000), 16)
    assert kinds(answers)[None] == 100
    assert 130 < len(server.asked) < 100 + 40 + 16
    postponed = [answer for answer in answers if isinstance(answer.error, Postponed)]
    assert len(postponed) > 4_800
    assert "r.example" in str(postponed[-1].error) and "run again later" in str(postponed[-1].error)


def test_a_server_that_comes_back_is_asked_again() -> None:
    """A short outage costs second tries, no item."""
    server = Server(lambda request, count: httpx.Response(503 if 100 < count <= 110 else 200))
    assert kinds(server.answers(requests(1_000))) == {None: 1_000}


def test_one_failure_in_ten_is_borne() -> None:
    """A server that fails now and then is asked to the end, however long that is."""
    random = Random(2026)

    def flaky(request: httpx.Request, count: int) -> httpx.Response:
        if random.random() < 0.1:
            raise httpx.ReadError("reset")
        return httpx.Response(200)

    server = Server(flaky)
    answers = server.answers(requests(5_000), 16)
    assert kinds(answers)[None] >= 4_995  # four times in a row at random: one in 10,000
    assert not any(isinstance(answer.error, Postponed) for answer in answers)


def test_refusals_and_bad_content_are_no_trouble() -> None:
    """A server that answers is well, whatever it answers: 404, 403, wrong bytes."""
    server = Server(lambda request, count: httpx.Response((404, 403, 200)[count % 3], content=b"wrong"))
    answers = server.answers(requests(600, digest="sha256:" + "0" * 64))
    assert not any(isinstance(answer.error, Postponed) for answer in answers)
    assert set(kinds(answers)) == {"not-found", "denied", "digest-mismatch"}


# --- pulls -----------------------------------------------------------------------------------------------------------


class Hub:
    """Counts pulls as Docker Hub does: GET, not HEAD, and says how many are left."""

    def __init__(self, left: int, **headers: str) -> None:
        self.left = left
        self.headers = {"ratelimit-limit": "100;w=21600", "docker-ratelimit-source": "192.0.2.1", **headers}

    def __call__(self, request: httpx.Request, count: int) -> httpx.Response:
        is_spent = False
        if request.method == "GET" and "manifests" in request.url.path:
            is_spent = self.left <= 0
            self.left = max(0, self.left - 1)
        told = {"ratelimit-remaining": f"{self.left};w=21600", **self.headers}
        body = b'{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit."}]}'
        return httpx.Response(429 if is_spent else 200, headers=told, content=body if is_spent else b"")


HEADS = [Request(f"{URL}/manifests/{name}", "HEAD") for name in "abc"]
MANIFESTS = f"{URL}/manifests"


@pytest.mark.parametrize(("left", "reserve", "sent"), [(30, 10, 20), (12, 10, 2), (10, 10, 0), (3, 10, 0), (5, 0, 5)])
def test_pulls_are_left_to_others(left: int, reserve: int, sent: int) -> None:
    """As many as the reserve stay, to the pull, with many requests at a time; HEADs and blobs go on."""
    hub = Hub(left)
    server = Server(hub)
    with server.client(16, reserve=reserve) as client:
        assert kinds(list(client.fetch(HEADS))) == {None: 3}
        answers = list(client.fetch(requests(500, MANIFESTS, is_pull=True)))
        assert kinds(answers) == {**({None: sent} if sent else {}), "rate-limited": 500 - sent}
        assert hub.left == left - sent
        assert kinds(list(client.fetch([*HEADS, *requests(5, f"{URL}/blobs")]))) == {None: 8}
    errors = {str(answer.error) for answer in answers if answer.error}
    kept = f", which are kept (--reserve {reserve})" if reserve else ""
    assert errors == {
        f"r.example counts pulls for 192.0.2.1, and {min(left, reserve)} pulls are left there of 100 in 6 hours"
        f"{kept}: resume after 2026-01-01 18:00:00 UTC"
    }
    assert all(isinstance(answer.error, Postponed | None) for answer in answers)


def test_pulls_of_others_count_as_well() -> None:
    """The server's own number is believed: somebody behind the same address pulls too."""
    hub = Hub(60)

    def shared(request: httpx.Request, count: int) -> httpx.Response:
        hub.left -= request.method == "GET"
        return hub(request, count)

    server = Server(shared)
    with server.client(1) as client:
        list(client.fetch(HEADS))
        answers = list(client.fetch(requests(100, MANIFESTS, is_pull=True)))
    assert (kinds(answers)[None], hub.left) == (25, 10)


def test_a_limit_that_is_used_up_ends_pulls_only() -> None:
    """A 429 that says so is one request, not four for each item; HEADs go on."""
    server = Server(Hub(0, **{"retry-after": "45"}))
    with server.client(4, reserve=0) as client:
        answers = list(client.fetch(requests(300, MANIFESTS, is_pull=True)))
        assert kinds(answers) == {"rate-limited": 300}
        assert len(server.asked) <= 4
        assert kinds(list(client.fetch(HEADS))) == {None: 3}
    text = "no pulls are left there of 100 in 6 hours: resume after 2026-01-01 12:00:45 UTC"
    assert text in str(answers[-1].error)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"ratelimit-remaining": "1"},
        {"ratelimit-remaining": "0;w=60"},
        {"ratelimit-remaining": "none;w=21600"},
        {"ratelimit-remaining": "-1;w=21600"},
        {"ratelimit-remaining": "9" * 5000 + ";w=21600"},
        {"x-ratelimit-remaining": "0"},
    ],
)
def test_what_is_no_count_of_pulls_stops_nothing(headers: dict[str, str]) -> None:
    """Registries without limits, other headers of other services, windows that are soon over."""
    server = Server(lambda request, count: httpx.Response(200, headers=headers))
    assert kinds(server.answers(requests(50, MANIFESTS, is_pull=True))) == {None: 50}


def test_what_a_limit_counts_for_is_shown_only_if_it_is_plain() -> None:
    """Neither control characters nor long texts of a server get into the reason."""
    server = Server(Hub(0, **{"docker-ratelimit-source": "x" * 100, "ratelimit-limit": "many"}))
    with server.client() as client:
        list(client.fetch(HEADS))
        (answer,) = client.fetch(requests(1, MANIFESTS, is_pull=True))
    assert str(answer.error) == (
        "r.example counts pulls, and 0 pulls are left there, which are kept (--reserve 10): run again later"
    )


# --- what a run may send ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [1, 7, 100])
def test_a_run_sends_no_more_than_it_may(most: int) -> None:
    """Second tries, tokens and pings count; what is left is postponed."""

    def flaky(request: httpx.Request, count: int) -> httpx.Response:
        if request.url.path == "/v2/":
            header = 'Bearer realm="https://r.example/token",service="s"'
            return httpx.Response(401, headers={"www-authenticate": header})
        if request.url.path == "/token":
            return httpx.Response(200, json={"token": "t"})
        return httpx.Response(503 if count % 5 == 0 else 200)

    server = Server(flaky)
    with server.client(requests=most) as client:
        answers = list(client.fetch(requests(200, scope="repository:a/b:pull")))
        assert client.requests == len(server.asked) == most
    assert kinds(answers)["request-limit"] >= 200 - most
    assert f"--limit-requests {most} is reached: run again" in str(answers[-1].error)
    assert isinstance(answers[-1].error, SourceError) and answers[-1].error.is_temporary
