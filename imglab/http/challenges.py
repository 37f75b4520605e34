"""What a server wants to see before it answers: challenges, as in RFC 9110 section 11."""

from __future__ import annotations

import re
from collections.abc import Iterable

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_CHALLENGE = re.compile(
    rf"[\s,]*(?:({_WORD})\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|({_WORD}))|({_WORD})(?:\s+[\w.~+/-]+=*(?=\s*(?:,|$)))?)"
)


def parse_challenges(values: Iterable[str]) -> dict[str, dict[str, str]]:
    """The parameters of each scheme in WWW-Authenticate *values*, names in lower case; the first of a scheme counts."""
    found: dict[str, dict[str, str]] = {}
    for value in values:
        at, current = 0, dict[str, str]()
        while match := _CHALLENGE.match(value, at):
            at = match.end()
            name, quoted, plain, scheme = match.groups()
            if scheme:
                current = {}
                found.setdefault(scheme.lower(), current)
            else:
                current.setdefault(name.lower(), plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
    return found
