"""
Batches of HTTP requests to registries: polite, bounded and verified; the only home of httpx.

Callers hand over an iterable of requests and iterate over the answers. The event loop lives in a thread of its own, so
that this works in a notebook, which runs one already. httpx speaks through aiohttp: on its own transport it slows down
as concurrency grows (measured: 33 s against 11 s for the same 6,900 requests).

Rules, with their places: tokens as in distribution's `spec/auth/token.md` and `oauth.md`, challenges as in RFC 9110
section 11, links as in RFC 8288, Retry-After as in RFC 9110 section 10.2.3. Credentials leave only for the host they
were given for and for token servers that belong to it (CVE-2020-15157); redirects and links never carry them elsewhere.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import logging
import os
import queue
import random
import re
import ssl
import threading
import time
import zlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlencode

import httpx

from imglab import __version__
from imglab.connections import Connections, ForbiddenAddress, Lookup, Reach, look_up, reach
from imglab.connections import is_loopback as is_loopback
from imglab.connections import tls_context as tls_context
from imglab.errors import Postponed, SourceError
from imglab.pace import SPENT, Clock, Pace, asked_wait, is_trouble
from imglab.pace import Limits as Limits
from imglab.secrecy import Secrets, expiry

USER_AGENT = f"imglab/{__version__} (metadata of container images: tags, manifests, configs; no layers)"
MEBIBYTE = 1024 * 1024
DOCKER_HUB_API = "registry-1.docker.io"
DOCKER_HUB_TAGS = "hub.docker.com"  # what knows about tags, and is no registry
_CODING_COSTS = 65_536  # bytes that a coded body may be longer than the body
_LOGIN_LASTS = 300.0  # seconds, half of what Docker Hub says in words
_logger = logging.getLogger("imglab")

Origin = tuple[str, str, int]  # scheme, host, port


@dataclass(frozen=True, slots=True)
class Credentials:
    """
    A user's name and secret for one registry.

    The secret is a password, or a token in its place: an `identity-token` (a refresh token, in OAuth2's words) is for
    the token server, which gives registry tokens for it; a `registry-token` is one of these already.
    """

    username: str
    password: str = field(repr=False)
    kind: Literal["password", "identity-token", "registry-token"] = "password"
    found_in: str | None = None  # the file or program that keeps them; None where the user gave them
    renewal: str | None = None  # the command that puts new ones there


@dataclass(frozen=True, slots=True)
class Access:
    """How a registry is reached; of one registry, what is None is as of all."""

    plain_http: bool | None = None  # None of all: on loopback only, unless something is said of certificates
    ca_cert: Path | None = None
    insecure: bool | None = None
    concurrency: int | None = None  # requests at a time

    def over(self, others: Access) -> Access:
        """This, and what *others* say where it says nothing."""
        pairs = zip(astuple(self), astuple(others), strict=True)
        return Access(*(other if own is None else own for own, other in pairs))


@dataclass(frozen=True, slots=True)
class Login:
    """
    How an API that is no registry learns who asks, where there are credentials; its challenges are not followed.

    Either *path* on the same server gives a token for name and secret (as Docker Hub does), or the secret that goes
    with *username* is one already (as for Quay); other names mean nothing there, and their secrets are not sent.
    """

    path: str | None = None
    username: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One thing to ask for. `key` comes back with the answer and means nothing here."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    scope: str | None = None  # what a token must allow, such as repository:library/python:pull
    key: Any = None
    body_limit: int = 4 * MEBIBYTE
    digest: str | None = None  # that the body must have
    size: int | None = None  # that the body must have
    payload: Callable[[bytes], bytes] | None = None  # the part of the body that the digest is about
    login: Login | None = None  # in place of a scope
    is_pull: bool = False  # one of those that a server may count, as Docker Hub does GET of manifests


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request: a body that is what was asked for, or an error."""

    request: Request
    status: int | None
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    error: SourceError | None = None


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request as it was sent, and what came of it: of every redirect, ping and token, for those who watch."""

    method: str
    url: str
    status: int | None
    headers: Mapping[str, str]  # of the reply, names in lower case
    body: bytes = field(repr=False)  # of the reply; of a token server it holds secrets
    seconds: float
    error: SourceError | None = None  # why there is no reply


@dataclass(frozen=True, slots=True)
class _Reply:
    url: httpx.URL
    status: int
    headers: httpx.Headers
    body: bytes


class _Final(SourceError):
    """An error that may pass some day, but not within this run."""


class Client:
    """
    Sends requests, several at a time, and counts them. A context manager; its connections end with it.
    aiohttp sends a request again by itself if its connection breaks before a reply: those are not in the count.

    *credentials* are by registry name, as in references (`docker.io`, `localhost:5000`), or by repository, which count
    more for requests with its scope. *access* is by registry name; it is also that of token servers and other places
    to which the registry leads. *watch* is called, in another thread, after each exchange. *transport*,
    *lookup* (of names), *sleep*, *clock* (seconds, for expiry), *now* (for dates in headers) and *jitter* (0 to 1) are
    there to be replaced in tests.
    """

    def __init__(
        self,
        *,
        credentials: Mapping[str, Credentials] | None = None,
        concurrency: int = 16,
        plain_http: bool = False,
        ca_cert: Path | None = None,
        insecure: bool = False,
        access: Mapping[str, Access] | None = None,
        limits: Limits | None = None,
        watch: Callable[[Exchange], None] = lambda exchange: None,
        transport: httpx.AsyncBaseTransport | None = None,
        lookup: Lookup = look_up,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.requests = 0
        self.received_bytes = 0
        self.limits = limits or Limits()
        self._access = Access(plain_http or None, ca_cert, insecure, max(1, concurrency))
        self._own_access = {name: own.over(self._access) for name, own in (access or {}).items()}
        # Enough for all that one registry may be asked at a time; each has its pace besides.
        self._concurrency = max(own.concurrency or 1 for own in (self._access, *self._own_access.values()))
        self._watch = watch
        self.clock = Clock(sleep, clock, now, jitter)
        self._transport = transport
        self._connections = Connections(tls_context(ca_cert, insecure), lookup)
        self._base_urls: dict[str, str] = {}
        self._contexts, self._widths = self._by_origin()
        self._credentials: dict[Origin, dict[str, Credentials]] = {}
        for name, secret in (credentials or {}).items():
            registry, _, path = name.partition("/")
            self._credentials.setdefault(_origin(httpx.URL(self.base_url(registry))), {})[path] = secret
        self._gates: dict[Origin, _Gate] = {}
        self._paces: dict[Origin, Pace] = {}
        self._warnings: set[str] = set()
        self.secrets = Secrets()
        for own in (credentials or {}).values():
            self.secrets.add(own.password, own.username)

    def __enter__(self) -> Client:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="imglab-http", daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def base_url(self, registry: str) -> str:
        """Where the API of *registry* is; plain HTTP if it was asked for, or for loopback unless TLS was spoken of."""
        if registry not in self._base_urls:
            host = DOCKER_HUB_API if registry == "docker.io" else registry
            access = self._own_access.get(registry, self._access)
            is_local = is_loopback(httpx.URL(f"http://{host}").host) and not (access.ca_cert or access.insecure)
            is_plain = is_local if access.plain_http is None else access.plain_http
            self._base_urls[registry] = f"{'http' if is_plain else 'https'}://{host}"
        return self._base_urls[registry]

    def _by_origin(self) -> tuple[dict[Origin, ssl.SSLContext], dict[Origin, int]]:
        """Certificates and requests at a time where a registry has its own."""
        origins = {_origin(httpx.URL(self.base_url(name))): own for name, own in self._own_access.items()}
        of_all = (self._access.ca_cert, self._access.insecure)
        contexts = {
            origin: tls_context(own.ca_cert, bool(own.insecure))
            for origin, own in origins.items()
            if (own.ca_cert, own.insecure) != of_all
        }
        return contexts, {origin: own.concurrency or 1 for origin, own in origins.items()}

    def fetch(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """
        One answer for each of *requests*, as they arrive.

        *requests* is read in the caller's thread, a little ahead of what is being sent. What goes wrong with one item
        is in its answer.
        """
        waiting = iter(requests)
        answers: queue.SimpleQueue[Answer | BaseException] = queue.SimpleQueue()
        tasks: set[asyncio.Task[None]] = set()
        ahead, in_flight = 4 * self._concurrency, 0
        try:
            while True:
                if in_flight <= ahead // 2:
                    batch = list(islice(waiting, ahead - in_flight))
                    in_flight += len(batch)
                    if batch:
                        self._loop.call_soon_threadsafe(self._start, batch, answers, tasks)
                if not in_flight:
                    return
                answer = answers.get()
                in_flight -= 1
                if isinstance(answer, BaseException):
                    raise answer
                yield answer
        finally:
            self._loop.call_soon_threadsafe(_cancel, tasks)

    def answer(self, request: Request) -> Answer:
        """The answer to one request."""
        return next(iter(self.fetch([request])))

    def pages(self, request: Request) -> Iterator[Answer]:
        """The answers along `Link: rel=next`; the last one holds an error if a page or a link was bad."""
        seen = {request.url}
        following: Request | None = request
        while following:
            answer = self.answer(following)
            try:
                following = next_page(answer, seen, self.limits.pages)
            except SourceError as error:
                answer, following = Answer(answer.request, answer.status, answer.headers, answer.body, error), None
            yield answer

    # --- inside the loop ---

    async def _open(self) -> None:
        timeout = httpx.Timeout(self.limits.silence_seconds, connect=self.limits.connect_seconds, pool=None)
        self._extensions = {"timeout": timeout.as_dict()}
        self._slots = asyncio.Semaphore(self._concurrency)

    async def _close(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._connections.close()

    def _start(
        self,
        batch: list[Request],
        answers: queue.SimpleQueue[Answer | BaseException],
        tasks: set[asyncio.Task[None]],
    ) -> None:
        for request in batch:
            task = self._loop.create_task(self._deliver(request, answers))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    async def _deliver(self, request: Request, answers: queue.SimpleQueue[Answer | BaseException]) -> None:
        try:
            answers.put(await self._answer(request))
        except Exception as error:  # a fault of ours: it belongs to the caller, not to this thread
            answers.put(error)

    async def _answer(self, request: Request) -> Answer:
        origin = _origin(httpx.URL(request.url))
        credentials = self._gate(origin).credentials(request.scope)
        try:
            async with asyncio.timeout(self.limits.answer_seconds):
                reply, error = await self.persist(
                    origin,
                    lambda: self._attempt(request),
                    lambda reply: _judge(request, reply, credentials),
                    is_pull=request.is_pull,
                )
        except TimeoutError:
            text = f"{request.method} {redacted(request.url)}: no answer after {self.limits.answer_seconds:g} s"
            reply, error = None, SourceError(text, kind="timeout", is_temporary=True)
        if error:  # servers may say what they were sent
            error.args = (self.secrets.hidden(str(error)),)
        if reply is None:
            return Answer(request, error.status if error else None, {}, b"", error)
        return Answer(request, reply.status, dict(reply.headers), reply.body, error)

    async def persist(
        self,
        origin: Origin,
        attempt: Callable[[], Awaitable[_Reply]],
        judge: Callable[[_Reply], SourceError | None],
        *,
        is_pull: bool = False,
    ) -> tuple[_Reply | None, SourceError | None]:
        """What *attempt* gets from *origin* in the end: tried again while that may help and its pace allows it."""
        pace, mismatches = self._pace(origin), 0
        reply, error = await _tried(attempt, judge)
        for count in range(1, self.limits.tries):
            if error is None:
                break
            mismatches += error.kind == "digest-mismatch"
            may_pass = error.is_temporary and not isinstance(error, _Final | Postponed)
            if not (may_pass or mismatches == 1) or not pace.may_retry or pace.end(is_pull=is_pull):
                break
            await self.clock.sleep(self._pause(count, reply))
            reply, error = await _tried(attempt, judge)
        return reply, _ended(pace, error, is_pull)

    def _pause(self, count: int, reply: _Reply | None) -> float:
        asked = asked_wait(reply.status, reply.headers, self.clock.now()) if reply else None
        most = min(self.limits.longest_backoff_seconds, self.limits.backoff_seconds * 2.0 ** (count - 1))
        spread: float = 0.5 + self.clock.jitter() / 2
        return min(asked or 0.0, self.limits.longest_wait_seconds) + most * spread

    async def _attempt(self, request: Request) -> _Reply:
        """One try: with the token that is at hand, and once more with a new one if that is refused."""
        url = httpx.URL(request.url)
        gate = self._gate(_origin(url))
        header = await gate.header(request)
        reply = await self.follow(request, url, header)
        if reply.status == 401 and _origin(reply.url) == gate.origin:
            renewed = await gate.renew(request, reply.headers, header)
            if renewed and renewed != header:
                reply = await self.follow(request, url, renewed)
        return reply

    def _gate(self, origin: Origin) -> _Gate:
        if origin not in self._gates:
            self._gates[origin] = _Gate(self, origin, self._credentials.get(origin, {}))
        return self._gates[origin]

    def _pace(self, origin: Origin) -> Pace:
        if origin not in self._paces:
            width = self._widths.get(origin, self._access.concurrency or 1)
            self._paces[origin] = Pace(_host(origin), self.limits, width, self.clock)
        return self._paces[origin]

    def reach(self, host: str) -> Reach:
        """How far inside a network *host* is."""
        return reach(host) if self._transport else self._connections.reach(host)

    async def follow(self, request: Request, url: httpx.URL, authorization: str | None) -> _Reply:
        """The reply at the end of the redirects; *authorization* goes to the first origin only."""
        origin = _origin(url)
        outermost = url.host  # of all that had a part in where this leads
        for _ in range(self.limits.redirects + 1):
            headers = {"user-agent": USER_AGENT, "accept-encoding": "gzip, identity", **request.headers}
            is_first = _origin(url) == origin
            if authorization and is_first:
                headers["authorization"] = authorization
            reply = await self.exchange(
                request.method,
                url,
                headers,
                request.body_limit,
                named_by=None if url.host == origin[1] else outermost,
                on_behalf_of=origin,
                is_pull=request.is_pull and is_first,
            )
            if reply.status not in {301, 302, 303, 307, 308}:
                return reply
            outermost = min(outermost, url.host, key=self.reach)
            url = self._redirected(request.method, reply, origin, outermost)
        text = f"{request.method} {redacted(request.url)}: more than {self.limits.redirects} redirects"
        raise SourceError(text, kind="redirect", status=reply.status)

    async def exchange(
        self,
        method: str,
        url: httpx.URL,
        headers: Mapping[str, str],
        limit: int,
        content: bytes | None = None,
        *,
        named_by: str | None = None,
        on_behalf_of: Origin | None = None,
        is_pull: bool = False,
    ) -> _Reply:
        """
        One request and its reply, for those who watch as well; *named_by* is the host that names its server, if not
        the user does, and *on_behalf_of* the registry that leads there, if it is another.

        Foreign exceptions become SourceError; one that was not sent for a limit's sake is Postponed, and not seen.
        """
        pace = self._pace(_origin(url))
        async with pace.turn(is_pull=is_pull) as turn, self._slots:
            if self.limits.requests is not None and self.requests >= self.limits.requests:
                text = f"--limit-requests {self.limits.requests} is reached: run again to go on"
                raise Postponed(text, kind="request-limit")
            self.requests += 1
            sent_at = self.clock.seconds()
            try:
                # Not through httpx.AsyncClient: its cookies, environment and own redirects are what we must not have.
                request = httpx.Request(
                    method, url, headers=headers, content=content, extensions=dict(self._extensions)
                )
                reply = await self._sent(request, limit, named_by, self._contexts.get(on_behalf_of or _origin(url)))
            except SourceError as error:
                pace.failed(error)
                self._watch(Exchange(method, str(url), error.status, {}, b"", self.clock.seconds() - sent_at, error))
                raise
            pace.heard(reply.status, reply.headers, reply.body, turn=turn, is_pull=is_pull)
            lasted = self.clock.seconds() - sent_at
        self._watch(Exchange(method, str(url), reply.status, dict(reply.headers), reply.body, lasted))
        self._heed(reply)
        return reply

    async def _sent(
        self, request: httpx.Request, limit: int, named_by: str | None, context: ssl.SSLContext | None
    ) -> _Reply:
        what = f"{request.method} {redacted(str(request.url))}"
        transport = self._transport or self._connections.transport(named_by, context)
        try:
            async with asyncio.timeout(self.limits.request_seconds):
                response = await transport.handle_async_request(request)
                try:
                    body = await self._read(response, limit, what) if request.method != "HEAD" else b""
                finally:
                    await response.aclose()
        except SourceError:
            raise
        except TimeoutError:
            text = f"{what}: not finished after {self.limits.request_seconds:g} s"
            raise _Final(text, kind="timeout", is_temporary=True) from None
        except Exception as error:  # aiohttp's own exceptions come through httpx's transport as they are
            raise _translated(error, what) from error
        return _Reply(request.url, response.status_code, response.headers, body)

    def _heed(self, reply: _Reply) -> None:
        """Say once what a server warns of (distribution-spec, "Warnings"); nothing else comes of it."""
        for value in reply.headers.get_list("warning"):
            if (match := _WARNING.fullmatch(value.strip())) and len(self._warnings) < _MOST_WARNINGS:
                words = self.secrets.hidden(re.sub(r"\\(.)", r"\1", match[1]))[:300]
                text = f"{_host(_origin(reply.url))} warns: {''.join(c if c.isprintable() else '?' for c in words)}"
                if text not in self._warnings:
                    self._warnings.add(text)
                    _logger.info("%s", text)

    def _redirected(self, method: str, reply: _Reply, first: Origin, outermost: str) -> httpx.URL:
        """Where *reply* leads, if it may."""
        what = f"{method} {redacted(str(reply.url))}"
        try:
            url = reply.url.join(reply.headers["location"]).copy_with(fragment=None)
            target = _origin(url)
        except (KeyError, httpx.InvalidURL, ValueError):
            raise SourceError(f"{what}: a redirect to nowhere", kind="redirect", status=reply.status) from None
        if url.scheme not in {"http", "https"} or not url.host:
            raise SourceError(f"{what}: a redirect to no web address", kind="redirect", status=reply.status)
        if reply.url.scheme == "https" and url.scheme == "http":
            raise SourceError(f"{what}: a redirect from https to http", kind="redirect", status=reply.status)
        if target != first and not self.reach(outermost).may_name(self.reach(url.host)):
            raise SourceError(f"{what}: a redirect to an internal address", kind="redirect", status=reply.status)
        return url.copy_with(username="", password="") if url.userinfo else url

    async def _read(self, response: httpx.Response, limit: int, what: str) -> bytes:
        """The decoded body; decoding is done here because httpx would decode a bomb before it could be counted."""
        text = f"{what}: the body is larger than the {limit:,} bytes that are taken"
        too_large = SourceError(text, kind="too-large", status=response.status_code)
        length = response.headers.get("content-length", "")
        if length.isdecimal() and int(length[:20]) > limit:
            raise too_large
        decoder = _decoder(response.headers.get("content-encoding", ""), what)
        body, received = bytearray(), 0
        assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - transports of asyncio give no other
        async for chunk in response.stream:
            piece = decoder.decode(chunk, limit - len(body) + 1)
            received += len(chunk)
            self.received_bytes += len(piece)
            body += piece
            if len(body) > limit or received > limit + _CODING_COSTS:
                raise too_large
        decoder.end()
        return bytes(body)


class _Gate:
    """What one origin wants to see before it answers: nothing, a name and password, or tokens by scope."""

    def __init__(self, client: Client, origin: Origin, credentials: Mapping[str, Credentials]) -> None:
        self.origin = origin
        self._client = client
        self._credentials = credentials  # by repository; those of all repositories by an empty text
        self._ping: asyncio.Task[dict[str, dict[str, str]]] | None = None
        self._locks: dict[str, asyncio.Lock] = {}
        self._tokens: dict[str, tuple[str, float]] = {}  # header and when it ends
        self._refusals: dict[str, SourceError] = {}  # of who we are: to be refused often locks an account

    def credentials(self, scope: str | None) -> Credentials | None:
        """Those of the repository that *scope* is about, else those of the whole registry."""
        path = (scope or "").removeprefix("repository:").rpartition(":")[0]
        return self._credentials.get(path) or self._credentials.get("")

    async def header(self, request: Request) -> str | None:
        """The Authorization header for *request*; None if none is wanted or none can be had."""
        if request.login:
            return await self._logged_in(request.login)
        scope = request.scope
        if scope is None:
            return None
        if current := self._current(scope):
            return current
        challenges = await self._challenges()
        if not challenges:
            return None
        async with self._locks.setdefault(scope, asyncio.Lock()):
            return self._current(scope) or await self._obtain(scope, challenges)

    async def renew(self, request: Request, headers: httpx.Headers, used: str | None) -> str | None:
        """Another header after *used* was refused; the one that somebody else got meanwhile, if so."""
        if request.login:
            return await self._logged_in(request.login, refused=used)
        challenges = parse_challenges(headers.get_list("www-authenticate"))
        if request.scope and not challenges:  # some say only at `/v2/` where tokens come from
            challenges = await self._challenges()
        key = request.scope or challenges.get("bearer", {}).get("scope", "")
        async with self._locks.setdefault(key, asyncio.Lock()):
            current = self._current(key)
            if current and current != used:
                return current
            self._tokens.pop(key, None)
            return await self._obtain(key, challenges)

    def _current(self, scope: str) -> str | None:
        header, ends = self._tokens.get(scope, (None, 0.0))
        return header if header and self._client.clock.seconds() < ends else None

    async def _challenges(self) -> dict[str, dict[str, str]]:
        """What the origin asks for at `/v2/`, asked once: an origin that is down is not tried for every item."""
        if self._ping is None:
            self._ping = asyncio.create_task(self._pinged())
        if self._ping.done():
            return self._ping.result()
        return await asyncio.shield(self._ping)

    async def _pinged(self) -> dict[str, dict[str, str]]:
        url = httpx.URL(f"{_text(self.origin)}/v2/")
        request = Request(str(url), body_limit=MEBIBYTE)

        def judge(reply: _Reply) -> SourceError | None:
            return _status_error(request, reply, None) if is_trouble(reply.status) or reply.status >= 500 else None

        reply, error = await self._client.persist(self.origin, lambda: self._client.follow(request, url, None), judge)
        if isinstance(error, Postponed):
            raise error
        if error or reply is None:
            kind, status = (error.kind, error.status) if error else ("unreachable", None)
            raise _Final(str(error), kind=kind, status=status, is_temporary=kind != "tls") from error
        is_ours = reply.status == 401 and _origin(reply.url) == self.origin
        return parse_challenges(reply.headers.get_list("www-authenticate")) if is_ours else {}

    async def _obtain(self, scope: str, challenges: dict[str, dict[str, str]]) -> str | None:
        credentials = self.credentials(scope)
        if "bearer" in challenges:
            if credentials and credentials.kind == "registry-token":
                return _bearer_header(credentials.password, self.origin)
            if scope in self._refusals:
                raise self._refusals[scope]
            try:
                header, lasts = await self._bearer(scope, challenges["bearer"], credentials)
            except SourceError as error:
                if error.kind == "unauthorized":
                    self._refusals[scope] = error
                raise
            self._client.secrets.add(header.removeprefix("Bearer "))
            self._tokens[scope] = header, self._client.clock.seconds() + lasts
            return header
        return _basic_header(credentials) if "basic" in challenges else None

    async def _logged_in(self, login: Login, refused: str | None = None) -> str | None:
        """The header that *login* gives, other than *refused* if it can; None without credentials."""
        credentials = self.credentials(None)
        if credentials is None or credentials.kind != "password":
            return None
        if login.path is None:
            is_token = credentials.username == login.username
            return _bearer_header(credentials.password, self.origin) if is_token else None
        async with self._locks.setdefault(login.path, asyncio.Lock()):
            current = self._current(login.path)
            if current and current != refused:
                return current
            if login.path in self._refusals:
                raise self._refusals[login.path]
            header, lasts = await self._exchanged(credentials, login.path)
            self._client.secrets.add(header.removeprefix("Bearer "))
            self._tokens[login.path] = header, self._client.clock.seconds() + lasts
            return header

    async def _exchanged(self, credentials: Credentials, path: str) -> tuple[str, float]:
        """The header made of the token that *path* gives for a name and its secret, and the seconds that it lasts."""
        url = httpx.URL(f"{_text(self.origin)}{path}")
        headers = {"user-agent": USER_AGENT, "accept": "application/json", "accept-encoding": "identity"}
        headers["content-type"] = "application/json"
        content = json.dumps({"identifier": credentials.username, "secret": credentials.password}).encode()
        request = Request(str(url), "POST", body_limit=MEBIBYTE)
        reply, error = await self._client.persist(
            self.origin,
            # No redirects, as for token servers.
            lambda: self._client.exchange("POST", url, headers, MEBIBYTE, content),
            lambda reply: _token_error(request, reply, credentials, _host(self.origin)),
        )
        if error or reply is None:
            error = error or SourceError("no reply", kind="unreachable")
            final = _Final(str(error), kind=error.kind, status=error.status, is_temporary=error.is_temporary)
            if not error.is_temporary:
                self._refusals[path] = final
            raise final
        return _token(reply, str(url), unless_told=_LOGIN_LASTS)

    async def _bearer(
        self, scope: str, challenge: Mapping[str, str], credentials: Credentials | None
    ) -> tuple[str, float]:
        url = self._realm(challenge.get("realm", ""), credentials)
        headers = {"user-agent": USER_AGENT, "accept": "application/json", "accept-encoding": "identity"}
        method, content = "GET", None
        if credentials and credentials.kind == "identity-token":
            method, content = "POST", _refresh_form(scope, challenge, credentials)
            headers["content-type"] = "application/x-www-form-urlencoded"
        else:
            url = url.copy_with(query=_token_query(url, scope, challenge))
            if basic := _basic_header(credentials):
                headers["authorization"] = basic
        request = Request(str(url), method, body_limit=MEBIBYTE)
        named_by = None if url.host == self.origin[1] else self.origin[1]
        reply, error = await self._client.persist(
            _origin(url),
            # No redirects: a token server that sends us elsewhere would choose who sees the password.
            lambda: self._client.exchange(
                method, url, headers, MEBIBYTE, content, named_by=named_by, on_behalf_of=self.origin
            ),
            lambda reply: _token_error(request, reply, credentials, _host(self.origin)),
        )
        if error and error.kind == "redirect":  # a name that is an address in here: refused as that address would be
            raise SourceError(str(error), kind="unauthorized", status=401)
        if error or reply is None:
            raise error or SourceError("no reply", kind="unreachable")
        return _token(reply, str(url))

    def _realm(self, realm: str, credentials: Credentials | None) -> httpx.URL:
        """The token server's URL, if it may see what is sent there."""
        host = f"{self.origin[1]}:{self.origin[2]}"
        try:
            url = httpx.URL(realm)
        except (httpx.InvalidURL, TypeError):
            url = httpx.URL("")
        if url.scheme not in {"http", "https"} or not url.host or url.userinfo:
            raise SourceError(f"{host} names no usable token server", kind="bad-response", status=401)
        is_same = _origin(url) == self.origin
        is_near = is_loopback(url.host) and is_loopback(self.origin[1])
        is_clear = url.scheme == "http" and not (self.origin[0] == "http" and url.host == self.origin[1])
        is_inside = not self._client.reach(self.origin[1]).may_name(self._client.reach(url.host))
        if not is_same and not is_near and (is_clear or is_inside):
            text = f"{host} sends its logins to {redacted(realm)}, which is not safe: nothing was sent there"
            raise SourceError(text, kind="unauthorized", status=401)
        if credentials and not (is_same or is_near or _is_kin(self.origin[1], url.host)):
            advice = "set REGISTRY_AUTH_FILE=/dev/null" if credentials.found_in else "leave out --username"
            text = (
                f"{host} sends its logins to {redacted(realm)}, a host that does not belong to it: the password was "
                f"not sent; to ask without it, {advice}"
            )
            raise SourceError(text, kind="unauthorized", status=401)
        return url


# --- texts of headers ------------------------------------------------------------------------------------------------

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_CHALLENGE = re.compile(
    rf"[\s,]*(?:({_WORD})\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|({_WORD}))|({_WORD})(?:\s+[\w.~+/-]+=*(?=\s*(?:,|$)))?)"
)
_LINK = re.compile(r"<([^<>]*)>((?:\s*;\s*[\w!*-]+(?:\s*=\s*(?:\"[^\"]*\"|[^\s,;\"]*))?)*)")
_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')
_MOST_WARNINGS = 20
_RELATION = re.compile(r";\s*rel\s*=\s*(?:\"([^\"]*)\"|([^\s,;\"]*))", re.IGNORECASE)


def parse_challenges(values: Iterable[str]) -> dict[str, dict[str, str]]:
    """The parameters of each scheme in WWW-Authenticate *values*, names in lower case; the first of a scheme counts."""
    found: dict[str, dict[str, str]] = {}
    for value in values:
        at, current = 0, dict[str, str]()
        while match := _CHALLENGE.match(value, at):
            at = match.end()
            name, quoted, plain, scheme = match.groups()
            if scheme:
                current = {}
                found.setdefault(scheme.lower(), current)
            else:
                current.setdefault(name.lower(), plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
    return found


def next_link(value: str) -> str | None:
    """The target of `rel=next` in a Link header *value*; None if there is none."""
    for match in _LINK.finditer(value):
        relation = _RELATION.search(match[2])
        if relation and "next" in (relation[1] or relation[2] or "").lower().split():
            return match[1].strip()
    return None


def next_page(answer: Answer, seen: set[str], most: int) -> Request | None:
    """
    The request for the page after *answer*; None after the last.

    *seen* holds the pages asked for so far and grows. Raises SourceError if the answer is an error, if its link leads
    to another origin or in a circle, or if there are more pages than *most*.
    """
    if answer.error:
        raise answer.error
    link = next_link(answer.headers.get("link", ""))
    if link is None:
        return None
    page = redacted(answer.request.url)
    try:
        here = httpx.URL(answer.request.url)
        url = here.join(link)
        is_here = _origin(url) == _origin(here) and not url.userinfo
    except (httpx.InvalidURL, ValueError):
        raise SourceError(f"{page}: its link to the next page is no URL", kind="bad-response") from None
    if not is_here:
        text = f"{page}: its next page would be on {url.host or 'no host'}, another server: not followed"
        raise SourceError(text, kind="bad-response")
    if str(url) in seen or len(seen) >= most:
        raise SourceError(f"{page}: its pages do not end", kind="bad-response")
    seen.add(str(url))
    request = answer.request
    return replace(request, url=str(url), digest=None, size=None, payload=None)


# --- hosts -----------------------------------------------------------------------------------------------------------


def redacted(url: str) -> str:
    """*url* without user, password, query and fragment, which may hold secrets."""
    return re.sub(r"^(\w+://)[^/@?#]*@", r"\1", re.split(r"[?#]", url, maxsplit=1)[0])[:300]


def _origin(url: httpx.URL) -> Origin:
    return url.scheme, url.host, url.port or {"https": 443, "http": 80}.get(url.scheme, 0)


def _text(origin: Origin) -> str:
    scheme, host, port = origin
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def _host(origin: Origin) -> str:
    """The server as people write it: without a port that goes without saying."""
    scheme, host, port = origin
    name = f"[{host}]" if ":" in host else host
    return name if port == {"https": 443, "http": 80}.get(scheme) else f"{name}:{port}"


def _is_kin(registry: str, host: str) -> bool:
    """Whether *host* is within the domain that *registry* stands in (registry-1.docker.io and auth.docker.io)."""
    registry, host = registry.lower(), host.lower()
    if host == registry or host.endswith(f".{registry}"):
        return host != "" and not registry.replace(".", "").isdecimal()
    parent = registry.partition(".")[2]
    labels = parent.split(".")
    is_suffix = len(labels) < 2 or (len(labels) == 2 and len(labels[1]) == 2 and len(labels[0]) <= 3)
    return not is_suffix and not labels[-1].isdecimal() and (host == parent or host.endswith(f".{parent}"))


# --- bodies and errors -----------------------------------------------------------------------------------------------


class _Plain:
    """A body that is sent as it is."""

    def decode(self, chunk: bytes, most: int) -> bytes:
        """*chunk* of the body."""
        return chunk

    def end(self) -> None:
        """Nothing can be missing that HTTP itself does not miss."""


class _Gzip(_Plain):
    """A body that is sent as one gzip stream."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._inflater = zlib.decompressobj(wbits=31)
        self._is_empty = True

    def decode(self, chunk: bytes, most: int) -> bytes:
        """At most so many bytes of the body; what is held back beyond is never asked for, since that ends it."""
        if self._inflater.eof:
            raise self._wrong("goes on after its end")
        self._is_empty = False
        return self._inflater.decompress(chunk, most)

    def end(self) -> None:
        """Raises SourceError if the stream was cut off."""
        if not (self._inflater.eof or self._is_empty):
            raise self._wrong("ends too early")

    def _wrong(self, words: str) -> SourceError:
        return SourceError(f"{self._what}: the gzip of the body {words}", kind="bad-response", is_temporary=True)


def _decoder(coding: str, what: str) -> _Plain:
    """What makes the body of received chunks. Raises SourceError for a coding that was not asked for."""
    coding = coding.strip().lower()
    if coding in {"", "identity"}:
        return _Plain()
    if coding not in {"gzip", "x-gzip"}:
        raise SourceError(f"{what}: the body is coded as {coding[:40]!r}, which was not asked for", kind="bad-response")
    return _Gzip(what)


def _judge(request: Request, reply: _Reply, credentials: Credentials | None) -> SourceError | None:
    """What is wrong with *reply* as an answer to *request*, which carried what *credentials* give."""
    if not 200 <= reply.status < 300:
        is_ours = _origin(reply.url) == _origin(httpx.URL(request.url))
        return _status_error(request, reply, credentials, refusal=_refusal(credentials, reply) if is_ours else None)
    if request.method == "HEAD":
        return None
    what = f"{request.method} {redacted(request.url)}"
    if request.size is not None and len(reply.body) != request.size:
        text = f"{what}: {len(reply.body):,} bytes came, {request.size:,} were announced"
        return SourceError(text, kind="digest-mismatch", status=reply.status)
    algorithm, _, expected = (request.digest or "").partition(":")
    if algorithm not in {"sha256", "sha512"}:
        return None
    signed = request.payload(reply.body) if request.payload else reply.body
    if hashlib.new(algorithm, signed).hexdigest() == expected:
        return None
    return SourceError(f"{what}: the bytes do not match their digest", kind="digest-mismatch", status=reply.status)


_KINDS = {401: "unauthorized", 403: "denied", 404: "not-found", 408: "timeout", 429: "rate-limited"}
_ADVICE = {
    "not-found": "; there is no such repository, tag or digest: check the name",
    "rate-limited": "; run again later",
    "server-error": "; the server is in trouble: run again later",
    "bad-response": "; not what was expected: check host and port, and what stands in between",
}
_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")


def log_in(host: str) -> str:
    """How to log in to the registry at *host*."""
    name = "" if host in {"docker.io", DOCKER_HUB_API, DOCKER_HUB_TAGS} else f" {host}"
    return f"log in (docker login{name}, or with podman or skopeo), or give --username and --password-stdin"


def _refusal(credentials: Credentials | None, reply: _Reply) -> str | None:
    """What *reply* has against the credentials themselves, or the token that they gave; None if it is about rights."""
    if reply.status != 401:
        return None
    challenges = parse_challenges(reply.headers.get_list("www-authenticate"))
    is_basic = "basic" in challenges and "bearer" not in challenges
    if credentials and is_basic and credentials.kind == "identity-token":
        return f"an identity token is for a token server, and there is none{_whose(credentials)}"
    if credentials and (is_basic or credentials.kind == "registry-token"):
        return _wrong(credentials)
    if challenges.get("bearer", {}).get("error") == "invalid_token":
        return "it does not take the token that its token server gave: ask whoever runs it about clocks and keys"
    return None


async def _tried(
    attempt: Callable[[], Awaitable[_Reply]], judge: Callable[[_Reply], SourceError | None]
) -> tuple[_Reply | None, SourceError | None]:
    """The reply that *attempt* gets, and what is wrong."""
    try:
        reply = await attempt()
    except SourceError as error:
        return None, error
    return reply, judge(reply)


def _ended(pace: Pace, error: SourceError | None, is_pull: bool) -> SourceError | None:
    """*error*, or in its place that what was asked for is left to a later run."""
    if error is None or isinstance(error, Postponed) or not error.is_temporary:
        return error
    is_limited = error.kind == "rate-limited"
    if end := pace.end(is_pull=is_pull or (is_limited and isinstance(error, _Final))):
        return end
    return Postponed(str(error), kind=error.kind, status=error.status) if is_limited else error


def _status_error(
    request: Request,
    reply: _Reply,
    credentials: Credentials | None,
    *,
    refusal: str | None = None,
    host: str | None = None,
) -> SourceError:
    kind = _KINDS.get(reply.status, "server-error" if reply.status >= 500 else "bad-response")
    code = _registry_code(reply.body)
    text = f"{request.method} {redacted(request.url)}: {reply.status}{f' {code}' if code else ''} ({kind})"
    host = host or _host(_origin(httpx.URL(request.url)))
    way = f"or {log_in(host)}" if credentials is None else "or ask its owner"
    if refusal:
        text += f"; {refusal}"
    elif host in {DOCKER_HUB_API, DOCKER_HUB_TAGS} and kind in {"unauthorized", "not-found"}:
        text += f"; private or missing, which Docker Hub does not tell apart: check the name, {way}"
    elif kind in {"unauthorized", "denied"}:
        who = "nobody was logged in" if credentials is None else "this user may not read it"
        text += f"; {who}, or there is no such thing: check the name, {way}"
    elif reply.status == 400 and b"HTTPS" in reply.body[:1000]:
        text += "; it wants TLS: leave out --plain-http, or on this machine give --ca-cert or --insecure"
    elif kind == "rate-limited" and credentials is None:
        text += f"; run again later, {way} for a higher limit"
    else:
        text += _ADVICE.get(kind, "")
    error = _Final if kind == "rate-limited" and SPENT in reply.body else SourceError
    return error(text, kind=kind, status=reply.status, code=code, is_temporary=is_trouble(reply.status))


def _registry_code(body: bytes) -> str | None:
    try:
        code = json.loads(body[:MEBIBYTE])["errors"][0]["code"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return code if isinstance(code, str) and _CODE.fullmatch(code) else None


_WRONG = {
    "password": "user name or password are wrong or have expired",
    "identity-token": "the identity token is wrong, or it has expired or was revoked",
    "registry-token": "the token is wrong, has expired or is for something else",
}


def _wrong(credentials: Credentials) -> str:
    """That they are, whose they are and what to do; never themselves."""
    return f"{_WRONG[credentials.kind]}{_whose(credentials)}"


def _whose(credentials: Credentials) -> str:
    ends = expiry(credentials.password)
    until = f", good until {ends:%Y-%m-%d %H:%M} UTC" if ends else ""
    if credentials.found_in is None:
        return f" (user {credentials.username}, secret from --password-stdin{until}): check both"
    way = f"run {credentials.renewal}" if credentials.renewal else "log in there again"
    return f" (from {credentials.found_in}{until}): {way}, or give --username and --password-stdin"


def _token_error(request: Request, reply: _Reply, credentials: Credentials | None, host: str) -> SourceError | None:
    if reply.status == 200:
        return None
    if credentials is None:
        return _status_error(request, reply, None, host=host)
    if reply.status in {401, 403} or (reply.status == 400 and _is_invalid_grant(reply.body)):
        text = _wrong(credentials)
    elif reply.status in {404, 405} and credentials.kind == "identity-token":
        text = "no identity tokens are taken there: log in with a user name and password"
    else:
        return _status_error(request, reply, credentials)
    text = f"{redacted(request.url)}: {reply.status}: {text}"
    return SourceError(text, kind="unauthorized", status=reply.status, code=_registry_code(reply.body))


def _is_invalid_grant(body: bytes) -> bool:
    """Whether a token server says, in the words of RFC 6749 section 5.2, that an identity token is not good."""
    try:
        return bool(json.loads(body)["error"] == "invalid_grant")
    except (ValueError, LookupError, TypeError, RecursionError):
        return False


def _token_query(url: httpx.URL, scope: str, challenge: Mapping[str, str]) -> bytes:
    """The query that asks the token server at *url* for a token, after what its address holds already."""
    query = [f"service={quote(challenge['service'], safe='')}"] if challenge.get("service") else []
    query += [f"scope={quote(item, safe='')}" for item in scope.split()]
    existing = [url.query.decode()] if url.query else []
    return "&".join([*existing, *query]).encode()


def _refresh_form(scope: str, challenge: Mapping[str, str], credentials: Credentials) -> bytes:
    """The form that gets a token for an identity token."""
    fields = {"grant_type": "refresh_token", "service": challenge.get("service"), "scope": scope}
    fields |= {"client_id": "imglab", "refresh_token": credentials.password}
    return urlencode({name: value for name, value in fields.items() if value}).encode()


def _token(reply: _Reply, url: str, unless_told: float = 60.0) -> tuple[str, float]:
    """The header made of a token server's reply, and the seconds that it lasts."""
    try:
        document = json.loads(reply.body)
        value = document.get("token") or document["access_token"]
        lasts = document.get("expires_in") or unless_told
        if not re.fullmatch(r"[\x21-\x7e]{1,65536}", value):
            raise ValueError
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        text = f"{redacted(url)}: the token server gave no token: ask whoever runs it, or what stands in between"
        raise SourceError(text, kind="bad-response") from None
    is_number = isinstance(lasts, int | float) and not isinstance(lasts, bool) and lasts > 0
    return f"Bearer {value}", float(min(lasts, 86_400) if is_number else unless_told)


def _basic_header(credentials: Credentials | None) -> str | None:
    """The header of a name and password; None for tokens, which are for others to see."""
    if credentials is None or credentials.kind != "password":
        return None
    pair = f"{credentials.username}:{credentials.password}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def _bearer_header(secret: str, origin: Origin) -> str:
    """The header of a secret that is a token; raises SourceError if it cannot be one."""
    if not re.fullmatch(r"[\x21-\x7e]{1,65536}", secret):
        text = f"{_text(origin)} takes a token in place of a password: what was given holds blanks or other characters"
        raise SourceError(text, kind="unauthorized")
    return f"Bearer {secret}"


_UNKNOWN_AUTHORITY = "give the certificate of its authority with --ca-cert"
_TLS_ADVICE = {  # by the codes of OpenSSL's x509_vfy.h
    **dict.fromkeys((9, 10), "check the clock, or tell whoever runs it"),
    **dict.fromkeys((62, 64), "use a name that the certificate is for"),
}


def _translated(error: Exception, what: str) -> SourceError:
    """What httpx and aiohttp raise, in our words; the reason of theirs is told by the first cause that knows it."""
    causes = list(_causes(error))
    forbidden = next((cause for cause in causes if isinstance(cause, ForbiddenAddress)), None)
    if forbidden:
        return SourceError(f"{what}: {forbidden}: nothing was sent there", kind="redirect")
    secure = [cause for cause in causes if isinstance(cause, ssl.SSLError)]
    if secure:
        told = [getattr(cause, "verify_message", None) or getattr(cause, "reason", None) for cause in secure]
        reason = next(filter(None, told), "no TLS there")
        codes = (getattr(cause, "verify_code", None) for cause in secure)  # aiohttp's own have none
        code = next((code for code in codes if code is not None), None)
        advice = "check the port, or give --plain-http" if code is None else _TLS_ADVICE.get(code, _UNKNOWN_AUTHORITY)
        return SourceError(f"{what}: no secure connection ({reason}); {advice}", kind="tls")
    if any(isinstance(cause, TimeoutError) for cause in causes) or type(error) in {httpx.ReadTimeout}:
        return SourceError(f"{what}: no answer in time; run again later", kind="timeout", is_temporary=True)
    if isinstance(error, httpx.TransportError | OSError):
        text = f"{what}: unreachable ({_brief(causes)}); check the name, the port and the network"
        return SourceError(text, kind="unreachable", is_temporary=True)
    said = str(getattr(error, "message", error)).strip().partition("\n")[0][:80]
    return SourceError(f"{what}: no valid HTTP ({redacted(said)})", kind="bad-response", is_temporary=True)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(10):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__


def _brief(causes: list[BaseException]) -> str:
    system = next((cause for cause in causes if isinstance(cause, OSError) and cause.strerror), None)
    # asyncio says "Connect call failed" in place of the system's words; failing names have numbers below zero.
    number = (system.errno or 0) if system else 0
    reason = os.strerror(number) if number > 0 else system and system.strerror
    text = str(reason or causes[0]) or type(causes[-1]).__name__
    return redacted(" ".join(text.split()))[:160]


def _cancel(tasks: set[asyncio.Task[None]]) -> None:
    for task in list(tasks):
        task.cancel()
