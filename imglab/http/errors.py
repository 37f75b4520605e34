"""What went wrong, in words: refusals by servers, answers that are not what was asked for, faults of networks."""

from __future__ import annotations

import hashlib
import json
import os
import re
import ssl
from collections.abc import Iterator

import httpx

from imglab.connections import ForbiddenAddress
from imglab.errors import SourceError
from imglab.http.challenges import parse_challenges
from imglab.http.hosts import host_text, origin_of, redacted
from imglab.http.values import DOCKER_HUB_API, DOCKER_HUB_TAGS, MEBIBYTE, Credentials, Reply, Request
from imglab.pace import SPENT, is_trouble
from imglab.secrecy import expiry

_KINDS = {401: "unauthorized", 403: "denied", 404: "not-found", 408: "timeout", 429: "rate-limited"}
_ADVICE = {
    "not-found": "; there is no such repository, tag or digest: check the name",
    "rate-limited": "; run again later",
    "server-error": "; the server is in trouble: run again later",
    "bad-response": "; not what was expected: check host and port, and what stands in between",
}
_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_WRONG = {
    "password": "user name or password are wrong or have expired",
    "identity-token": "the identity token is wrong, or it has expired or was revoked",
    "registry-token": "the token is wrong, has expired or is for something else",
}
_UNKNOWN_AUTHORITY = "give the certificate of its authority with --ca-cert"
_TLS_ADVICE = {  # by the codes of OpenSSL's x509_vfy.h
    **dict.fromkeys((9, 10), "check the clock, or tell whoever runs it"),
    **dict.fromkeys((62, 64), "use a name that the certificate is for"),
}


class Final(SourceError):
    """An error that may pass some day, but not within this run."""


def judge(request: Request, reply: Reply, credentials: Credentials | None) -> SourceError | None:
    """What is wrong with *reply* as an answer to *request*, which carried what *credentials* give."""
    if not 200 <= reply.status < 300:
        is_ours = origin_of(reply.url) == origin_of(httpx.URL(request.url))
        return status_error(request, reply, credentials, refusal=_refusal(credentials, reply) if is_ours else None)
    return None if request.method == "HEAD" else _mismatch(request, reply)


def _mismatch(request: Request, reply: Reply) -> SourceError | None:
    """That the body is not what was announced, if so: its length is looked at before its digest."""
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


def log_in(host: str) -> str:
    """How to log in to the registry at *host*."""
    name = "" if host in {"docker.io", DOCKER_HUB_API, DOCKER_HUB_TAGS} else f" {host}"
    return f"log in (docker login{name}, or with podman or skopeo), or give --username and --password-stdin"


def _refusal(credentials: Credentials | None, reply: Reply) -> str | None:
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


def status_error(
    request: Request,
    reply: Reply,
    credentials: Credentials | None,
    *,
    refusal: str | None = None,
    host: str | None = None,
) -> SourceError:
    """
    What a status says of *request* and of what its sender may do.

    *refusal* is what is wrong with the credentials themselves; *host* the registry, where a token server was asked.
    """
    kind = _KINDS.get(reply.status, "server-error" if reply.status >= 500 else "bad-response")
    code = _registry_code(reply.body)
    text = f"{request.method} {redacted(request.url)}: {reply.status}{f' {code}' if code else ''} ({kind})"
    host = host or host_text(origin_of(httpx.URL(request.url)))
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
    error = Final if kind == "rate-limited" and SPENT in reply.body else SourceError
    return error(text, kind=kind, status=reply.status, code=code, is_temporary=is_trouble(reply.status))


