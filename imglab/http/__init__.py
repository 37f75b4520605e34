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

from imglab.connections import is_loopback, tls_context
from imglab.http.challenges import parse_challenges
from imglab.http.client import Client
from imglab.http.errors import log_in
from imglab.http.hosts import Origin, redacted
from imglab.http.pages import next_link, next_page
from imglab.http.values import (
    DOCKER_HUB_API,
    DOCKER_HUB_TAGS,
    MEBIBYTE,
    USER_AGENT,
    Access,
    Answer,
    Credentials,
    Exchange,
    Login,
    Request,
)
from imglab.pace import Limits

__all__ = [
    "DOCKER_HUB_API",
    "DOCKER_HUB_TAGS",
    "MEBIBYTE",
    "USER_AGENT",
    "Access",
    "Answer",
    "Client",
    "Credentials",
    "Exchange",
    "Limits",
    "Login",
    "Origin",
    "Request",
    "is_loopback",
    "log_in",
    "next_link",
    "next_page",
    "parse_challenges",
    "redacted",
    "tls_context",
]
