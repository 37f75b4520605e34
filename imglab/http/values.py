"""What is asked for and what comes back, and who asks: values without a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any, Literal

import httpx

from imglab import __version__
from imglab.errors import SourceError

USER_AGENT = f"imglab/{__version__} (metadata of container images: tags, manifests, configs; no layers)"
MEBIBYTE = 1024 * 1024
DOCKER_HUB_API = "registry-1.docker.io"
DOCKER_HUB_TAGS = "hub.docker.com"  # what knows about tags, and is no registry


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
    """
    What came of a request: a body that is what was asked for, or an error.

    `status` is that of the reply to the request itself, None where there is none: what a token server refuses says
    nothing of the thing that the token was for.
    """

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
class Reply:
    url: httpx.URL
    status: int
    headers: httpx.Headers  # slow to look into, but knows what stood there twice
    told: Mapping[str, str]  # the same, names in lower case
    body: bytes
