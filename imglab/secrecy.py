"""Secrets: the forms in which they are sent, taken out of what servers say; and what they tell of themselves."""

from __future__ import annotations

import base64
import binascii
import json
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

_SHORTEST = 4  # characters: shorter ones hide nothing, and would be found in any word
_LONG = 24  # characters: by so many the beginning of a longer one is known, where a text was cut off in it
_INSTEAD = "…"


class Secrets:
    """The secrets that servers were sent, or gave."""

    def __init__(self) -> None:
        self._forms: set[str] = set()
        self._longest_first: list[str] = []

    def add(self, secret: str, username: str | None = None) -> None:
        """Hide *secret* from now on: as it is, in URLs, and as Basic authentication sends it for *username*."""
        forms = {secret, quote(secret), quote(secret, safe="")}
        if username is not None:
            pair = base64.b64encode(f"{username}:{secret}".encode()).decode()
            forms |= {pair, pair.rstrip("=")}
        self._forms.update(form for form in forms if len(form) >= _SHORTEST)
        self._longest_first = []

    def hidden(self, text: str) -> str:
        """*text* without any of them, nor the beginning of one that was cut off."""
        if not self._longest_first:
            self._longest_first = sorted(self._forms, key=len, reverse=True)  # before those that are parts of them
        for form in self._longest_first:
            text = text.replace(form, _INSTEAD)
            if len(form) > _LONG and form[:_LONG] in text:
                text = re.sub(re.escape(form[:_LONG]) + r"\S*", _INSTEAD, text)
        return text


def expiry(secret: str) -> datetime | None:
    """When *secret* ends, if it says so itself, as JSON Web Tokens and the passwords of ECR do."""
    ends = claims(secret).get("exp") or read_object(_decoded(secret)).get("expiration")
    if not isinstance(ends, int) or isinstance(ends, bool) or not 0 < ends < 10**11:
        return None
    return datetime.fromtimestamp(ends, UTC)


def claims(token: object) -> dict[str, Any]:
    """What a JSON Web Token says; empty for other tokens."""
    parts = token.split(".") if isinstance(token, str) else []
    return read_object(_decoded(parts[1])) if len(parts) == 3 else {}


def read_object(body: bytes | str) -> dict[str, Any]:
    """The JSON object *body*; empty if it is none."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        return b""
