"""The HTTP client: what it sends, what it accepts, and what it does when servers misbehave."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from traceback import extract_tb
from urllib.parse import parse_qsl

import httpx
import pytest
from certificates import authority
from faulty import Faulty, cut, endless, faulty_server, reply, reset, sha256
from hypothesis import given
from hypothesis import strategies as st

from imglab.errors import Postponed, SourceError, UsageError
from imglab.http import (
    USER_AGENT,
    Client,
    Credentials,
    Exchange,
    Limits,
    Login,
    Request,
    next_link,
    parse_challenges,
    redacted,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECRET = Credentials("user", "p4ssw0rd")
IDENTITY = Credentials("<token>", "p4ssw0rd", "identity-token", "docker-credential-vault")
TOKEN = Credentials("", "p4ssw0rd", "registry-token", "/home/user/.docker/config.json")
JWT = "x.eyJleHAiOiAxNzY3MjU4MDAwfQ.x"  # until 2026-01-01 09:00 UTC
Handler = Callable[[httpx.Request], httpx.Response]


class Sleeps:
    """A clock that sleeping moves, and what was slept."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.time = 0.0

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds

    def clock(self) -> float:
        return self.time


@pytest.fixture
def server() -> Iterator[Faulty]:
    with faulty_server() as faulty:
        yield faulty


@pytest.fixture
def other() -> Iterator[Faulty]:
    with faulty_server() as faulty:
        yield faulty


@pytest.fixture
def sleeps() -> Sleeps:
    return Sleeps()


@pytest.fixture
def client(sleeps: Sleeps) -> Iterator[Client]:
    with Client(sleep=sleeps.sleep, clock=sleeps.clock, now=lambda: NOON, jitter=lambda: 1.0) as client:
        yield client


def mocked(handler: Handler, **options: object) -> Client:
    sleeps = Sleeps()
    return Client(
        transport=httpx.MockTransport(handler),
        sleep=sleeps.sleep,
        clock=sleeps.clock,
        now=lambda: NOON,
        **options,  # type: ignore[arg-type]
    )


def kind(error: SourceError | None) -> str | None:
    return error.kind if error else None


def test_answers_carry_body_headers_and_key(client: Client, server: Faulty) -> None:
    """A good answer has what was sent, and the client counts it."""
    server.on("/x", reply(200, b"hello", x_thing="y"))
    answer = client.answer(
        Request(f"{server.url}/x", key="k", headers={"accept": "a/b"}, digest=sha256(b"hello"), size=5)
    )
    assert (answer.status, answer.body, answer.request.key, answer.error) == (200, b"hello", "k", None)
    assert answer.headers["x-thing"] == "y"
    assert server.seen[0].headers["user-agent"] == USER_AGENT
    assert server.seen[0].headers["accept"] == "a/b"
    assert (client.requests, client.received_bytes) == (1, 5)


def test_one_bad_item_does_not_end_the_batch(client: Client, server: Faulty) -> None:
    """Each item has its own answer, good or bad."""
    server.on("/good", reply(200, b"1"))
    requests = [Request(f"{server.url}/{name}", key=name) for name in ("good", "bad", "good")]
    answers = list(client.fetch(requests))
    assert sorted((a.request.key, kind(a.error)) for a in answers) == [
        ("bad", "not-found"),
        ("good", None),
        ("good", None),
    ]


def test_concurrency_is_bounded_and_used() -> None:
    """Never more requests at a time than asked for, and as many as that."""
    with faulty_server() as server:
        lock, now, most, together = threading.Lock(), [0], [0], threading.Barrier(4)

        def slow(handler: object) -> None:
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            together.wait(30)  # for as many as there may be
            with lock:
                now[0] -= 1
            reply(200, b"x")(handler)  # type: ignore[arg-type]

        server.on("/x", slow)
        with Client(concurrency=4) as client:
            assert sum(1 for _ in client.fetch(Request(f"{server.url}/x") for _ in range(40))) == 40
        assert most[0] == 4


def test_requests_are_read_only_a_little_ahead() -> None:
    """A long iterable of requests is never taken into memory whole."""
    taken = [0]

    def requests() -> Iterator[Request]:
        for _ in range(10_000):
            taken[0] += 1
            yield Request("https://r.example/x")

    with mocked(lambda request: httpx.Response(200), concurrency=2) as client:
        answers = client.fetch(requests())
        next(answers)
        assert taken[0] <= 16
        answers.close()


def test_answers_end_with_the_client() -> None:
    """Whoever holds on to them longer is told so, not left waiting; to let go of them is nothing."""
    held = asyncio.Event()

    async def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path != "/first":
            await held.wait()
        return httpx.Response(200)

    requests = [Request(f"https://r.example/{name}") for name in ("first", "second")]
    with Client(transport=httpx.MockTransport(handler)) as client:
        waiting, dropped = client.fetch(requests), client.fetch(requests)
        assert next(waiting).error is next(dropped).error is None
    dropped.close()
    with pytest.raises(RuntimeError, match="client is closed"):
        next(waiting)


@pytest.mark.parametrize(
    ("behaviours", "tries"),
    [
        ([reply(503), reply(200, b"ok")], 2),
        ([reset(), reset(), reply(200, b"ok")], 3),
        ([cut(b"o", 2), reply(200, b"ok")], 2),
        ([reply(429, retry_after="0"), reply(408), reply(200, b"ok")], 3),
        ([reply(200, b"no"), reply(200, b"ok")], 2),
    ],
)
def test_what_passes_is_tried_again(client: Client, server: Faulty, behaviours: list, tries: int) -> None:  # type: ignore[type-arg]
    """Resets, cut and damaged bodies, 408, 429 and 5xx are tried again."""
    server.on("/x", *behaviours)
    answer = client.answer(Request(f"{server.url}/x", digest=sha256(b"ok")))
    assert (answer.error, answer.body) == (None, b"ok")
    assert len(server.seen) == tries


@pytest.mark.parametrize(("jitter", "slept"), [(0.0, [0.25, 0.5, 1.0]), (0.5, [0.375, 0.75, 1.5])])
def test_tries_are_spread(sleeps: Sleeps, jitter: float, slept: list[float]) -> None:
    """Many that failed together do not come back together: up to a half of each pause is left to chance."""
    handler = httpx.MockTransport(lambda request: httpx.Response(500))
    with Client(transport=handler, sleep=sleeps.sleep, clock=sleeps.clock, jitter=lambda: jitter) as client:
        client.answer(Request("https://r.example/x"))
    assert sleeps.slept == slept


def test_tries_end(client: Client, server: Faulty, sleeps: Sleeps) -> None:
    """After four tries with longer and longer pauses the error stands."""
    server.on("/x", reply(500))
    answer = client.answer(Request(f"{server.url}/x"))
    assert (kind(answer.error), answer.status, len(server.seen)) == ("server-error", 500, 4)
    assert sleeps.slept == [0.5, 1.0, 2.0]
    assert answer.error and answer.error.is_temporary


@pytest.mark.parametrize(
    ("status", "name"), [(401, "unauthorized"), (403, "denied"), (404, "not-found"), (400, "bad-response")]
)
def test_refusals_are_final_and_say_what_to_do(client: Client, server: Faulty, status: int, name: str) -> None:
    """Other 4xx are not tried again; the registry's own code is kept."""
    body = json.dumps({"errors": [{"code": "SOME_CODE", "message": "x"}]}).encode()
    server.on("/x", reply(status, body))
    error = client.answer(Request(f"{server.url}/x?token=secret")).error
    assert error is not None
    assert (error.kind, error.status, error.code, error.is_temporary) == (name, status, "SOME_CODE", False)
    assert len(server.seen) == 1
    assert "secret" not in str(error) and "\n" not in str(error)
    assert ("--password-stdin" in str(error)) == (status in {401, 403})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>no</html>",
        b"\xff\x00",
        b"[]",
        b"{}",
        b'{"errors": null}',
        b'{"errors": []}',
        b'{"errors": [1]}',
        b'{"errors": [{"code": 1}]}',
        b'{"errors": [{"code": "a\\u001b[2J"}]}',
        b'{"errors": [{"code": "lower"}]}',
        b'{"errors": [{"code": "' + b"X" * 100 + b'"}]}',
        b"[" * 100_000,
        b"9" * 10_000,
    ],
)
def test_any_body_of_a_refusal_is_survived(body: bytes) -> None:
    """Registries may say what they like: what is no code of theirs is not shown."""
    with mocked(lambda request: httpx.Response(404, content=body)) as client:
        error = client.answer(Request("https://r.example/x")).error
    assert error is not None
    assert (error.kind, error.code) == ("not-found", None)
    assert str(error).isprintable() and "html" not in str(error)


@pytest.mark.parametrize("value", ["7", "Thu, 01 Jan 2026 12:00:07 GMT"])
def test_retry_after_is_honoured(client: Client, server: Faulty, sleeps: Sleeps, value: str) -> None:
    """Seconds and dates are waited for, a little longer than asked."""
    server.on("/x", reply(429, retry_after=value), reply(200))
    assert client.answer(Request(f"{server.url}/x")).error is None
    assert sleeps.slept == [7.5]


