"""
The pages of docker-library/repo-info: one tag with its platforms, sizes, build steps and layers.

Reference: https://github.com/docker-library/repo-info, whose
`.remote.pl` writes them; its pages from September 2016 to September 2026 come out byte for byte. What decides the form:

- A tag at an index has a pull line for each platform; one at a single manifest has it once, on top. Such a page names
  the platform by system and architecture only, as it always did.
- The number behind `Platforms:` came between May 2020 and August 2021: pages of 2021 and later have it.
- Steps that a page told are written as it had them. Those of a config are written the way the pages do it: the shell
  and `#(nop)` left out, `RUN` put before what names no instruction, build arguments on a line of their own.
- Last Modified of a layer kept elsewhere is as a page of that time showed it: their servers tell it only at times.
- A fact that no source stated is left out, line for line: Docker Version, Last Modified, sizes, layers. So is the fence
  of steps where the config is not known.

Platforms, versions, commands and steps are anybody's text. What is not printable is written as an escape everywhere, so
a step of a config is one line; one that would end the fence or pass for a date begins with an escape. Outside of the
fence whatever Markdown could take for itself is written as an escape too. No page of repo-info holds any of this.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

import polars as pl

from imglab.errors import UsageError
from imglab.oci import Reference, is_verifiable
from imglab.queries import instant
from imglab.render.text import escape, escaped, name_of, plain, why_unknown
from imglab.store import Store

PLATFORMS_COUNTED_SINCE = datetime(2021, 1, 1, tzinfo=UTC)


def repo_info(store: Store, reference: str, *, at: datetime | None = None) -> str:
    """
    The page of the tag or digest *reference* as repo-info would have written it at a time, by default now.

    A digest beats a tag. A tag that was looked for and not found, or that had gone, has the page that says so.
    Raises UsageError if *reference* has neither tag nor digest, or if the store knows nothing of it at that time;
    StoreEmpty if nothing was ever loaded; InvalidReference for a text that names no repository.
    """
    named = Reference.parse(reference)
    if not named.tag and not named.digest:
        raise UsageError(f"{reference} names no tag: write one such as {reference}:latest, or a digest")
    at = instant(at)
    page = _page(store, named, at)
    title = _title(named)
    if page.digest is None:
        return f"## `{title}`\n\n**does not exist** (yet?)\n"
    sections = _sections(store, page.digest)
    is_counted = at is None or at >= PLATFORMS_COUNTED_SINCE
    head = f"## `{title}`\n\n" + _page_facts(name_of(named), page, sections, is_counted)
    bodies = _section_bodies(store, name_of(named), page, sections)
    return head + "".join(
        f"\n### `{title}` - {_platform(section)}\n\n{body}" for section, body in zip(sections, bodies, strict=True)
    )


def _title(named: Reference) -> str:
    tag = f":{named.tag}" if named.tag else ""
    digest = f"@{named.digest}" if named.digest else ""
    return f"{name_of(named)}{tag}{digest}"


# --- what the store knows ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Page:
    digest: str | None  # None where the tag does not exist
    foreign_layer_dates: list[str] | None
    is_index: bool
    media_type: str | None


@dataclass(frozen=True, slots=True)
class _Section:
    manifest_digest: str
    is_described: bool
    kind: str | None
    media_type: str | None
    os: str | None
    architecture: str | None
    variant: str | None
    os_version: str | None
    os_features: list[str] | None
    features: list[str] | None
    compressed_bytes: int | None
    config_digest: str | None
    has_config: bool
    docker_version: str | None
    entrypoint: list[str] | None
    cmd: list[str] | None
    shell: list[str] | None


@dataclass(frozen=True, slots=True)
class _Layer:
    manifest_digest: str
    digest: str
    media_type: str | None
    compressed_bytes: int | None
    last_modified_at: datetime | None
    is_foreign: bool


@dataclass(frozen=True, slots=True)
class _Step:
    config_digest: str
    created_at: datetime | None
    created_by: str | None
    is_page_text: bool


Row = TypeVar("Row", _Page, _Section, _Layer, _Step)


def _rows(kind: type[Row], frame: pl.DataFrame) -> list[Row]:
    return [kind(**row) for row in frame.iter_rows(named=True)]


def _page(store: Store, named: Reference, at: datetime | None) -> _Page:
    """Where *named* pointed; raises UsageError, which says what is known, if the store cannot tell."""
    parameters = {
        "repository": named.repository,
        "tag": None if named.digest else named.tag,
        "digest": named.digest,
        "at": at,
    }
    pages = _rows(_Page, store.query("repo_info_page", parameters))
    if not pages:
        raise UsageError(why_unknown(store, named, at))
    return pages[0]


def _sections(store: Store, digest: str) -> list[_Section]:
    return _rows(_Section, store.query("repo_info_section", {"digest": digest}))


def _layers(store: Store, page: _Page, manifests: Iterable[str]) -> dict[str, list[_Layer]]:
    """The layers of each manifest, in order, dated as *page* has them."""
    found: dict[str, list[_Layer]] = defaultdict(list)
    for layer in _rows(_Layer, store.query("repo_info_layer", {"manifests": sorted(set(manifests))})):
        found[layer.manifest_digest].append(_dated(layer, page.foreign_layer_dates))
    return found


def _dated(layer: _Layer, foreign_layer_dates: Iterable[str] | None) -> _Layer:
    """*layer*; if it is a foreign one and pages date these, with the date that they give it, or with none."""
    if foreign_layer_dates is None or not layer.is_foreign:
        return layer
    dates = dict(text.split(" ", 1) for text in foreign_layer_dates)
    date = dates.get(layer.digest)
    return replace(layer, last_modified_at=datetime.fromisoformat(date) if date else None)


def _steps(store: Store, configs: Iterable[str]) -> dict[str, list[_Step]]:
    """The steps of each config, in order."""
    found: dict[str, list[_Step]] = defaultdict(list)
    for step in _rows(_Step, store.query("repo_info_step", {"configs": sorted(set(configs))})):
        found[step.config_digest].append(step)
    return found


# --- the page of a tag -----------------------------------------------------------------------------------------------


def _page_facts(name: str, page: _Page, sections: Sequence[_Section], is_counted: bool) -> str:
    media_type = f"-\tManifest MIME: `{plain(page.media_type)}`\n" if page.is_index and page.media_type else ""
    count = f" {len(sections)}" if is_counted else ""
    platforms = "".join(f"\t-\t{_platform(section)}\n" for section in sections)
    return f"{_pull(name, str(page.digest))}{media_type}-\tPlatforms:{count}\n{platforms}"


def _section_bodies(store: Store, name: str, page: _Page, sections: Sequence[_Section]) -> Iterator[str]:
    """What stands below the heading of each section."""
    layers = _layers(store, page, (section.manifest_digest for section in sections))
    steps = _steps(store, (section.config_digest for section in sections if section.config_digest))
    for section in sections:
        pull = _pull(name, section.manifest_digest) if page.is_index else ""
        own_steps = steps[section.config_digest] if section.config_digest else []
        fence = _fence(section, own_steps) if section.is_described else ""
        yield pull + _image_facts(section) + fence + _layer_list(layers[section.manifest_digest])


def _image_facts(section: _Section) -> str:
    text = f"-\tDocker Version: {plain(section.docker_version)}\n" if section.docker_version else ""
    text += f"-\tManifest MIME: `{plain(section.media_type)}`\n" if section.media_type else ""
    if section.compressed_bytes is not None:
        text += f"-\tTotal Size: **{_size(section.compressed_bytes)}**  \n"
        text += "\t(compressed transfer size, not on-disk size)\n"
    image_id = (section.config_digest or "").removeprefix("v1:").partition("@")[0]
    text += f"-\tImage ID: `{image_id}`\n" if image_id else ""
    text += f"-\tEntrypoint: `{_json(section.entrypoint)}`\n" if section.entrypoint else ""
    text += f"-\tDefault Command: `{_json(section.cmd)}`\n" if section.cmd is not None else ""
    return text + (f"-\t`SHELL`: `{_json(section.shell)}`\n" if section.shell is not None else "")


def _fence(section: _Section, steps: Iterable[_Step]) -> str:
    if not section.has_config and section.kind == "image":
        return ""
    return "\n```dockerfile\n" + "".join(_step(step, section.shell) for step in steps) + "```\n"


def _layer_list(layers: Sequence[_Layer]) -> str:
    return "\n-\tLayers:\n" + "".join(map(_layer, layers)) if layers else ""


def _layer(layer: _Layer) -> str:
    text = f"\t-\t`{layer.digest}`  \n"
    text += f"\t\tLast Modified: {_date(layer.last_modified_at)}  \n" if layer.last_modified_at else ""
    text += f"\t\tSize: {_size(layer.compressed_bytes)}  \n" if layer.compressed_bytes is not None else ""
    return text + (f"\t\tMIME: {plain(layer.media_type)}\n" if layer.media_type else "")


def _pull(name: str, digest: str) -> str:
    if not is_verifiable(digest):  # an image that is known by its config alone, which no registry has
        return ""
    return f"```console\n$ docker pull {name}@{digest}\n```\n\n"


def _platform(section: _Section) -> str:
    version = f" version {plain(section.os_version)}" if section.os_version else ""
    variant = f" variant {plain(section.variant)}" if section.variant else ""
    os = f"{plain(section.os or 'unknown')}{version}{_features(section.os_features)}"
    return f"{os}; {plain(section.architecture or 'unknown')}{variant}{_features(section.features)}"


def _features(names: Sequence[str] | None) -> str:
    return f" ft. {', '.join(map(plain, names))}" if names else ""


# --- steps -----------------------------------------------------------------------------------------------------------

_DEFAULT_SHELL = "/bin/sh -c "
_NOP = re.compile(r"#\(nop\) +")
_INSTRUCTION = re.compile(r"[A-Z]+ ")
_ARGUMENTS = re.compile(r"\|\d+ ")
_MISLEADING = re.compile(r"\s*```|# (?:ARGS:|[A-Z][a-z]{2}, \d\d )")


def _step(step: _Step, shell: Sequence[str] | None) -> str:
    date = f"# {_date(step.created_at)}\n" if step.created_at else ""
    if step.created_by is None:
        return date
    lines = map(escaped, step.created_by.split("\n")) if step.is_page_text else _config_step(step.created_by, shell)
    return date + "".join(f"{line}\n" for line in lines)


def _config_step(created_by: str, shell: Sequence[str] | None) -> tuple[str, ...]:
    """The lines that the pages have for a step of a config: build arguments, if there are any, and the instruction."""
    shells = [_DEFAULT_SHELL, *([" ".join(shell) + " "] if shell else [])]
    text = created_by.removeprefix("RUN ")
    arguments = None
    if match := _ARGUMENTS.match(text):
        ends = [at for name in shells if (at := text.find(f" {name}", match.end() - 1)) >= 0]
        if not ends:
            return "# unable to parse image command string further:", _one_line(text)
        arguments, text = text[match.end() : min(ends)], text[min(ends) + 1 :]
    text, is_nop = _without_shell(text, shells)
    step = _one_line(text if is_nop or _INSTRUCTION.match(text) else f"RUN {text}")
    return (f"# ARGS: {escaped(arguments)}", step) if arguments is not None else (step,)


def _without_shell(text: str, shells: Iterable[str]) -> tuple[str, bool]:
    """*text* without the shell and the classic builder's mark, and whether it had that mark."""
    name = next((name for name in shells if text.startswith(name)), "")
    text = text.removeprefix(name)
    mark = _NOP.match(text)
    return (text[mark.end() :], True) if mark else (text, False)


