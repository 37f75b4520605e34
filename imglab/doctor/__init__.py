"""
What happens between this machine and a registry, step by step, and what to do about what is wrong.

The way is gone once, as a snapshot goes it: the name, the connection, TLS, `/v2/`, credentials, a token, and a HEAD of
the reference or its list of tags. That takes three requests, at most six, and no pull. Nothing is tried again, and all
of it ends within half a minute. What servers say is data: it is cut, and what they may know of secrets is taken out.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from imglab.connections import tls_context
from imglab.doctor import replies
from imglab.doctor.network import Network
from imglab.doctor.step import Outcome, Step, said
from imglab.doctor.visit import Deadline, Open, Visit, visit
from imglab.doctor.way import Link, Server, address_step, connection_step, proxy_step, reference_step, tls_step
from imglab.errors import ImglabError, ParseError, UsageError
from imglab.http import Client, Credentials
from imglab.oci import DOCKER_HUB
from imglab.sources.history_api import APIS, Window, plan
from imglab.sources.registry import Target

__all__ = ["Link", "Network", "Outcome", "Step", "examine", "outcome_of"]

SECONDS = 28.0
_STEPS = 4  # that can take long: the name, the connection, TLS, and a reply
_OF_VISITS = ("registry", "credentials", "token", "rights", "content", "limit", "clock")
_MOST_REQUESTS = 6


def examine(
    target: Target,
    link: Link,
    *,
    credentials: Credentials | None,
    trouble: ImglabError | None = None,
    looked_in: Sequence[Path] = (),
    environment: Mapping[str, str],
    now: Callable[[], datetime],
    seconds: float = SECONDS,
    network: Network | None = None,
    client: Open = Client,
) -> Iterator[Step]:
    """
    The steps between this machine and the registry of *target*, as they are taken.

    *trouble* is why credentials that somebody keeps could not be had; *looked_in* are the files that may hold some.
    *environment* may name proxies. What is wrong is told by the steps; raises UsageError if *link* holds no usable
    certificate authority.
    """
    server = _server(target, link, client)
    deadline = Deadline.after(seconds, _STEPS)
    yield reference_step(target, server, link)
    is_reached = yield from _way(server, link, network or Network(), deadline, now)
    yield proxy_step(environment, is_reached=is_reached)
    found: Visit | None = None
    if is_reached:
        found = visit(target, server, link, credentials, deadline=deadline, now=now, client=client)
        anonymous: Visit | None = None
        if replies.is_refused(found) and found.requests + 3 <= _MOST_REQUESTS:
            anonymous = visit(target, server, link, None, deadline=deadline, now=now, client=client)
        yield replies.registry_step(found)
        yield replies.credentials_step(found, trouble, anonymous, now(), looked_in)
        yield from _replies(found)
    else:
        yield from (Step(name, "skipped", "the registry was not reached") for name in _OF_VISITS)
    yield _history_step(target)
    yield _cost_step(target, found)


def outcome_of(steps: Iterable[Step]) -> Outcome:
    """The worst outcome of *steps*; what was skipped does not count."""
    outcomes = {step.outcome for step in steps}
    return "problem" if "problem" in outcomes else "warning" if "warning" in outcomes else "ok"


def _server(target: Target, link: Link, client: Open) -> Server:
    url = client(plain_http=link.plain_http, ca_cert=link.ca_cert, insecure=link.insecure).base_url(
        target.reference.registry
    )
    parts = urlsplit(url)
    return Server(url, parts.hostname or "", parts.port or (80 if parts.scheme == "http" else 443))


def _way(
    server: Server,
    link: Link,
    network: Network,
    deadline: Deadline,
    now: Callable[[], datetime],
) -> Generator[Step, None, bool]:
    """The steps before HTTP; whether it makes sense to go on."""
    resolved = network.resolve(server.host, server.port, deadline.step)
    yield address_step(server, resolved)
    if not resolved.addresses:
        yield Step("connection", "skipped", "no address")
        yield tls_step(server, link, None, now())
        return False
    attempts = network.connect(resolved.addresses, server.port, deadline.step)
    yield connection_step(server, attempts)
    address = next((attempt.address for attempt in attempts if attempt.problem is None), None)
    if address is None or server.is_plain:
        yield tls_step(server, link, None, now())
        return address is not None
    context = tls_context(link.ca_cert, link.insecure)
    secured = network.secure(address, server.port, server.host, context, deadline.step)
    yield tls_step(server, link, secured, now())
    return secured.fault is None


def _replies(found: Visit) -> Iterator[Step]:
    yield replies.token_step(found)
    yield replies.rights_step(found)
    yield replies.content_step(found)
    yield replies.limit_step(found)
    yield replies.clock_step(found)


def _history_step(target: Target) -> Step:
    """Which history API there is for the target, and how it is asked."""
    words = shlex.quote(str(target))
    registry = target.reference.registry
    if target.reference.digest:
        return Step("history", "ok", "content has none: only tags move")
    if registry not in APIS:
        other = "for a Quay of your own, imglab backfill takes --history-api quay"
        return Step("history", "ok", f"{registry} is not known to have a history API; {other}")
    try:
        plan([target], None, Window())
    except UsageError as error:
        return Step("history", "ok", said(error, 200))
    return Step("history", "ok", f"{APIS[registry]} tells it: imglab backfill {words}")


def _cost_step(target: Target, found: Visit | None) -> Step:
    """What a snapshot of the target sends."""
    if found is None or found.status != 200:
        return Step("cost", "skipped", "unknown")
    before = bool(found.pings) + bool(found.tokens)  # asked once, whatever follows
    if found.is_listing:
        try:
            tags = replies.listed(found)
        except ParseError:
            return Step("cost", "skipped", "unknown")
        least = "" if tags.is_whole else "at least "
        seen = f"{least}{before + 1 + tags.wanted:,} requests, one of them for each tag"
    else:
        seen = f"{before + (target.reference.digest is None)} requests"
    documents = "one more for each document that is new: index, manifests, configs"
    pulls = (
        "; Docker Hub counts the manifests as pulls, but none --via hub-api"
        if target.reference.registry == DOCKER_HUB
        else ""
    )
    return Step("cost", "ok", f"a snapshot sends {seen}, and {documents}{pulls}")