def test_long_waits_are_refused(client: Client, server: Faulty, sleeps: Sleeps) -> None:
    """A wait beyond the cap ends the item at once and names the wait."""
    server.on("/x", reply(429, retry_after="21600"))
    error = client.answer(Request(f"{server.url}/x")).error
    assert error is not None and error.is_temporary
    assert (error.kind, sleeps.slept, len(server.seen)) == ("rate-limited", [], 1)
    assert "21600 s" in str(error) and "resume after 2026-01-01 18:00:00 UTC" in str(error)


def test_a_wait_beyond_all_calendars_is_refused_too(client: Client, server: Faulty) -> None:
    """Whatever number a server asks to wait for, the answer is an error."""
    server.on("/x", reply(429, retry_after="9" * 30))
    error = client.answer(Request(f"{server.url}/x")).error
    assert kind(error) == "rate-limited" and "the end of time" in str(error)


@pytest.mark.parametrize(
    "value",
    [
        "Thu, 01 Jan 2026 12:00:07 +9999999999999999999",
        "Thu, 01 Jan 99999999999999999999 12:00:07 GMT",
        "Thu, 01 Jan 2026 99999999999999999999:00:07 GMT",
        "Thu, 45 Jan 2026 12:00:07 GMT",
        "-7",
        "7.5",
        "soon",
        "",
    ],
)
def test_a_wait_that_is_no_time_is_not_waited_for(client: Client, server: Faulty, sleeps: Sleeps, value: str) -> None:
    """What cannot be read as seconds or a date, in calendars or in numbers, leaves the usual pause."""
    server.on("/x", reply(429, retry_after=value), reply(200))
    assert client.answer(Request(f"{server.url}/x")).error is None
    assert sleeps.slept == [0.5]


@pytest.mark.parametrize(("resets", "slept"), [(7, 7.5), (-7, 0.5)])
def test_the_reset_of_a_rate_limit_is_waited_for(
    client: Client, server: Faulty, sleeps: Sleeps, resets: int, slept: float
) -> None:
    """A 429 without Retry-After may say at which second the limit is new; other replies are not about waiting."""
    at = str(int(NOON.timestamp()) + resets)
    server.on("/x", reply(429, x_ratelimit_reset=at), reply(500, x_ratelimit_reset=at), reply(200))
    assert client.answer(Request(f"{server.url}/x")).error is None
    assert sleeps.slept == [slept, 1.0]


def test_a_reset_in_another_convention_is_not_waited_for(client: Client, server: Faulty, sleeps: Sleeps) -> None:
    """A small number counts from now, if anything: the usual pause does."""
    server.on("/x", reply(429, x_ratelimit_reset="3600"), reply(200))
    assert client.answer(Request(f"{server.url}/x")).error is None
    assert sleeps.slept == [0.5]


def test_spent_pull_limit_is_not_waited_for(client: Client, server: Faulty) -> None:
    """Docker Hub's six hours are not a matter of another try."""
    server.on("/x", reply(429, b"You have reached your pull rate limit."))
    error = client.answer(Request(f"{server.url}/x")).error
    assert (kind(error), len(server.seen)) == ("rate-limited", 1)


def test_wrong_bytes_are_tried_once_more(client: Client, server: Faulty) -> None:
    """Bytes may be damaged on the way once; a header that vouches for them changes nothing."""
    server.on("/x", reply(200, b"evil", docker_content_digest=sha256(b"evil")))
    answer = client.answer(Request(f"{server.url}/x", digest=sha256(b"good")))
    assert (kind(answer.error), len(server.seen)) == ("digest-mismatch", 2)
    assert answer.error and not answer.error.is_temporary


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_after_wrong_bytes_is_final(client: Client, server: Faulty, status: int) -> None:
    """That bytes were damaged once is no reason to ask again for what is then refused."""
    server.on("/x", reply(200, b"evil"), reply(status))
    error = client.answer(Request(f"{server.url}/x", digest=sha256(b"good"))).error
    assert error is not None
    assert (error.status, len(server.seen)) == (status, 2)


def test_size_is_checked_before_the_digest(client: Client, server: Faulty) -> None:
    """A body of another length than announced is refused for that, whatever its digest."""
    server.on("/x", reply(200, b"good"))
    for body in (b"good", b"evil"):
        error = client.answer(Request(f"{server.url}/x", digest=sha256(body), size=3)).error
        assert kind(error) == "digest-mismatch"
        assert "4 bytes came, 3 were announced" in str(error)


def test_sha512_and_payload_are_verified() -> None:
    """Both known algorithms are computed, over the part of the body that counts."""
    import hashlib

    with mocked(lambda request: httpx.Response(200, content=b"body;signature")) as client:
        good = "sha512:" + hashlib.sha512(b"body").hexdigest()
        request = Request("https://r.example/x", digest=good, payload=lambda body: body.partition(b";")[0])
        assert client.answer(request).error is None
        assert kind(client.answer(Request("https://r.example/x", digest=good)).error) == "digest-mismatch"


def test_bodies_are_capped(client: Client, server: Faulty) -> None:
    """Endless bodies, announced giants and gzip bombs end at the cap, in memory too."""
    server.on("/endless", endless())
    server.on("/lying", reply(200, b"x", content_length=str(10**10)))
    bomb = gzip.compress(bytes(20_000_000))
    server.on("/bomb", reply(200, bomb, content_encoding="gzip"))
    for path in ("endless", "lying", "bomb"):
        answer = client.answer(Request(f"{server.url}/{path}", body_limit=100_000))
        assert (path, kind(answer.error), answer.body) == (path, "too-large", b"")
    assert client.received_bytes < 300_000


def test_bodies_on_the_way_are_capped(client: Client, server: Faulty) -> None:
    """Nobody on the way to an answer sends without end: not at the ping, for a token, with a redirect or a refusal."""
    server.on("/x", reply(200, b"ok"))
    server.on("/refused", endless(status=404))
    server.on("/led", endless(status=307, location="/x"))
    for path in ("refused", "led"):
        answer = client.answer(Request(f"{server.url}/{path}", body_limit=100_000))
        assert (path, kind(answer.error)) == (path, "too-large")
    server.on("/v2/", endless(status=401), reply(401, www_authenticate=f'Bearer realm="{server.url}/token"'))
    server.on("/token", endless())
    for _ in ("ping", "token"):
        with Client() as other:
            assert kind(other.answer(Request(f"{server.url}/x", scope="s")).error) == "too-large"
            assert other.received_bytes < 2_000_000
    assert [seen.path.partition("?")[0] for seen in server.seen[2:]] == ["/v2/", "/v2/", "/token"]
    assert client.received_bytes < 300_000 and server.paths("/x") == []


def test_a_trickling_body_is_ended(server: Faulty) -> None:
    """A body that comes a byte at a time never takes longer than the time for one request."""
    server.on("/x", endless(b"x", pause=0.05))
    began = time.monotonic()
    with Client(limits=Limits(request_seconds=0.3)) as client:
        error = client.answer(Request(f"{server.url}/x")).error
    assert (kind(error), len(server.seen)) == ("timeout", 1)
    assert time.monotonic() - began < 10


def test_silence_is_ended_and_tried_again(server: Faulty) -> None:
    """A server that says nothing is waited for a while, and asked again."""
    silent = threading.Event()
    server.on("/x", lambda handler: silent.wait(5) and None, reply(200, b"ok"))
    with Client(limits=Limits(silence_seconds=0.2, backoff_seconds=0.01)) as client:
        assert client.answer(Request(f"{server.url}/x")).body == b"ok"
    silent.set()


def test_gzip_is_decoded_and_other_codings_refused(client: Client, server: Faulty) -> None:
    """The digest is that of the decoded body; a coding not asked for is no answer."""
    server.on("/gzip", reply(200, gzip.compress(b"hello"), content_encoding="gzip"))
    server.on("/br", reply(200, b"?", content_encoding="br"))
    server.on("/twice", reply(200, b"?", content_encoding="gzip, gzip"))
    assert client.answer(Request(f"{server.url}/gzip", digest=sha256(b"hello"))).body == b"hello"
    assert kind(client.answer(Request(f"{server.url}/br")).error) == "bad-response"
    assert kind(client.answer(Request(f"{server.url}/twice")).error) == "bad-response"


