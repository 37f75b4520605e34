"""Headers that say who asks, and what is exchanged for them: distribution's `spec/auth/token.md` and `oauth.md`."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import quote, urlencode

import httpx

from imglab.errors import SourceError
from imglab.http.hosts import Origin, origin_text, redacted
from imglab.http.values import MEBIBYTE, USER_AGENT, Credentials, Reply
from imglab.http.wire import Outgoing

_HEADERS = {"user-agent": USER_AGENT, "accept": "application/json", "accept-encoding": "identity"}
_TOKEN = re.compile(r"[\x21-\x7e]{1,65536}")
_LONGEST = 86_400  # seconds that any token is believed to last


def token_request(
    url: httpx.URL, scope: str, challenge: Mapping[str, str], credentials: Credentials | None, origin: Origin
) -> Outgoing:
    """
    What asks the token server at *url*, named by the registry at *origin*, for a token.

    An identity token goes there in a form (`oauth.md`); all else is in the query, with a name and password beside it.
    """
    named_by = None if url.host == origin[1] else origin[1]
    outgoing = Outgoing("GET", url, _HEADERS, MEBIBYTE, named_by=named_by, on_behalf_of=origin)
    if credentials and credentials.kind == "identity-token":
        headers = {**_HEADERS, "content-type": "application/x-www-form-urlencoded"}
        return replace(outgoing, method="POST", headers=headers, content=_refresh_form(scope, challenge, credentials))
    basic = basic_header(credentials)
    headers = {**_HEADERS, "authorization": basic} if basic else _HEADERS
    return replace(outgoing, url=url.copy_with(query=_token_query(url, scope, challenge)), headers=headers)


def login_request(url: httpx.URL, credentials: Credentials) -> Outgoing:
    """What asks for a token for a name and its secret, as Docker Hub's API has it."""
    content = json.dumps({"identifier": credentials.username, "secret": credentials.password}).encode()
    return Outgoing("POST", url, {**_HEADERS, "content-type": "application/json"}, MEBIBYTE, content)


def read_token(reply: Reply, unless_told: float = 60.0) -> tuple[str, float]:
    """The header made of a token server's reply, and the seconds that it lasts. Raises SourceError."""
    try:
        document = json.loads(reply.body)
        value = document.get("token") or document["access_token"]
        lasts = document.get("expires_in") or unless_told
        if not _TOKEN.fullmatch(value):
            raise ValueError
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        place = redacted(str(reply.url))
        text = f"{place}: the token server gave no token: ask whoever runs it, or what stands in between"
        raise SourceError(text, kind="bad-response") from None
    is_number = isinstance(lasts, int | float) and not isinstance(lasts, bool) and lasts > 0
    return f"Bearer {value}", float(min(lasts, _LONGEST) if is_number else unless_told)


def basic_header(credentials: Credentials | None) -> str | None:
    """The header of a name and password; None for tokens, which are for others to see."""
    if credentials is None or credentials.kind != "password":
        return None
    pair = f"{credentials.username}:{credentials.password}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def bearer_header(secret: str, origin: Origin) -> str:
    """The header of a secret that is a token; raises SourceError if it cannot be one."""
    if not _TOKEN.fullmatch(secret):
        server = origin_text(origin)
        text = f"{server} takes a token in place of a password: what was given holds blanks or other characters"
        raise SourceError(text, kind="unauthorized")
    return f"Bearer {secret}"


def _token_query(url: httpx.URL, scope: str, challenge: Mapping[str, str]) -> bytes:
    """The query that asks the token server at *url* for a token, after what its address holds already."""
    query = [f"service={quote(challenge['service'], safe='')}"] if challenge.get("service") else []
    query += [f"scope={quote(item, safe='')}" for item in scope.split()]
    existing = [url.query.decode()] if url.query else []
    return "&".join([*existing, *query]).encode()


def _refresh_form(scope: str, challenge: Mapping[str, str], credentials: Credentials) -> bytes:
    """The form that gets a token for an identity token."""
    fields = {"grant_type": "refresh_token", "service": challenge.get("service"), "scope": scope}
    fields |= {"client_id": "imglab", "refresh_token": credentials.password}
    return urlencode({name: value for name, value in fields.items() if value}).encode()
