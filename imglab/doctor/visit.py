"""A visit to a registry: what a snapshot would ask first, sent as a snapshot sends it, and all that came back."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from imglab import oci
from imglab.doctor.step import said
from imglab.doctor.way import Link, Server
from imglab.http import Answer, Client, Credentials, Exchange, Limits, Request, parse_challenges, redacted
from imglab.secrecy import Secrets, read_object
from imglab.sources.registry import PAGE_LENGTH, Target

_ACCEPT = {"accept": ", ".join(oci.MANIFEST_TYPES)}
_REDIRECTS = {301, 302, 303, 307, 308}

Open = Callable[..., Client]  # takes what Client takes


@dataclass(frozen=True, slots=True)
class Deadline:
    """When all must be done; each step may take a part of it."""

    ends: float  # by time.monotonic
    step_seconds: float

    @classmethod
    def after(cls, seconds: float, steps: int) -> Deadline:
        """One that is *seconds* from now, with *steps* that may take as long as they can."""
        return cls(time.monotonic() + seconds, seconds / steps)

    @property
    def left(self) -> float:
        """Seconds, never none at all."""
        return max(0.01, self.ends - time.monotonic())

    @property
    def step(self) -> float:
        """The seconds that the next step may take."""
        return min(self.left, self.step_seconds)


@dataclass(frozen=True, slots=True)
class Visit:
    """What was asked of a registry with or without credentials, and what came back, in the order in which it came."""

    target: Target
    server: Server
    credentials: Credentials | None
    answer: Answer
    pings: tuple[Exchange, ...]  # of `/v2/`, with redirects
    tokens: tuple[Exchange, ...]
    asked: tuple[Exchange, ...]  # about the reference
    dated: tuple[tuple[Exchange, datetime], ...]  # all of them, with our time
    repository_status: int | None = None  # of its list of tags, asked where a tag was not there
    secrets: Secrets = field(default_factory=Secrets, repr=False)

    @property
    def is_listing(self) -> bool:
        """Whether a list of tags was asked for, not a tag or digest."""
        return self.answer.request.method == "GET"

    @property
    def requests(self) -> int:
        """How many requests it took."""
        return len(self.dated)

    @property
    def challenges(self) -> dict[str, dict[str, str]]:
        """How the registry wants to be logged in to, by scheme in lower case; another host's wishes do not count."""
        if not self.pings or _host(self.pings[-1].url) != _host(self.pings[0].url):
            return {}
        return parse_challenges([self.pings[-1].headers.get("www-authenticate", "")])

    @property
    def status(self) -> int | None:
        """What the registry said in the end of the reference; None if it was not asked, or did not answer."""
        return self.asked[-1].status if self.asked else None

    def said(self, text: object, most: int = 120) -> str:
        """Something that a server said, cut, and without any secret that it may know."""
        return said(self.secrets.hidden(str(text)), most)


def visit(
    target: Target,
    server: Server,
    link: Link,
    credentials: Credentials | None,
    *,
    deadline: Deadline,
    now: Callable[[], datetime],
    client: Open,
) -> Visit:
    """Ask about *target* once, as a snapshot does, with nothing tried again."""
    dated: list[tuple[Exchange, datetime]] = []
    kept = {target.reference.repository: credentials} if credentials else {}
    limits = Limits(tries=1, request_seconds=deadline.step, connect_seconds=deadline.step, answer_seconds=deadline.left)
    with client(
        credentials=kept,
        concurrency=1,
        plain_http=link.plain_http,
        ca_cert=link.ca_cert,
        insecure=link.insecure,
        limits=limits,
        watch=lambda exchange: dated.append((exchange, now())),
    ) as registry:
        answer = registry.answer(_question(target, server))
        seen = tuple(dated)
        listed = None
        if answer.status == 404 and answer.request.method == "HEAD":
            registry.limits = replace(limits, answer_seconds=deadline.left)
            listed = registry.answer(_listing(target, server, 1)).status
    parts: dict[str, list[Exchange]] = {"ping": [], "token": [], "asked": []}
    for purpose, exchange in _sorted((exchange for exchange, _ in seen), answer.request.url):
        parts[purpose].append(exchange)
    secrets = _secrets(credentials, parts["token"])
    pings, tokens, asked = (tuple(parts[purpose]) for purpose in ("ping", "token", "asked"))
    found = Visit(target, server, credentials, answer, pings, tokens, asked, tuple(dated), listed, secrets)
    _log(found)
    return found


def _question(target: Target, server: Server) -> Request:
    reference = target.reference
    name = reference.digest or reference.tag
    if name is None:
        return _listing(target, server, PAGE_LENGTH)
    url = f"{server.base_url}/v2/{reference.path}/manifests/{name}"
    return Request(url, "HEAD", _ACCEPT, f"repository:{reference.path}:pull")


def _listing(target: Target, server: Server, length: int) -> Request:
    path = target.reference.path
    return Request(f"{server.base_url}/v2/{path}/tags/list?n={length}", scope=f"repository:{path}:pull")


def _sorted(exchanges: Iterable[Exchange], question: str) -> Iterator[tuple[str, Exchange]]:
    """What each exchange was for: the redirects of the ping and of the question are theirs, the rest is for tokens."""
    purpose, is_redirect = "", False
    for exchange in exchanges:
        path = _path(exchange.url)
        if not is_redirect or purpose == "token":
            purpose = "ping" if path == "/v2/" else "asked" if path == _path(question) else "token"
        is_redirect = exchange.status in _REDIRECTS
        yield purpose, exchange


def _host(url: str) -> str:
    """With the scheme and the port."""
    return "/".join(url.split("/", 3)[:3])


def _path(url: str) -> str:
    return "/" + redacted(url).partition("://")[2].partition("/")[2]


def _secrets(credentials: Credentials | None, tokens: Iterable[Exchange]) -> Secrets:
    """What must not be shown, however a server came to say it."""
    secrets = Secrets()
    if credentials:
        secrets.add(credentials.password, credentials.username)
    for exchange in tokens:
        document = read_object(exchange.body)
        for key in ("token", "access_token", "refresh_token"):
            if _is_text(document.get(key)):
                secrets.add(document[key])
    return secrets


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _log(found: Visit) -> None:
    log = logging.getLogger("imglab")
    for exchange, _ in found.dated:
        came = exchange.status if exchange.error is None else exchange.error.kind
        log.debug(
            "%s %s: %s in %.2f s", exchange.method, found.said(redacted(exchange.url), 300), came, exchange.seconds
        )