@pytest.mark.parametrize("length", [1, 7, 1000])
def test_gzip_that_goes_on_after_its_end_is_no_body(length: int) -> None:
    """Nothing is left out of a body without a word, in however many pieces it comes."""
    sent = gzip.compress(b"hello") + gzip.compress(b" and more")

    class Pieces(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            for start in range(0, len(sent), length):
                yield sent[start : start + length]

    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-encoding": "gzip"}, stream=Pieces())

    with mocked(handler, limits=Limits(tries=1)) as client:
        answer = client.answer(Request("https://r.example/x"))
    assert (kind(answer.error), answer.body) == ("bad-response", b"")
    assert "goes on after its end" in str(answer.error)


def test_unreachable_servers_are_named(client: Client) -> None:
    """A refused connection says so, without traces of the libraries."""
    with faulty_server() as gone:
        url = gone.url
    error = client.answer(Request(f"{url}/x")).error
    assert error is not None
    assert (error.kind, error.is_temporary) == ("unreachable", True)
    assert str(error).startswith(f"GET {url}/x: unreachable (")


def test_tls_trouble_is_final(server: Faulty) -> None:
    """Plain HTTP where TLS was expected is told as such and not tried again."""
    with Client() as client:
        error = client.answer(Request(f"https://{server.registry}/x")).error
    assert error is not None
    assert (error.kind, error.is_temporary, "--plain-http" in str(error)) == ("tls", False, True)


def test_what_is_wrong_with_a_certificate_says_what_to_do(tmp_path: Path) -> None:
    """An unknown authority, an end that is past and another name have each their own advice."""
    signer = authority(tmp_path)
    for name, options, trusted, advice in (
        ("known", {}, True, None),
        ("unknown", {}, False, "give the certificate of its authority with --ca-cert"),
        ("expired", {"begins": -9, "ends": -1}, True, "certificate has expired); check the clock, or tell whoever"),
        ("other", {"names": "DNS:other.example"}, True, "use a name that the certificate is for"),
    ):
        with faulty_server(signer.context(name, **options)) as server:
            server.on("/x", reply(200))
            with Client(ca_cert=signer.certificate if trusted else None) as client:
                error = client.answer(Request(f"https://{server.registry}/x")).error
        assert error is None if advice is None else advice in str(error)


def test_a_server_that_wants_tls_is_told_so(client: Client, server: Faulty) -> None:
    """As Go's servers say it to those who speak plain HTTP."""
    server.on("/x", reply(400, b"Client sent an HTTP request to an HTTPS server.\n"))
    error = client.answer(Request(f"{server.url}/x")).error
    assert "400 (bad-response); it wants TLS: leave out --plain-http" in str(error)


def test_unreadable_certificates_are_misuse(tmp_path: object) -> None:
    """A --ca-cert that is none is the caller's mistake."""
    from pathlib import Path

    path = Path(str(tmp_path)) / "ca.pem"
    path.write_text("no certificate")
    with pytest.raises(UsageError, match="PEM"):
        Client(ca_cert=path)


def test_plain_http_for_loopback_only() -> None:
    """TLS is the rule; loopback is the exception, and --plain-http another."""
    client = Client()
    assert client.base_url("docker.io") == "https://registry-1.docker.io"
    assert client.base_url("ghcr.io") == "https://ghcr.io"
    for name in ("localhost", "localhost:5000", "127.0.0.1:5000", "127.9.9.9", "[::1]:5000"):
        assert client.base_url(name) == f"http://{name}"
    assert Client(plain_http=True).base_url("r.example:81") == "http://r.example:81"
    assert Client(insecure=True).base_url("localhost:5000") == "https://localhost:5000"


# --- redirects -------------------------------------------------------------------------------------------------------


def authorised(server: Faulty) -> Client:
    return Client(credentials={server.registry: SECRET}, limits=Limits(tries=1))


def test_redirects_carry_no_credentials_to_another_port(server: Faulty, other: Faulty) -> None:
    """Another port is another server: it sees no Authorization, and its challenge is not answered."""
    server.on("/v2/", reply(401, www_authenticate="Basic realm=x"))
    server.on("/blob", reply(307, location=f"{other.url}/stored"))
    other.on("/stored", reply(200, b"bytes"))
    with authorised(server) as client:
        assert client.answer(Request(f"{server.url}/blob", scope="s")).body == b"bytes"
        other.on("/stored", reply(401, www_authenticate=f'Bearer realm="{server.url}/token"'))
        assert kind(client.answer(Request(f"{server.url}/blob", scope="s")).error) == "unauthorized"
    assert "authorization" in server.paths("/blob")[0].headers
    assert [seen.headers.get("authorization") for seen in other.seen] == [None, None]
    assert server.paths("/token") == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_on_the_same_server_keep_credentials(server: Faulty, status: int) -> None:
    """A relative redirect, of any kind, is the same server."""
    server.on("/v2/", reply(401, www_authenticate="Basic realm=x"))
    server.on("/a", reply(status, location="b"))
    server.on("/b", reply(200, b"bytes"))
    with authorised(server) as client:
        assert client.answer(Request(f"{server.url}/a", scope="s")).body == b"bytes"
    assert server.paths("/b")[0].headers["authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    ("registry", "target"),
    [
        ("r.example:5000", "https://r.example:5000/x"),
        ("r.example:5000", "http://r.example:5001/x"),
        ("r.example:5000", "http://storage.example:5000/x"),
        ("r.example:5000", "http://deeper.r.example:5000/x"),
        ("r.example:5000", "http://user:w0rd@storage.example:5000/x"),
    ],
)
def test_scheme_host_and_port_make_a_server(registry: str, target: str) -> None:
    """Where one of them is another nobody sees Authorization or an address's own, and no challenge is answered."""
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        realm = f"http://{registry}/token"
        if request.url.path == "/token":
            return httpx.Response(200, json={"token": f"t{len(seen)}"})
        if request.url.path == "/blob" and "authorization" in request.headers:
            return httpx.Response(307, headers={"location": target})
        return httpx.Response(401, headers={"www-authenticate": f'Bearer realm="{realm}"'})

    with mocked(handler, credentials={registry: SECRET}, plain_http=True) as client:
        error = client.answer(Request(f"http://{registry}/blob", scope="s")).error
    assert kind(error) == "unauthorized"
    assert [request.url.path for request in seen] == ["/v2/", "/token", "/blob", "/x"]
    assert seen[2].headers["authorization"] == "Bearer t2"
    assert ("authorization" in seen[3].headers, seen[3].url.userinfo) == (False, b"")


def test_a_ping_that_leads_elsewhere_names_no_token_server(server: Faulty, other: Faulty) -> None:
    """What another server wants to see is not what the registry asked for."""
    server.on("/v2/", reply(307, location=f"{other.url}/v2/"))
    other.on("/v2/", reply(401, www_authenticate=f'Bearer realm="{other.url}/token"'))
    server.on("/x", reply(200, b"ok"))
    with authorised(server) as client:
        assert client.answer(Request(f"{server.url}/x", scope="s")).body == b"ok"
    assert [seen.path for seen in other.seen] == ["/v2/"]
    assert "authorization" not in server.paths("/x")[0].headers


@pytest.mark.parametrize(
    "target",
    [
        "http://r.example/x",
        "file:///etc/passwd",
        "https://169.254.169.254/x",
        "https://10.0.0.1/x",
        "https://[::1]/",
        "https://r.example:port/",
        "",
        None,
    ],
)
def test_bad_redirects_are_refused(target: str | None) -> None:
    """No downgrade, no other schemes, no internal addresses, no circles; and one that leads nowhere is none."""
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(302, headers={} if target is None else {"location": target or "/x"})

    with mocked(handler) as client:
        assert kind(client.answer(Request("https://r.example/x")).error) == "redirect"
    assert set(asked) == {"https://r.example/x"}
    assert len(asked) == (6 if target == "" else 1)


def test_who_comes_between_leads_no_further_than_itself() -> None:
    """A registry in here that sends us out does not vouch for where we are sent from there."""
    leads = {"127.0.0.1": "http://93.184.216.34/", "93.184.216.34": "http://10.0.0.1/", "10.0.0.1": "/found"}
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        return httpx.Response(302, headers={"location": leads[request.url.host]})

    with mocked(handler) as client:
        assert kind(client.answer(Request("http://127.0.0.1:5000/x")).error) == "redirect"
    assert asked == ["127.0.0.1", "93.184.216.34"]


def test_a_way_back_does_not_vouch_for_who_was_between() -> None:
    """One outside may lead back to a registry in here, but not by a redirect of that one further inside."""
    leads = {
        "http://127.0.0.1:5000/x": "http://93.184.216.34/",
        "http://93.184.216.34/": "http://127.0.0.1:5000/open?to=10.0.0.1",
        "http://127.0.0.1:5000/open?to=10.0.0.1": "http://10.0.0.1/",
    }
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(302, headers={"location": leads[asked[-1]]})

    with mocked(handler) as client:
        assert kind(client.answer(Request("http://127.0.0.1:5000/x")).error) == "redirect"
    assert asked == list(leads)


# --- tokens ----------------------------------------------------------------------------------------------------------


class Tokens:
    """A registry and its token server as a table, with tokens that can be revoked."""

    def __init__(self, realm: str = "https://auth.r.example/token", expires_in: object = 300) -> None:
        self.realm, self.expires_in = realm, expires_in
        self.valid: set[str] = set()
        self.asked: list[httpx.Request] = []
        self.pings = self.count = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("token"):
            self.asked.append(request)
            self.count += 1
            self.valid = {f"t{self.count}"}
            return httpx.Response(200, json={"access_token": f"t{self.count}", "expires_in": self.expires_in})
        self.pings += request.url.path == "/v2/"
        if request.headers.get("authorization", "").removeprefix("Bearer ") in self.valid:
            return httpx.Response(200, content=b"ok")
        header = f'Bearer realm="{self.realm}",service="s, with comma",scope="repository:a/b:pull"'
        return httpx.Response(401, headers={"www-authenticate": header})


BASE = "https://registry.r.example"


def test_one_token_serves_a_repository() -> None:
    """Many requests at once make one ping and one token request, with the scope and service as asked."""
    tokens = Tokens()
    with mocked(tokens) as client:
        answers = list(client.fetch(Request(f"{BASE}/v2/a/b/x", scope="repository:a/b:pull") for _ in range(50)))
    assert [a.body for a in answers] == [b"ok"] * 50
    assert (tokens.pings, len(tokens.asked), client.requests) == (1, 1, 52)
    assert tokens.asked[0].url.params.multi_items() == [("service", "s, with comma"), ("scope", "repository:a/b:pull")]
    assert "authorization" not in tokens.asked[0].headers


def test_expired_tokens_are_renewed_before_use() -> None:
    """A token ends when its time is over; without a time it lasts a minute."""
    for expires_in, lasts in ((300, 300), (None, 60), ("soon", 60), (-1, 60), (True, 60), (10**9, 86_400)):
        tokens, sleeps = Tokens(expires_in=expires_in), Sleeps()
        with Client(transport=httpx.MockTransport(tokens), clock=sleeps.clock) as client:
            request = Request(f"{BASE}/v2/a/b/x", scope="repository:a/b:pull")
            for moment, count in ((0.0, 1), (lasts - 1.0, 1), (lasts + 1.0, 2)):
                sleeps.time = moment
                assert client.answer(request).error is None
                assert len(tokens.asked) == count


@pytest.mark.parametrize("issued_at", ["2000-01-01T00:00:00Z", "2100-01-01T00:00:00Z", "soon", None])
def test_a_token_lasts_from_when_it_came(issued_at: str | None) -> None:
    """Whatever `issued_at` says: clocks differ, and a token that ended early is renewed when it is refused."""
    asked, sleeps = list[httpx.Request](), Sleeps()

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            asked.append(request)
            return httpx.Response(200, json={"token": "t", "expires_in": 100, "issued_at": issued_at})
        return Tokens()(request) if request.url.path == "/v2/" else httpx.Response(200)

    with Client(transport=httpx.MockTransport(handler), clock=sleeps.clock) as client:
        for moment, count in ((0.0, 1), (99.0, 1), (101.0, 2)):
            sleeps.time = moment
            assert client.answer(Request(f"{BASE}/v2/a/b/x", scope="s")).error is None
            assert len(asked) == count


@pytest.mark.parametrize(
    "document",
    [
        {"token": "t"},
        {"access_token": "t"},
        {"token": "t", "access_token": "t", "refresh_token": "r", "scope": "repository:a/b:pull"},
        {"token": "", "access_token": "t"},
        {"token": None, "access_token": "t"},
    ],
)
def test_a_token_has_two_names(document: dict[str, str | None]) -> None:
    """Distribution's and OAuth 2's; what else a token server gives is sent nowhere."""
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if request.url.path == "/token":
            return httpx.Response(200, json=document)
        return Tokens()(request) if request.url.path == "/v2/" else httpx.Response(200)

    with mocked(handler) as client:
        assert client.answer(Request(f"{BASE}/v2/a/b/x", scope="s")).error is None
    assert [request.headers.get("authorization") for request in seen] == [None, None, "Bearer t"]


def test_a_revoked_token_is_renewed_once() -> None:
    """A 401 leads to one new token and another try, and never to a loop."""
    tokens = Tokens()
    with mocked(tokens) as client:
        request = Request(f"{BASE}/v2/a/b/x", scope="repository:a/b:pull")
        assert client.answer(request).error is None
        tokens.valid = set()
        assert client.answer(request).error is None
        assert len(tokens.asked) == 2

    refusing = Tokens()
    handler = lambda request: (  # noqa: E731
        refusing(request)
        if request.url.path.endswith("token")
        else httpx.Response(401, headers={"www-authenticate": f'Bearer realm="{refusing.realm}"'})
    )
    with mocked(handler) as client:
        assert kind(client.answer(Request(f"{BASE}/v2/a/b/x", scope="s")).error) == "unauthorized"
        assert client.requests <= 5


def test_a_revoked_token_is_renewed_for_all_at_once() -> None:
    """However many requests were refused with the same token, one asks for another."""
    tokens, refused = Tokens(), 0

    async def handler(request: httpx.Request) -> httpx.Response:
        nonlocal refused
        answer = tokens(request)
        refused += request.headers.get("authorization") == "Bearer t1" and answer.status_code == 401
        while answer.status_code == 401 and 0 < refused < 10:
            await asyncio.sleep(0)
        return answer

    with Client(transport=httpx.MockTransport(handler)) as client:
        request = Request(f"{BASE}/v2/a/b/x", scope="repository:a/b:pull")
        assert client.answer(request).error is None
        tokens.valid = set()
        assert [answer.error for answer in client.fetch([request] * 10)] == [None] * 10
    assert (refused, len(tokens.asked)) == (10, 2)


def test_a_token_is_for_its_scope() -> None:
    """Another repository has another token, and each is kept."""
    tokens = Tokens()
    with mocked(tokens) as client:
        for name in "bcbc":
            tokens.valid |= {f"t{number + 1}" for number in range(tokens.count)}
            assert client.answer(Request(f"{BASE}/v2/a/{name}/x", scope=f"repository:a/{name}:pull")).error is None
    assert [asked.url.params["scope"] for asked in tokens.asked] == ["repository:a/b:pull", "repository:a/c:pull"]


def test_a_refusal_without_a_challenge_means_what_the_ping_said() -> None:
    """A 401 that says nothing of tokens, for one that ended early, is answered as the registry asked at first."""
    tokens = Tokens()

    def handler(request: httpx.Request) -> httpx.Response:
        answer = tokens(request)
        is_silent = answer.status_code == 401 and request.url.path != "/v2/"
        return httpx.Response(401) if is_silent else answer

    with mocked(handler) as client:
        request = Request(f"{BASE}/v2/a/b/x", scope="repository:a/b:pull")
        assert client.answer(request).error is None
        tokens.valid = set()
        assert client.answer(request).error is None
        assert (tokens.pings, len(tokens.asked)) == (1, 2)


def test_password_goes_to_the_registrys_own_token_server() -> None:
    """The token server in the registry's domain sees the password; the registry sees only tokens."""
    tokens = Tokens()
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return tokens(request)

    with mocked(handler, credentials={"registry.r.example": SECRET}) as client:
        assert client.answer(Request(f"{BASE}/v2/a/b/x", scope="repository:a/b:pull")).error is None
    basic = "Basic " + base64.b64encode(b"user:p4ssw0rd").decode()
    assert [r.headers.get("authorization") for r in seen if r.url.host == "auth.r.example"] == [basic]
    assert basic not in [r.headers.get("authorization") for r in seen if r.url.host == "registry.r.example"]


@pytest.mark.parametrize("name", ["xn--.example", "xn--a10.example:5000", "10.0.0.256", "[::g]"])
def test_a_registry_that_nothing_can_be_is_misuse(name: str) -> None:
    """Hosts that are none are told, whether they come with a request or with credentials."""
    with pytest.raises(UsageError, match="no host name"), Client() as client:
        client.base_url(name)
    with pytest.raises(UsageError, match="no host name"):
        Client(credentials={f"{name}/team": SECRET})


@pytest.mark.parametrize(
    "realm",
    [
        "http://auth.r.example/token",
        "https://evil.example/token",
        "https://evilr.example/token",
        "https://169.254.169.254/token",
        "https://127.0.0.1/token",
        "https://0.0.0.0/token",
        "https://[::]/token",
        "https://user:x@auth.r.example/token",
        "ftp://auth.r.example/token",
        "https://xn--/token",
        "token",
        "",
    ],
)
@pytest.mark.parametrize("credentials", [SECRET, IDENTITY])
def test_password_goes_nowhere_else(realm: str, credentials: Credentials) -> None:
    """Realms in the clear, of other hosts, of internal addresses or of no address get no request at all."""
    hosts: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        hosts.append(f"{request.url.scheme}://{request.url.host}")
        return Tokens(realm)(request)

    with mocked(handler, credentials={"registry.r.example": credentials}) as client:
        error = client.answer(Request(f"{BASE}/v2/a/b/x", scope="repository:a/b:pull")).error
    assert error is not None and "p4ssw0rd" not in str(error)
    assert set(hosts) == {"https://registry.r.example"}


@pytest.mark.parametrize(
    ("registry", "realm", "is_own"),
    [
        ("registry.r.example", "https://auth.r.example/token", True),
        ("registry.r.example", "https://r.example/token", True),
        ("r.example", "https://auth.r.example/token", True),
        ("r.example:5000", "https://r.example:5001/token", True),
        ("10.0.0.5:5000", "https://10.0.0.5:5000/token", True),
        ("127.0.0.1:5000", "http://127.0.0.1:5001/token", True),
        ("localhost:5000", "http://[::1]:5001/token", True),
        ("127.0.0.1:5000", "https://evil.example/token", False),
        ("localhost:5000", "https://evil.example/token", False),
        ("r.example", "https://evil.example/token", False),
        ("r.example", "https://evilr.example/token", False),
        ("ghcr.io", "https://evil.io/token", False),
        ("registry.co.uk", "https://evil.co.uk/token", False),
        ("93.184.216.34", "https://93.184.216.34:8443/token", False),
        ("93.184.216.34", "https://12.184.216.34/token", False),
    ],
)
def test_whose_token_server_it_is(registry: str, realm: str, is_own: bool) -> None:
    """Its own are its host and port, hosts of its domain, and loopback beside loopback; no suffix, no other address."""
    tokens, asked = Tokens(realm), list[tuple[str, str | None]]()

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            asked.append((str(request.url.copy_with(query=None)), request.headers.get("authorization")))
        return tokens(request)

    with mocked(handler, credentials={registry: SECRET}) as client:
        error = client.answer(Request(f"{client.base_url(registry)}/v2/a/b/x", scope="s")).error
    basic = "Basic " + base64.b64encode(b"user:p4ssw0rd").decode()
    assert asked == ([(realm, basic)] if is_own else [])
    assert kind(error) == (None if is_own else "unauthorized")


@pytest.mark.parametrize(
    "realm",
    [
        "http://auth.r.example/token",
        "http://registry.r.example/token",
        "https://169.254.169.254/token",
        "https://[fe80::1]/token",
        "https://10.0.0.1/token",
        "https://[::ffff:10.0.0.1]/token",
        "https://127.0.0.1/token",
        "https://localhost/token",
        "https://0.0.0.0/token",
        "https://[::]/token",
    ],
)
def test_nobody_is_sent_inside_for_a_token(realm: str) -> None:
    """Without a password there is nothing to lose outside, but a registry gets no request to where it cannot reach."""
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(f"{request.url.scheme}://{request.url.host}")
        return Tokens(realm)(request)

    with mocked(handler) as client:
        error = client.answer(Request(f"{BASE}/v2/a/b/x", scope="repository:a/b:pull")).error
    assert kind(error) == "unauthorized" and "not safe: nothing was sent there" in str(error)
    assert set(asked) == {BASE}


def test_without_a_password_any_host_may_give_tokens() -> None:
    """A realm on another host is how the protocol works; it sees who asks for what, and nothing else."""
    tokens = Tokens("https://tokens.example/token")
    with mocked(tokens, credentials={"other.example": SECRET}) as client:
        assert client.answer(Request(f"{BASE}/v2/a/b/x", scope="repository:a/b:pull")).error is None
    (asked,) = tokens.asked
    assert asked.url.host == "tokens.example" and "authorization" not in asked.headers


@pytest.mark.parametrize("credentials", [SECRET, IDENTITY])
def test_token_server_may_not_redirect(credentials: Credentials) -> None:
    """A redirect would choose who sees the password."""
    hosts: set[str] = set()

    def handler(request: httpx.Request) -> httpx.Response:
        hosts.add(request.url.host)
        if request.url.path == "/token":
            return httpx.Response(302, headers={"location": "https://registry.r.example/steal"})
        return Tokens()(request)

    with mocked(handler, credentials={"registry.r.example": credentials}) as client:
        error = client.answer(Request(f"{BASE}/v2/a/b/x", scope="repository:a/b:pull")).error
    assert kind(error) == "bad-response"
    assert hosts == {"registry.r.example", "auth.r.example"}


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"token": 1}', b'{"token": "a\\nb"}', b"[" * 100_000])
def test_a_token_that_is_none(body: bytes) -> None:
    """Whatever a token server says, the answer is one clear error."""

    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=body) if request.url.path == "/token" else Tokens()(request)

    with mocked(handler) as client:
        assert kind(client.answer(Request(f"{BASE}/v2/a/b/x", scope="s")).error) == "bad-response"


