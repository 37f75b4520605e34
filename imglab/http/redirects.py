"""Redirects: where they may lead, and what is not sent there."""

from __future__ import annotations

import httpx

from imglab.errors import SourceError
from imglab.http.hosts import Origin, origin_of, redacted
from imglab.http.values import USER_AGENT, Reply, Request
from imglab.http.wire import Outgoing, Wire

_STATUSES = frozenset({301, 302, 303, 307, 308})


async def follow(wire: Wire, request: Request, authorization: str | None) -> Reply:
    """The reply at the end of the redirects of *request*; *authorization* goes to the first origin only."""
    url = httpx.URL(request.url)
    origin, outermost = origin_of(url), url.host  # of all that had a part in where this leads
    for _ in range(wire.limits.redirects + 1):
        reply = await wire.exchange(_step(request, url, origin, outermost, authorization))
        if reply.status not in _STATUSES:
            return reply
        outermost = min(outermost, url.host, key=wire.reach)
        url = _target(wire, request.method, reply, origin, outermost)
    text = f"{request.method} {redacted(request.url)}: more than {wire.limits.redirects} redirects"
    raise SourceError(text, kind="redirect", status=reply.status)


def _step(request: Request, url: httpx.URL, origin: Origin, outermost: str, authorization: str | None) -> Outgoing:
    """What is sent to *url* for *request*, which *origin* was asked first."""
    headers = {"user-agent": USER_AGENT, "accept-encoding": "gzip, identity", **request.headers}
    is_first = origin_of(url) == origin
    if authorization and is_first:
        headers["authorization"] = authorization
    return Outgoing(
        request.method,
        url,
        headers,
        request.body_limit,
        named_by=None if url.host == origin[1] else outermost,
        on_behalf_of=origin,
        is_pull=request.is_pull and is_first,
    )


def _target(wire: Wire, method: str, reply: Reply, first: Origin, outermost: str) -> httpx.URL:
    """Where *reply* leads. Raises SourceError if that is nowhere, or where it may not lead."""
    try:
        url = reply.url.join(reply.headers["location"]).copy_with(fragment=None)
        target = origin_of(url)
    except (KeyError, httpx.InvalidURL, ValueError):
        raise _bad(method, reply, "to nowhere") from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise _bad(method, reply, "to no web address")
    if reply.url.scheme == "https" and url.scheme == "http":
        raise _bad(method, reply, "from https to http")
    if target != first and not wire.reach(outermost).may_name(wire.reach(url.host)):
        raise _bad(method, reply, "to an internal address")
    return url.copy_with(username="", password="") if url.userinfo else url


def _bad(method: str, reply: Reply, words: str) -> SourceError:
    return SourceError(f"{method} {redacted(str(reply.url))}: a redirect {words}", kind="redirect", status=reply.status)
