"""
References, platforms, digests and OCI documents: text and bytes in, values and records out.

Formats: opencontainers/image-spec and distribution-spec v1.1.1 and their main branches of 2026; Docker's manifest list,
schema 2 and schema 1; BuildKit's attestation manifests. Docker Hub's short names are expanded as its clients do.
Met in real data: nulls in every optional field, children of unknown media types, `unknown/unknown` platforms, Go's zero
time, layers named twice, sizes that do not fit, and documents that are an index and an image at once (CVE-2021-41190).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace

from imglab.errors import InvalidReference

DOCKER_HUB = "docker.io"
NAME_LENGTH = 255

# --- digests ---------------------------------------------------------------------------------------------------------

_DIGEST = re.compile(r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+")
_HEX_LENGTHS = {"sha256": 64, "sha512": 128}
_DIGEST_LENGTH = 512


def check_digest(text: str) -> str:
    """
    *text* itself, a digest by its grammar; those of sha256 and sha512 have their length and lower-case digits.

    Algorithms not known here pass if the grammar holds. Raises InvalidReference.
    """
    if len(text) > _DIGEST_LENGTH or not _DIGEST.fullmatch(text):
        raise InvalidReference(f"{_shown(text)} is no digest: write algorithm:value, such as sha256: and 64 hex digits")
    algorithm, _, value = text.partition(":")
    length = _HEX_LENGTHS.get(algorithm)
    if length and not (len(value) == length and re.fullmatch(r"[0-9a-f]+", value)):
        raise InvalidReference(f"{_shown(text)} is no digest: {algorithm} needs {length} lower-case hex digits")
    return text


def digest_of(body: bytes, algorithm: str = "sha256") -> str:
    """The digest of *body*; raises InvalidReference if *algorithm* is not known here."""
    if algorithm not in _HEX_LENGTHS:
        raise InvalidReference(f"digests of {_shown(algorithm)} cannot be computed: only {' and '.join(_HEX_LENGTHS)}")
    return f"{algorithm}:{hashlib.new(algorithm, body).hexdigest()}"


def is_verifiable(digest: str) -> bool:
    """Whether bytes can be checked against *digest*."""
    return digest.partition(":")[0] in _HEX_LENGTHS


# --- references ------------------------------------------------------------------------------------------------------

_HUB_NAMES = {"index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"}
_HOST_LABEL = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)"
_REGISTRY = re.compile(rf"(?:{_HOST_LABEL}(?:\.{_HOST_LABEL})*|\[[0-9a-fA-F:.]+\])(?::(\d{{1,5}}))?")
_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_GLOB = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Reference:
    """A repository in a registry, with a tag, a digest, both or neither. No tag is implied."""

    registry: str  # docker.io, localhost:5000, [::1]:5000; lower case
    path: str  # library/python
    tag: str | None = None
    digest: str | None = None

    @classmethod
    def parse(cls, text: str) -> Reference:
        """
        The reference that *text* names; `python` is docker.io/library/python.

        Raises InvalidReference, which says what is wrong and what to write.
        """
        name, digest = _split_digest(text)
        name, tag = _split_tag(name)
        reference = _repository(text, name)
        if tag is not None and not _TAG.fullmatch(tag):
            raise _invalid(text, f"the tag {_shown(tag)} is no tag: up to 128 letters, digits, '_', '.' and '-'")
        return replace(reference, tag=tag, digest=digest)

    @property
    def repository(self) -> str:
        """The canonical name, such as docker.io/library/python."""
        return f"{self.registry}/{self.path}"

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag is not None else ""
        digest = f"@{self.digest}" if self.digest is not None else ""
        return f"{self.repository}{tag}{digest}"


def split_target(text: str) -> tuple[Reference, str | None]:
    """The reference of *text* without a tag, and its tag glob if the tag holds `*`, `?` or `[`; else the reference."""
    name, tag = _split_tag(text)
    if tag is None or not _GLOB.search(tag):
        return Reference.parse(text), None
    if "@" in tag:
        raise _invalid(text, "a digest beside a tag pattern: give one of them")
    if re.search(r"[\s/]", tag):
        raise _invalid(text, f"the tag pattern {_shown(tag)} holds what no tag can hold: leave out blanks and slashes")
    return Reference.parse(name), tag


def _split_digest(text: str) -> tuple[str, str | None]:
    if not text:
        raise InvalidReference("an empty text names no repository: write one such as python or ghcr.io/owner/name")
    if len(text) > 2 * NAME_LENGTH + _DIGEST_LENGTH:
        raise _invalid(text, "it is too long for any reference")
    if re.search(r"\s", text) or not text.isprintable():
        raise _invalid(text, "it holds blanks or control characters: leave them out")
    if "://" in text:
        raise _invalid(text, f"it is a URL: leave out {_shown(text.partition('://')[0] + '://')}")
    name, mark, digest = text.partition("@")
    try:
        return name, check_digest(digest) if mark else None
    except InvalidReference as error:
        raise _invalid(text, str(error)) from None


def _split_tag(name: str) -> tuple[str, str | None]:
    """*name* cut at the colon of its tag, which stands after the last slash, and never inside brackets of a host."""
    head, slash, last = name.rpartition("/")
    repository, colon, tag = last.partition(":")
    return (f"{head}{slash}{repository}", tag) if colon else (name, None)


def _repository(text: str, name: str) -> Reference:
    first, slash, rest = name.partition("/")
    is_host = slash and (re.search(r"[.:\[]", first) or first == "localhost" or first != first.lower())
    if is_host and not _REGISTRY.fullmatch(first):
        raise _invalid(text, f"the registry {_shown(first)} is no host name: write host or host:port")
    registry, path = (first.lower(), rest) if is_host else (DOCKER_HUB, name)
    port = _REGISTRY.fullmatch(registry)
    if port and port[1] and not 0 < int(port[1]) < 65536:
        raise _invalid(text, f"the port {port[1]} is none: write 1 to 65535")
    registry = DOCKER_HUB if registry in _HUB_NAMES else registry
    _check_path(text, path)
    if registry == DOCKER_HUB and "/" not in path:
        path = f"library/{path}"
    if len(registry) + 1 + len(path) > NAME_LENGTH:
        raise _invalid(text, f"registry and repository are longer than {NAME_LENGTH} characters")
    return Reference(registry, path)


def _check_path(text: str, path: str) -> None:
    if path != path.lower():
        raise _invalid(text, f"the repository {_shown(path)} has capitals: repositories are lower case")
    for component in path.split("/"):
        if not component:
            raise _invalid(text, "a part of the repository is empty: write host/name or host/owner/name")
        if not _COMPONENT.fullmatch(component):
            reason = f"its part {_shown(component)} is not letters and digits joined by '.', '_', '__' or '-'"
            raise _invalid(text, reason)


def _invalid(text: str, reason: str) -> InvalidReference:
    return InvalidReference(f"{_shown(text)} is no reference: {reason}")


def _shown(text: str) -> str:
    """*text* in quotes, on one line and not longer than a reader can take."""
    return repr(text if len(text) <= 100 else text[:97] + "...")


# --- platforms -------------------------------------------------------------------------------------------------------

_ARCHITECTURES = {
    "i386": ("386", ""),
    "x86_64": ("amd64", None),
    "x86-64": ("amd64", None),
    "amd64": ("amd64", None),
    "aarch64": ("arm64", None),
    "arm64": ("arm64", None),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "arm": ("arm", None),
}
_VARIANTS = {
    ("amd64", "v1"): "",
    ("arm64", "8"): "",
    ("arm64", "v8"): "",
    ("arm64", "v8.0"): "",
    ("arm64", "9"): "v9",
    ("arm64", "9.0"): "v9",
    ("arm64", "v9.0"): "v9",
    ("arm", ""): "v7",
    ("arm", "7"): "v7",
    ("arm", "5"): "v5",
    ("arm", "6"): "v6",
    ("arm", "8"): "v8",
}


@dataclass(frozen=True, slots=True, order=True)
class Platform:
    """What an image runs on, in the words of Go, as containerd normalises them."""

    os: str
    architecture: str
    variant: str = ""
    os_version: str = ""  # of Windows; never part of the text

    @classmethod
    def normalised(
        cls, os: str | None, architecture: str | None, variant: str | None = None, os_version: str | None = None
    ) -> Platform:
        """The platform by the rules of containerd's `platforms.Normalize`; what is missing is `unknown`."""
        system = (os or "unknown").lower()
        system = {"macos": "darwin"}.get(system, system)
        given, flavour = (architecture or "unknown").lower(), (variant or "").lower()
        name, fixed = _ARCHITECTURES.get(given, (given, None))
        flavour = flavour if fixed is None else fixed
        return cls(system, name, _VARIANTS.get((name, flavour), flavour), os_version or "")

    @classmethod
    def parse(cls, text: str) -> Platform:
        """The platform that *text* (`os/architecture[/variant]`) names; raises InvalidReference."""
        parts = text.split("/")
        if not 2 <= len(parts) <= 3 or not all(re.fullmatch(r"[A-Za-z0-9_.-]+", part) for part in parts):
            raise InvalidReference(
                f"{_shown(text)} is no platform: write os/architecture[/variant], such as linux/arm64"
            )
        return cls.normalised(*parts)

    def __str__(self) -> str:
        return "/".join(filter(None, (self.os, self.architecture, self.variant)))
