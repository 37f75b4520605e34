"""The client: batches of requests, sent from a thread of their own."""

from __future__ import annotations

import asyncio
import logging
import queue
import random
import re
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import httpx

from imglab.connections import Connections, Lookup, Reach, is_loopback, look_up, reach, tls_context
from imglab.errors import Postponed, SourceError
from imglab.http.bodies import decoder_of
from imglab.http.errors import Final, judge, translated
from imglab.http.gate import Gate
from imglab.http.hosts import Origin, host_text, origin_of, redacted
from imglab.http.pages import next_page
from imglab.http.values import DOCKER_HUB_API, USER_AGENT, Access, Answer, Credentials, Exchange, Reply, Request
from imglab.pace import Clock, Limits, Pace, asked_wait

_CODING_COSTS = 65_536  # bytes that a coded body may be longer than the body
_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')
_MOST_WARNINGS = 20
_logger = logging.getLogger("imglab")


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
            self._credentials.setdefault(origin_of(httpx.URL(self.base_url(registry))), {})[path] = secret
        self._gates: dict[Origin, Gate] = {}
        self._paces: dict[Origin, Pace] = {}
        self._warnings: set[str] = set()

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
        origins = {origin_of(httpx.URL(self.base_url(name))): own for name, own in self._own_access.items()}
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
                if self._loop.is_closed():
                    raise RuntimeError("the client is closed: what it did not answer will not be")
                answer = answers.get()
                in_flight -= 1
                if isinstance(answer, BaseException):
                    raise answer
                yield answer
        finally:
            if not self._loop.is_closed():
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
        origin = origin_of(httpx.URL(request.url))
        credentials = self._gate(origin).credentials(request.scope)
        try:
            async with asyncio.timeout(self.limits.answer_seconds):
                reply, error = await self.persist(
                    origin,
                    lambda: self._attempt(request),
                    lambda reply: judge(request, reply, credentials),
                    is_pull=request.is_pull,
                )
        except TimeoutError:
            text = f"{request.method} {redacted(request.url)}: no answer after {self.limits.answer_seconds:g} s"
            reply, error = None, SourceError(text, kind="timeout", is_temporary=True)
        if reply is None:
            return Answer(request, None, {}, b"", error)
        return Answer(request, reply.status, dict(reply.headers), reply.body, error)

    async def persist(
        self,
        origin: Origin,
        attempt: Callable[[], Awaitable[Reply]],
        judge: Callable[[Reply], SourceError | None],
        *,
        is_pull: bool = False,
    ) -> tuple[Reply | None, SourceError | None]:
        """What *attempt* gets from *origin* in the end: tried again while that may help and its pace allows it."""
        pace, mismatches = self._pace(origin), 0
        reply, error = await _tried(attempt, judge)
        for count in range(1, self.limits.tries):
            if error is None:
                break
            mismatches += error.kind == "digest-mismatch"
            may_pass = error.is_temporary and not isinstance(error, Final | Postponed)
            is_first_mismatch = error.kind == "digest-mismatch" and mismatches == 1
            if not (may_pass or is_first_mismatch) or not pace.may_retry or pace.end(is_pull=is_pull):
                break
            await self.clock.sleep(self._pause(count, reply))
            reply, error = await _tried(attempt, judge)
        return reply, _ended(pace, error, is_pull)

    def _pause(self, count: int, reply: Reply | None) -> float:
        asked = asked_wait(reply.status, reply.headers, self.clock.now()) if reply else None
        most = min(self.limits.longest_backoff_seconds, self.limits.backoff_seconds * 2.0 ** (count - 1))
        spread: float = 0.5 + self.clock.jitter() / 2
        return min(asked or 0.0, self.limits.longest_wait_seconds) + most * spread

    async def _attempt(self, request: Request) -> Reply:
        """One try: with the token that is at hand, and once more with a new one if that is refused."""
        url = httpx.URL(request.url)
        gate = self._gate(origin_of(url))
        header = await gate.header(request)
        reply = await self.follow(request, url, header)
        if reply.status == 401 and origin_of(reply.url) == gate.origin:
            renewed = await gate.renew(request, reply.headers, header)
            if renewed and renewed != header:
                reply = await self.follow(request, url, renewed)
        return reply

    def _gate(self, origin: Origin) -> Gate:
        if origin not in self._gates:
            self._gates[origin] = Gate(self, origin, self._credentials.get(origin, {}))
        return self._gates[origin]

    def _pace(self, origin: Origin) -> Pace:
        if origin not in self._paces:
            width = self._widths.get(origin, self._access.concurrency or 1)
            self._paces[origin] = Pace(host_text(origin), self.limits, width, self.clock)
        return self._paces[origin]

    def reach(self, host: str) -> Reach:
        """How far inside a network *host* is."""
        return reach(host) if self._transport else self._connections.reach(host)

    async def follow(self, request: Request, url: httpx.URL, authorization: str | None) -> Reply:
        """The reply at the end of the redirects; *authorization* goes to the first origin only."""
        origin = origin_of(url)
        outermost = url.host  # of all that had a part in where this leads
        for _ in range(self.limits.redirects + 1):
            headers = {"user-agent": USER_AGENT, "accept-encoding": "gzip, identity", **request.headers}
            is_first = origin_of(url) == origin
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
    ) -> Reply:
        """
        One request and its reply, for those who watch as well; *named_by* is the host that names its server, if not
        the user does, and *on_behalf_of* the registry that leads there, if it is another.

        Foreign exceptions become SourceError; one that was not sent for a limit's sake is Postponed, and not seen.
        """
        pace = self._pace(origin_of(url))
        async with pace.turn(is_pull=is_pull) as turn, self._slots:
            if self.limits.requests is not None and self.requests >= self.limits.requests:
                text = f"this run may send {self.limits.requests:,} requests, which it did: run again to go on"
                raise Postponed(text, kind="request-limit")
            self.requests += 1
            sent_at = self.clock.seconds()
            try:
                # Not through httpx.AsyncClient: its cookies, environment and own redirects are what we must not have.
                request = httpx.Request(
                    method, url, headers=headers, content=content, extensions=dict(self._extensions)
                )
                reply = await self._sent(request, limit, named_by, self._contexts.get(on_behalf_of or origin_of(url)))
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
    ) -> Reply:
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
            raise Final(text, kind="timeout", is_temporary=True) from None
        except Exception as error:  # aiohttp's own exceptions come through httpx's transport as they are
            raise translated(error, what) from error
        return Reply(request.url, response.status_code, response.headers, body)

    def _heed(self, reply: Reply) -> None:
        """Say once what a server warns of (distribution-spec, "Warnings"); nothing else comes of it."""
        for value in reply.headers.get_list("warning"):
            if (match := _WARNING.fullmatch(value.strip())) and len(self._warnings) < _MOST_WARNINGS:
                words = re.sub(r"\\(.)", r"\1", match[1])[:300]
                text = (
                    f"{host_text(origin_of(reply.url))} warns: {''.join(c if c.isprintable() else '?' for c in words)}"
                )
                if text not in self._warnings:
                    self._warnings.add(text)
                    _logger.info("%s", text)

    def _redirected(self, method: str, reply: Reply, first: Origin, outermost: str) -> httpx.URL:
        """Where *reply* leads, if it may."""
        what = f"{method} {redacted(str(reply.url))}"
        try:
            url = reply.url.join(reply.headers["location"]).copy_with(fragment=None)
            target = origin_of(url)
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
        decoder = decoder_of(response.headers.get("content-encoding", ""), what)
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


async def _tried(
    attempt: Callable[[], Awaitable[Reply]], judge: Callable[[Reply], SourceError | None]
) -> tuple[Reply | None, SourceError | None]:
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
    if end := pace.end(is_pull=is_pull or (is_limited and isinstance(error, Final))):
        return end
    return Postponed(str(error), kind=error.kind, status=error.status) if is_limited else error


def _cancel(tasks: set[asyncio.Task[None]]) -> None:
    for task in list(tasks):
        task.cancel()
