"""
Documents that show all tags of an image, `tag-details.md`: of docker-library/docs until August 2016, then of repo-info.

Reference: the programs that wrote them, `.template-helpers/generate-tag-details.pl` of
https://github.com/docker-library/docs and `update-remote.sh` of https://github.com/docker-library/repo-info. Seen to
hold for every version from September 2015 to January 2018, and for single ones until April 2026. Forms:

- `tag-details by layer` (until 2016-06-13): each layer has a heading of its own, with the step that made it.
- `tag-details with blanks` (2016-06-13 to 2016-06-15): as the next, but with blanks instead of tabs.
- `tag-details`: a page of repo-info for each tag, as `tag_page` reads it, below a list of contents.

Oddities met in real data, all of them in the form by layer:

- The registry was asked for no kind of manifest and gave one of schema 1, converted if the image had been pushed with a
  newer one: in the next form the same image has another digest. Such a manifest holds its own tag, so that the tags of
  one image have different digests. That it is of schema 1 shows in what is told of it; its media type does not.
- Until 2015-09-18 sections have no digest: which manifest they are about is not known.
- Steps that change nothing have a layer all the same, the empty one of 32 bytes.
- Old manifests name their newest layer twice (107 sections of 2015-09-09 and -10, all without a digest): it counts
  twice in the total and is shown once. Docker too took it once.
- Where the parent that a layer names is not the one before, the section ends early: 15 manifests of November 2015 show
  2 or 3 of their 11 to 18 layers.
- A layer is shown as the first tag in the document had it, and ids are not as unique as was thought. One manifest may
  be shown with totals that differ by some bytes (39 of 1,292; each is the sum of the layers below it), and from
  2016-05-26 on steps without content may be those of another tag: `python:3.5` with `ENV PYTHON_VERSION=2.7.11`.
- Neither platform nor entrypoint nor command is stated. The unpacked sizes, which are, have no place in the records.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from imglab.errors import InvalidReference, ParseError
from imglab.oci import canonical_repository
from imglab.records import Config, Layer, Manifest, Record, TagObservation
from imglab.sources.documents import Defect
from imglab.sources.lines import DATE_TEXT, DIGEST_TEXT, SIZE_TEXT, Broken, Lines, check_utf8, decoded
from imglab.sources.tag_page import (
    ABSENT,
    PULL_MARK,
    Page,
    newest_date,
    parse_heading,
    parse_pull,
    read_page,
    reference_of,
    repository_of,
    step_record,
)

# --- what a document shows -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StepLayer:
    """A layer of the form by layer, with the step that made it; None is what the document leaves out."""

    layer_id: str  # of the first image format: 64 hexadecimal digits
    text: str | None
    created_at: datetime | None
    docker_version: str | None
    digest: str
    compressed_bytes: int
    last_modified_at: datetime | None


@dataclass(frozen=True, slots=True)
class LayeredTag:
    """A section of the form by layer: a tag and its layers, the base first; none if they cannot be trusted."""

    name: str  # as in the heading: python, owner/name
    tag: str
    digest: str | None = None  # of a schema 1 manifest; None before 2015-09-18
    layers: tuple[StepLayer, ...] = ()

    @property
    def repository(self) -> str:
        """The canonical name of the repository in the heading."""
        return repository_of(self.name, self.tag)


@dataclass(frozen=True, slots=True)
class TagSection:
    """What a document says of one tag, with its place among all tags (those that cannot be read included)."""

    position: int
    said: Page | LayeredTag


@dataclass(frozen=True, slots=True)
class TagDetails:
    """Everything a document shows, in its order."""

    name: str  # as in the title
    form: str
    sections: tuple[TagSection, ...] = ()
    defects: tuple[Defect, ...] = ()

    @property
    def repository(self) -> str:
        """The canonical name of the repository in the title."""
        return canonical_repository(self.name)


# --- parsing ---------------------------------------------------------------------------------------------------------

BY_LAYER = "tag-details by layer"
WITH_BLANKS = "tag-details with blanks"
OF_PAGES = "tag-details"

_COMMENT = re.compile(r"<!--.*-->")
_TITLE = re.compile(r"# Tags of `([^`\s]+)`")
_BEGINNING = re.compile(rf"(?:{_COMMENT.pattern}\n+)?{_TITLE.pattern}\n")
_TAG_TEXT = r"`([\w./-]+:[\w.-]+)`"
_ENTRY = re.compile(rf"-\t\[{_TAG_TEXT}\]\(#\S*\)", re.ASCII)
_TAG = re.compile(rf"## {_TAG_TEXT}\n", re.ASCII)
_TAG_MARK = re.compile(r"\n\n(?=## `)")
_BULLET = re.compile(r"^((?:  )*)(- )?")

_VIRTUAL_TOTAL = re.compile(rf"-\tTotal Virtual Size: {SIZE_TEXT}")
_TOTAL = re.compile(rf"-\tTotal v2 Content-Length: {SIZE_TEXT}")
_LAYERS = re.compile(r"### Layers \((\d{1,4})\)")
_LAYER_ID = re.compile(r"#### `([0-9a-f]{64})`")
_STEP_MARK = "```dockerfile"
_AFTER_STEP = re.compile(r"-\t(?:Created|Parent Layer|Docker Version|Virtual Size|v2 Blob): .*")
_CREATED = re.compile(rf"-\tCreated: {DATE_TEXT}")
_PARENT = re.compile(r"-\tParent Layer: `([0-9a-f]{64})`")
_DOCKER_VERSION = re.compile(r"-\tDocker Version: (.*)")
_VIRTUAL_SIZE = re.compile(rf"-\tVirtual Size: {SIZE_TEXT}")
_BLOB = re.compile(rf"-\tv2 Blob: `{DIGEST_TEXT}`")
_SIZE = re.compile(rf"-\tv2 Content-Length: {SIZE_TEXT}")
_LAST_MODIFIED = re.compile(rf"-\tv2 Last-Modified: {DATE_TEXT}")


def is_tag_details(body: bytes) -> bool:
    """Whether *body* begins as a document of many tags does."""
    return _BEGINNING.match(body[:1000].decode("utf-8", "replace")) is not None


def parse_tag_details(body: bytes, *, source: str, has_page: Callable[[str], bool] = lambda tag: False) -> TagDetails:
    """
    What the document *body* says; sections that cannot be trusted are left out and named in `defects`.

    If only the layers of a section are broken, what it says of its tag is kept. Tags that have a page of their own are
    passed over unread. *source* names the document in errors. Raises ParseError if *body* is no such document.
    """
    text = decoded(body)
    form = _form(text)
    head, *parts = _TAG_MARK.split(_with_tabs(text) if form == WITH_BLANKS else text)
    try:
        if not body:
            raise Broken(0, "the document is empty")
        name, contents, defects = _parse_head(Lines(head))
    except Broken as broken:
        raise ParseError(source, f"line {broken.line + 1}", broken.expectation) from None
    sections, line = [], head.count("\n") + 2
    for position, part in enumerate(parts):
        is_last = position == len(parts) - 1
        if not _is_passed_over(part, has_page):
            said, found = _read_section(form, part if is_last else f"{part}\n")
            sections += [TagSection(position, said)] if said else []
            defects += [replace(defect, line=line + defect.line) for defect in found]
        line += part.count("\n") + 2
    defects += _missing(contents, parts, text.count("\n") + (not text.endswith("\n")))
    return TagDetails(name, form, tuple(sections), tuple(defects))


def _form(text: str) -> str:
    if "\n### Layers (" in text:
        return BY_LAYER
    return WITH_BLANKS if "\n- Platforms:" in text else OF_PAGES


def _with_tabs(text: str) -> str:
    """*text* of the form with blanks as later documents have it, line by line; build steps stay as they are."""
    lines, is_step = [], False
    for line in text.split("\n"):
        is_outside = not is_step
        is_step = line == _STEP_MARK or (is_step and line != "```")
        lines.append(_BULLET.sub(_tabs, line) if is_outside else line)
    return "\n".join(lines)


def _tabs(match: re.Match[str]) -> str:
    return "\t" * (len(match[1]) // 2) + ("-\t" if match[2] else "")


def _parse_head(lines: Lines) -> tuple[str, list[str], list[Defect]]:
    """The image in the title, the tags in the list of contents, and the lines that are neither."""
    lines.maybe(_COMMENT)
    while lines.starts(""):
        lines.at += 1
    name = str(lines.expect(_TITLE, "the title # Tags of `image`")[1])
    try:
        canonical_repository(name)
    except InvalidReference:
        raise Broken(lines.at - 1, "should be a title that names a repository") from None
    contents, defects = [], []
    for number, line in enumerate(lines.lines[lines.at :], lines.at + 1):
        entry = _ENTRY.fullmatch(line)
        if entry:
            contents.append(entry[1])
        elif line:
            defects.append(Defect(number, "should be a link to the section of a tag", "unreadable"))
    return name, contents, defects


def _is_passed_over(part: str, has_page: Callable[[str], bool]) -> bool:
    named = _TAG.match(part)
    return named is not None and has_page(named[1].rpartition(":")[2])


def _missing(contents: list[str], parts: list[str], line: int) -> Iterator[Defect]:
    """A defect at the last *line* if tags of the list of contents have no section."""
    shown = {named[1] for part in parts if (named := _TAG.match(part))}
    missing = [name for name in contents if name not in shown]
    if missing:
        message = f"the document ends without {len(missing)} of its {len(contents)} tags, such as {missing[0]}"
        yield Defect(line, message, "truncated")


def _read_section(form: str, text: str) -> tuple[Page | LayeredTag | None, list[Defect]]:
    """What the section *text* says (None if it cannot be read), and its defects, with lines from 1."""
    said: Page | LayeredTag | None = None
    try:
        if form == BY_LAYER and not text.endswith(f"\n\n{ABSENT}\n"):
            said, found = _read_layered(text)
        else:
            said = read_page(text)
            found = said.defects
    except Broken as broken:
        found = (Defect(broken.line + 1, broken.expectation, broken.kind),)
    named = _TAG.match(text)
    about = f"{named[1]}: " if named else ""
    return said, [Defect(defect.line, about + defect.message, defect.kind) for defect in found]


# Sections repeat from version to version: of the 5,931 in a real history 2,067 differ.
@functools.lru_cache(maxsize=4096)
def _read_layered(text: str) -> tuple[LayeredTag, tuple[Defect, ...]]:
    """A section of the form by layer, without its layers if these are broken; raises Broken if the tag is."""
    check_utf8(text)
    lines = Lines(text.removesuffix("\n"))
    name, tag = parse_heading(lines)
    digest = None
    if lines.starts(PULL_MARK):
        pulled, digest = parse_pull(lines)
        pulled_from = reference_of(pulled, tag)
        if pulled_from is None or pulled_from.repository != repository_of(name, tag):
            raise Broken(3, f"should be docker pull of {name}")
    said = LayeredTag(name, tag, digest)
    try:
        layers = _parse_layers(lines, digest)
        if not text.endswith("\n"):
            raise Broken(text.count("\n"), "is cut off: the document does not end with a line feed", "truncated")
    except Broken as broken:
        return said, (Defect(broken.line + 1, broken.expectation, broken.kind),)
    return replace(said, layers=layers), ()


def _parse_layers(lines: Lines, digest: str | None) -> tuple[StepLayer, ...]:
    lines.maybe(_VIRTUAL_TOTAL)
    at_total, total = lines.at, lines.size(_TOTAL, "the total of the layers' lengths")
    lines.literal("")
    at_count, count = lines.at, int(lines.expect(_LAYERS, "the number of layers")[1])
    layers: list[StepLayer] = []
    while not lines.is_over():
        lines.literal("")
        layers.append(_parse_layer(lines, layers[-1].layer_id if layers else None))
    if not layers or len(layers) != count:
        message = f"{len(layers)} of {count} layers are shown of {digest or 'a manifest without digest'}"
        raise Broken(at_count, message, "missing-layers")
    found = sum(layer.compressed_bytes for layer in layers)
    if total not in (found, found + layers[-1].compressed_bytes):
        raise Broken(at_total, f"layers add up to {found:,} bytes, stated are {total:,}", "sum-mismatch")
    return tuple(layers)


def _parse_layer(lines: Lines, parent_id: str | None) -> StepLayer:
    layer_id = lines.expect(_LAYER_ID, "the heading #### `id` of a layer")[1]
    lines.literal("")
    text = _parse_step(lines)
    created_at = lines.maybe_date(_CREATED)
    parent = lines.maybe(_PARENT)
    if (parent and parent[1]) != parent_id:
        lines.at -= parent is not None
        raise lines.broken("the layer above as the parent" if parent_id else "no parent: it is the first layer")
    version = lines.maybe(_DOCKER_VERSION)
    lines.maybe(_VIRTUAL_SIZE)
    digest = lines.expect(_BLOB, "the layer's digest")[1]
    size = lines.size(_SIZE, "the layer's length")
    modified_at = lines.maybe_date(_LAST_MODIFIED)
    return StepLayer(layer_id, text, created_at, version and version[1], digest, size, modified_at)


def _parse_step(lines: Lines) -> str | None:
    """The build step that comes next; None if there is none."""
    if not lines.starts(_STEP_MARK):
        return None
    first = lines.at = lines.at + 1
    while not (lines.is_over() or _is_after_step(lines)):
        lines.at += 1
    text = "\n".join(lines.lines[first : lines.at])
    lines.literal("```", "")
    return text or None


def _is_after_step(lines: Lines) -> bool:
    return lines.starts("```", "") and _AFTER_STEP.match("".join(lines.lines[lines.at + 2 : lines.at + 3])) is not None


# --- records ---------------------------------------------------------------------------------------------------------


def tag_observation(said: LayeredTag, observed_at: datetime) -> TagObservation:
    """That there was a tag at *observed_at*, and where it pointed if that is said."""
    return TagObservation(said.repository, said.tag, observed_at, digest=said.digest)


def layered_records(said: LayeredTag, known: Container[str]) -> Iterator[Record]:
    """
    Manifest, layers, config and history of *said*, if it names the manifest's digest; nothing of what is *known*.

    The config has the newest layer's id. Each layer has its step, at the same position, and no step goes without one.
    """
    if said.digest is None or not said.layers:
        return
    newest = said.layers[-1]
    config_digest = f"v1:{newest.layer_id}"
    if said.digest not in known:
        yield Manifest(
            digest=said.digest,
            media_type=None,
            kind="schema1",
            config_digest=config_digest,
            layer_count=len(said.layers),
            compressed_bytes=sum(layer.compressed_bytes for layer in said.layers),
        )
        for position, layer in enumerate(said.layers):
            yield Layer(
                manifest_digest=said.digest,
                position=position,
                digest=layer.digest,
                compressed_bytes=layer.compressed_bytes,
                last_modified_at=layer.last_modified_at,
            )
    if config_digest not in known:
        yield Config(digest=config_digest, created_at=newest.created_at, docker_version=newest.docker_version)
        for position, layer in enumerate(said.layers):
            yield step_record(config_digest, position, layer.created_at, layer.text, is_empty_layer=False)


def newest_date_in(details: TagDetails) -> datetime | None:
    """The newest date in the text of *details*: the earliest moment at which it can have stood so; None without one."""
    dates: list[datetime | None] = []
    for section in details.sections:
        if isinstance(section.said, Page):
            dates.append(newest_date(section.said))
        else:
            dates += [date for layer in section.said.layers for date in (layer.created_at, layer.last_modified_at)]
    return max((date for date in dates if date), default=None)
