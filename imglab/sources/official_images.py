"""
Manifest files of docker-library/official-images, `library/<image>`: the tags of an image and what they are built from.

Reference: https://github.com/docker-library/official-images (its README, "Instruction format") and the parser of
https://github.com/docker-library/bashbrew (`manifest/`). Last seen to hold in September 2026, for every form since
September 2013. Oddities met in real data:

- Three forms: three columns (2013: no reference, `B:` branch or `C:` commit), lines `tag: git://host/repository@ref
  [directory]` (2013 to 2020), and since 2016 paragraphs of fields of which the first holds defaults for the others.
- What the first paragraph says for one architecture wins over what a stanza says for all of them.
- A shared tag stands in several stanzas (Linux and Windows): what it is built from is a set, without an order. The
  order of architectures changes from version to version too and means nothing.
- Comments stand anywhere, also within a paragraph, which they do not end. Old files pad after the colon.
- Directories are written with and without a final slash.
- Some published versions are malformed: a line of blanks, a comment without its `#`, no blank after a colon or one
  before it, a field twice, `Architecture` for `Architectures`. What such a line means is clear nearly always.
- Most paragraphs stay the same from one version to the next, so what was parsed is remembered by its text.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from imglab.errors import ParseError, UsageError
from imglab.gitlog import Change, Documents
from imglab.oci import canonical_repository
from imglab.records import Record, Rows
from imglab.sources import definitions
from imglab.sources.definitions import Build, Library, Stanza
from imglab.sources.documents import Defect, Reading

# --- parsing ---------------------------------------------------------------------------------------------------------

_TAG_TEXT = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_TAGS = re.compile(rf"{_TAG_TEXT}(?:, *{_TAG_TEXT})*")
_ONE_TAG = re.compile(_TAG_TEXT)
_LINE = re.compile(rf"({_TAG_TEXT}):\s*(\S+://\S+)@([^@\s]+)(?:\s+(\S+))?")
_COLUMNS = re.compile(rf"({_TAG_TEXT})\s+(\S+://\S+)(?:\s+[BC]:(\S+))?")
_IS_STANZAS = re.compile(r"^(?:Maintainers|GitRepo|Tags|SharedTags)\s*:", re.MULTILINE)
_FIELD = re.compile(r"([A-Za-z0-9-]+)([ \t]*):([ \t]*)(.*)")
_BLANKS = re.compile(r"^[ \t]+$", re.MULTILINE)
_NOT_UTF8 = re.compile("[\udc80-\udcff]")
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_LISTS = {"Maintainers", "Tags", "SharedTags", "Architectures", "Constraints"}
_WORDS = {"GitRepo", "GitFetch", "GitCommit", "Directory", "File", "Builder"}
_FIELDS = _LISTS | _WORDS
_REMEMBERED = 1 << 15  # ten times the paragraphs of all manifest files at one time


def parse_manifest_file(body: bytes, *, source: str) -> Library:
    """
    What a manifest file says, in any of its forms; lines that are not what they should be are its defects.

    A malformed line whose meaning is clear is a defect and counts all the same; any other is left out.
    Raises ParseError, which names *source* and the line, if nothing in it is a manifest.
    """
    text, defects = _decoded(body)
    library = _parse_stanzas(text) if _IS_STANZAS.search(text) else _parse_lines(text)
    defects += library.defects
    if library.stanzas or (not defects and _IS_STANZAS.search(text)):
        return replace(library, defects=tuple(sorted(defects, key=_line))) if defects else library
    raise ParseError(source, f"line {defects[0].line if defects else 1}", "no tag is defined: it is no manifest file")


def _line(defect: Defect) -> int:
    return defect.line


def _decoded(body: bytes) -> tuple[str, tuple[Defect, ...]]:
    """The text, and the lines of it that are no UTF-8 and therefore empty now."""
    try:
        text = body.decode()
        return text.replace("\r\n", "\n"), ()
    except UnicodeDecodeError:
        lines = body.decode("utf-8", "surrogateescape").replace("\r\n", "\n").split("\n")
    bad = [number for number, line in enumerate(lines) if _NOT_UTF8.search(line)]
    for number in bad:
        lines[number] = "#"
    return "\n".join(lines), tuple(Defect(number + 1, "it is not UTF-8") for number in bad)


def _parse_lines(text: str) -> Library:
    stanzas, defects = [], []
    form = "lines"
    for number, line in enumerate(text.split("\n"), 1):
        stanza = _old_line(line)
        if stanza is not None:
            form = "lines" if _LINE.match(line) else "columns"
            stanzas.append(stanza)
        elif line.strip() and not line.lstrip().startswith("#"):
            defects.append(Defect(number, "it should be `tag: git://host/repository@commit directory`"))
    return Library(form, tuple(stanzas), tuple(defects))


@functools.lru_cache(_REMEMBERED)
def _old_line(line: str) -> Stanza | None:
    line = line.strip()
    directory: str | None = None
    if match := _LINE.fullmatch(line):
        tag, repository, reference, directory = match.groups()
    elif match := _COLUMNS.fullmatch(line):
        tag, repository, reference = match.groups()
    else:
        return None
    build = Build(("amd64",), repository, reference, _directory(directory), "Dockerfile")
    return Stanza((tag,), (), (build,))


def _directory(text: str | None) -> str:
    return (text or ".").rstrip("/") or "."


def _parse_stanzas(text: str) -> Library:
    pieces = text.split("\n\n")
    defaults: str | None = None
    read: list[_Read] = []
    for piece in pieces:
        if defaults is not None:
            read.append(_read_stanza(defaults, piece))
            continue
        fields, defects = _read_fields(piece)
        if "Tags" in fields or "SharedTags" in fields:
            defaults = ""
            read.append(_read_stanza("", piece))
        else:
            defaults = piece if fields else None
            read.append(_Read(None, defects))
    stanzas = tuple([one.stanza for one in read if one.stanza is not None])
    is_sound = not _BLANKS.search(text) and not any(one.defects for one in read)
    return Library("stanzas", stanzas, () if is_sound else tuple(_placed_defects(text, pieces, read)))


def _placed_defects(text: str, pieces: list[str], read: list[_Read]) -> Iterator[Defect]:
    for blanks in _BLANKS.finditer(text):
        yield Defect(text.count("\n", 0, blanks.start()) + 1, "it holds nothing but blanks")
    line = 1
    for piece, one in zip(pieces, read, strict=True):
        for defect in one.defects:
            yield replace(defect, line=defect.line + line)
        line += piece.count("\n") + 2


class _Read(NamedTuple):
    """What a paragraph gives; lines of its defects count from 0."""

    stanza: Stanza | None
    defects: tuple[Defect, ...]


@functools.lru_cache(_REMEMBERED)
def _read_stanza(defaults: str, piece: str) -> _Read:
    own, defects = _read_fields(piece)
    if not own:
        return _Read(None, defects)
    found = list(defects)
    tags, shared_tags = _tags(own.get("Tags", ""), found), _tags(own.get("SharedTags", ""), found)
    if not tags and not shared_tags:
        return _Read(None, (*found, Defect(0, "the stanza names no tags")))
    builds = _builds({**_read_fields(defaults)[0], **own})
    if not all(_COMMIT.fullmatch(commit or "") for commit in {build.git_commit for build in builds}):
        found.append(Defect(0, "the stanza names no commit for some architecture"))
    return _Read(Stanza(tags, shared_tags, builds), tuple(found))


def _tags(text: str, defects: list[Defect]) -> tuple[str, ...]:
    if not text:
        return ()
    names = text.replace(" ", "").split(",")
    if not _TAGS.fullmatch(text):
        defects.append(Defect(0, "the stanza names a tag that cannot be one"))
        names = [name for name in names if _ONE_TAG.fullmatch(name)]
    return tuple(dict.fromkeys(names))


def _builds(fields: dict[str, str]) -> tuple[Build, ...]:
    """The builds of a stanza, defaults filled in, sorted by the first of their architectures."""
    names = {name for name in fields.get("Architectures", "amd64").replace(" ", "").split(",") if name} or {"amd64"}
    if not any("-" in name for name in fields):
        return (_build(fields, "", tuple(sorted(names))),)
    architectures: dict[Build, list[str]] = {}
    for name in sorted(names):
        architectures.setdefault(_build(fields, name, ()), []).append(name)
    return tuple([build._replace(architectures=tuple(found)) for build, found in architectures.items()])


def _build(fields: dict[str, str], architecture: str, architectures: tuple[str, ...]) -> Build:
    get = fields.get
    return Build(
        architectures,
        get(f"{architecture}-GitRepo") or get("GitRepo"),
        get(f"{architecture}-GitCommit") or get("GitCommit"),
        _directory(get(f"{architecture}-Directory") or get("Directory")),
        get(f"{architecture}-File") or get("File", "Dockerfile"),
        get(f"{architecture}-Builder") or get("Builder"),
        get("Constraints"),
    )


@functools.lru_cache(_REMEMBERED)
def _read_fields(piece: str) -> tuple[dict[str, str], tuple[Defect, ...]]:
    """The fields of a paragraph, which must not be changed, and its defects with lines from 0."""
    fields: dict[str, str] = {}
    defects: list[Defect] = []
    name = ""
    for number, line in enumerate(piece.split("\n")):
        field, _, value = line.partition(": ")
        if field in _FIELDS and field not in fields and value:  # as nearly every line is
            name = field
            fields[name] = value.strip()
            continue
        text = line.strip()
        if not text or text[0] == "#":
            continue
        if line[0] in " \t":
            if name:
                fields[name] += f" {text}"
            else:
                defects.append(Defect(number, "it continues a field, but none stands before it"))
            continue
        name, problem = _read_field(line, fields)
        if problem:
            defects.append(Defect(number, problem))
    defects += _one_word_each(fields)
    return fields, tuple(defects)


def _read_field(line: str, fields: dict[str, str]) -> tuple[str, str | None]:
    """Take a line's field into *fields*; its name ('' if it has none) and what is wrong with it."""
    match = _FIELD.fullmatch(line)
    if match is None:
        return "", "it should be `Field: value`"
    name, before, after, value = match.groups()
    is_known = name in _LISTS or name.rpartition("-")[2] in _WORDS
    is_repeated = name in fields
    fields[name] = value.rstrip()
    if not is_known:
        return name, f"there is no field {name}"
    if is_repeated:
        return name, f"{name} stands in its paragraph for the second time"
    if before or (value and not after):
        return name, f"{name} should be followed by a colon and a blank"
    return name, None


