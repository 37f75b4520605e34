"""What must not be shown: secrets, and the forms in which they are sent, taken out of what servers say."""

from __future__ import annotations

import base64
from urllib.parse import quote

_SHORTEST = 4  # characters: shorter ones hide nothing, and would be found in any word
_INSTEAD = "…"


class Secrets:
    """The secrets that servers were sent, or gave."""

    def __init__(self) -> None:
        self._forms: set[str] = set()

    def add(self, secret: str, username: str | None = None) -> None:
        """Hide *secret* from now on: as it is, in URLs, and as Basic authentication sends it for *username*."""
        forms = {secret, quote(secret), quote(secret, safe="")}
        if username is not None:
            pair = base64.b64encode(f"{username}:{secret}".encode()).decode()
            forms |= {pair, pair.rstrip("=")}
        self._forms.update(form for form in forms if len(form) >= _SHORTEST)

    def hidden(self, text: str) -> str:
        """*text* without any of them."""
        for form in sorted(self._forms, key=len, reverse=True):  # before those that are parts of them
            text = text.replace(form, _INSTEAD)
        return text
