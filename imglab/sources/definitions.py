"""
What tags are built from, as documents define it version by version: diffs of one version to the next become rows.

Two sources share this: manifest files of official-images and the READMEs made from them. A version is parsed into
stanzas, tags that are built from the same; most of them stay the same from one version to the next, and then they are
the same object, because parsers remember what they parsed by its text. A version tells only the tags that it defines
otherwise than the version before it, and those that it no longer names. What they are built from is content: told once
and named by a digest.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from typing import NamedTuple

from imglab.errors import ParseError, UsageError
from imglab.gitlog import Change, Documents, Version
from imglab.records import Definition, DocumentVersion, Record, Rows, TagDefinition
from imglab.sources.documents import Defect, Reading, check_times, defect_failure, failure, in_time, locator

# --- what a version says ---------------------------------------------------------------------------------------------


class Build(NamedTuple):
    """What some architectures of a tag are built from."""

    architectures: tuple[str, ...]  # sorted, in bashbrew's words: amd64, arm32v7, windows-amd64; none: not stated
    git_repository: str | None
    git_commit: str | None  # 40 hexadecimal digits in stanzas; older forms also name a tag or a branch
    directory: str | None
    file: str | None
    builder: str | None = None
    constraints: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Stanza:
    """Tags that are built from the same; the tags of an old line, or of an entry in a README, are a stanza too."""

    tags: tuple[str, ...]
    shared_tags: tuple[str, ...]
    builds: tuple[Build, ...]


@dataclass(frozen=True, slots=True)
class Library:
    """One version of a document that defines tags."""

    form: str
    stanzas: tuple[Stanza, ...]
    defects: tuple[Defect, ...] = ()
    architectures: tuple[str, ...] | None = None  # that the repository supports as a whole, where it says so

    def tags(self) -> list[str]:
        """Every tag that it defines, in its order."""
        return list(dict.fromkeys([tag for stanza in self.stanzas for tag in (*stanza.tags, *stanza.shared_tags)]))


# --- from one version to the next ------------------------------------------------------------------------------------

SharedBuilds = tuple[tuple[bool, Build], ...]  # whether the tag is shared, and a build


def definitions(stanzas: Iterable[Stanza], wanted: Container[str]) -> dict[str, SharedBuilds]:
    """What each of the *wanted* tags is built from, over all stanzas that name it."""
    named: dict[str, list[tuple[bool, Stanza]]] = {}
    for stanza in stanzas:
        for is_shared, tags in ((False, stanza.tags), (True, stanza.shared_tags)):
            for tag in tags:
                if tag in wanted:
                    named.setdefault(tag, []).append((is_shared, stanza))
    made: dict[tuple[tuple[bool, Stanza], ...], SharedBuilds] = {}
    found = {}
    for tag, naming in named.items():
        key = tuple(naming)
        if key not in made:
            made[key] = _shared_builds(key)
        found[tag] = made[key]
    return found


def _shared_builds(naming: Sequence[tuple[bool, Stanza]]) -> SharedBuilds:
    """The builds of a tag, sorted; those that differ in nothing but architectures are one."""
    if len(naming) == 1 and len(naming[0][1].builds) == 1:
        ((is_shared, stanza),) = naming
        return ((is_shared, stanza.builds[0]),)
    architectures: dict[tuple[bool, Build], set[str]] = {}
    for is_shared, stanza in naming:
        for build in stanza.builds:
            architectures.setdefault((is_shared, build._replace(architectures=())), set()).update(build.architectures)
    merged = [
        (is_shared, build._replace(architectures=tuple(sorted(found))))
        for (is_shared, build), found in architectures.items()
    ]
    return tuple(sorted(merged, key=_no_null))


def _no_null(pair: tuple[bool, Build]) -> tuple[object, ...]:
    return (pair[0], *[field or "" for field in pair[1][1:]])


def digest_of(builds: SharedBuilds) -> str:
    """The name of a definition: the same builds have the same, whichever document and version states them."""
    return f"sha256:{hashlib.sha256(json.dumps(builds, separators=(',', ':')).encode()).hexdigest()}"


class _Document:
    """What the last version of a document said."""

    def __init__(self) -> None:
        self.stanzas: tuple[Stanza, ...] = ()
        self.definitions: dict[str, SharedBuilds] = {}

    def move(self, stanzas: tuple[Stanza, ...]) -> tuple[dict[str, SharedBuilds], list[str]]:
        """Go on to the next version; the tags that it defines otherwise, and those that it no longer names."""
        wanted: set[str] = set()
        for stanza in set(self.stanzas) ^ set(stanzas):
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

_BATCH_ROWS = 100_000
_WORTH_PROCESSES = 2_000  # versions: a process takes as long to start as some hundreds to be read


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of document that defines tags."""

    name: str  # of several, such as: manifest files of official-images
    parse: Callable[[bytes, str], Library]  # of a body and the name of its document; raises ParseError
    repository: Callable[[str], str]  # canonical, of a document's path
    foreign: str  # the kind of failure that a version leaves which is no such document
    unmarked: str | None = None  # a form that documents of other kinds have as well: where all have it, none is of this


