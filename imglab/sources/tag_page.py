"""
Pages of docker-library/repo-info, `repos/<image>/remote/<tag>.md`: one tag with its platforms, steps and layers.

Documents of many tags (see `tag_details`) hold such a page for each tag; from June to August 2016 without the media
types of layers.

Reference: https://github.com/docker-library/repo-info (its `scan-remote` scripts write the pages). Last seen to hold in
September 2026, for every form since September 2016. Oddities met in real data:

- Until September 2017 a page has one pull digest, which is that of the image's manifest; its one section has none.
- Total sizes and layer sizes up to 1,000 bytes have no parenthesis: `977.0 B`. Layers always add up to the total.
- The instruction of a step may run over several lines, and a line `# ARGS: A=b` may stand before it.
- Layers kept elsewhere (foreign) often lack `Last Modified`; some images name a layer twice.
- Schema 1 images have an `Image ID` without `sha256:`, and their layers stand there newest first, each blob once: that
  is how their manifests name them, and what the program that wrote the pages made of it.
- A platform's `Manifest MIME` still says Docker schema 2 where the manifest is an OCI one: it is kept as stated.
- Attestations are sections for `unknown; unknown`, without steps and with in-toto layers.
- A tag that could not be found has a page that says `**does not exist** (yet?)`, and one page was empty.
- Steps and layers have no link between them, and pages do not say which steps made a layer.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Container, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from imglab.errors import InvalidReference, ParseError
from imglab.oci import Reference
from imglab.records import Config, History, IndexEntry, Layer, Manifest, Record, TagObservation
from imglab.sources.documents import Defect
from imglab.sources.lines import DATE_TEXT, DIGEST_TEXT, SIZE_TEXT, Broken, Lines, check_utf8, decoded, size_of
from imglab.steps import instruction, is_conditional, step_label

# --- what a page shows -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PagePlatform:
    """A platform in the page's words: `linux; arm variant v7`, `windows version 10.0.14393.2007; amd64`."""

    os: str
    architecture: str
    variant: str | None = None
    os_version: str | None = None


@dataclass(frozen=True, slots=True)
class PageStep:
    """A dated step; `text` has the lines below the date as they stand, `# ARGS:` too; None if there are none."""

    created_at: datetime
    text: str | None


@dataclass(frozen=True, slots=True)
class PageLayer:
    """A layer; `last_modified_at` is None where the page leaves it out, `media_type` before August 2016."""

    digest: str
    last_modified_at: datetime | None
    compressed_bytes: int
    media_type: str | None


@dataclass(frozen=True, slots=True)
class PageImage:
    """What a section says about its image. `digest` is None in the old form, where only the page has one."""

    digest: str | None
    docker_version: str | None
    media_type: str
    compressed_bytes: int
    image_id: str  # as stated: sha256:…, or the bare digits of a schema 1 image
    entrypoint: tuple[str, ...] | None
    cmd: tuple[str, ...] | None
    shell: tuple[str, ...] | None
    steps: tuple[PageStep, ...]
    layers: tuple[PageLayer, ...]


@dataclass(frozen=True, slots=True)
class PageSection:
    """One platform of the page, with its place among all sections (those that cannot be read included)."""

    position: int
    platform: PagePlatform
    image: PageImage


@dataclass(frozen=True, slots=True)
class Page:
    """Everything a page shows, in its order."""

    name: str  # as in the heading: python, owner/name
    tag: str
    digest: str | None = None  # None where the tag does not exist
    media_type: str | None = None
    has_platform_count: bool = False  # `Platforms: 8` rather than `Platforms:`
    platforms: tuple[PagePlatform, ...] = ()
    sections: tuple[PageSection, ...] = ()
    defects: tuple[Defect, ...] = ()

    @property
    def repository(self) -> str:
        """The canonical name of the repository in the heading."""
        return repository_of(self.name, self.tag)

    @property
    def is_absent(self) -> bool:
        """Whether the page says that there is no such tag."""
        return self.digest is None

    @property
    def is_index(self) -> bool:
        """Whether the page's digest is that of an index, and not of its one image."""
        return self.media_type is not None or any(section.image.digest for section in self.sections)

    @property
    def lacks_types(self) -> bool:
        """Whether its layers have media types that it does not show; those of a schema 1 manifest have none."""
        return any(
            section.image.layers[0].media_type is None
            for section in self.sections
            if section.image.layers and _SCHEMA1_MARK not in section.image.media_type
        )