@pytest.mark.parametrize("status", [400, 404, 405, 501])
def test_a_token_server_that_is_not_there_is_no_missing_item(status: int) -> None:
    """Its 404 is an error of the answer, and not the status of what the token was for."""

    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status) if request.url.path == "/token" else Tokens()(request)

    with mocked(handler) as client:
        answer = client.answer(Request(f"{BASE}/v2/a/b/x", scope="s"))
    assert answer.error is not None
    assert (answer.status, answer.error.status) == (None, status)
    assert "auth.r.example/token" in str(answer.error)
    assert "repository, tag or digest" not in str(answer.error)


def test_wrong_password_is_told() -> None:
    """The token server's 401 is about the password, and says so without showing it."""

    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(401) if request.url.path == "/token" else Tokens()(request)

    with mocked(handler, credentials={"registry.r.example": SECRET}) as client:
        error = client.answer(Request(f"{BASE}/v2/a/b/x", scope="s")).error
    assert kind(error) == "unauthorized"
    assert "password are wrong" in str(error) and "p4ssw0rd" not in str(error)


def test_a_wrong_password_is_not_tried_for_every_item() -> None:
    """To be refused again and again locks accounts: a token server that said no is not asked again for a repository."""
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path != "/token":
            return Tokens()(request)
        asked.append(request.url.params["scope"])
        return httpx.Response(401)

    items = [Request(f"{BASE}/v2/a/{name}/{n}", scope=f"repository:a/{name}:pull") for name in "bc" for n in range(20)]
    with mocked(handler, credentials={"registry.r.example": SECRET}) as client:
        assert {kind(answer.error) for answer in client.fetch(items)} == {"unauthorized"}
    assert sorted(asked) == ["repository:a/b:pull", "repository:a/c:pull"]


