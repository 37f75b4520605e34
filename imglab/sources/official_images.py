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
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from imglab.errors import ParseError, UsageError
from imglab.gitlog import Change, Documents, Version
from imglab.oci import canonical_repository
from imglab.records import DocumentVersion, Failure, Record, Rows, TagDefinition

# --- what a manifest file says ---------------------------------------------------------------------------------------


class Build(NamedTuple):
    """What one architecture of a tag is built from."""

    architecture: str  # in bashbrew's words: amd64, arm32v7, windows-amd64
    git_repository: str | None
    git_commit: str | None  # 40 hexadecimal digits in stanzas; older forms also name a tag or a branch
    directory: str
    file: str
    builder: str | None
    constraints: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Stanza:
    """Tags that are built from the same; an old line is a stanza of one tag. Builds are sorted."""

    tags: tuple[str, ...]
    shared_tags: tuple[str, ...]
    builds: tuple[Build, ...]


@dataclass(frozen=True, slots=True)
class Defect:
    """A line that is not what it should be."""

    line: int  # from 1
    message: str


@dataclass(frozen=True, slots=True)
class Library:
    """One version of a manifest file."""

    form: str  # columns, lines, stanzas
    stanzas: tuple[Stanza, ...]
    defects: tuple[Defect, ...] = ()


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
    build = Build("amd64", repository, reference, _directory(directory), "Dockerfile", None, None)
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
    """The builds of a stanza, defaults filled in, sorted by architecture."""
    names = {name for name in fields.get("Architectures", "amd64").replace(" ", "").split(",") if name} or {"amd64"}
    general = _build(fields, "")
    if any("-" in name for name in fields):
        return tuple([_build(fields, name) for name in sorted(names)])
    return tuple([Build(name, *general[1:]) for name in sorted(names)])


def _build(fields: dict[str, str], architecture: str) -> Build:
    get = fields.get
    return Build(
        architecture,
        get(f"{architecture}-GitRepo") or get("GitRepo"),
        get(f"{architecture}-GitCommit") or get("GitCommit"),
        _directory(get(f"{architecture}-Directory") or get("Directory")),
        get(f"{architecture}-File") or get("File", "Dockerfile"),
        get(f"{architecture}-Builder") or get("Builder"),
        get("Constraints"),
    )


def _no_null(build: Build) -> tuple[str, ...]:
    return tuple([text or "" for text in build])


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


# --- from one version to the next ------------------------------------------------------------------------------------

Definition = tuple[tuple[bool, Build], ...]  # sorted; whether the tag is shared, and a build


def definitions(stanzas: Iterable[Stanza], wanted: Container[str]) -> dict[str, Definition]:
    """What each of the *wanted* tags is built from, over all stanzas that name it."""
    named: dict[str, list[tuple[bool, Stanza]]] = {}
    for stanza in stanzas:
        for is_shared, tags in ((False, stanza.tags), (True, stanza.shared_tags)):
            for tag in [tag for tag in tags if tag in wanted]:
                named.setdefault(tag, []).append((is_shared, stanza))
    made: dict[tuple[tuple[bool, Stanza], ...], Definition] = {}
    found = {}
    for tag, naming in named.items():
        key = tuple(naming)
        if key not in made:
            made[key] = _definition(key)
        found[tag] = made[key]
    return found


def _definition(naming: Sequence[tuple[bool, Stanza]]) -> Definition:
    if len(naming) == 1:
        ((is_shared, stanza),) = naming
        return tuple([(is_shared, build) for build in stanza.builds])
    builds = {(is_shared, build) for is_shared, stanza in naming for build in stanza.builds}
    return tuple(sorted(builds, key=lambda pair: (_no_null(pair[1]), pair[0])))


class _Document:
    """What the last version of a document said."""

    def __init__(self) -> None:
        self.stanzas: tuple[Stanza, ...] = ()
        self.definitions: dict[str, Definition] = {}

    def move(self, stanzas: tuple[Stanza, ...]) -> tuple[dict[str, Definition], list[str]]:
        """Go on to the next version; the tags that it defines otherwise, and those that it no longer names."""
        before, now = set(self.stanzas), set(stanzas)
        wanted: set[str] = set()
        for stanza in before ^ now:
            wanted.update(stanza.tags, stanza.shared_tags)
        self.stanzas = stanzas
        if not wanted:
            return {}, []
        found = definitions(stanzas, wanted)
        changed = {tag: new for tag, new in found.items() if self.definitions.get(tag) != new}
        dropped = [tag for tag in self.definitions if tag in wanted and tag not in found]
        self.definitions.update(changed)
        for tag in dropped:
            del self.definitions[tag]
        return changed, dropped