# --- parsing ---------------------------------------------------------------------------------------------------------

PULL_MARK = "```console"
ABSENT = "**does not exist** (yet?)"

_HEADING = re.compile(r"## `([^`\s]+):([^`:\s]+)`")
_PULL = re.compile(rf"\$ docker pull ([^\s@]+)@{DIGEST_TEXT}")
_MEDIA_TYPE = re.compile(r"-\tManifest MIME: `([^`]+)`")
_PLATFORMS = re.compile(r"-\tPlatforms:(?: (\d{1,6}))?")
_PLATFORM_TEXT = r"(\S+)(?: version (\S+))?; (\S+)(?: variant (\S+))?"
_PLATFORM = re.compile(rf"\t-\t{_PLATFORM_TEXT}")
_SECTION_HEADING = re.compile(rf"([^`\s]+)` - {_PLATFORM_TEXT}")
_DOCKER_VERSION = re.compile(r"-\tDocker Version: (.*)")
_TOTAL = re.compile(rf"-\tTotal Size: \*\*{SIZE_TEXT}\*\*  ")
_IMAGE_ID = re.compile(rf"-\tImage ID: `({DIGEST_TEXT[1:-1]}|[0-9a-f]{{64}})`")
_ENTRYPOINT = re.compile(r"-\tEntrypoint: `(.*)`")
_CMD = re.compile(r"-\tDefault Command: `(.*)`")
_SHELL = re.compile(r"-\t`SHELL`: `(.*)`")
_STEP_DATE = re.compile(rf"# {DATE_TEXT}")
_LAYER = re.compile(rf"\t-\t`{DIGEST_TEXT}`  ")
_LAST_MODIFIED = re.compile(rf"\t\tLast Modified: {DATE_TEXT}  ")
_LAYER_SIZE = re.compile(rf"\t\tSize: {SIZE_TEXT}(  )?")
_LAYER_MEDIA_TYPE = re.compile(r"\t\tMIME: (\S+)")

_TRANSFER_SIZE = "\t(compressed transfer size, not on-disk size)"
_SECTION_MARK = "\n\n### `"


def parse_page(body: bytes, *, source: str) -> Page:
    """
    What the page *body* says; sections that cannot be trusted are left out and named in `defects`.

    Layers of every section add up to its total. *source* names the document in errors.
    Raises ParseError if *body* is no such page, or its head cannot be read.
    """
    try:
        if not body:
            raise Broken(0, "the document is empty")
        return read_page(decoded(body))
    except Broken as broken:
        raise ParseError(source, f"line {broken.line + 1}", broken.expectation) from None


def read_page(text: str) -> Page:
    """What the page *text* says, as `parse_page`; raises Broken where that raises ParseError."""
    is_whole = text.endswith("\n")
    head, *parts = text.removesuffix("\n").split(_SECTION_MARK)
    check_utf8(head)
    page = _parse_head(Lines(head))
    if not parts and not is_whole:
        raise Broken(head.count("\n"), "is cut off: the page does not end with a line feed")
    return _with_sections(page, head, parts, is_whole)


def _parse_head(lines: Lines) -> Page:
    name, tag = parse_heading(lines)
    if lines.starts(ABSENT):
        lines.at += 1
        if not lines.is_over():
            raise lines.broken("the end of a page without a tag")
        return Page(name, tag)
    pulled, digest = parse_pull(lines)
    if pulled != name:
        raise Broken(3, f"should be docker pull of {name}")
    media_type = lines.maybe(_MEDIA_TYPE)
    counted = lines.expect(_PLATFORMS, "the list of platforms")
    platforms = _parse_platforms(lines)
    if counted[1] is not None and int(counted[1]) != len(platforms):
        raise Broken(lines.at - 1, f"should be the last of {counted[1]} platforms, not of {len(platforms)}")
    return Page(name, tag, digest, media_type and media_type[1], counted[1] is not None, platforms)


def parse_heading(lines: Lines) -> tuple[str, str]:
    """Name and tag in the heading that comes next."""
    name, tag = lines.expect(_HEADING, "the heading ## `image:tag` of a repo-info page").groups()
    if reference_of(name, tag) is None:
        raise Broken(0, "should be a heading that names a repository and a tag")
    lines.literal("")
    return name, tag


