"""
The lists of tags that docker-library/docs has in its READMEs, for any repository at any time.

Reference: https://github.com/docker-library/docs, whose `generate-dockerfile-links-partial` and `arches` write them
from the manifest files of official-images with https://github.com/docker-library/bashbrew. Of 1,428 lists in READMEs of
python, golang and postgres from September 2014 to August 2026 all but the first three come out byte for byte, and 1,419
do so from the manifest files alone. What decides the form:

- Simple tags that are built from the same are one entry, and so are shared tags with the same members. Entries stand in
  the order in which the document names their first tags.
- An entry links to the Dockerfile of amd64, or of its first architecture, at GitHub, GitLab or Launchpad; elsewhere
  nobody knows what a link looks like, and the entry has none. Nor has one whose commit or file no source stated.
- A shared tag is built from all that its members are built from, so its members are the entries of which that is true.
- Bullets, paths, blank lines and the order of the lists are as they were at the time that is asked for.
- A list of tags that were seen in a registry, without definitions, has an entry for each digest, the newest version
  first, and no links.
- Architectures have a link where docs has one: for Docker's official images, for mips64le until August 2026.

What documents and registries say is anybody's text: in code and prose what is Markdown is written as an escape, in a
link what could end it is percent-encoded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote

import polars as pl

from imglab.errors import UsageError
from imglab.oci import DOCKER_HUB, Reference, canonical_repository
from imglab.queries import instant
from imglab.render.text import not_among, plain
from imglab.store import Store


def supported_tags(store: Store, repository: str, *, at: datetime | None = None) -> str:
    """
    The tags of *repository* as a README of docker-library/docs would have listed them at a time, by default now.

    They are those of the best document that lists them: a manifest file of official-images, else a README; where there
    is none, those that were seen in the registry. Where all tags had gone, the page says that there are none.
    Raises UsageError if the store knows nothing of the repository at that time; StoreEmpty if nothing was ever loaded;
    InvalidReference for a text that names no repository, or a tag or digest of one.
    """
    named, at = Reference.parse(canonical_repository(repository)), instant(at)
    lists = _documented(store, named, at) or _seen(store, named, at)
    if lists is None:
        _check_known(store, named, at)
        lists = _Lists()
    heading = "# Supported tags and respective `Dockerfile` links" if lists.is_documented else "# Supported tags"
    parts = [heading, *_list_parts(lists, _style(at))]
    if lists.architectures is not None:
        parts += ["# Quick reference", _architectures(named, at, lists.architectures)]
    return "\n\n".join(parts) + "\n"


# --- what the store knows ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Build:
    architecture: str | None
    git_repository: str | None
    git_commit: str | None
    directory: str | None
    file: str | None
    builder: str | None
    constraints: str | None


@dataclass(frozen=True, slots=True)
class _Definition:
    """What a tag is built from."""

    digest: str
    is_shared: bool
    builds: frozenset[_Build]


@dataclass(frozen=True, slots=True)
class _Entry:
    """Tags that are the same; without builds it is not known what they are built from."""

    tags: tuple[str, ...]
    builds: frozenset[_Build] = frozenset()


@dataclass(frozen=True, slots=True)
class _Group:
    """Shared tags with the same members."""

    tags: tuple[str, ...]
    members: tuple[_Entry, ...]


@dataclass(frozen=True, slots=True)
class _Lists:
    """Everything a page shows."""

    simple: tuple[_Entry, ...] = ()
    shared: tuple[_Group, ...] = ()
    architectures: tuple[str, ...] | None = None  # in bashbrew's words, where it has one; None: not known
    is_documented: bool = False


@dataclass(frozen=True, slots=True)
class _Document:
    document: str
    tags: list[str]
    architectures: list[str] | None


@dataclass(frozen=True, slots=True)
class _SeenTag:
    tag: str
    digest: str
    platforms: list[str] | None


Stored = TypeVar("Stored", _Document, _SeenTag)


def _rows(kind: type[Stored], frame: pl.DataFrame) -> list[Stored]:
    return [kind(**row) for row in frame.iter_rows(named=True)]


def _check_known(store: Store, named: Reference, at: datetime | None) -> None:
    """Raise UsageError, which says what is known, unless tags of the repository were listed or seen by that time."""
    known = dict(store.query("supported_tags_known").iter_rows())
    if named.repository not in known:
        raise UsageError(not_among("repository", named.repository, list(known)))
    first = known[named.repository]
    if first is None:
        raise UsageError(f"no source listed the tags of {named.repository}")
    if at and at < first:
        raise UsageError(
            f"nothing is known of the tags of {named.repository} at {at:%Y-%m-%dT%H:%M:%SZ}: "
            f"they were first listed at {first:%Y-%m-%dT%H:%M:%SZ}"
        )


# --- tags of a document ----------------------------------------------------------------------------------------------


def _documented(store: Store, named: Reference, at: datetime | None) -> _Lists | None:
    """The lists of the best document that there was; None without one."""
    parameters = {"repository": named.repository, "at": at}
    found = _rows(_Document, store.query("supported_tags_document", parameters))
    if not found:
        return None
    document = found[0]
    of_document = {"document": document.document, "tags": document.tags}
    definitions = _definitions(store.query("supported_tags_definition", parameters | of_document))
    simple = tuple(_entries([tag for tag in document.tags if not _is_shared(definitions.get(tag))], definitions))
    shared = tuple(_groups([tag for tag in document.tags if _is_shared(definitions.get(tag))], definitions, simple))
    return _Lists(simple, shared, _stated_architectures(document, definitions), is_documented=True)


def _definitions(rows: pl.DataFrame) -> dict[str, _Definition]:
    """What each tag is built from, of rows that stand together for each tag."""
    found: dict[str, _Definition] = {}
    for tag, digest, is_shared, *build in rows.iter_rows():
        before = found.get(tag)
        builds = frozenset((_Build(*build),)) | (before.builds if before else frozenset())
        found[tag] = _Definition(digest, is_shared, builds)
    return found


def _is_shared(definition: _Definition | None) -> bool:
    return definition is not None and definition.is_shared


def _entries(tags: Iterable[str], definitions: dict[str, _Definition]) -> Iterator[_Entry]:
    """The entries of simple tags."""
    together: dict[str, list[str]] = {}
    for tag in tags:
        definition = definitions.get(tag)
        together.setdefault(definition.digest if definition else f"unknown {tag}", []).append(tag)
    for same in together.values():
        definition = definitions.get(same[0])
        yield _Entry(tuple(same), definition.builds if definition else frozenset())


def _groups(tags: Iterable[str], definitions: dict[str, _Definition], simple: Sequence[_Entry]) -> Iterator[_Group]:
    """The groups of shared tags, with those of the *simple* entries that are built from nothing else."""
    together: dict[str, list[str]] = {}
    for tag in tags:
        together.setdefault(definitions[tag].digest, []).append(tag)
    for same in together.values():
        builds = definitions[same[0]].builds
        yield _Group(tuple(same), tuple(entry for entry in simple if _is_told(entry.builds) and entry.builds <= builds))


def _is_told(builds: frozenset[_Build]) -> bool:
    return any(build.git_repository is not None for build in builds)


def _stated_architectures(document: _Document, definitions: dict[str, _Definition]) -> tuple[str, ...] | None:
    """Those that the document states for the whole repository, else those of its tags."""
    if document.architectures is not None:
        return tuple(document.architectures)
    builds = (build for tag in document.tags if tag in definitions for build in definitions[tag].builds)
    return tuple(sorted({build.architecture for build in builds if build.architecture})) or None


# --- tags of a registry ----------------------------------------------------------------------------------------------

_PLATFORMS = {
    "linux/amd64": "amd64",
    "linux/arm/v5": "arm32v5",
    "linux/arm/v6": "arm32v6",
    "linux/arm/v7": "arm32v7",
    "linux/arm64": "arm64v8",
    "linux/386": "i386",
    "linux/mips64le": "mips64le",
    "linux/ppc64le": "ppc64le",
    "linux/riscv64": "riscv64",
    "linux/s390x": "s390x",
    "windows/amd64": "windows-amd64",
}
_VERSION = re.compile(r"v?(\d+(?:\.\d+)*)(.*)")
_STAGE = re.compile(r"[-._]?(rc|beta|b|alpha|a|preview|pre|dev|m)[-._]?(\d*)(?![a-z])(.*)")
_STAGES = ("rc", "m", "beta", "b", "alpha", "a", "preview", "pre", "dev")  # the newest first
_NUMBER = re.compile(r"(\d+)")
_Key = tuple[Any, ...]


def _seen(store: Store, named: Reference, at: datetime | None) -> _Lists | None:
    """The list of the tags that were there, those with one digest together; None if there was none."""
    tags = _rows(_SeenTag, store.query("supported_tags_live", {"repository": named.repository, "at": at}))
    if not tags:
        return None
    together: dict[str, list[str]] = {}
    for tag in sorted(tags, key=lambda tag: _newest_first(tag.tag)):
        together.setdefault(tag.digest, []).append(tag.tag)
    platforms = {platform for tag in tags for platform in tag.platforms or ()}
    architectures = tuple(sorted(_PLATFORMS.get(platform, platform) for platform in platforms))
    return _Lists(tuple(_Entry(tuple(same)) for same in together.values()), (), architectures or None)


def _newest_first(tag: str) -> _Key:
    """
    What tags are sorted by: versions before words, newer before older, longer before shorter; `latest` at the end.

    A release comes before what led to it: 3.11.1, 3.11.1-slim, 3.11.0, 3.11.0rc2, 3.11, 3, slim, latest.
    """
    match = _VERSION.fullmatch(tag)
    if match is None:
        return 1, tag == "latest", _natural(tag)
    numbers = (*(-int(number) for number in match[1].split(".")), 1)
    stage = _STAGE.fullmatch(match[2])
    if stage is None:
        return 0, numbers, 0, 0, _natural(match[2])
    return 0, numbers, 1 + _STAGES.index(stage[1]), -int(stage[2] or 0), _natural(stage[3])


def _natural(text: str) -> _Key:
    """*text* with its numbers as such, the higher first: alpine3.16 before alpine3.9."""
    return tuple(-int(part) if number % 2 else part for number, part in enumerate(_NUMBER.split(text)))


# --- the page --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Style:
    """How lists are written."""

    bullet: str = "-\t"
    has_paths: bool = False
    is_spaced: bool = True
    is_shared_first: bool = False


_STYLES = (
    (datetime(2015, 2, 13, tzinfo=UTC), _Style("- ", has_paths=True, is_spaced=False)),
    (datetime(2017, 11, 22, tzinfo=UTC), _Style(has_paths=True, is_spaced=False, is_shared_first=True)),
    (datetime(2019, 6, 13, tzinfo=UTC), _Style(has_paths=True, is_spaced=False)),
    (datetime(2024, 7, 8, tzinfo=UTC), _Style(is_spaced=False)),
)


def _style(at: datetime | None) -> _Style:
    return next((style for until, style in _STYLES if at and at < until), _Style())


def _list_parts(lists: _Lists, style: _Style) -> list[str]:
    """What stands below the first heading, with blank lines between."""
    if not lists.simple and not lists.shared:
        return ["**No supported tags**"]
    gap = "\n\n" if style.is_spaced else "\n"
    simple = gap.join(_linked(entry.tags, entry, style) for entry in lists.simple)
    if not lists.shared:
        return [simple]
    parts = ["## Simple Tags", simple, "## Shared Tags", gap.join(_group(group, style) for group in lists.shared)]
    return parts[2:] + parts[:2] if style.is_shared_first else parts


def _group(group: _Group, style: _Style) -> str:
    gap = "\n" if style.is_spaced and group.members else ""
    members = "".join(f"\n\t{_linked(member.tags[:1], member, style)}" for member in group.members)
    return f"{style.bullet}{_names(group.tags)}:{gap}{members}"


def _linked(tags: Sequence[str], entry: _Entry, style: _Style) -> str:
    """An entry of *tags*, with a link if it is known where it leads."""
    build = min(entry.builds, key=_link_order, default=None)
    text, url = _names(tags), None
    if build and build.directory is not None and build.file is not None:
        path = build.file if build.directory == "." else f"{build.directory}/{build.file}"
        text += f" (*{plain(path)}*)" if style.has_paths else ""
        url = _url(build.git_repository, build.git_commit, path)
    return f"{style.bullet}[{text}]({url})" if url else f"{style.bullet}{text}"


def _link_order(build: _Build) -> tuple[bool, str, str, str]:
    """amd64 first, then by name; what is left makes equal names come in one order."""
    architecture = build.architecture or ""
    return architecture not in ("", "amd64"), architecture, build.git_commit or "", build.directory or ""


def _names(tags: Sequence[str]) -> str:
    return ", ".join(f"`{plain(tag)}`" for tag in tags)


_WEB = re.compile(r"https?://([a-z0-9.-]+)(?::\d+)?/.+", re.IGNORECASE)


def _url(repository: str | None, commit: str | None, path: str) -> str | None:
    """Where a file of a commit can be looked at, if its host is one of which that is known."""
    base = (repository or "").removesuffix(".git")
    base = f"https{base[3:]}" if base.startswith("git://") else base
    match = _WEB.fullmatch(base)
    if match is None or commit is None:
        return None
    base, commit, path = quote(base, safe="/:+~@%"), quote(commit, safe="/"), quote(path, safe="/+~@,=")
    host = match[1].lower()
    if host.startswith("github."):
        return f"{base}/blob/{commit}/{path}"
    if host.startswith("gitlab."):
        return f"{base}/-/blob/{commit}/{path}"
    return f"{base}/tree/{path}?id={commit}" if host == "git.launchpad.net" else None


_NAMESPACES = {name: name for name in _PLATFORMS.values()} | {"windows-amd64": "winamd64"}
_UNLINKED_SINCE = {"mips64le": datetime(2026, 8, 6, tzinfo=UTC)}
_MORE = "https://github.com/docker-library/official-images#architectures-other-than-amd64"


def _architectures(named: Reference, at: datetime | None, architectures: Sequence[str]) -> str:
    is_official = named.registry == DOCKER_HUB and re.fullmatch("library/[^/]+", named.path) is not None
    more = f": ([more info]({_MORE}))" if is_official else ":"
    image = named.path.removeprefix("library/")
    words = [_architecture(name, image if is_official else None, at) for name in architectures]
    return f"-\t**Supported architectures**{more}  \n\t{', '.join(words) or '**No supported architectures**'}"


def _architecture(name: str, image: str | None, at: datetime | None) -> str:
    since = _UNLINKED_SINCE.get(name)
    if image is None or name not in _NAMESPACES or (since and (at is None or at >= since)):
        return f"`{plain(name)}`"
    return f"[`{name}`](https://hub.docker.com/r/{_NAMESPACES[name]}/{image}/)"
