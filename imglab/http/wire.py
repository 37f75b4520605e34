"""What goes over the network and comes back: one exchange at a time, at each server's pace, counted and bounded."""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import httpx

from imglab.connections import Connections, Reach, reach
from imglab.errors import Postponed, SourceError
from imglab.http.bodies import pieces
from imglab.http.errors import Final, translated
from imglab.http.hosts import Origin, host_text, origin_of, redacted
from imglab.http.values import Exchange, Reply
from imglab.pace import Clock, Limits, Pace
from imglab.secrecy import Secrets

_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')
_MOST_WARNINGS = 20
_logger = logging.getLogger("imglab")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One request as it is sent: of redirects, pings and tokens as well."""

    method: str
    url: httpx.URL
    headers: Mapping[str, str]
    body_limit: int
    content: bytes | None = None
    named_by: str | None = None  # the host that names its server, if not the user does
    on_behalf_of: Origin | None = None  # the registry that leads there, if it is another
    is_pull: bool = False

    def __str__(self) -> str:
        return f"{self.method} {redacted(str(self.url))}"


@dataclass(frozen=True, slots=True)
class Widths:
    """How many requests at a time are sent: to all servers, to each, and to some that have their own number."""

    of_all: int
    of_each: int
    by_origin: Mapping[Origin, int]


class Wire:
    """Sends one request at a time for each task that asks it to. Lives in one event loop."""

    def __init__(
        self,
        limits: Limits,
        clock: Clock,
        watch: Callable[[Exchange], None],
        *,
        widths: Widths,
        connections: Connections,
        contexts: Mapping[Origin, ssl.SSLContext],
        transport: httpx.AsyncBaseTransport | None,
    ) -> None:
        self.requests = 0
        self.received_bytes = 0
        self.limits = limits
        self.clock = clock
        self.secrets = Secrets()  # servers may say what they were sent
        self._watch = watch
        self._widths = widths
        self._slots = asyncio.Semaphore(widths.of_all)
        self._connections = connections
        self._contexts = contexts
        self._transport = transport
        self._paces: dict[Origin, Pace] = {}
        self._warnings: set[str] = set()

    def pace(self, origin: Origin) -> Pace:
        """How hard the server at *origin* is asked."""
        if origin not in self._paces:
            width = self._widths.by_origin.get(origin, self._widths.of_each)
            self._paces[origin] = Pace(host_text(origin), self.limits, width, self.clock)
        return self._paces[origin]

    def reach(self, host: str) -> Reach:
        """How far inside a network *host* is."""
        return reach(host) if self._transport else self._connections.reach(host)

    async def exchange(self, outgoing: Outgoing) -> Reply:
        """
        The reply to one request, shown to those who watch as well.

        Foreign exceptions become SourceError; one that was not sent for a limit's sake is Postponed, and not seen.
        """
        pace = self.pace(origin_of(outgoing.url))
        async with pace.turn(is_pull=outgoing.is_pull) as turn, self._slots:
            self._count()
            sent_at = self.clock.seconds()
            try:
                reply = await self._sent(outgoing)
            except SourceError as error:
                pace.failed(error)
                lasted = self.clock.seconds() - sent_at
                self._watch(Exchange(outgoing.method, str(outgoing.url), error.status, {}, b"", lasted, error))
                raise
            pace.heard(reply.status, reply.told, reply.body, turn=turn, is_pull=outgoing.is_pull)
            lasted = self.clock.seconds() - sent_at
        self._watch(Exchange(outgoing.method, str(outgoing.url), reply.status, reply.told, reply.body, lasted))
        self._heed(reply)
        return reply

    def _count(self) -> None:
        if self.limits.requests is not None and self.requests >= self.limits.requests:
            text = f"--limit-requests {self.limits.requests} is reached: run again to go on"
            raise Postponed(text, kind="request-limit")
        self.requests += 1

    async def _sent(self, outgoing: Outgoing) -> Reply:
        try:
            async with asyncio.timeout(self.limits.request_seconds):
                return await self._exchanged(outgoing)
        except SourceError:
            raise
        except TimeoutError:
            text = f"{outgoing}: not finished after {self.limits.request_seconds:g} s"
            raise Final(text, kind="timeout", is_temporary=True) from None
        except Exception as error:  # aiohttp's own exceptions come through httpx's transport as they are
            raise translated(error, str(outgoing)) from error

    async def _exchanged(self, outgoing: Outgoing) -> Reply:
        context = self._contexts.get(outgoing.on_behalf_of or origin_of(outgoing.url))
        transport = self._transport or self._connections.transport(outgoing.named_by, context)
        # Not through httpx.AsyncClient: its cookies, environment and own redirects are what we must not have.
        response = await transport.handle_async_request(self._request(outgoing))
        body = bytearray()
        try:
            if outgoing.method != "HEAD":
                async for piece in pieces(response, outgoing.body_limit, str(outgoing)):
                    self.received_bytes += len(piece)
                    body += piece
        finally:
            await response.aclose()
        return Reply(outgoing.url, response.status_code, response.headers, dict(response.headers.items()), bytes(body))

    def _request(self, outgoing: Outgoing) -> httpx.Request:
        timeout = httpx.Timeout(self.limits.silence_seconds, connect=self.limits.connect_seconds, pool=None)
        extensions = {"timeout": timeout.as_dict()}
        method, headers = outgoing.method, outgoing.headers
        return httpx.Request(method, outgoing.url, headers=headers, content=outgoing.content, extensions=extensions)

    def _heed(self, reply: Reply) -> None:
        """Say once what a server warns of (distribution-spec, "Warnings"); nothing else comes of it."""
        for value in reply.headers.get_list("warning") if "warning" in reply.told else ():
            if (match := _WARNING.fullmatch(value.strip())) and len(self._warnings) < _MOST_WARNINGS:
                words = self.secrets.hidden(re.sub(r"\\(.)", r"\1", match[1]))[:300]
                printable = "".join(letter if letter.isprintable() else "?" for letter in words)
                text = f"{host_text(origin_of(reply.url))} warns: {printable}"
                if text not in self._warnings:
                    self._warnings.add(text)
                    _logger.info("%s", text)