def parse_pull(lines: Lines) -> tuple[str, str]:
    """Repository and digest in the console block that comes next."""
    lines.literal(PULL_MARK)
    name, digest = lines.expect(_PULL, "docker pull with a digest").groups()
    lines.literal("```", "")
    return name, digest


def _parse_platforms(lines: Lines) -> tuple[PagePlatform, ...]:
    platforms = []
    while match := lines.maybe(_PLATFORM):
        platforms.append(_platform(*match.groups()))
    if not lines.is_over():
        raise lines.broken("a platform, such as linux; amd64")
    return tuple(platforms)


def _platform(os: str, os_version: str | None, architecture: str, variant: str | None) -> PagePlatform:
    return PagePlatform(os, architecture, variant, os_version)


def _with_sections(page: Page, head: str, parts: list[str], is_whole: bool) -> Page:
    """*page* with its sections, and with a defect for each that is broken or not there."""
    sections, defects = [], []
    for position, part in enumerate(parts):
        try:
            sections.append(_parse_section(page, position, part))
            if position == len(parts) - 1 and not is_whole:
                sections.pop()
                raise Broken(part.count("\n"), "is cut off: the page does not end with a line feed", "truncated")
        except Broken as broken:
            # The mark between two parts is three lines, of which the last begins the next part.
            before = sum(chunk.count("\n") + 2 for chunk in (head, *parts[:position]))
            defects.append(Defect(before + broken.line + 1, broken.expectation, broken.kind))
    if len(parts) < len(page.platforms):
        line = sum(chunk.count("\n") + 2 for chunk in (head, *parts)) - 1
        message = f"the page ends after {len(parts)} of {len(page.platforms)} platforms"
        defects.append(Defect(line, message, "truncated"))
    return replace(page, sections=tuple(sections), defects=tuple(defects))


def _parse_section(page: Page, position: int, part: str) -> PageSection:
    """The section of *page* whose text after `### ` and the backtick is *part*; raises Broken."""
    heading, _, rest = part.partition("\n")
    match = _SECTION_HEADING.fullmatch(heading)
    if match is None:
        raise Broken(0, "should be the heading ### `image:tag` - os; architecture")
    platform = _platform(*match.groups()[1:])
    if match[1] != f"{page.name}:{page.tag}":
        raise Broken(0, f"should be a heading of {page.name}:{page.tag}")
    if position >= len(page.platforms) or page.platforms[position] != platform:
        raise Broken(0, "is another platform than the list has at this place")
    try:
        name, image = _parse_image(rest)
    except Broken as broken:
        broken.line += 1
        raise
    if name not in (None, page.name):
        raise Broken(3, f"should be docker pull of {page.name}")
    if image.digest is None and (page.media_type is not None or len(page.platforms) > 1):
        raise Broken(1, "should be followed by docker pull with the digest of this platform")
    return PageSection(position, platform, image)


# The tags of one build share their sections: of the 40,101 in a real history 3,858 differ.
@functools.lru_cache(maxsize=2048)
def _parse_image(text: str) -> tuple[str | None, PageImage]:
    """The repository that the pull line names (None without one) and the rest of a section below its heading."""
    check_utf8(text)
    lines = Lines(text)
    lines.literal("")
    name, digest = parse_pull(lines) if lines.starts(PULL_MARK) else (None, None)
    docker_version = lines.maybe(_DOCKER_VERSION)
    media_type = lines.expect(_MEDIA_TYPE, "the manifest's media type")[1]
    total = lines.size(_TOTAL, "the total size")
    lines.literal(_TRANSFER_SIZE)
    image_id = lines.expect(_IMAGE_ID, "the image's ID")[1]
    entrypoint, cmd, shell = (_parse_words(lines, pattern) for pattern in (_ENTRYPOINT, _CMD, _SHELL))
    lines.literal("", "```dockerfile")
    steps = _parse_steps(lines)
    lines.literal("```", "", "-\tLayers:")
    at_layers = lines.at
    layers = _parse_layers(lines)
    found = sum(layer.compressed_bytes for layer in layers)
    if found != total:
        raise Broken(at_layers - 1, f"layers add up to {found:,} bytes, stated are {total:,}", "sum-mismatch")
    version = docker_version and docker_version[1]
    image = PageImage(digest, version, media_type, total, image_id, entrypoint, cmd, shell, steps, layers)
    return name, image