def _one_word_each(fields: dict[str, str]) -> Iterator[Defect]:
    for name, value in fields.items():
        if " " in value and name not in _LISTS and name.rpartition("-")[2] in _WORDS:
            fields[name] = value.split()[0]
            yield Defect(0, f"{name} should be one word")


# --- collecting ------------------------------------------------------------------------------------------------------

_NAME = r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*"
_MANIFEST_FILE = re.compile(rf"(?:.*/)?library/({_NAME})")
_PLAIN_NAME = re.compile(_NAME)


def collect(documents: Documents, reading: Reading) -> Iterator[Record | Rows]:
    """
    Definitions of tags as every manifest file in *documents* states them, as `definitions.collect` tells them.

    Raises UsageError if there are no manifest files.
    """
    return definitions.collect(documents, _manifest_changes(documents), _KIND, reading)


def _manifest_changes(documents: Documents) -> list[Change]:
    """Changes of all manifest files: what is named if it is one file, else what lies in a folder `library`."""
    if documents.is_single:
        return documents.changes(lambda path: True)
    changes = documents.changes(lambda path: _MANIFEST_FILE.fullmatch(path) is not None)
    if not changes and not documents.is_history and documents.location.resolve().name == "library":
        changes = documents.changes(lambda path: _PLAIN_NAME.fullmatch(path) is not None)
    if not changes:
        raise UsageError(f"{documents.location} holds no manifest files of official-images (library/<image>)")
    return changes


def _parse(body: bytes, source: str) -> Library:
    return parse_manifest_file(body, source=source)


def _repository(path: str) -> str:
    return canonical_repository(path.rpartition("/")[2])


_KIND = definitions.Kind("manifest files of official-images", _parse, _repository, "not-a-manifest")