def collect(documents: Documents, changes: list[Change], kind: Kind, reading: Reading) -> Iterator[Record | Rows]:
    """
    Definitions of tags as the versions that *changes* name state them; lines that cannot be read are failures.

    A version that cannot be parsed changes nothing. Plain files are one version each, of the time
    `reading.observed_at`, by default now. Versions that were read before are passed over, but for the neighbours of
    unread ones. Raises UsageError if a time is given for a history, a repository for several documents, or if none of
    the versions is such a document.
    """
    check_times(documents, reading)
    if reading.repository and len({change.path for change in changes}) > 1:
        raise UsageError(f"{documents.location} holds several {kind.name}: name the one about {reading.repository}")
    plan = _plan(in_time(changes), reading.read)
    is_foreign = True
    for part in _side_by_side(documents, plan, kind, reading):
        is_foreign &= part.is_foreign
        yield from part.records
    if is_foreign and plan.steps and not plan.earlier:
        raise UsageError(f"{documents.location} holds no {kind.name}: none could be read as one")
    reading.progress(len(plan.steps), len(plan.steps))


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


@dataclass(frozen=True, slots=True)
class _Part:
    """What some of the documents gave; *is_foreign* if none of their versions is a document of this kind."""

    records: Iterable[Record | Rows]
    is_foreign: bool


def _side_by_side(documents: Documents, plan: _Plan, kind: Kind, reading: Reading) -> Iterator[_Part]:
    """The parts of a plan, read by several processes where that is quicker than to start them."""
    processes = os.cpu_count() or 1
    if processes == 1 or not documents.is_history or len(plan.steps) < _WORTH_PROCESSES:
        collector = _Collector(kind, reading)
        yield _Part(list(_read(documents, plan, collector, reading.progress)), collector.is_foreign)
        return
    plans = _split(plan, processes * 8)
    worker = partial(_read_apart, documents, kind, replace(reading, read=frozenset(), progress=_no_progress))
    done = 0
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for of_part, part in zip(plans, pool.map(worker, plans), strict=True):
            done += len(of_part.steps)
            reading.progress(done, len(plan.steps))
            yield part


def _split(plan: _Plan, count: int) -> list[_Plan]:
    """*plan* in about as many plans of equal size, each with the whole histories of its documents."""
    steps: dict[str, list[_Step]] = {}
    for step in plan.steps:
        steps.setdefault(step.change.path, []).append(step)
    parts: list[list[str]] = [[] for _ in range(count)]
    sizes = [0] * count
    for path in sorted(steps, key=lambda path: -len(steps[path])):
        smallest = sizes.index(min(sizes))
        parts[smallest].append(path)
        sizes[smallest] += len(steps[path])
    return [
        _Plan(
            [step for path in paths for step in steps[path]],
            {path: plan.earlier[path] for path in paths if path in plan.earlier},
        )
        for paths in parts
        if paths
    ]


def _read_apart(documents: Documents, kind: Kind, reading: Reading, plan: _Plan) -> _Part:
    """A part, read in a process of its own."""
    gc.disable()  # nothing here has cycles, and looking for them takes a third of the time
    collector = _Collector(kind, reading)
    return _Part(list(_read(documents, plan, collector, reading.progress)), collector.is_foreign)


def _no_progress(done: int, total: int) -> None:
    """Nobody watches a single part."""