# --- collecting ------------------------------------------------------------------------------------------------------

_NAME = r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*"
_MANIFEST_FILE = re.compile(rf"(?:.*/)?library/({_NAME})")
_PLAIN_NAME = re.compile(_NAME)
_BATCH_ROWS = 50_000  # different builds; what is written has several times as many


def collect(
    documents: Documents,
    *,
    observed_at: datetime,
    repository: str | None = None,
    read: Container[tuple[str, str]] = frozenset(),
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Record | Rows]:
    """
    Definitions of tags as every manifest file in *documents* states them; lines that cannot be read are failures.

    A version tells only the tags that it defines otherwise than the version before it, and those that it no longer
    names. One that cannot be parsed changes nothing. Plain files are one version each, of the time *observed_at*.
    Versions whose (document, commit) is in *read* are passed over, but for the neighbours of unread ones.
    Raises UsageError if there are no manifest files.
    """
    changes = _manifest_changes(documents)
    if repository and len({change.path for change in changes}) > 1:
        raise UsageError(f"{documents.location} holds several manifest files: name the one that is about {repository}")
    plan = _plan(_in_time(changes), read)
    collector = _Collector(observed_at, repository)
    _restore(documents, plan, collector)
    for done, version in enumerate(documents.read([step.change for step in plan.steps])):
        if progress:
            progress(done, len(plan.steps))
        yield from collector.take(plan.steps[done], version)
    if collector.is_foreign and not plan.earlier:
        raise UsageError(f"{documents.location} holds no manifest files of official-images: none could be read as one")
    yield from collector.batch()
    if progress:
        progress(len(plan.steps), len(plan.steps))


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


class _Step(NamedTuple):
    """A version to read; one that is not told only says what its document said before the next."""

    change: Change
    is_told: bool


@dataclass(frozen=True, slots=True)
class _Plan:
    """What to read, oldest first, and for each document that goes on the versions before that."""

    steps: list[_Step]
    earlier: dict[str, list[Change]]


def _plan(changes: list[Change], read: Container[tuple[str, str]]) -> _Plan:
    """
    Unread versions are told, and those directly after one: they differ from it in another way than was told before.

    The version before them is read as well. A gap that is filled later (a shallow or partial clone) is rare, a longer
    history the rule: then that is one version for each document.
    """
    steps: list[_Step] = []
    earlier: dict[str, list[Change]] = {}
    passed: dict[str, Change | None] = {}  # by document, once it has begun: the version passed over last
    after_unread: set[str] = set()
    for change in changes:
        path = change.path
        is_unread = change.commit is None or (path, change.commit) not in read
        if is_unread or path in after_unread:
            before = passed.get(path)
            steps += [_Step(before, False)] if before else []
            steps.append(_Step(change, True))
            passed[path] = None
        elif path in passed:
            passed[path] = change
        else:
            earlier.setdefault(path, []).append(change)
        (after_unread.add if is_unread else after_unread.discard)(path)
    return _Plan(steps, {path: known for path, known in earlier.items() if path in passed})


def _in_time(changes: list[Change]) -> list[Change]:
    """
    *changes* with times that do not go back within a document, and of each time the last state only.

    Clocks of committers differ; the order of the history is the order in which states were published.
    """
    newest: dict[str, datetime] = {}
    moved = []
    for change in changes:
        if change.committed_at is not None:
            at = max(change.committed_at, newest.get(change.path, change.committed_at))
            newest[change.path] = at
            moved.append(change if at == change.committed_at else replace(change, committed_at=at))
        else:
            moved.append(change)
    last = {(change.path, change.committed_at): position for position, change in enumerate(moved)}
    return [change for position, change in enumerate(moved) if last[change.path, change.committed_at] == position]


def _restore(documents: Documents, plan: _Plan, collector: _Collector) -> None:
    """Bring *collector* to the last version of each document that was read in former runs and could be parsed."""
    pending = {path: list(known) for path, known in plan.earlier.items()}
    while pending:
        newest = [known.pop() for known in pending.values()]
        for change, version in zip(newest, documents.read(newest), strict=True):
            if collector.restore(version) or not pending[change.path]:
                del pending[change.path]