def _parse_words(lines: Lines, pattern: re.Pattern[str]) -> tuple[str, ...] | None:
    """The JSON list of text in the line that comes next; None if it is another line."""
    match = lines.maybe(pattern)
    if match is None:
        return None
    try:
        words = json.loads(match[1])
        if isinstance(words, list) and all(isinstance(word, str) and word.encode() is not None for word in words):
            return tuple(words)
    except (ValueError, RecursionError):
        pass
    lines.at -= 1
    raise lines.broken("a JSON list of text")


def _parse_steps(lines: Lines) -> tuple[PageStep, ...]:
    steps = []
    while not lines.starts("```", "", "-\tLayers:"):
        created_at = lines.date(_STEP_DATE, "the date of a step")
        first = lines.at
        while not (lines.is_over() or lines.starts("```", "", "-\tLayers:") or _is_step_date(lines.lines[lines.at])):
            lines.at += 1
        text = "\n".join(lines.lines[first : lines.at]) if lines.at > first else None
        steps.append(PageStep(created_at, text))
    return tuple(steps)


def _is_step_date(line: str) -> bool:
    return line.startswith("# ") and _STEP_DATE.fullmatch(line) is not None


def _parse_layers(lines: Lines) -> tuple[PageLayer, ...]:
    layers = []
    while not lines.is_over():
        digest = lines.expect(_LAYER, "a layer")[1]
        modified_at = lines.maybe_date(_LAST_MODIFIED)
        size = lines.expect(_LAYER_SIZE, "the size of a layer")
        goes_on = size[3] is not None  # two blanks at its end break the line: another one follows
        media_type = lines.expect(_LAYER_MEDIA_TYPE, "the media type")[1] if goes_on else None
        layers.append(PageLayer(digest, modified_at, size_of(size), media_type))
    return tuple(layers)


@functools.lru_cache(maxsize=4096)
def reference_of(name: str, tag: str) -> Reference | None:
    """The tag that a heading names; None if there can be none such."""
    try:
        reference = Reference.parse(f"{name}:{tag}")
    except InvalidReference:
        return None
    return reference if reference.tag else None


def repository_of(name: str, tag: str) -> str:
    """The canonical repository of a heading that was parsed."""
    reference = reference_of(name, tag)
    if reference is None:
        raise AssertionError("parse_heading refuses such a heading")
    return reference.repository


# --- records ---------------------------------------------------------------------------------------------------------

_ATTESTATION = "application/vnd.in-toto+json"
_SCHEMA1_MARK = "manifest.v1+"
_ARGUMENTS = re.compile(r"\A# ARGS: [^\n]*\n")


def page_records(page: Page, observed_at: datetime, known: Container[str] = frozenset()) -> list[Record]:
    """
    The records of *page*: the observation of its tag, then all content whose digest is not *known*, each digest once.

    The media type of an index is null where the page does not state it; index entries have no size. `is_empty_layer` is
    null, since pages do not say it.
    """
    index = [] if page.digest in known else index_records(page)
    return [page_observation(page, observed_at), *index, *image_records(page, known)]


def page_observation(page: Page, observed_at: datetime) -> TagObservation:
    """Where *page* says that its tag pointed, or that there was none, at *observed_at*."""
    return TagObservation(
        repository=page.repository,
        tag=page.tag,
        observed_at=observed_at,
        digest=page.digest,
        is_absent=page.is_absent,
        foreign_layer_dates=_foreign_layer_dates(page),
    )


def _foreign_layer_dates(page: Page) -> list[str] | None:
    """
    Digest and Last Modified of each foreign layer that *page* dates; None if it shows no foreign layers.

    It is the server of such a layer that says when it changed, some days and others not: it is no fact of the image.
    """
    layers = [layer for section in page.sections for layer in section.image.layers if _is_foreign(layer)]
    dates = {
        f"{layer.digest} {layer.last_modified_at:%Y-%m-%dT%H:%M:%SZ}" for layer in layers if layer.last_modified_at
    }
    return sorted(dates) if layers else None


