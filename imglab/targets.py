"""
Files that say what an unattended snapshot observes: TOML, checked word by word before anything is asked for.

    [defaults]                          # for every target that does not say otherwise
    platforms = ["linux/amd64"]

    [[target]]
    repository = "registry.example/team/*"
    tags = ["latest", "3.*"]            # names are looked up as they are, patterns among the tags that are listed
    exclude = ["*-windows*"]
    newest = 5

    [registry."registry.example"]
    ca_cert = "team.pem"                # beside this file
    concurrency = 4

What is wrong is told with its line, all of it at once. `tomllib` (Python 3.11) keeps no lines: these are found by
reading the file a second time, statement by statement.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from imglab import oci
from imglab.errors import InvalidReference, InvalidTargets, UsageError
from imglab.http import Access
from imglab.oci import Platform, Reference
from imglab.sources.catalog import Namespace, parse_target
from imglab.sources.registry import Target
from imglab.sources.tag_choice import TagChoice

FILE_NAME = "targets.toml"  # below the data folder
_WILD = re.compile(r"[*?\[]")
_GLOB = re.compile(r"[A-Za-z0-9_.*?\[\]!-]{1,128}")
_SECRETS = frozenset({"password", "passwd", "token", "secret", "auth", "identity_token", "registry_token"})
_NO_SECRETS = (
    "does not belong into this file: log in with docker, podman or skopeo, or give the password with --password-stdin"
)

Key = tuple[str | int, ...]  # where something stands: ("target", 0, "tags")


@dataclass(frozen=True)
class Targets:
    """What a file says; registries by their canonical names."""

    wanted: tuple[Target | Namespace, ...] = ()
    access: Mapping[str, Access] = field(default_factory=dict)
    usernames: Mapping[str, str] = field(default_factory=dict)


def read_targets(path: Path, said: Mapping[str, Any] | None = None) -> Targets:
    """
    What the file at *path* says, with what was *said* on the command line in place of its `tags`, `platforms`,
    `referrers` and `sbom`.

    Raises InvalidTargets if anything in it is wrong, UsageError if it cannot be read.
    """
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8, as TOML is") from None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    return parse_targets(text, source=str(path), folder=path.parent, said=said)


def parse_targets(text: str, *, source: str, folder: Path, said: Mapping[str, Any] | None = None) -> Targets:
    """What *text* says, as `read_targets` does; files that it names are looked for in *folder*."""
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits, and brackets in brackets
        raise InvalidTargets([f"{source}: {_not_toml(str(error), text)}"]) from None
    reading = _Reading(folder)
    targets = reading.targets(document, said or {})
    if reading.problems:
        lines = key_lines(text)
        problems = [(_line(lines, place), words) for place, words in reading.problems]
        problems.sort(key=lambda problem: problem[0])
        raise InvalidTargets([f"{source}: line {line}: {words}" for line, words in problems])
    return targets


def _not_toml(words: str, text: str) -> str:
    match = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", words, re.DOTALL)
    if not match:
        return f"is no TOML: {words}"
    place = f"line {match[2]}, column {match[3]}" if match[2] else f"line {len(text.splitlines())}"
    return f"{place}: is no TOML: {match[1]}"


# --- lines -----------------------------------------------------------------------------------------------------------


def key_lines(text: str) -> dict[Key, int]:
    """
    The line on which each table and key of *text*, which is TOML, begins.

    A statement is over as soon as it is TOML by itself: no part of a value is, nor is a value cut off inside.
    """
    found: dict[Key, int] = {}
    counts: dict[Key, int] = {}
    table: Key = ()
    statement, first = "", 1
    for number, line in enumerate(text.split("\n"), 1):
        statement, first = (f"{statement}\n{line}", first) if statement else (line, number)
        try:
            content = tomllib.loads(statement)
        except ValueError:
            continue
        if content and statement.lstrip().startswith("["):
            table = _table(content, counts)
            for length in range(1, len(table) + 1):
                found.setdefault(table[:length], first)
        else:
            for key in _keys(content):
                found.setdefault((*table, *key), first)
        statement = ""
    return found


def _table(header: Any, counts: dict[Key, int]) -> Key:
    """The table that *header* begins; *counts* has how many each array of tables has."""
    table: Key = ()
    node = header
    while node:
        if isinstance(node, list):
            counts[table] = counts.get(table, 0) + 1
            (node,) = node
        else:
            ((key, node),) = node.items()
            table = (*table, key)
        if table in counts and not isinstance(node, list):
            table = (*table, counts[table] - 1)
    return table


def _keys(content: Any) -> Iterator[Key]:
    """Every place inside *content*."""
    items: Any = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in items:
        yield (key,)
        if isinstance(value, dict | list):
            yield from ((key, *inner) for inner in _keys(value))


def _line(lines: Mapping[Key, int], place: Key) -> int:
    """The line of *place*, or of the nearest one around it."""
    while place and place not in lines:
        place = place[:-1]
    return lines.get(place, 1)


# --- values ----------------------------------------------------------------------------------------------------------


class _Wrong(Exception):
    """A value that cannot be; its text stands behind the key."""


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise _Wrong("should be true or false")
    return value


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise _Wrong("should be a whole number above 0")
    return value


def _texts(value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _Wrong("should be a list of text")
    return value


def _globs(value: object) -> tuple[str, ...]:
    for text in _texts(value):
        if not (_GLOB.fullmatch(text) and (_WILD.search(text) or oci.is_tag(text))):
            raise _Wrong(f"holds {text[:100]!r}, which is no tag and no pattern of tags")
    return tuple(_texts(value))


def _tags(value: object) -> tuple[str, ...]:
    if not _texts(value):
        raise _Wrong('is empty: write ["*"] for all tags')
    return _globs(value)


def _platforms(value: object) -> tuple[Platform, ...]:
    try:
        return tuple(Platform.parse(text) for text in _texts(value))
    except InvalidReference as error:
        raise _Wrong(f"is wrong: {error}") from None


def _repository(value: object) -> Target | Namespace:
    if not isinstance(value, str):
        raise _Wrong('should be text, such as "registry.example/team/app" or "registry.example/team/*"')
    try:
        found = parse_target(value)
    except InvalidReference as error:
        raise _Wrong(f"is wrong: {error}") from None
    tag = str(found.choice) or (found.reference.tag if isinstance(found, Target) else None)
    if tag:
        raise _Wrong(f"is a repository here, without a tag: put {tag!r} into `tags`")
    if isinstance(found, Target) and found.reference.digest:
        raise _Wrong("is a repository here, without a digest: content does not change, so that one snapshot is enough")
    return found


def _registry(name: str) -> str | None:
    """The canonical name of the registry *name*; None if it is none."""
    try:
        reference = Reference.parse(f"{name}/x")
    except InvalidReference:
        return None
    is_hub = "." in name and reference.path == "library/x"
    return reference.registry if is_hub or reference.path == "x" else None


def _username(value: object) -> str:
    if not isinstance(value, str) or not value.isprintable() or not value:
        raise _Wrong("should be text")
    return value


_Check = Callable[[object], Any]
_OF_TARGET: dict[str, _Check] = {
    "tags": _tags,
    "exclude": _globs,
    "platforms": _platforms,
    "newest": _count,
    "prereleases": _flag,
    "referrers": _flag,
    "sbom": _flag,
}
_OF_REGISTRY = ("plain_http", "ca_cert", "insecure", "concurrency", "username")
_HOMES = {
    "repository": "[[target]]",
    **dict.fromkeys(_OF_TARGET, "[[target]] or [defaults]"),
    **dict.fromkeys(_OF_REGISTRY, '[registry."registry.example"]'),
}


# --- tables ----------------------------------------------------------------------------------------------------------


@dataclass
class _Reading:
    """A document as it is read, and what was found to be wrong in it."""

    folder: Path
    problems: list[tuple[Key, str]] = field(default_factory=list)

    def targets(self, document: Mapping[str, Any], said: Mapping[str, Any]) -> Targets:
        """What *document* says, as far as it is right."""
        self._refuse_unknown(document, {"target": None, "defaults": None, "registry": None}, (), "")
        defaults = self._defaults(document.get("defaults", {}))
        wanted: list[Target | Namespace] = []
        for table in self._target_tables(document.get("target", [])):
            wanted += _wanted({**defaults, **table, **said})
        registries = self._registry_tables(document.get("registry", {}))
        usernames = {name: table.pop("username") for name, table in registries.items() if "username" in table}
        return Targets(tuple(wanted), {name: Access(**table) for name, table in registries.items()}, usernames)

    def _target_tables(self, value: object) -> list[dict[str, Any]]:
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self._problem(("target",), "`target` stands in two brackets: write [[target]] above each of them")
            return []
        tables = []
        for number, item in enumerate(value):
            place, name = ("target", number), f"target {number + 1}: "
            tables.append(self._table(item, {"repository": _repository, **_OF_TARGET}, place, name))
            if "repository" not in item:
                self._problem(place, f"{name}`repository` is missing")
        return [table for table in tables if "repository" in table]

    def _defaults(self, value: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            self._problem(("defaults",), "`defaults` is a table: write [defaults]")
            return {}
        return self._table(value, _OF_TARGET, ("defaults",), "defaults: ")

    def _registry_tables(self, value: object) -> dict[str, dict[str, Any]]:
        if not isinstance(value, dict):
            self._problem(("registry",), "`registry` is a table for each registry: " + _QUOTED)
            return {}
        found: dict[str, dict[str, Any]] = {}
        checks: dict[str, _Check] = dict(zip(_OF_REGISTRY, (_flag, self._file, _flag, _count, _username), strict=True))
        for name, table in value.items():
            place = ("registry", name)
            if not isinstance(table, dict) or any(isinstance(inner, dict) for inner in table.values()):
                self._problem(place, f"registry {name[:100]!r}: " + _QUOTED)
                continue
            canonical = _registry(name)
            if canonical is None:
                self._problem(place, f"registry {name[:100]!r} is no host name: write host or host:port")
            elif canonical in found:
                self._problem(place, f"registry {name} is {canonical}, of which a table says something already")
            else:
                found[canonical] = self._table(table, checks, place, f"registry {name}: ")
        return found

    def _file(self, value: object) -> Path:
        if not isinstance(value, str):
            raise _Wrong("should be text")
        path = self.folder / value
        if not path.is_file():
            raise _Wrong(f"names no file: there is no {path}")
        return path

    def _table(self, table: Mapping[str, Any], checks: Mapping[str, _Check], place: Key, name: str) -> dict[str, Any]:
        """The values of *table* that are right."""
        self._refuse_unknown(table, checks, place, name)
        found = {}
        for key, check in checks.items():
            if key in table:
                try:
                    found[key] = check(table[key])
                except _Wrong as wrong:
                    self._problem((*place, key), f"{name}`{key}` {wrong}")
        return found

    def _refuse_unknown(self, table: Mapping[str, Any], known: Mapping[str, object], place: Key, name: str) -> None:
        for key in [key for key in table if key not in known]:
            words = _NO_SECRETS if key.lower() in _SECRETS else _advice(key, known)
            self._problem((*place, key), f"{name}`{key[:100]}` {words}")

    def _problem(self, place: Key, words: str) -> None:
        self.problems.append((place, words))


def _advice(key: str, known: Iterable[str]) -> str:
    """What to do about a *key* that is none of those *known* where it stands."""
    if key in _HOMES:
        return f"belongs below {_HOMES[key]}"
    near = get_close_matches(key, known, 1)
    return f"is not known: did you mean `{near[0]}`?" if near else f"is not known: known are {_quoted(known)}"


def _quoted(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


_QUOTED = 'write [registry."registry.example"], with the name in quotes'


def _wanted(table: Mapping[str, Any]) -> Iterator[Target | Namespace]:
    """What a table asks for; names of tags are targets by themselves, but in namespaces patterns among others."""
    found: Target | Namespace = table["repository"]
    more = {key: table[key] for key in ("platforms", "referrers", "sbom") if key in table}
    names = tuple(tag for tag in table.get("tags", ()) if not _WILD.search(tag))
    limits = {key: table[key] for key in ("exclude", "newest", "prereleases") if key in table}
    choice = TagChoice(tuple(tag for tag in table.get("tags", ()) if tag not in names), names, **limits)
    if isinstance(found, Namespace):
        yield replace(found, choice=choice, **more)
        return
    for name in names:
        yield Target(replace(found.reference, tag=name), **more)
    if choice.globs or not names:
        yield Target(found.reference, replace(choice, names=()), **more)
