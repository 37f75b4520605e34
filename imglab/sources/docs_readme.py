"""
READMEs of docker-library/docs, `<image>/README.md`: the tags of an image and the Dockerfiles that they are built from.

Reference: https://github.com/docker-library/docs, whose `generate-dockerfile-links-partial` writes the lists from the
manifest files of official-images. Last seen to hold in September 2026, for every form since July 2014:

- `prose`: no list of tags. Not a failure: the READMEs of 2014 had none, nor had `scratch` until 2017.
- `bare`: one list below `# Tags and …`, names without marks of code (one day of September 2014).
- `flat`: one list, of all images without shared tags.
- `shared-first`, `simple-first`: a list of shared tags and one of simple tags, in the order of the first (September to
  November 2017) or the other (since then).
- `empty`: a section that lists none, and says so.

Oddities met in real data:

- The heading was `# Tags and …` for a week of September 2014. Bullets are a dash and a blank, since February 2015 a
  dash and a tab. Until June 2019 an entry also shows the path of its Dockerfile. Since July 2024 there are blank lines
  between entries, and below the line of shared tags.
- Old sections go on with prose, in paragraphs that were once wrapped, with a badge, and in some with headings and lists
  of their own: the lists end at the first heading that is not `## Simple Tags` or `## Shared Tags`.
- A shared tag names its members by the first of their simple tags. What it is built from is what their links say.
- Links lead to GitHub, GitLab or Launchpad. Some of 2014 to 2017 name a branch or a tag, which may hold slashes: there
  the path that the entry shows tells where it ends. Others have no link, or one that does not tell.
- A README does not say which tag has which architectures, but since October 2017 which the image has as a whole; for
  some of them there is no link, since August 2026.
- On other branches than the main one there are READMEs of the builds for one architecture, which are a repository of
  their own. They name the image in the same way: what they list is none of its tags.
- Most entries stay the same from one version to the next, so what was parsed is remembered by its text.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple
from urllib.parse import parse_qs, unquote

from imglab.errors import ParseError, UsageError
from imglab.gitlog import Change, Documents
from imglab.oci import canonical_repository, is_tag
from imglab.records import Record, Rows
from imglab.sources import definitions
from imglab.sources.definitions import Build, Library, Stanza
from imglab.sources.documents import Defect, Reading

# --- parsing ---------------------------------------------------------------------------------------------------------

_HEADING = re.compile(r"^# (?:Supported tags and respective|Tags and) `Dockerfile` links[ \t]*$", re.MULTILINE)
_NEXT_CHAPTER = re.compile(r"^# ", re.MULTILINE)
_LISTS = {"## Simple Tags": "simple-first", "## Shared Tags": "shared-first"}  # the form if it comes first
_BULLETS = ("- ", "-\t")
_LINKED = re.compile(r"\[([^\]]*)\]\((\S+)\)")
_NAMES = re.compile(r"([^(*]*?)(?: \(\*([^*]+)\*\))?")
_ARCHITECTURES = "**Supported architectures**"
_ARCHITECTURE = re.compile(r"`([a-z0-9-]+)`")
_BLOB = re.compile(r"(https?://[^/]+/.+?)(?:/-)?/blob/(.+)")
_TREE = re.compile(r"(https?://[^/]+/.+?)/tree/([^?]+)\?(.+)")
_COMMIT = re.compile(r"([0-9a-f]{40}(?:[0-9a-f]{24})?)/(.+)")
_REMEMBERED = 1 << 15  # ten times the entries of all READMEs at one time
_REMEMBERED_SECTIONS = 1 << 10


def parse_readme(body: bytes, *, source: str) -> Library:
    """
    What a README says about tags, in any of its forms; lines of its lists that are no entries are its defects.

    An entry of simple tags is a stanza, and so is one of shared tags, which has the builds of its members.
    Raises ParseError, which names *source* and the line, if *body* is empty or not UTF-8.
    """
    text = _decoded(body, source)
    heading = _HEADING.search(text)
    if heading is None:
        return Library("prose", ())
    end = _NEXT_CHAPTER.search(text, heading.end())
    section = _read_section(text[heading.end() : end.start() if end else len(text)])
    first = text.count("\n", 0, heading.end()) + 1
    defects = [replace(defect, line=defect.line + first) for defect in section.defects]
    architectures = _architectures(text, defects)
    return Library(section.form, section.stanzas, tuple(defects), architectures)


def _decoded(body: bytes, source: str) -> str:
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise ParseError(source, f"line {line}", "it is not UTF-8") from None
    if not text.strip():
        raise ParseError(source, "line 1", "there is nothing in it")
    return text.replace("\r\n", "\n")


def _architectures(text: str, defects: list[Defect]) -> tuple[str, ...] | None:
    """The architectures that the image has as a whole, none if it says so; None where it does not say."""
    at = text.find(_ARCHITECTURES)
    if at < 0:
        return None
    _, end, rest = text[at:].partition("\n")
    line, _, _ = rest.partition("\n")
    found = tuple(_ARCHITECTURE.findall(line))
    if found or line.strip().startswith("**"):
        return found
    defects.append(Defect(text.count("\n", 0, at) + 1 + len(end), "it should name the supported architectures"))
    return None


class _Section(NamedTuple):
    """What the section gives; lines of its defects count from 0, that of the heading."""

    form: str
    stanzas: tuple[Stanza, ...]
    defects: tuple[Defect, ...]


@functools.lru_cache(_REMEMBERED_SECTIONS)
def _read_section(text: str) -> _Section:
    lists, entries, defects = _split_section(text)
    stanzas = []
    for entry in entries:
        stanza, problems = _read_entry("\n".join(entry.values()))
        stanzas += [stanza] if stanza else []
        numbers = list(entry)
        defects += [replace(problem, line=numbers[problem.line]) for problem in problems]
    if not entries and not defects and "**" not in text:
        defects.append(Defect(0, "the section lists no tags, nor does it say that there are none"))
    form = lists[0] if lists else "flat"
    if not stanzas:
        form = "empty"
    elif not any("`" in line for entry in entries for line in entry.values()):
        form = "bare"
    return _Section(form, tuple(stanzas), tuple(sorted(defects, key=_line)))


def _line(defect: Defect) -> int:
    return defect.line


def _split_section(text: str) -> tuple[list[str], list[dict[int, str]], list[Defect]]:
    """The forms of the lists in their order, the lines of each entry by number, and what is neither these nor prose."""
    lists: list[str] = []
    entries: list[dict[int, str]] = []
    defects: list[Defect] = []
    is_open = False
    for number, line in enumerate(text.split("\n")):
        words = line.strip()
        if not words or words.lstrip("-\t ").startswith("**"):  # what is said about all of them
            continue
        if line.startswith("#"):
            if words not in _LISTS:
                break
            lists.append(_LISTS[words])
            is_open = False
        elif line.startswith(_BULLETS):
            entries.append({number: words})
            is_open = True
        elif words.startswith(_BULLETS) and is_open:
            entries[-1][number] = words
        else:
            is_open = False
            if words.startswith((*_BULLETS, "[`", "`")):
                defects.append(Defect(number, "an entry should begin with a dash, at the start of its line"))
    return lists, entries, defects


class _Read(NamedTuple):
    """What an entry gives; lines of its defects count from 0."""

    stanza: Stanza | None
    defects: tuple[Defect, ...]


@functools.lru_cache(_REMEMBERED)
def _read_entry(text: str) -> _Read:
    """One entry: a line, and below one of shared tags a line for each member; all begin with a bullet."""
    head, *members = [line[2:].strip() for line in text.split("\n")]
    defects: list[Defect] = []
    if not head.endswith(":"):
        tags, build = _tags_and_build(head, 0, defects)
        defects += [Defect(number, "only shared tags have members") for number in range(1, len(members) + 1)]
        return _Read(Stanza(tags, (), (build,)) if tags else None, tuple(defects))
    tags, _ = _tags_and_build(head[:-1], 0, defects)
    builds = [_tags_and_build(member, number, defects)[1] for number, member in enumerate(members, 1)]
    if not builds:
        defects.append(Defect(0, "the shared tags have no members"))
    return _Read(Stanza((), tags, tuple(dict.fromkeys(builds)) or (_UNKNOWN,)) if tags else None, tuple(defects))


_UNKNOWN = Build((), None, None, None, None)


def _tags_and_build(text: str, number: int, defects: list[Defect]) -> tuple[tuple[str, ...], Build]:
    """The tags that the line *number* of an entry names, and what its link says."""
    linked = _LINKED.fullmatch(text)
    shown = _NAMES.fullmatch(linked[1] if linked else text)
    if shown is None or not ("`" in text or (linked and "/blob/" in linked[2])):
        defects.append(Defect(number, "it should be a link with tags, such as [`1.0`, `1`](https://…)"))
        return (), _UNKNOWN
    names, path = shown.groups()
    words = [word[1:-1] if word[:1] == word[-1:] == "`" else word for word in names.split(", ")]
    tags = tuple(dict.fromkeys([word for word in words if is_tag(word)]))
    if len(tags) < len(set(words)):
        defects.append(Defect(number, "it names a tag that cannot be one"))
    return tags, _build(linked[2] if linked else "", path)


def _build(url: str, path: str | None) -> Build:
    """What a link says; *path* is that of the Dockerfile, where it is shown beside."""
    repository = commit = None
    if match := _BLOB.fullmatch(url):
        repository, (commit, path) = match[1], _commit_and_path(match[2], path)
    elif match := _TREE.fullmatch(url):
        repository, path = match[1], unquote(match[2])
        query = parse_qs(match[3].partition("#")[0])
        commit = next(iter(query.get("id") or query.get("h") or ()), None)
    if path is None:
        return Build((), repository, commit, None, None)
    directory, _, file = path.rpartition("/")
    return Build((), repository, commit, directory or ".", file)


def _commit_and_path(text: str, path: str | None) -> tuple[str | None, str | None]:
    """What stands behind `/blob/`: a commit, tag or branch, and the path; None for what cannot be told."""
    if match := _COMMIT.fullmatch(text):
        return match[1], unquote(match[2])
    if path and text.endswith(f"/{path}"):
        return text.removesuffix(f"/{path}"), path
    reference, _, file = text.partition("/")
    return (None, path) if "/" in file or not file else (reference, unquote(file))


# --- collecting ------------------------------------------------------------------------------------------------------

_NAME = r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*"
_README = re.compile(rf"({_NAME})/README\.md")
_ONE_ARCHITECTURE = re.compile(rb'this is the "per-architecture" repository for the `([a-z0-9-]+)` builds')
_OWN_NAME = re.compile(rf'DO NOT EDIT "({_NAME})/README\.md"')


def collect(documents: Documents, reading: Reading) -> Iterator[Record | Rows]:
    """
    Definitions of tags as every README in *documents* states them, as `definitions.collect` tells them.

    Raises UsageError if there are no READMEs, or none that lists tags, or if a file does not say which image it is
    about.
    """
    changes = _readme_changes(documents)
    is_first = not any((change.path, change.commit) in reading.read for change in changes)
    kind = definitions.Kind(
        name="READMEs of docker-library/docs that list tags",
        parse=_parse if reading.repository else _parse_of_image,
        repository=_repository(documents, changes, reading),
        foreign="not-a-readme",
        unmarked="prose" if is_first else None,
    )
    return definitions.collect(documents, changes, kind, reading)


def _parse(body: bytes, source: str) -> Library:
    return parse_readme(body, source=source)


def _parse_of_image(body: bytes, source: str) -> Library:
    """The same, but for READMEs that are about the builds for one architecture."""
    if match := _ONE_ARCHITECTURE.search(body):
        line = body.count(b"\n", 0, match.start()) + 1
        expectation = f"it is about the builds for {match[1].decode()} alone: name their repository"
        raise ParseError(source, f"line {line}", expectation)
    return _parse(body, source)


def _readme_changes(documents: Documents) -> list[Change]:
    """Changes of all READMEs of images: what is named if it is one file, else those in the folder of an image."""
    if documents.is_single:
        return documents.changes(lambda path: True)
    changes = documents.changes(lambda path: _README.fullmatch(path) is not None)
    if not changes and not documents.is_history:
        changes = documents.changes(lambda path: path == "README.md")
    if not changes:
        raise UsageError(f"{documents.location} holds no READMEs of docker-library/docs (<image>/README.md)")
    return changes


def _repository(documents: Documents, changes: list[Change], reading: Reading) -> Callable[[str], str]:
    """The repository that a path is about: that of its folder; of a file outside of one, as its text says."""
    if any("/" in change.path for change in changes):
        return _of_folder
    name = reading.repository or _own_name(documents, changes)
    if name is None:
        raise UsageError(f"{documents.location} does not say which image it is about: name the repository")
    return functools.partial(_always, canonical_repository(name))


def _of_folder(path: str) -> str:
    return canonical_repository(path.split("/")[-2])


def _always(repository: str, path: str) -> str:
    return repository


def _own_name(documents: Documents, changes: list[Change]) -> str | None:
    """The image that a single README names in its text, or else by the folder that it lies in."""
    for version in documents.read(changes[:1]):
        if found := _OWN_NAME.search((version.body or b"").decode("utf-8", "replace")):
            return found[1]
    location = documents.location.resolve()
    path = location if changes[0].path != location.name else location.parent
    return path.name if changes[0].path == "README.md" and re.fullmatch(_NAME, path.name) else None