@pytest.mark.parametrize("status", [302, 400, 403])
def test_a_token_that_is_not_for_everybody_is_asked_for_once(status: int) -> None:
    """A token server that gives nobody one for a repository, as ghcr.io's with 403, is not asked for every item."""
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path != "/token":
            return Tokens()(request)
        asked.append(request.url.params["scope"])
        return httpx.Response(status)

    items = [Request(f"{BASE}/v2/a/b/{n}", scope="repository:a/b:pull") for n in range(20)]
    with mocked(handler) as client:
        answers = list(client.fetch(items))
    assert {kind(answer.error) for answer in answers} == {"denied" if status == 403 else "bad-response"}
    assert len(asked) == 1


def test_a_refusal_holds_on_to_nothing() -> None:
    """One that is told for every item does not grow with each of them."""

    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(401) if request.url.path == "/token" else Tokens()(request)

    with mocked(handler, credentials={"registry.r.example": SECRET}) as client:
        answers = list(client.fetch(Request(f"{BASE}/v2/a/b/{n}", scope="repository:a/b:pull") for n in range(200)))
    assert len(answers) == 200
    assert all(answer.error and len(extract_tb(answer.error.__traceback__)) < 50 for answer in answers)


def test_a_token_server_in_trouble_is_tried_a_few_times() -> None:
    """One that is down ends the item after its own tries: these are not made again for each try of the item."""
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path != "/token":
            return Tokens()(request)
        asked.append(request.url.path)
        return httpx.Response(503)

    with mocked(handler) as client:
        error = client.answer(Request(f"{BASE}/v2/a/b/x", scope="s")).error
    assert (kind(error), len(asked)) == ("server-error", 4)
    assert error and error.is_temporary


def test_scope_and_service_are_texts_of_a_query() -> None:
    """Whatever a challenge or a name holds, it adds no parameter and changes no address (RFC 3986 section 2)."""
    tokens = Tokens(realm="https://auth.r.example/token?tenant=1&x=%20")

    def handler(request: httpx.Request) -> httpx.Response:
        reply = tokens(request)
        text = reply.headers.get("www-authenticate", "").replace("s, with comma", "s&account=root#/../?é")
        return httpx.Response(reply.status_code, headers={"www-authenticate": text.encode()}, content=reply.content)

    scope = "repository:a/b&scope=registry:catalog:*#:pull"
    with mocked(handler) as client:
        assert client.answer(Request(f"{BASE}/v2/a/b/x", scope=scope)).error is None
    (asked,) = tokens.asked
    assert (asked.url.host, asked.url.path, asked.url.fragment) == ("auth.r.example", "/token", "")
    assert sorted(asked.url.params.multi_items())[1:] == [
        ("service", "s&account=root#/../?é"),
        ("tenant", "1"),
        ("x", " "),
    ]
    assert asked.url.params.get_list("scope") == [scope]