def _is_foreign(layer: PageLayer) -> bool:
    return layer.media_type is not None and "foreign" in layer.media_type


def index_records(page: Page) -> list[Record]:
    """The index of *page* and its entries; nothing if the page has a single manifest."""
    if page.digest is None or not page.is_index:
        return []
    return [
        Manifest(digest=page.digest, media_type=page.media_type, kind="index"),
        *(_index_entry(page.digest, section) for section in page.sections),
    ]


def _index_entry(index_digest: str, section: PageSection) -> IndexEntry:
    return IndexEntry(
        index_digest=index_digest,
        position=section.position,
        manifest_digest=section.image.digest or index_digest,
        media_type=section.image.media_type,
        os=section.platform.os,
        architecture=section.platform.architecture,
        variant=section.platform.variant,
        os_version=section.platform.os_version,
    )


def image_records(page: Page, known: Container[str]) -> Iterator[Record]:
    """Manifests, layers, configs and histories of *page* whose digests are not *known*, each digest once."""
    learnt: set[str] = set()
    for section in page.sections:
        digest = section.image.digest or page.digest
        if digest is not None and digest not in known and digest not in learnt:
            learnt.add(digest)
            yield from _manifest_records(digest, section.image)
        config_digest = _config_digest(section.image)
        if config_digest not in known and config_digest not in learnt:
            learnt.add(config_digest)
            yield from _config_records(config_digest, section)


def _manifest_records(digest: str, image: PageImage) -> Iterator[Record]:
    yield Manifest(
        digest=digest,
        media_type=image.media_type,
        kind=_kind(image),
        config_digest=_config_digest(image),
        layer_count=len(image.layers),
        compressed_bytes=image.compressed_bytes,
    )
    layers = image.layers[::-1] if _kind(image) == "schema1" else image.layers
    for position, layer in enumerate(layers):
        yield Layer(
            manifest_digest=digest,
            position=position,
            digest=layer.digest,
            media_type=layer.media_type,
            compressed_bytes=layer.compressed_bytes,
            last_modified_at=layer.last_modified_at,
            is_foreign=_is_foreign(layer),
        )


def _kind(image: PageImage) -> str:
    if _SCHEMA1_MARK in image.media_type:
        return "schema1"
    return "attestation" if any(layer.media_type == _ATTESTATION for layer in image.layers) else "image"


def _config_digest(image: PageImage) -> str:
    return image.image_id if ":" in image.image_id else f"v1:{image.image_id}"


def _config_records(digest: str, section: PageSection) -> Iterator[Record]:
    image, platform = section.image, section.platform
    yield Config(
        digest=digest,
        os=platform.os,
        architecture=platform.architecture,
        variant=platform.variant,
        os_version=platform.os_version,
        created_at=image.steps[-1].created_at if image.steps else None,
        docker_version=image.docker_version,
        entrypoint=None if image.entrypoint is None else list(image.entrypoint),
        cmd=None if image.cmd is None else list(image.cmd),
        shell=None if image.shell is None else list(image.shell),
    )
    for position, step in enumerate(image.steps):
        yield step_record(digest, position, step.created_at, step.text)


def step_record(
    config_digest: str, position: int, created_at: datetime | None, text: str | None, is_empty_layer: bool | None = None
) -> History:
    """A build step as a document shows it; *is_empty_layer* is None where that does not say which steps made layers."""
    name, label, conditional = (None, None, None) if text is None else _read_step(text)
    return History(
        config_digest=config_digest,
        position=position,
        created_at=created_at,
        created_by=text,
        is_empty_layer=is_empty_layer,
        instruction=name,
        step_label=label,
        is_conditional=conditional,
    )


@functools.lru_cache(maxsize=8192)
def _read_step(text: str) -> tuple[str | None, str | None, bool]:
    """Instruction, label and conditionality of a step. Only pages give build arguments a line: it is left out."""
    text = _ARGUMENTS.sub("", text)
    return instruction(text), step_label(text), is_conditional(text)


def newest_date(page: Page) -> datetime | None:
    """The newest date in the text of *page*: the earliest moment at which it can have stood so; None without dates."""
    images = [section.image for section in page.sections]
    dates = [step.created_at for image in images for step in image.steps]
    dates += [layer.last_modified_at for image in images for layer in image.layers if layer.last_modified_at]
    return max(dates, default=None)
