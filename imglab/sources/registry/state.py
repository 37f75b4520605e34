"""One pass over registries: what it may ask, what it has seen so far, and what it leaves to a later run."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from imglab.errors import ParseError, Postponed, SourceError
from imglab.http import Answer, redacted
from imglab.oci import Child, Reference
from imglab.records import Failure, Record
from imglab.sources.referrers import Fetcher
from imglab.sources.sbom_layers import Bill

_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]{1,127}/[\w!#$&^.+-]{1,127}", re.ASCII)  # RFC 6838 section 4.2
_PLURALS = {"tag": "tags", "document": "documents", "list of tags": "lists of tags"}
# Of these, one failure stands for a whole repository if nothing of it ever answered.
_OF_REPOSITORY = frozenset({"unreachable", "tls", "unauthorized", "denied"})


class Known(Protocol):
    """What the journal holds already."""

    def children(self, digests: Collection[str]) -> Mapping[str, Sequence[Named]]:
        """
        For each of *digests* that is held and verified: what its document names and is wanted.

        These are the manifests of an index and the config of an image; none for attestations, artifacts and configs.
        """
        ...

    def subjects(self, digests: Collection[str]) -> Mapping[str, Sequence[str]]:
        """For each of *digests* that is a held index or image: the manifests that it names and that are wanted."""
        ...

    def bills(self, digests: Collection[str]) -> Mapping[str, Sequence[Bill]]:
        """For each of *digests* that is a held manifest with bills of materials for layers: these."""
        ...

    def read_sboms(self, digests: Collection[str]) -> Collection[str]:
        """Those of *digests* that are bills of materials which were read as well as they can be."""
        ...


@dataclass(frozen=True, slots=True)
class Named:
    """A document that one that is held names."""

    digest: str
    is_config: bool = False
    media_type: str | None = None  # of a config that is not held: nobody else says it


@dataclass(slots=True)
class Counts:
    """How a pass went."""

    repositories: int = 0  # that answered
    unreachable: int = 0  # that did not
    tags: int = 0
    documents: int = 0
    failures: int = 0


Progress = Callable[[str, int, int], None]  # what is counted, how many are done, of how many
Choice = Callable[[Sequence[Child]], Sequence[Child]]  # which manifests of an index are wanted


@dataclass(frozen=True, slots=True)
class Tag:
    reference: Reference
    is_listed: bool
    is_guess: bool = False  # not asked for by anybody: it may as well not be there


@dataclass(slots=True)
class Attached:
    """What is known of the artifacts of a repository before they are asked for."""

    repository: Reference
    roots: dict[str, None] = field(default_factory=dict)  # digests that were asked for, or that tags point at
    tags: list[Reference] = field(default_factory=list)  # listed ones that stand for artifacts
    is_listed: bool = False  # all of these are known


@dataclass(slots=True)
class Billed:
    """A repository whose bills of materials are wanted."""

    repository: Reference
    roots: dict[str, None] = field(default_factory=dict)  # digests that were asked for, tags or lists point at


@dataclass(frozen=True, slots=True)
class Wanted:
    repository: Reference
    child: Child
    is_config: bool
    depth: int = 0

    @property
    def locator(self) -> str:
        return str(replace(self.repository, tag=None, digest=self.child.digest))


@dataclass(slots=True)
class Pass:
    """One pass over all targets: its edges, and what it has seen so far."""

    client: Fetcher
    known: Known
    now: Callable[[], datetime]
    choose: Choice
    progress: Progress
    counts: Counts
    most_pages: int = 0
    most_tags: int = 0
    held: Container[str] = frozenset()  # documents that are read for what they name, and not told again
    reached: set[str] = field(default_factory=set)  # repositories that answered
    down: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)  # digests looked at
    waiting: set[str] = field(default_factory=set)  # of these, not come to yet
    spare: dict[str, dict[str, Wanted]] = field(default_factory=dict)  # of these, where else one is: by repository
    failed: dict[str, set[str]] = field(default_factory=dict)  # digests that so far only failed: the repositories
    next: list[Wanted] = field(default_factory=list)
    roots: Counter[str] = field(default_factory=Counter)  # by repository: documents that were asked for,
    branches: Counter[str] = field(default_factory=Counter)  # and those that they lead to
    attached: dict[str, Attached] = field(default_factory=dict)  # by repository, where artifacts are wanted
    billed: dict[str, Billed] = field(default_factory=dict)  # by repository, where bills of materials are
    bills: dict[str, Sequence[Bill]] = field(default_factory=dict)  # by manifest, of those that were read
    below: dict[str, Sequence[str]] = field(default_factory=dict)  # manifests in indexes and images that were read
    postponed: dict[tuple[str, str], Rest] = field(default_factory=dict)  # by registry and kind


@dataclass(slots=True)
class Rest:
    """What is left to a later run, and why."""

    error: Postponed
    counts: Counter[str] = field(default_factory=Counter)


class NothingKnown:
    """A journal that holds nothing."""

    def children(self, digests: Collection[str]) -> Mapping[str, Sequence[Named]]:
        """None of them."""
        return {}

    def subjects(self, digests: Collection[str]) -> Mapping[str, Sequence[str]]:
        """None of them."""
        return {}

    def bills(self, digests: Collection[str]) -> Mapping[str, Sequence[Bill]]:
        """None of them."""
        return {}

    def read_sboms(self, digests: Collection[str]) -> Collection[str]:
        """None of them."""
        return ()


def note_root(state: Pass, reference: Reference, digest: str) -> None:
    """Remember that a tag points at *digest*, or that it was asked for, where what is attached to it is wanted."""
    for wanted in (state.attached, state.billed):
        if one := wanted.get(reference.repository):
            one.roots[digest] = None


def base(state: Pass, reference: Reference) -> str:
    """The address that all documents of a repository begin with."""
    return f"{state.client.base_url(reference.registry)}/v2/{reference.path}"


def scope(reference: Reference) -> str:
    """What a token must allow."""
    return f"repository:{reference.path}:pull"


def content_type(answer: Answer) -> str | None:
    """The type that an answer states, in lower case and without parameters; None where that is none."""
    stated = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    return stated if _MEDIA_TYPE.fullmatch(stated) else None


def foreign(answer: Answer, wanted: str) -> SourceError | None:
    """Why a good *answer* is none of a registry: it is no JSON, as what proxies and login pages say in its place."""
    if answer.body.lstrip().startswith((b"{", b"[")):
        return None
    came = content_type(answer) or "something of no media type"
    text = f"GET {redacted(answer.request.url)}: {came} came in place of {wanted}: check host and port, and what "
    return SourceError(f"{text}stands in between", kind="bad-response", status=answer.status)


def reached(state: Pass, repository: str) -> None:
    """Count *repository* as one that answered, once."""
    if repository not in state.reached:
        state.reached.add(repository)
        state.counts.repositories += 1


def failure(state: Pass, repository: str, locator: str, error: SourceError | ParseError) -> Iterator[Record]:
    """The row for *error*; for a repository of which nothing ever answered, one row stands for all."""
    if isinstance(error, ParseError):
        state.counts.failures += 1
        yield Failure(locator, "bad-document", None, str(error), False)
        return
    if isinstance(error, Postponed):
        put_off(state, repository, locator, error)
        return
    if error.kind in _OF_REPOSITORY and repository not in state.reached:
        if repository in state.down:
            return
        state.down.add(repository)
        state.counts.unreachable += error.kind in {"unreachable", "tls"}
        locator = repository
    state.counts.failures += 1
    yield Failure(locator, error.kind, error.status, str(error), error.is_temporary)


def put_off(state: Pass, repository: str, locator: str, error: Postponed) -> None:
    """Count what is left to a later run; `rests` tells it."""
    what = "document" if "@" in locator else "list of tags" if locator == repository else "tag"
    state.postponed.setdefault((repository.partition("/")[0], error.kind), Rest(error)).counts[what] += 1


def rests(state: Pass) -> Iterator[Record]:
    """One row for each registry of which something is left to a later run."""
    for (registry, kind), rest in state.postponed.items():
        state.counts.failures += 1
        counts = [f"{count:,} {what if count == 1 else _PLURALS[what]}" for what, count in rest.counts.items()]
        text = f"{registry}: {' and '.join(counts)} left to a later run: {rest.error}"
        yield Failure(registry, kind, rest.error.status, text, True)