def _read(
    documents: Documents, plan: _Plan, collector: _Collector, progress: Callable[[int, int], None]
) -> Iterator[Record | Rows]:
    """What the versions of *plan* tell."""
    _restore(documents, plan, collector)
    for done, version in enumerate(documents.read([step.change for step in plan.steps])):
        progress(done, len(plan.steps))
        yield from collector.take(plan.steps[done], version)
    yield from collector.batch()


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

    def __init__(self, kind: Kind, reading: Reading) -> None:
        self._kind = kind
        self._reading = reading
        self._documents: dict[str, _Document] = {}
        self._digests: dict[SharedBuilds, str] = {}
        self.is_foreign = True  # no version was a document of this kind
        self._begin_batch()

    def restore(self, version: Version) -> bool:
        """Take *version* as what its document said last; False if it cannot be read."""
        document = self._documents.setdefault(version.path, _Document())
        if version.body is None:
            document.move(())
            return version.error is None
        try:
            document.move(self._kind.parse(version.body, version.path).stanzas)
        except ParseError:
            return False
        return True

    def take(self, step: _Step, version: Version) -> Iterator[Record | Rows]:
        """The failures of one version, and rows once there are many."""
        if not step.is_told:
            self.restore(version)
            return
        where = locator(version)
        if version.error:
            self.is_foreign = False
            yield failure(where, "missing-document", f"{where}: {version.error}")
            return
        library: Library | None = None
        try:
            if version.body is not None:
                library = self._kind.parse(version.body, where)
        except ParseError as error:
            yield failure(where, self._kind.foreign, str(error))
        if library and library.form != self._kind.unmarked:
            self.is_foreign = False
        self._add_version(step.change, version, library)
        if library:
            yield from (defect_failure(where, defect) for defect in library.defects)
        if len(self._columns["tag"]) >= _BATCH_ROWS:
            yield from self.batch()

    def batch(self) -> Iterator[Record | Rows]:
        """The rows of everything since the last batch."""
        if self._columns["tag"]:
            yield Rows(TagDefinition, self._columns)
        if self._builds["digest"]:
            yield Rows(Definition, self._builds)
        yield from self._versions
        self._begin_batch()

    def _begin_batch(self) -> None:
        names = ("repository", "tag", "observed_at", "definition_digest", "is_dropped", "document", "document_revision")
        self._columns: dict[str, list[object]] = {name: [] for name in names}
        self._builds: dict[str, list[object]] = {
            name: [] for name in ("digest", "position", "is_shared", *Build._fields)
        }
        self._versions: list[DocumentVersion] = []

    def _add_version(self, change: Change, version: Version, library: Library | None) -> None:
        told = DocumentVersion(
            document=version.path,
            document_revision=version.commit,
            observed_at=change.committed_at or self._reading.observed_at or self._reading.now,
            repository=self._reading.repository or self._kind.repository(version.path),
            is_removed=version.body is None,
            form=library.form if library else None,
            tags=library.tags() if library else None,
            architectures=list(library.architectures) if library and library.architectures is not None else None,
        )
        self._versions.append(told)
        if library is None and not told.is_removed:
            return
        document = self._documents.setdefault(version.path, _Document())
        changed, dropped = document.move(library.stanzas if library else ())
        self._add_tags(told, changed, dropped)

    def _add_tags(self, told: DocumentVersion, changed: dict[str, SharedBuilds], dropped: list[str]) -> None:
        columns = self._columns
        count = len(changed) + len(dropped)
        columns["tag"] += changed
        columns["tag"] += dropped
        columns["definition_digest"] += [self._digest(builds) for builds in changed.values()]
        columns["definition_digest"] += [None] * len(dropped)
        columns["is_dropped"] += [False] * len(changed) + [True] * len(dropped)
        for name in ("repository", "observed_at", "document", "document_revision"):
            columns[name] += [getattr(told, name)] * count

    def _digest(self, builds: SharedBuilds) -> str:
        """The digest of a definition, whose builds are told when it is met first."""
        found = self._digests.get(builds)
        if found is None:
            found = self._digests[builds] = digest_of(builds)
            if found not in self._reading.known:
                self._add_builds(found, builds)
        return found

    def _add_builds(self, digest: str, builds: SharedBuilds) -> None:
        position = 0
        for is_shared, build in builds:
            row = (digest, position, is_shared, build.architectures or None, *build[1:])
            for values, value in zip(self._builds.values(), row, strict=True):
                values.append(value)
            position += len(build.architectures) or 1
