"""
Connections to servers: verified, without cookies, and never to places that a stranger may not send us to.

The only home of aiohttp, beside the transport that httpx speaks to it through. A registry names other servers: where
tokens come from, where blobs lie. What it names must not stand further inside a network than itself, or it would use
us to reach what it cannot reach. Names are looked at as they resolve, on the way to the connection, so that a name
that means something else a moment later does not help (google/go-containerregistry #2292 and #2440).
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from enum import IntEnum
from pathlib import Path

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import Connection
from httpx_aiohttp import AiohttpTransport

from imglab.errors import UsageError

Lookup = Callable[[str], Awaitable[Sequence[str]]]  # the addresses of a name
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: an IPv4 address behind a translator


class Reach(IntEnum):
    """How far inside a network an address is, as seen from here."""

    PUBLIC = 0
    PRIVATE = 1
    LOOPBACK = 2
    NOWHERE = 3  # link-local, unspecified, multicast: no server that another may name, but a cloud's metadata

    def may_name(self, other: Reach) -> bool:
        """Whether a server here may send us to one there."""
        return other <= (Reach.PUBLIC if self is Reach.NOWHERE else self)


class ForbiddenAddress(OSError):
    """A name whose addresses are all further inside than whoever named it may lead to."""


def reach(host: str) -> Reach:
    """Where *host* is as far as its text tells: names other than `localhost` are taken for public."""
    host = host.strip("[]").rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return Reach.LOOPBACK
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return Reach.PUBLIC
    address = _inner(address)
    if address.is_loopback:
        return Reach.LOOPBACK
    if address.is_link_local or address.is_unspecified or address.is_multicast:
        return Reach.NOWHERE
    return Reach.PUBLIC if address.is_global else Reach.PRIVATE


def is_loopback(host: str) -> bool:
    """Whether *host* is this machine, by its name or address."""
    return reach(host) is Reach.LOOPBACK


def _inner(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The IPv4 address that an IPv6 address stands for, if it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _TRANSLATED:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


async def look_up(name: str) -> list[str]:
    """The addresses of *name*, as this machine resolves it."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(name, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return [str(address[0]) for *_, address in found]


class Connections:
    """
    The transports of one client: one for servers that the user named, and one for each reach of those that named
    others, for each way to look at certificates. Used inside one event loop; *lookup* is there to be replaced in tests.
    """

    def __init__(self, context: ssl.SSLContext, lookup: Lookup = look_up) -> None:
        self._context = context
        self._lookup = lookup
        self._seen: dict[str, Reach] = {}
        self._transports: dict[tuple[Reach | None, ssl.SSLContext], AiohttpTransport] = {}

    def transport(self, named_by: str | None, context: ssl.SSLContext | None = None) -> AiohttpTransport:
        """
        What connects to servers that the host *named_by* names; with None to those that the user does.

        Certificates are looked at as *context* says, if it is given.
        """
        limit = None if named_by is None else self.reach(named_by)
        trusted = context or self._context
        if (limit, trusted) not in self._transports:
            self._transports[limit, trusted] = AiohttpTransport(client=lambda: self._session(limit, trusted))
        return self._transports[limit, trusted]

    def reach(self, host: str) -> Reach:
        """Where *host* is: by its text, and for a name that was connected to by the outermost of its addresses."""
        return self._seen.get(host, reach(host))

    async def close(self) -> None:
        """End all of them."""
        for transport in self._transports.values():
            await transport.aclose()

    async def resolve(self, name: str, limit: Reach | None) -> list[str]:
        """The addresses of *name* that a server of reach *limit* may lead to. Raises ForbiddenAddress."""
        addresses = await self._lookup(name)
        if limit is None:
            # Outermost, so that a name with an address in here besides does not become one of ours.
            self._seen[name] = min([*map(reach, addresses), self._seen.get(name, Reach.NOWHERE)])
            return list(addresses)
        allowed = [address for address in addresses if limit.may_name(reach(address))]
        if addresses and not allowed:
            raise ForbiddenAddress(f"{name} is {addresses[0]}, an address that only the user may name")
        return allowed

    def _session(self, limit: Reach | None, context: ssl.SSLContext) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context, resolver=_Resolver(self, limit)),
            cookie_jar=aiohttp.DummyCookieJar(),
            response_class=_Response,
            trust_env=False,
        )


class _Response(aiohttp.ClientResponse):
    """A response without words beside its status: where they are no UTF-8, httpx-aiohttp fails over them (0.2.0)."""

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        """The response with its headers."""
        await super().start(connection)
        self.reason = None
        return self


class _Resolver(AbstractResolver):
    """What aiohttp asks for the addresses of a name; it keeps the answers for some seconds."""

    def __init__(self, connections: Connections, limit: Reach | None) -> None:
        self._connections = connections
        self._limit = limit

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses to try, in their order."""
        addresses = await self._connections.resolve(host, self._limit)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        """Nothing to end."""


def tls_context(ca_cert: Path | None, insecure: bool) -> ssl.SSLContext:
    """What certificates are checked with. Raises UsageError if *ca_cert* holds none."""
    context = ssl.create_default_context()
    try:
        if ca_cert:
            context.load_verify_locations(cafile=ca_cert)
    except OSError as error:
        reason = "it holds none" if isinstance(error, ssl.SSLError) else error.strerror
        raise UsageError(f"{ca_cert} is no file of certificates ({reason}): give one in PEM form") from error
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