class _Collector:
    """Turns versions into rows, remembering what each document said last."""

    def __init__(self, observed_at: datetime, repository: str | None) -> None:
        self._observed_at = observed_at
        self._repository = repository
        self._documents: dict[str, _Document] = {}
        self._has_manifests = False
        self._begin_batch()

    @property
    def is_foreign(self) -> bool:
        """Whether versions were read, and none of them was a manifest file."""
        return bool(self._versions) and not self._has_manifests

    def restore(self, version: Version) -> bool:
        """Take *version* as what its document said last; False if it cannot be read."""
        document = self._documents.setdefault(version.path, _Document())
        if version.body is None:
            document.move(())
            return version.error is None
        try:
            document.move(parse_manifest_file(version.body, source=version.path).stanzas)
        except ParseError:
            return False
        return True

    def take(self, step: _Step, version: Version) -> Iterator[Record | Rows]:
        """The failures of one version, and rows once there are many."""
        if not step.is_told:
            self.restore(version)
            return
        locator = f"{version.path}@{version.commit}" if version.commit else version.path
        if version.error:
            self._has_manifests = True
            yield _failure(locator, "missing-document", f"{locator}: {version.error}")
            return
        library: Library | None = None
        try:
            if version.body is not None:
                library = parse_manifest_file(version.body, source=locator)
            self._has_manifests = True
        except ParseError as error:
            yield _failure(locator, "not-a-manifest", str(error))
        self._add_version(step.change, version, library)
        if library:
            yield from (_defect_failure(locator, defect) for defect in library.defects)
        if len(self._details["position"]) >= _BATCH_ROWS:
            yield from self.batch()

    def batch(self) -> Iterator[Record | Rows]:
        """The rows of everything since the last batch: those of a version before the version itself."""
        if self._columns["tag"]:
            yield Rows(TagDefinition, self._columns, self._details, self._first, self._last)
        yield from self._versions
        self._begin_batch()

    def _begin_batch(self) -> None:
        names = ("repository", "tag", "observed_at", "is_dropped", "document", "document_revision")
        self._columns: dict[str, list[object]] = {name: [] for name in names}
        nothing: dict[str, list[object]] = {name: [None] for name in ("is_shared", *Build._fields)}
        self._details: dict[str, list[object]] = {"position": [0], **nothing}  # the row of a dropped tag
        self._first: list[int] = []
        self._last: list[int] = []
        self._versions: list[DocumentVersion] = []

    def _add_version(self, change: Change, version: Version, library: Library | None) -> None:
        observed_at = change.committed_at or self._observed_at
        repository = self._repository or canonical_repository(version.path.rpartition("/")[2])
        is_removed = version.body is None
        form = library.form if library else None
        self._versions.append(DocumentVersion(version.path, version.commit, observed_at, repository, is_removed, form))
        if library is None and not is_removed:
            return
        stanzas = library.stanzas if library else ()
        changed, dropped = self._documents.setdefault(version.path, _Document()).move(stanzas)
        count = len(changed) + len(dropped)
        columns = self._columns
        columns["repository"] += [repository] * count
        columns["tag"] += changed
        columns["tag"] += dropped
        columns["observed_at"] += [observed_at] * count
        columns["is_dropped"] += [False] * len(changed) + [True] * len(dropped)
        columns["document"] += [version.path] * count
        columns["document_revision"] += [version.commit] * count
        self._add_details(changed.values())
        self._first += [0] * len(dropped)
        self._last += [1] * len(dropped)

    def _add_details(self, changed: Iterable[Definition]) -> None:
        ranges: dict[int, tuple[int, int]] = {}
        for definition in changed:
            if id(definition) not in ranges:  # tags of one stanza share the definition
                ranges[id(definition)] = self._add_definition(definition)
            first, last = ranges[id(definition)]
            self._first.append(first)
            self._last.append(last)

    def _add_definition(self, definition: Definition) -> tuple[int, int]:
        details = self._details
        first = len(details["position"])
        details["position"] += range(len(definition))
        shared, builds = zip(*definition, strict=True)
        details["is_shared"] += shared
        for name, values in zip(Build._fields, zip(*builds, strict=True), strict=True):
            details[name] += values
        return first, first + len(definition)


def _defect_failure(locator: str, defect: Defect) -> Failure:
    return _failure(f"{locator}:{defect.line}", "malformed", f"{locator}: line {defect.line}: {defect.message}")


def _failure(locator: str, kind: str, message: str) -> Failure:
    return Failure(locator=locator, kind=kind, status=None, message=message, is_temporary=False)