def test_two_scopes_are_two_parameters() -> None:
    """A challenge's scope may hold several, with blanks between."""
    tokens = Tokens()
    with mocked(tokens) as client:
        assert client.answer(Request(f"{BASE}/v2/a/b/x", scope="repository:a/b:pull repository:c/d:pull")).error is None
    assert tokens.asked[0].url.params.get_list("scope") == ["repository:a/b:pull", "repository:c/d:pull"]


def test_basic_is_for_its_own_host_only(server: Faulty, other: Faulty) -> None:
    """A registry without credentials of its own gets none of another's."""
    for faulty in (server, other):
        faulty.on("/v2/", reply(401, www_authenticate='Basic realm="x"'))
        faulty.on("/x", reply(200, b"ok"))
    with authorised(server) as client:
        list(client.fetch([Request(f"{server.url}/x", scope="s"), Request(f"{other.url}/x", scope="s")]))
    assert server.paths("/x")[0].headers["authorization"] == "Basic " + base64.b64encode(b"user:p4ssw0rd").decode()
    assert "authorization" not in other.paths("/x")[0].headers


# --- credentials that somebody keeps ---------------------------------------------------------------------------------

PULL = Request(f"{BASE}/v2/a/b/x", scope="repository:a/b:pull")


def seen_with(credentials: dict[str, Credentials], *requests: Request) -> list[httpx.Request]:
    """What is sent for *requests*, which must all be answered."""
    tokens, seen = Tokens(), list[httpx.Request]()

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return tokens(request)

    with mocked(handler, credentials=credentials) as client:
        for request in requests:
            assert client.answer(request).error is None
    return seen


def test_an_identity_token_gets_tokens_by_post() -> None:
    """It goes to the token server in a form, and nowhere else; the registry sees what that gives."""
    seen = seen_with({"registry.r.example": IDENTITY}, PULL, PULL)
    (exchange,) = (request for request in seen if request.url.host == "auth.r.example")
    assert (exchange.method, str(exchange.url)) == ("POST", "https://auth.r.example/token")
    assert exchange.headers["content-type"] == "application/x-www-form-urlencoded"
    assert dict(parse_qsl(exchange.content.decode())) == {
        "grant_type": "refresh_token",
        "service": "s, with comma",
        "scope": "repository:a/b:pull",
        "client_id": "imglab",
        "refresh_token": "p4ssw0rd",
    }
    assert "authorization" not in exchange.headers
    others = [request for request in seen if request is not exchange]
    assert [request.headers.get("authorization") for request in others] == [None, "Bearer t1", "Bearer t1"]
    assert not any("p4ssw0rd" in str(request.url) or b"p4ssw0rd" in request.content for request in others)


WRONG = "the identity token is wrong, or it has expired or was revoked (from docker-credential-vault)"


@pytest.mark.parametrize(
    ("status", "body", "name", "text"),
    [
        (401, b"", "unauthorized", WRONG),
        (400, b'{"error": "invalid_grant", "error_description": "p4ssw0rd"}', "unauthorized", WRONG),
        (400, b'{"error": "invalid_request"}', "bad-response", "400"),
        (400, b"[", "bad-response", "400"),
        (404, b"", "unauthorized", "no identity tokens are taken there"),
        (405, b"", "unauthorized", "no identity tokens are taken there"),
    ],
)
def test_a_refused_identity_token_is_told(status: int, body: bytes, name: str, text: str) -> None:
    """What the token server has against it, and who keeps it; never itself. It is not tried in another way."""
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path != "/token":
            return Tokens()(request)
        asked.append(request.method)
        return httpx.Response(status, content=body)

    with mocked(handler, credentials={"registry.r.example": IDENTITY}) as client:
        error = client.answer(PULL).error
    assert (kind(error), asked) == (name, ["POST"])
    assert text in str(error) and "p4ssw0rd" not in str(error)


def test_a_registry_token_is_used_as_it_is() -> None:
    """No token server is asked, and none sees it."""
    tokens = Tokens()
    tokens.valid = {"p4ssw0rd"}
    with mocked(tokens, credentials={"registry.r.example": TOKEN}) as client:
        assert client.answer(PULL).error is None
        tokens.valid = set()
        error = client.answer(PULL).error
    assert tokens.asked == []
    assert kind(error) == "unauthorized"
    assert "has expired or is for something else (from /home/user/.docker/config.json)" in str(error)


@pytest.mark.parametrize("credentials", [IDENTITY, TOKEN])
def test_tokens_are_no_passwords(server: Faulty, credentials: Credentials) -> None:
    """A server that wants a name and password, or has a login of its own, gets no token in their place."""
    server.on("/v2/", reply(401, www_authenticate="Basic realm=x"))
    server.on("/x", reply(200, b"ok"))
    with Client(credentials={server.registry: credentials}) as client:
        for login in (None, Login(), Login("/login")):
            assert client.answer(Request(f"{server.url}/x", scope="s", login=login)).body == b"ok"
    assert [seen.headers.get("authorization") for seen in server.seen] == [None] * 4


def test_a_token_with_blanks_is_not_sent() -> None:
    """What can be no header is an error, and not shown."""
    with mocked(Tokens(), credentials={"registry.r.example": replace(TOKEN, password="p4ss\r\nw0rd: x")}) as client:
        error = client.answer(PULL).error
    assert kind(error) == "unauthorized" and "w0rd" not in str(error)


def test_a_repository_may_have_credentials_of_its_own() -> None:
    """They count for requests with its scope; all others have those of the registry, if there are any."""
    other = replace(PULL, scope="repository:a/c:pull")
    credentials = {"registry.r.example/a/b": Credentials("own", "1"), "registry.r.example": Credentials("all", "2")}
    logins = [
        base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
        for request in seen_with(credentials, PULL, other)
        if request.url.host == "auth.r.example"
    ]
    assert logins == ["own:1", "all:2"]
    del credentials["registry.r.example"]
    exchanges = [seen for seen in seen_with(credentials, other) if seen.url.host == "auth.r.example"]
    assert "authorization" not in exchanges[0].headers


def test_a_refused_password_is_told_with_its_keeper(server: Faulty, other: Faulty) -> None:
    """Where it was refused itself; a 401 after a token that it gave, or of another server, is not about it."""
    kept = replace(SECRET, found_in="docker-credential-vault")
    said = "are wrong or have expired (from docker-credential-vault)"
    server.on("/v2/", reply(401, www_authenticate="Basic realm=x"))
    server.on("/x", reply(401, www_authenticate="Basic realm=x"))
    server.on("/y", reply(307, location=f"{other.url}/y"))
    other.on("/y", reply(401, www_authenticate="Basic realm=x"))
    with Client(credentials={server.registry: kept}) as client:
        assert said in str(client.answer(Request(f"{server.url}/x", scope="s")).error)
        assert said not in str(client.answer(Request(f"{server.url}/y", scope="s")).error)
    with authorised(server) as client:
        assert "--password-stdin" in str(client.answer(Request(f"{server.url}/x", scope="s")).error)

    refusing = Tokens()
    handler = lambda request: refusing(request) if request.url.path == "/token" else Tokens()(request)  # noqa: E731
    with mocked(handler, credentials={"registry.r.example": kept}) as client:
        assert said not in str(client.answer(PULL).error)


@pytest.mark.parametrize(
    ("status", "challenge", "credentials", "words"),
    [
        (401, "Basic realm=x", None, "nobody was logged in, or there is no such thing: check the name, or log in ("),
        (403, "Basic realm=x", None, "nobody was logged in, or there is no such thing: check the name, or log in ("),
        (403, "Basic realm=x", None, "log in (docker login 127.0.0.1:"),
        (401, "Basic realm=x", SECRET, "wrong or have expired (user user, secret from --password-stdin): check both"),
        (401, "Basic realm=x", replace(SECRET, found_in="f"), "(from f): log in there again, or give --username"),
        (401, "Basic realm=x", replace(SECRET, found_in="f", renewal="podman login r"), "(from f): run podman login r"),
        (401, "Basic realm=x", Credentials("u", JWT), "secret from --password-stdin, good until 2026-01-01 09:00 UTC"),
        (401, "Basic realm=x", IDENTITY, "a token server, and there is none (from docker-credential-vault): log in"),
        (401, 'Bearer realm="TOKEN",error="invalid_token"', SECRET, "it does not take the token that its token server"),
        (403, "Basic realm=x", SECRET, "this user may not read it, or there is no such thing: check the name, or ask"),
        (401, 'Bearer realm="TOKEN"', SECRET, "this user may not read it, or there is no such thing: check the name"),
    ],
)
def test_refusals_tell_missing_from_wrong_credentials_and_both_from_rights(
    server: Faulty, status: int, challenge: str, credentials: Credentials | None, words: str
) -> None:
    """Which of these it is and what to do, as far as a status and its challenge tell."""
    header = challenge.replace("TOKEN", f"{server.url}/token")
    server.on("/v2/", reply(401, www_authenticate=header))
    server.on("/token", reply(200, b'{"token": "t"}'))
    server.on("/x", reply(status, www_authenticate=header))
    with Client(credentials={server.registry: credentials} if credentials else {}) as client:
        error = client.answer(Request(f"{server.url}/x", scope="s")).error
    assert words in str(error) and "p4ssw0rd" not in str(error)