def _registry_code(body: bytes) -> str | None:
    """The first of the registry's own error codes; None where that is no plain word."""
    try:
        code = json.loads(body[:MEBIBYTE])["errors"][0]["code"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return code if isinstance(code, str) and _CODE.fullmatch(code) else None


def _wrong(credentials: Credentials) -> str:
    """That they are, whose they are and what to do; never themselves."""
    return f"{_WRONG[credentials.kind]}{_whose(credentials)}"


def _whose(credentials: Credentials) -> str:
    """Who keeps or gave them, when they end if they say so, and what to do; never themselves."""
    ends = expiry(credentials.password)
    until = f", good until {ends:%Y-%m-%d %H:%M} UTC" if ends else ""
    if credentials.found_in is None:
        return f" (user {credentials.username}, secret from --password-stdin{until}): check both"
    way = f"run {credentials.renewal}" if credentials.renewal else "log in there again"
    return f" (from {credentials.found_in}{until}): {way}, or give --username and --password-stdin"


def token_error(request: Request, reply: Reply, credentials: Credentials | None, host: str) -> SourceError | None:
    """What is wrong with *reply* as that of a token server or login of *host*, which *credentials* were shown to."""
    if reply.status == 200:
        return None
    if credentials is None:
        return _token_refusal(request, reply, None, host)
    if reply.status in {401, 403} or (reply.status == 400 and _is_invalid_grant(reply.body)):
        text = _wrong(credentials)
    elif reply.status in {404, 405} and credentials.kind == "identity-token":
        text = "no identity tokens are taken there: log in with a user name and password"
    else:
        return _token_refusal(request, reply, credentials, host)
    text = f"{redacted(request.url)}: {reply.status}: {text}"
    return SourceError(text, kind="unauthorized", status=reply.status, code=_registry_code(reply.body))


def _token_refusal(request: Request, reply: Reply, credentials: Credentials | None, host: str) -> SourceError:
    """What a token server says that is not about credentials; what it has not is a place for tokens, not a tag."""
    if reply.status != 404:
        return status_error(request, reply, credentials, host=host)
    text = f"{request.method} {redacted(request.url)}: 404: no tokens are given there, though the registry says so"
    return SourceError(text, kind="bad-response", status=404)


def _is_invalid_grant(body: bytes) -> bool:
    """Whether a token server says, in the words of RFC 6749 section 5.2, that an identity token is not good."""
    try:
        return bool(json.loads(body)["error"] == "invalid_grant")
    except (ValueError, LookupError, TypeError, RecursionError):
        return False


def translated(error: Exception, what: str) -> SourceError:
    """What httpx and aiohttp raise, in our words; the reason of theirs is told by the first cause that knows it."""
    causes = list(_causes(error))
    forbidden = next((cause for cause in causes if isinstance(cause, ForbiddenAddress)), None)
    if forbidden:
        return SourceError(f"{what}: {forbidden}: nothing was sent there", kind="redirect")
    secure = [cause for cause in causes if isinstance(cause, ssl.SSLError)]
    if secure:
        return SourceError(f"{what}: no secure connection {_insecurity(secure)}", kind="tls")
    if any(isinstance(cause, TimeoutError) for cause in causes) or isinstance(error, httpx.ReadTimeout):
        return SourceError(f"{what}: no answer in time; run again later", kind="timeout", is_temporary=True)
    if isinstance(error, httpx.TransportError | OSError):
        text = f"{what}: unreachable ({_brief(causes)}); check the name, the port and the network"
        return SourceError(text, kind="unreachable", is_temporary=True)
    said = str(getattr(error, "message", error)).strip().partition("\n")[0][:80]
    return SourceError(f"{what}: no valid HTTP ({redacted(said)})", kind="bad-response", is_temporary=True)


def _insecurity(causes: list[ssl.SSLError]) -> str:
    """Why TLS failed, and what to do about it."""
    told = [getattr(cause, "verify_message", None) or getattr(cause, "reason", None) for cause in causes]
    reason = next(filter(None, told), "no TLS there")
    codes = (getattr(cause, "verify_code", None) for cause in causes)  # aiohttp's own have none
    code = next((code for code in codes if code is not None), None)
    advice = "check the port, or give --plain-http" if code is None else _TLS_ADVICE.get(code, _UNKNOWN_AUTHORITY)
    return f"({reason}); {advice}"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """*error* and what led to it, the last first, as far as anybody wants to know."""
    for _ in range(10):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__


def _brief(causes: list[BaseException]) -> str:
    """The system's reason in its words, else the library's."""
    system = next((cause for cause in causes if isinstance(cause, OSError) and cause.strerror), None)
    # asyncio says "Connect call failed" in place of the system's words; failing names have numbers below zero.
    number = (system.errno or 0) if system else 0
    reason = os.strerror(number) if number > 0 else system and system.strerror
    text = str(reason or causes[0]) or type(causes[-1]).__name__
    return redacted(" ".join(text.split()))[:160]
