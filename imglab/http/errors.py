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
from imglab.http.hosts import origin_of, redacted
from imglab.http.values import DOCKER_HUB_API, DOCKER_HUB_TAGS, MEBIBYTE, Credentials, Reply, Request
from imglab.pace import SPENT, is_trouble

_KINDS = {401: "unauthorized", 403: "denied", 404: "not-found", 408: "timeout", 429: "rate-limited"}
LOG_IN = "log in with docker, podman or skopeo, or with --username and --password-stdin"
_ADVICE = {
    "not-found": "; there is no such repository, tag or digest: check the name",
    "rate-limited": f"; run again later, or {LOG_IN} for a higher limit",
    "server-error": "; the server is in trouble: run again later",
}
_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")


class Final(SourceError):
    """An error that may pass some day, but not within this run."""


def judge(request: Request, reply: Reply, credentials: Credentials | None) -> SourceError | None:
    """What is wrong with *reply* as an answer to *request*, which carried what *credentials* give."""
    if not 200 <= reply.status < 300:
        is_ours = origin_of(reply.url) == origin_of(httpx.URL(request.url))
        return status_error(request, reply, credentials, are_refused=is_ours and _are_refused(credentials, reply))
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


def _are_refused(credentials: Credentials | None, reply: Reply) -> bool:
    """Whether *reply* is about the credentials themselves, not about a token that they gave."""
    if reply.status != 401 or credentials is None:
        return False
    if credentials.kind == "password":
        challenges = parse_challenges(reply.headers.get_list("www-authenticate"))
        return "basic" in challenges and "bearer" not in challenges
    return credentials.kind == "registry-token"


def status_error(
    request: Request, reply: Reply, credentials: Credentials | None, *, are_refused: bool = False
) -> SourceError:
    """What a status says of *request* and of what its sender may do; *are_refused*: the credentials themselves."""
    kind = _KINDS.get(reply.status, "server-error" if reply.status >= 500 else "bad-response")
    code = _registry_code(reply.body)
    text = f"{request.method} {redacted(request.url)}: {reply.status}{f' {code}' if code else ''} ({kind})"
    way = f"or {LOG_IN}" if credentials is None else "or ask its owner"
    if credentials and are_refused:
        text += f"; {_wrong(credentials)}"
    elif httpx.URL(request.url).host in {DOCKER_HUB_API, DOCKER_HUB_TAGS} and kind in {"unauthorized", "not-found"}:
        text += f"; private or missing, which Docker Hub does not tell apart: check the name, {way}"
    elif kind in {"unauthorized", "denied"}:
        who = "nobody was logged in" if credentials is None else "this user may not read it"
        text += f"; {who}, or there is no such thing: check the name, {way}"
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
    text = "user name or password are wrong or have expired"
    if credentials.found_in is None:
        return f"{text} (from --username and --password-stdin): check both"
    return f"{text} (from {credentials.found_in}): log in there again, or with --username and --password-stdin"


def token_error(request: Request, reply: Reply, credentials: Credentials | None) -> SourceError | None:
    """What is wrong with *reply* as that of a token server or login, which *credentials* were shown to."""
    if reply.status == 200:
        return None
    if credentials is None:
        return _token_refusal(request, reply, None)
    if reply.status in {401, 403} or (reply.status == 400 and _is_invalid_grant(reply.body)):
        text = _wrong(credentials)
    elif reply.status in {404, 405} and credentials.kind == "identity-token":
        text = "no identity tokens are taken there: log in with a user name and password"
    else:
        return _token_refusal(request, reply, credentials)
    text = f"{redacted(request.url)}: {reply.status}: {text}"
    return SourceError(text, kind="unauthorized", status=reply.status, code=_registry_code(reply.body))


def _token_refusal(request: Request, reply: Reply, credentials: Credentials | None) -> SourceError:
    """What a token server says that is not about credentials; what it has not is a place for tokens, not a tag."""
    if reply.status != 404:
        return status_error(request, reply, credentials)
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
        told = [getattr(cause, "verify_message", None) or getattr(cause, "reason", None) for cause in secure]
        reason = next(filter(None, told), "no TLS there")
        text = f"{what}: no secure connection ({reason}); check the name, or give its authority with --ca-cert"
        return SourceError(text, kind="tls")
    if any(isinstance(cause, TimeoutError) for cause in causes) or isinstance(error, httpx.ReadTimeout):
        return SourceError(f"{what}: no answer in time; run again later", kind="timeout", is_temporary=True)
    if isinstance(error, httpx.TransportError | OSError):
        text = f"{what}: unreachable ({_brief(causes)}); check the name, the port and the network"
        return SourceError(text, kind="unreachable", is_temporary=True)
    said = str(getattr(error, "message", error)).strip().partition("\n")[0][:80]
    return SourceError(f"{what}: no valid HTTP ({redacted(said)})", kind="bad-response", is_temporary=True)


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