def _one_line(text: str) -> str:
    text = escaped(text)
    return escape(text[0]) + text[1:] if _MISLEADING.match(text) else text


# --- values ----------------------------------------------------------------------------------------------------------

_UNITS = ("B", "KB", "MB", "GB", "TB")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_JSON_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "/": "\\/",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
}


def _size(count: int) -> str:
    """*count* bytes in decimal units, as the pages count: exactly 1,000 of one unit are still told in it."""
    unit = next((unit for unit in range(len(_UNITS) - 1) if count // 1000**unit <= 1000), len(_UNITS) - 1)
    text = f"{count / 1000**unit:.1f} {_UNITS[unit]}"
    return text if unit == 0 else f"{text} ({count} bytes)"


def _date(moment: datetime) -> str:
    """*moment* as HTTP writes it; names of days and months never depend on the locale."""
    day, month = _DAYS[moment.weekday()], _MONTHS[moment.month - 1]
    return f"{day}, {moment.day:02} {month} {moment.year:04} {moment:%H:%M:%S} GMT"


def _json(words: Sequence[str]) -> str:
    """*words* as the pages write JSON: slashes escaped; backticks too, which would end the span of code."""
    return "[" + ",".join(f'"{"".join(map(_json_character, word))}"' for word in words) + "]"


def _json_character(char: str) -> str:
    if char in _JSON_ESCAPES:
        return _JSON_ESCAPES[char]
    if char.isprintable() and char != "`":
        return char
    units = char.encode("utf-16-be")
    return "".join(f"\\u{int.from_bytes(units[at : at + 2], 'big'):04X}" for at in range(0, len(units), 2))