# --- logins of APIs that are no registries ---------------------------------------------------------------------------


class Hub:
    """An API with a login of its own, as a table."""

    def __init__(self, *logins: httpx.Response) -> None:
        self.logins = list(logins)
        self.posted: list[httpx.Request] = []
        self.sent: list[str | None] = []
        self.valid: set[str] = set()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            self.posted.append(request)
            token = f"t{len(self.posted)}"
            self.valid = {token}
            return self.logins.pop(0) if self.logins else httpx.Response(200, json={"access_token": token})
        self.sent.append(request.headers.get("authorization"))
        is_valid = (self.sent[-1] or "Bearer none").removeprefix("Bearer ") in {*self.valid, "none"}
        challenge = {"www-authenticate": 'Bearer error="invalid_token"'}
        return httpx.Response(200) if is_valid else httpx.Response(401, headers=challenge)


LOGIN = Request(f"{BASE}/tags", login=Login("/v2/auth/token"))


def test_a_login_gives_a_token_for_name_and_secret() -> None:
    """Both go once, as JSON, to the server itself; everything else carries the token only."""
    hub = Hub()
    with mocked(hub, credentials={"registry.r.example": SECRET}) as client:
        assert [answer.error for answer in client.fetch([LOGIN] * 20)] == [None] * 20
    (login,) = hub.posted
    assert (str(login.url), login.headers["content-type"]) == (f"{BASE}/v2/auth/token", "application/json")
    assert json.loads(login.content) == {"identifier": "user", "secret": "p4ssw0rd"}
    assert set(hub.sent) == {"Bearer t1"}


def test_a_login_is_renewed_when_it_ends_or_is_refused() -> None:
    """After five minutes, or at a 401, another token is asked for once; a challenge there is not followed."""
    hub, sleeps = Hub(), Sleeps()
    options = {"transport": httpx.MockTransport(hub), "clock": sleeps.clock, "sleep": sleeps.sleep}
    with Client(credentials={"registry.r.example": SECRET}, **options) as client:  # type: ignore[arg-type]
        for moment, count in ((0.0, 1), (299.0, 1), (301.0, 2)):
            sleeps.time = moment
            assert client.answer(LOGIN).error is None
            assert len(hub.posted) == count
        hub.valid = set()
        assert client.answer(LOGIN).error is None
        assert len(hub.posted) == 3


@pytest.mark.parametrize("status", [302, 401, 403, 400])
def test_a_refused_login_is_not_tried_for_every_item(status: int) -> None:
    """To be refused again and again locks accounts; a redirect is a refusal too, and the secret goes nowhere."""
    hub = Hub(*[httpx.Response(status, headers={"location": "https://evil.example/"})] * 20)
    with mocked(hub, credentials={"registry.r.example": SECRET}) as client:
        errors = [answer.error for answer in client.fetch([LOGIN] * 10)]
    assert len(hub.posted) == 1 and hub.sent == []
    assert {kind(error) for error in errors} == {"unauthorized" if status in {401, 403} else "bad-response"}
    assert all("p4ssw0rd" not in str(error) for error in errors)


def test_a_login_in_trouble_is_tried_a_few_times() -> None:
    """A server that has lost its mind for a while is no refusal; one that stays so ends the item."""
    hub = Hub(httpx.Response(503))
    with mocked(hub, credentials={"registry.r.example": SECRET}) as client:
        assert client.answer(LOGIN).error is None
    hub = Hub(*[httpx.Response(503)] * 20)
    with mocked(hub, credentials={"registry.r.example": SECRET}) as client:
        error = client.answer(LOGIN).error
    assert (kind(error), len(hub.posted)) == ("server-error", 4)
    assert error and error.is_temporary


def test_a_login_that_a_limit_leaves_to_a_later_run() -> None:
    """What a limit stops at the login is left to a later run, as it is anywhere else."""
    hub = Hub()
    with mocked(hub, credentials={"registry.r.example": SECRET}, limits=Limits(requests=0)) as client:
        error = client.answer(LOGIN).error
    assert isinstance(error, Postponed) and error.kind == "request-limit"
    assert hub.posted == []


def test_a_secret_may_be_the_token() -> None:
    """It is sent as it is; one that cannot be a token is not sent, and not shown."""
    request = Request(f"{BASE}/tags", login=Login(username="user"))
    for secret, sent in (("p4ssw0rd", ["Bearer p4ssw0rd"]), ("pass word", [])):
        hub = Hub()
        hub.valid = {"p4ssw0rd"}
        with mocked(hub, credentials={"registry.r.example": Credentials("user", secret)}) as client:
            error = client.answer(request).error
        assert (hub.sent, hub.posted) == (sent, [])
        assert kind(error) == (None if sent else "unauthorized")
        assert secret not in str(error)


def test_a_secret_of_another_name_is_no_token() -> None:
    """It is the password of a user or robot, which means nothing there: what is public is asked for without it."""
    hub = Hub()
    with mocked(hub, credentials={"registry.r.example": SECRET}) as client:
        assert client.answer(Request(f"{BASE}/tags", login=Login(username="$oauthtoken"))).error is None
    assert (hub.sent, hub.posted) == ([None], [])


def test_without_credentials_nobody_logs_in() -> None:
    """Public things are asked for without a name, also where somebody has one for another server."""
    for login in (Login(username="user"), Login("/v2/auth/token")):
        hub = Hub()
        with mocked(hub, credentials={"other.example": SECRET}) as client:
            assert client.answer(Request(f"{BASE}/tags", login=login)).error is None
        assert (hub.sent, hub.posted) == ([None], [])


def test_a_login_does_not_follow_redirects_to_another_server(server: Faulty, other: Faulty) -> None:
    """The token of a login is for its own server."""
    server.on("/tags", reply(307, location=f"{other.url}/tags"))
    other.on("/tags", reply(200, b"elsewhere"))
    with authorised(server) as client:
        assert client.answer(Request(f"{server.url}/tags", login=Login(username="user"))).body == b"elsewhere"
    assert server.seen[0].headers["authorization"] == "Bearer p4ssw0rd"
    assert "authorization" not in other.seen[0].headers


