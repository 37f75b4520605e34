"""
Package URLs, such as `pkg:deb/debian/libc6@2.36-9?arch=amd64&upstream=glibc`: what a package is, in one text.

Reference: package-url/purl-spec of 2026. Met in real data: scopes of npm with a bare `@`, types in capitals, qualifiers
without a value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

_TYPE = re.compile(r"[a-z][a-z0-9.+-]{0,63}")
# The namespace of these is the distribution that built a package; elsewhere it is a part of its name.
_OF_DISTRIBUTIONS = frozenset({"deb", "apk", "rpm", "alpm"})


@dataclass(frozen=True, slots=True)
class Purl:
    """The parts of a package URL, decoded; the type in lower case."""

    type: str
    namespace: str  # empty if there is none
    name: str
    version: str | None
    qualifiers: Mapping[str, str]

    @property
    def full_name(self) -> str:
        """The name as its ecosystem writes it: `@scope/name`, `group:name`, `github.com/owner/module`; `libc6`."""
        if not self.namespace or self.type in _OF_DISTRIBUTIONS:
            return self.name
        return f"{self.namespace}{':' if self.type == 'maven' else '/'}{self.name}"


def parse_purl(text: str) -> Purl | None:
    """The parts of *text*; None if it is no package URL."""
    scheme, _, rest = text.strip().partition(":")
    if scheme.lower() != "pkg":
        return None
    rest, _, qualifiers = rest.partition("#")[0].partition("?")
    kind, slash, path = rest.strip("/").partition("/")
    if not slash or not _TYPE.fullmatch(kind.lower()):
        return None
    path, version = _split_version(path)
    namespace, _, name = path.strip("/").rpartition("/")
    if not name:
        return None
    return Purl(kind.lower(), unquote(namespace), unquote(name), version, _pairs(qualifiers))


def _split_version(path: str) -> tuple[str, str | None]:
    """*path* cut at the `@` of its version; that of a scope stands at its beginning, with a slash behind."""
    before, mark, version = path.rpartition("@")
    if not (mark and before and "/" not in version):
        return path, None
    return before, unquote(version) or None


def _pairs(qualifiers: str) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in qualifiers.split("&"))
    return {unquote(key).lower(): unquote(value) for key, _, value in pairs if value}
