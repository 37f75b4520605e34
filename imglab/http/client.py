"""The client: what its users say of registries, and the answers that they get."""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import httpx

from imglab.connections import Connections, Lookup, is_loopback, look_up, tls_context
from imglab.errors import SourceError, UsageError
from imglab.http.batch import Loop
from imglab.http.errors import judge
from imglab.http.gate import Gate
from imglab.http.hosts import Origin, origin_of, redacted
from imglab.http.pages import next_page
from imglab.http.redirects import follow
from imglab.http.retries import persist
from imglab.http.values import DOCKER_HUB_API, Access, Answer, Credentials, Exchange, Reply, Request
from imglab.http.wire import Widths, Wire
from imglab.pace import Clock, Limits


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
        self._access = Access(plain_http or None, ca_cert, insecure, max(1, concurrency))
        self._own_access = {name: own.over(self._access) for name, own in (access or {}).items()}
        self._base_urls: dict[str, str] = {}
        self._connections = Connections(tls_context(ca_cert, insecure), lookup)
        self._widths = self._by_registry()
        self._wire = Wire(
            limits or Limits(),
            Clock(sleep, clock, now, jitter),
            watch,
            widths=self._widths,
            connections=self._connections,
            contexts=self._contexts(),
            transport=transport,
        )
        self._gates: dict[Origin, Gate] = {}
        self._credentials: dict[Origin, dict[str, Credentials]] = {}
        for name, secret in (credentials or {}).items():
            registry, _, path = name.partition("/")
            self._credentials.setdefault(self._origin(registry), {})[path] = secret
            self._wire.secrets.add(secret.password, secret.username)

    def __enter__(self) -> Client:
        self._loop = Loop()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.close(self._connections.close)

    @property
    def requests(self) -> int:
        """How many requests were sent."""
        return self._wire.requests

    @property
    def received_bytes(self) -> int:
        """How many bytes of bodies came, decoded."""
        return self._wire.received_bytes

    @property
    def limits(self) -> Limits:
        """How long and how often is tried, from now on; the pace of a server that was asked keeps its own."""
        return self._wire.limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        self._wire.limits = limits

    def base_url(self, registry: str) -> str:
        """
        Where the API of *registry* is; plain HTTP if it was asked for, or for loopback unless TLS was spoken of.

        Raises UsageError if nothing can have that name.
        """
        if registry not in self._base_urls:
            host = DOCKER_HUB_API if registry == "docker.io" else registry
            access = self._own_access.get(registry, self._access)
            is_local = is_loopback(_checked(host)) and not (access.ca_cert or access.insecure)
            is_plain = is_local if access.plain_http is None else access.plain_http
            self._base_urls[registry] = f"{'http' if is_plain else 'https'}://{host}"
        return self._base_urls[registry]

    def fetch(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """
        One answer for each of *requests*, as they arrive.

        *requests* is read in the caller's thread, a little ahead of what is being sent. What goes wrong with one item
        is in its answer.
        """
        return self._loop.answers(requests, self._answer, ahead=4 * self._widths.of_all)

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

    # --- how registries are reached ---

    def _origin(self, registry: str) -> Origin:
        return origin_of(httpx.URL(self.base_url(registry)))

    def _contexts(self) -> dict[Origin, ssl.SSLContext]:
        """What certificates are checked with where a registry has its own."""
        of_all = (self._access.ca_cert, self._access.insecure)
        return {
            self._origin(name): tls_context(own.ca_cert, bool(own.insecure))
            for name, own in self._own_access.items()
            if (own.ca_cert, own.insecure) != of_all
        }

    def _by_registry(self) -> Widths:
        """Of all together as many as one registry may be asked at a time; each has its pace besides."""
        of_each = self._access.concurrency or 1
        by_origin = {self._origin(name): own.concurrency or 1 for name, own in self._own_access.items()}
        return Widths(max([of_each, *by_origin.values()]), of_each, by_origin)

    # --- inside the loop ---

    async def _answer(self, request: Request) -> Answer:
        gate = self._gate(origin_of(httpx.URL(request.url)))
        credentials = gate.credentials(request.scope)
        try:
            async with asyncio.timeout(self.limits.answer_seconds):
                reply, error = await persist(
                    self._wire,
                    gate.origin,
                    lambda: self._attempt(request, gate),
                    lambda reply: judge(request, reply, credentials),
                    is_pull=request.is_pull,
                )
        except TimeoutError:
            text = f"{request.method} {redacted(request.url)}: no answer after {self.limits.answer_seconds:g} s"
            reply, error = None, SourceError(text, kind="timeout", is_temporary=True)
        if error:
            error.args = (self._wire.secrets.hidden(str(error)),)
        if reply is None:
            return Answer(request, None, {}, b"", error)
        return Answer(request, reply.status, reply.told, reply.body, error)

    async def _attempt(self, request: Request, gate: Gate) -> Reply:
        """One try: with the token that is at hand, and once more with a new one if that is refused."""
        header = await gate.header(request)
        reply = await follow(self._wire, request, header)
        if reply.status == 401 and origin_of(reply.url) == gate.origin:
            renewed = await gate.renew(request, reply.headers, header)
            if renewed and renewed != header:
                reply = await follow(self._wire, request, renewed)
        return reply

    def _gate(self, origin: Origin) -> Gate:
        if origin not in self._gates:
            self._gates[origin] = Gate(self._wire, origin, self._credentials.get(origin, {}))
        return self._gates[origin]


def _checked(server: str) -> str:
    """The host of *server*, without its port."""
    try:
        return httpx.URL(f"http://{server}").host
    except (httpx.InvalidURL, ValueError):  # the latter where it is no word of IDNA
        raise UsageError(f"{server!r} is no host name: write host or host:port") from None