def test_a_dead_registry_is_pinged_once(sleeps: Sleeps) -> None:
    """A registry that is down costs its tries once, not once for each tag."""

    def handler(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with Client(transport=httpx.MockTransport(handler), sleep=sleeps.sleep) as client:
        answers = list(client.fetch(Request(f"{BASE}/v2/a/b/{i}", scope="s") for i in range(30)))
        assert {kind(a.error) for a in answers} == {"unreachable"}
        assert client.requests == 4


@pytest.mark.parametrize(
    "realm",
    [
        "http://registry.r.example:81/token",
        "http://auth.r.example/token",
        "http://127.0.0.1:5001/token",
        "http://10.0.0.1/token",
    ],
)
def test_a_token_server_in_the_clear(realm: str) -> None:
    """Where the registry itself is in the clear, so may be one on the same host; no other, and none after TLS."""
    for base, credentials in (("http://registry.r.example", SECRET), (BASE, None), (BASE, SECRET)):
        hosts: list[str] = []

        def handler(request: httpx.Request, hosts: list[str] = hosts) -> httpx.Response:
            hosts.append(str(request.url.copy_with(query=None)))
            return Tokens(realm)(request)

        given = {"registry.r.example": credentials} if credentials else {}
        with mocked(handler, credentials=given, plain_http=base.startswith("http:")) as client:
            client.answer(Request(f"{base}/v2/a/b/x", scope="repository:a/b:pull"))
        assert (realm in hosts) == (base in realm)


def test_secrets_are_not_shown() -> None:
    """Neither repr nor redacted URLs hold a secret."""
    assert not any("p4ssw0rd" in repr(credentials) for credentials in (SECRET, IDENTITY, TOKEN))
    assert redacted("https://user:pw@h.example/a?token=x#y") == "https://h.example/a"
    assert redacted("https://user:p@w@h.example/a@b") == "https://h.example/a@b"


def test_what_servers_repeat_is_not_shown(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a warning nor the place that a redirect leads to brings a password or token into a log or a failure."""
    monkeypatch.setattr(logging.getLogger("imglab"), "propagate", True)
    monkeypatch.setattr(logging.getLogger("imglab"), "handlers", [])  # of commands that ran before
    secret = Credentials("user", "p4ss w0rd")
    pair = base64.b64encode(b"user:p4ss w0rd").decode()

    def handler(request: httpx.Request) -> httpx.Response:
        sent = request.headers.get("authorization", "")
        if request.url.path == "/token":
            return httpx.Response(200, json={"token": "t0ken-value"}, headers={"warning": f'299 - "{sent}"'})
        if not sent:
            return httpx.Response(401, headers={"www-authenticate": 'Bearer realm="https://r.example/token"'})
        if request.url.path != "/v2/a/b/x":
            raise httpx.ConnectError("nobody listens")
        place = f"https://r.example/{sent}/{pair}/p4ss w0rd"
        return httpx.Response(307, headers={"location": place, "warning": f'299 - "{sent} p4ss w0rd"'})

    with caplog.at_level(logging.DEBUG, "imglab"), mocked(handler, credentials={"r.example": secret}) as client:
        error = client.answer(Request("https://r.example/v2/a/b/x", scope="repository:a/b:pull")).error
    assert error and "https://r.example/Bearer%20…/…/…: unreachable" in str(error)
    assert "r.example warns: Bearer … …" in caplog.text
    for form in ("p4ss", pair.rstrip("="), "t0ken"):
        assert form not in f"{error} {caplog.text}"


# --- headers and pages -----------------------------------------------------------------------------------------------


def test_challenges_are_parsed_as_rfc_9110_has_them() -> None:
    """Quoted commas, escapes, several challenges in one or more lines, any case of names."""
    parsed = parse_challenges(
        [
            'Bearer Realm="https://a/b",service="x",scope="repository:a:pull,push"',
            'Basic realm="say \\"hi\\"", Negotiate abc==',
        ]
    )
    assert parsed == {
        "bearer": {"realm": "https://a/b", "service": "x", "scope": "repository:a:pull,push"},
        "basic": {"realm": 'say "hi"'},
        "negotiate": {},
    }
    assert parse_challenges(["BASIC realm=x , bearer realm=y"]) == {"basic": {"realm": "x"}, "bearer": {"realm": "y"}}
    twice = ['Bearer realm="a"', 'Bearer realm="b",service=x, Basic']
    assert parse_challenges(twice) == {"bearer": {"realm": "a"}, "basic": {}}
    assert parse_challenges([]) == {}


@given(st.text(alphabet='abR="\\, ;<>realm:/?#é', max_size=60))
def test_any_header_is_survived(value: str) -> None:
    """Headers are what servers send: no text breaks the parsers."""
    assert all(isinstance(parameters, dict) for parameters in parse_challenges([value]).values())
    link = next_link(value)
    assert link is None or link in value


@pytest.mark.parametrize(
    ("value", "link"),
    [
        ('</v2/x?last=a&n=2>; rel="next"', "/v2/x?last=a&n=2"),
        ("<a,b>; rel=next", "a,b"),
        ('<p>; rel="prev", <n>; title="x; y"; rel="last next"', "n"),
        ('<p>; rel="prev"', None),
        ("<p>", None),
        ('<p>; title="next"', None),
        ('<p>; rel="nextish"', None),
        ("", None),
    ],
)
def test_next_link(value: str, link: str | None) -> None:
    """The link with the relation next, wherever it stands."""
    assert next_link(value) == link


def test_pages_are_followed(client: Client, server: Faulty) -> None:
    """Relative and absolute links of the same server lead on; the last page has none."""
    server.on("/t?n=1", reply(200, b"1", link='</t?n=1&last=1>; rel="next"'))
    server.on("/t?n=1&last=1", reply(200, b"2", link=f'<{server.url}/t?n=1&last=2>; rel="next"'))
    server.on("/t?n=1&last=2", reply(200, b"3"))
    assert [(page.body, page.error) for page in client.pages(Request(f"{server.url}/t?n=1"))] == [
        (b"1", None),
        (b"2", None),
        (b"3", None),
    ]


def test_pages_are_asked_for_as_the_first_one(server: Faulty) -> None:
    """What is said of who asks is said on every page."""
    server.on("/t", reply(200, b"1", link="<u>; rel=next"))
    server.on("/u", reply(200, b"2"))
    with authorised(server) as client:
        assert len(list(client.pages(Request(f"{server.url}/t", login=Login(username="user"))))) == 2
    assert {seen.headers["authorization"] for seen in server.seen} == {"Bearer p4ssw0rd"}


def test_pages_never_leave_the_server_or_turn_in_circles(client: Client, server: Faulty, other: Faulty) -> None:
    """Another port, another scheme, a loop: the page is kept and the error says why there are no more."""
    named = f"http://user:p4ssw0rd@{server.registry}/u"
    links = [
        f"{other.url}/t",
        f"https://{server.registry}/t",
        f"http://localhost:{server.port}/t",
        "http://[bad/",
        "/t",
    ]
    for link in (*links, named):
        server.on("/t", reply(200, b"1", link=f'<{link}>; rel="next"'))
        pages = list(client.pages(Request(f"{server.url}/t")))
        assert [(page.body, kind(page.error)) for page in pages] == [(b"1", "bad-response")]
    assert other.seen == [] and {seen.path for seen in server.seen} == {"/t"}


def test_pages_go_on_where_the_first_was_asked_for(client: Client, server: Faulty, other: Faulty) -> None:
    """A link counts from what was asked for: whom a page was taken from by redirect does not get to name the next."""
    server.on("/t", reply(307, location=f"{other.url}/elsewhere/t"))
    other.on("/elsewhere/t", reply(200, b"1", link='</t?last=1>; rel="next"'))
    server.on("/t?last=1", reply(200, b"2"))
    assert [(page.body, page.error) for page in client.pages(Request(f"{server.url}/t"))] == [
        (b"1", None),
        (b"2", None),
    ]
    other.on("/elsewhere/t", reply(200, b"1", link=f'<{other.url}/t?last=1>; rel="next"'))
    assert [kind(page.error) for page in client.pages(Request(f"{server.url}/t"))] == ["bad-response"]
    assert {seen.path for seen in other.seen} == {"/elsewhere/t"}


def test_pages_are_counted() -> None:
    """A registry that invents pages without end is left after so many."""
    handler = lambda request: httpx.Response(200, headers={"link": f"<{request.url.path}x>; rel=next"})  # noqa: E731
    with mocked(handler, limits=Limits(pages=5)) as client:
        pages = list(client.pages(Request("https://r.example/")))
    assert [kind(page.error) for page in pages] == [None] * 4 + ["bad-response"]


def test_warnings_are_said_once_and_change_nothing() -> None:
    """Only what the specification calls a warning, without what a terminal would obey, and not without end."""
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("imglab")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    values = [
        '299 - "use \\"v2\\" \x9b2J"',
        '199 - "other"',
        '299 - "unended',
        "299 - bare",
        '299 r.example "' + "x" * 400 + '"',
    ]
    numbers = iter(range(10_000))

    def warning(request: httpx.Request) -> httpx.Response:
        texts = values if request.url.path == "/x" else [f'299 - "{next(numbers)}"'] * 2
        return httpx.Response(200, content=b"ok", headers=[("warning", text.encode("latin-1")) for text in texts])

    try:
        with mocked(warning) as client:
            for _ in range(3):
                assert client.answer(Request("https://r.example/x")).body == b"ok"
            assert said == ['r.example warns: use "v2" ?2J', "r.example warns: " + "x" * 300]
            assert all(client.answer(Request("https://r.example/y")).error is None for _ in range(100))
            assert len(said) == 20
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def test_a_fault_in_a_callback_reaches_the_caller() -> None:
    """What is wrong with the program is not made an answer."""

    def broken(body: bytes) -> bytes:
        raise ZeroDivisionError

    with mocked(lambda request: httpx.Response(200)) as client, pytest.raises(ZeroDivisionError):
        client.answer(Request("https://r.example/x", digest=sha256(b""), payload=broken))


def test_those_who_watch_see_each_exchange() -> None:
    """The ping, the token, the request itself, in order, and one that failed with its error."""
    seen: list[Exchange] = []
    with mocked(Tokens(), watch=seen.append) as client:
        assert client.answer(PULL).error is None
    assert [(exchange.method, httpx.URL(exchange.url).path, exchange.status) for exchange in seen] == [
        ("GET", "/v2/", 401),
        ("GET", "/token", 200),
        ("GET", "/v2/a/b/x", 200),
    ]
    assert seen[0].headers["www-authenticate"].startswith("Bearer realm=")
    assert b"t1" in seen[1].body and "t1" not in repr(seen[1])

    def refusing(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with mocked(refusing, watch=seen.append, limits=Limits(tries=1)) as client:
        client.answer(Request(f"{BASE}/x"))
    assert (seen[-1].status, kind(seen[-1].error)) == (None, "unreachable")


def test_an_answer_may_have_a_time_limit_with_all_that_it_takes(server: Faulty) -> None:
    """Redirects that are each quick enough end with it, and the client goes on."""
    held = threading.Event()

    def slow(handler: object) -> None:
        held.wait(0.1)
        reply(302, location="/x")(handler)  # type: ignore[arg-type]

    server.on("/x", slow)
    server.on("/y", reply(200, b"ok"))
    with Client(limits=Limits(answer_seconds=0.25, redirects=1000)) as client:
        error = client.answer(Request(f"{server.url}/x")).error
        assert (kind(error), client.answer(Request(f"{server.url}/y")).body) == ("timeout", b"ok")
    assert error and error.is_temporary and "0.25 s" in str(error)
