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

What is wrong is told with its line, all of it at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from imglab import oci
from imglab.checked_toml import Check, Reading, Wrong, count, flag, parse_toml, read_text, texts
from imglab.errors import InvalidReference
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


@dataclass(frozen=True)
class Targets:
    """What a file says; registries by their canonical names."""

    wanted: tuple[Target | Namespace, ...] = ()
    access: Mapping[str, Access] = field(default_factory=dict)
    usernames: Mapping[str, str] = field(default_factory=dict)


def read_targets(path: Path, said: Mapping[str, Any] | None = None) -> Targets:
    """
    What the file at *path* says, with what was *said* on the command line in place of its `tags`, `platforms` and
    `referrers`.

    Raises InvalidFile if anything in it is wrong, UsageError if it cannot be read.
    """
    return parse_targets(read_text(path), source=str(path), folder=path.parent, said=said)


def parse_targets(text: str, *, source: str, folder: Path, said: Mapping[str, Any] | None = None) -> Targets:
    """What *text* says, as `read_targets` does; files that it names are looked for in *folder*."""
    document = parse_toml(text, source)
    reading = _Reading(folder=folder)
    targets = reading.targets(document, said or {})
    reading.refuse(text, source)
    return targets


# --- values ----------------------------------------------------------------------------------------------------------


def _globs(value: object) -> tuple[str, ...]:
    for text in texts(value):
        if not (_GLOB.fullmatch(text) and (_WILD.search(text) or oci.is_tag(text))):
            raise Wrong(f"holds {text[:100]!r}, which is no tag and no pattern of tags")
    return tuple(texts(value))


def _tags(value: object) -> tuple[str, ...]:
    if not texts(value):
        raise Wrong('is empty: write ["*"] for all tags')
    return _globs(value)


def _platforms(value: object) -> tuple[Platform, ...]:
    try:
        return tuple(Platform.parse(text) for text in texts(value))
    except InvalidReference as error:
        raise Wrong(f"is wrong: {error}") from None


def _repository(value: object) -> Target | Namespace:
    if not isinstance(value, str):
        raise Wrong('should be text, such as "registry.example/team/app" or "registry.example/team/*"')
    try:
        found = parse_target(value)
    except InvalidReference as error:
        raise Wrong(f"is wrong: {error}") from None
    tag = str(found.choice) or (found.reference.tag if isinstance(found, Target) else None)
    if tag:
        raise Wrong(f"is a repository here, without a tag: put {tag!r} into `tags`")
    if isinstance(found, Target) and found.reference.digest:
        raise Wrong("is a repository here, without a digest: content does not change, so that one snapshot is enough")
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
        raise Wrong("should be text")
    return value


_OF_TARGET: dict[str, Check] = {
    "tags": _tags,
    "exclude": _globs,
    "platforms": _platforms,
    "newest": count,
    "prereleases": flag,
    "referrers": flag,
}
_OF_REGISTRY = ("plain_http", "ca_cert", "insecure", "concurrency", "username")
_HOMES = {
    "repository": "[[target]]",
    **dict.fromkeys(_OF_TARGET, "[[target]] or [defaults]"),
    **dict.fromkeys(_OF_REGISTRY, '[registry."registry.example"]'),
}


# --- tables ----------------------------------------------------------------------------------------------------------


@dataclass
class _Reading(Reading):
    """A file of targets as it is read; files that it names are looked for in `folder`."""

    folder: Path = field(kw_only=True)

    def targets(self, document: Mapping[str, Any], said: Mapping[str, Any]) -> Targets:
        """What *document* says, as far as it is right."""
        self.refuse_unknown(document, {"target": None, "defaults": None, "registry": None}, (), "")
        defaults = self._defaults(document.get("defaults", {}))
        wanted: list[Target | Namespace] = []
        for table in self._target_tables(document.get("target", [])):
            wanted += _wanted({**defaults, **table, **said})
        registries = self._registry_tables(document.get("registry", {}))
        usernames = {name: table.pop("username") for name, table in registries.items() if "username" in table}
        return Targets(tuple(wanted), {name: Access(**table) for name, table in registries.items()}, usernames)

    def _target_tables(self, value: object) -> list[dict[str, Any]]:
        tables = []
        for number, item in enumerate(self.tables(value, "target")):
            place, name = ("target", number), f"target {number + 1}: "
            tables.append(self.table(item, {"repository": _repository, **_OF_TARGET}, place, name))
            if "repository" not in item:
                self.problem(place, f"{name}`repository` is missing")
        return [table for table in tables if "repository" in table]

    def _defaults(self, value: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            self.problem(("defaults",), "`defaults` is a table: write [defaults]")
            return {}
        return self.table(value, _OF_TARGET, ("defaults",), "defaults: ")

    def _registry_tables(self, value: object) -> dict[str, dict[str, Any]]:
        if not isinstance(value, dict):
            self.problem(("registry",), "`registry` is a table for each registry: " + _QUOTED)
            return {}
        found: dict[str, dict[str, Any]] = {}
        checks: dict[str, Check] = dict(zip(_OF_REGISTRY, (flag, self._file, flag, count, _username), strict=True))
        for name, table in value.items():
            place = ("registry", name)
            if not isinstance(table, dict) or any(isinstance(inner, dict) for inner in table.values()):
                self.problem(place, f"registry {name[:100]!r}: " + _QUOTED)
                continue
            canonical = _registry(name)
            if canonical is None:
                self.problem(place, f"registry {name[:100]!r} is no host name: write host or host:port")
            elif canonical in found:
                self.problem(place, f"registry {name} is {canonical}, of which a table says something already")
            else:
                found[canonical] = self.table(table, checks, place, f"registry {name}: ")
        return found

    def _file(self, value: object) -> Path:
        if not isinstance(value, str):
            raise Wrong("should be text")
        path = self.folder / value
        if not path.is_file():
            raise Wrong(f"names no file: there is no {path}")
        return path

    def advice(self, key: str, known: Iterable[str]) -> str:
        """As for any file; and where a key belongs that stands in the wrong table."""
        if key.lower() in _SECRETS:
            return _NO_SECRETS
        return f"belongs below {_HOMES[key]}" if key in _HOMES else super().advice(key, known)


_QUOTED = 'write [registry."registry.example"], with the name in quotes'


def _wanted(table: Mapping[str, Any]) -> Iterator[Target | Namespace]:
    """What a table asks for; names of tags are targets by themselves, but in namespaces patterns among others."""
    found: Target | Namespace = table["repository"]
    more = {key: table[key] for key in ("platforms", "referrers") if key in table}
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
