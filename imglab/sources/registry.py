"""
Registries over the distribution API: where tags point now, and every document that the journal does not hold yet.

Reference: opencontainers/distribution-spec v1.1.1, seen to hold with CNCF distribution 2.8 in November 2026. A tag
costs one HEAD, which Docker Hub does not count as a pull; a document is fetched by its digest, once ever. Quirks: some
registries leave `Docker-Content-Digest` out or refuse HEAD, so the tag is fetched instead; `tags` is null where there
are none; signed schema 1 manifests are named by the digest of what was signed.

What is attached to images costs a request for each digest, so that it is asked for only where it is wanted (see
`referrers`); signatures that cosign keeps under tags are found where the repository is listed.

What a limit leaves to a later run (see `pace`) is one failure for each registry, not one for each item: the next run
finds what is held and goes on from there.
"""

from __future__ import annotations

import json
import re
from collections import ChainMap, Counter
from collections.abc import Callable, Collection, Container, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Protocol

from imglab import oci
from imglab.errors import InvalidReference, ParseError, Postponed, SourceError
from imglab.http import MEBIBYTE, Answer, Client, Request, next_page
from imglab.oci import Child, Document, Platform, Reference
from imglab.records import Blob, Failure, Listing, Record, TagObservation
from imglab.sources.referrers import Lists, ask, fallback_tag
from imglab.sources.tag_choice import TagChoice, is_artifact_tag

DOCUMENT_LIMIT = 8 * MEBIBYTE
PAGE_LENGTH = 1000  # ECR refuses more
_BATCH = 5000  # documents that are looked up in the journal at once
# No end of a hostile registry's: what is more than these is no registry's that was ever seen.
_MOST_TAGS = 1_000_000  # of a repository
_MOST_IDLE_PAGES = 10  # in a row, without a tag that was not listed before
_MOST_BELOW = 1_000  # documents that a tag or digest leads to, over all that a repository is asked for
_DEEPEST = 8  # indexes within indexes; two are real
_ACCEPT = {"accept": ", ".join(oci.MANIFEST_TYPES)}
_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]{1,127}/[\w!#$&^.+-]{1,127}", re.ASCII)  # RFC 6838 section 4.2
_PLURALS = {"tag": "tags", "document": "documents", "list of tags": "lists of tags"}
_ALL_TAGS = TagChoice()
# Of these, one failure stands for a whole repository if nothing of it ever answered.
_OF_REPOSITORY = frozenset({"unreachable", "tls", "unauthorized", "denied"})


class Fetcher(Protocol):
    """What answers requests for documents: registries through `http.Client`, or an archive."""

    def base_url(self, registry: str) -> str:
        """Where the API of *registry* is."""
        ...

    def fetch(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """The answers, as they arrive."""
        ...


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


@dataclass(frozen=True, slots=True)
class Named:
    """A document that one that is held names."""

    digest: str
    is_config: bool = False
    media_type: str | None = None  # of a config that is not held: nobody else says it


@dataclass(frozen=True, slots=True)
class Target:
    """A tag, a digest, or of the tags of a repository those that *choice* takes."""

    reference: Reference
    choice: TagChoice = _ALL_TAGS
    platforms: tuple[Platform, ...] = ()  # none: all
    referrers: bool = False  # also what is attached to the images

    @classmethod
    def parse(cls, text: str, glob: str | None = None) -> Target:
        """The target of *text*; *glob* narrows it where it names no tag. Raises InvalidReference."""
        reference, own = oci.split_target(text)
        pattern = own or glob
        if reference.tag or reference.digest or not pattern:
            return cls(reference)
        return cls(reference, TagChoice(globs=(pattern,)))

    @property
    def registry(self) -> str:
        """The registry that is asked."""
        return self.reference.registry

    @property
    def glob(self) -> str | None:
        """What tags must match, in words; None for all tags, and where it is one that is named."""
        return str(self.choice) or None

    def __str__(self) -> str:
        return f"{self.reference}:{self.glob}" if self.glob else str(self.reference)


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
class _Tag:
    reference: Reference
    is_listed: bool
    is_guess: bool = False  # not asked for by anybody: it may as well not be there


@dataclass(slots=True)
class _Attached:
    """What is known of the artifacts of a repository before they are asked for."""

    repository: Reference
    roots: dict[str, None] = field(default_factory=dict)  # digests that were asked for, or that tags point at
    tags: list[Reference] = field(default_factory=list)  # listed ones that stand for artifacts
    is_listed: bool = False  # all of these are known


@dataclass(frozen=True, slots=True)
class _Wanted:
    repository: Reference
    child: Child
    is_config: bool
    depth: int = 0

    @property
    def locator(self) -> str:
        return str(replace(self.repository, tag=None, digest=self.child.digest))


@dataclass(slots=True)
class _Pass:
    """One pass over all targets: its edges, and what it has seen so far."""

    client: Fetcher
    known: Known
    now: Callable[[], datetime]
    choose: Choice
    progress: Progress
    counts: Counts
    most_pages: int = 0
    held: Container[str] = frozenset()  # documents that are read for what they name, and not told again
    reached: set[str] = field(default_factory=set)  # repositories that answered
    down: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)  # digests looked at
    next: list[_Wanted] = field(default_factory=list)
    roots: Counter[str] = field(default_factory=Counter)  # by repository: documents that were asked for,
    branches: Counter[str] = field(default_factory=Counter)  # and those that they lead to
    attached: dict[str, _Attached] = field(default_factory=dict)  # by repository, where artifacts are wanted
    below: dict[str, Sequence[str]] = field(default_factory=dict)  # manifests in indexes and images that were read
    postponed: dict[tuple[str, str], _Rest] = field(default_factory=dict)  # by registry and kind


@dataclass(slots=True)
class _Rest:
    """What is left to a later run, and why."""

    error: Postponed
    counts: Counter[str] = field(default_factory=Counter)


def collect(
    targets: Iterable[Target],
    client: Client,
    known: Known,
    *,
    now: Callable[[], datetime],
    platforms: Collection[Platform] = (),
    progress: Progress = lambda what, done, total: None,
    counts: Counts | None = None,
) -> Generator[Record, None, None]:
    """
    What the registries say of *targets* now: listings, tags, documents that are not *known*, and failures.

    Documents come parents first. *platforms* restricts which manifests of an index are fetched. *counts*, if given, is
    filled while records are taken.
    """
    chosen = partial(_chosen, frozenset(map(str, platforms)))
    state = _Pass(client, known, now, chosen, progress, counts or Counts(), client.limits.pages)
    targets = list(targets)
    for target in targets:
        if target.referrers:
            repository = replace(target.reference, tag=None, digest=None)
            state.attached.setdefault(repository.repository, _Attached(repository))
    tags = {target.reference: _Tag(target.reference, False) for target in targets if target.reference.tag}
    listed: list[_Tag] = []
    yield from _listings(state, _with_named(targets), listed)
    tags |= {tag.reference: tag for tag in listed}
    for target in targets:
        if target.reference.digest:
            _note_root(state, target.reference, target.reference.digest)
            _want(state, _Wanted(target.reference, Child(target.reference.digest), False))
    unclear: list[_Tag] = []
    yield from _heads(state, [tag for tag in tags.values() if not tag.reference.digest], unclear)
    yield from _gets(state, unclear)
    yield from _levels(state)
    yield from _artifacts(state)
    yield from _rests(state)


def documents(
    wanted: Iterable[tuple[Reference, Child]],
    fetcher: Fetcher,
    *,
    now: Callable[[], datetime],
    choose: Choice,
    held: Container[str],
) -> Iterator[Record]:
    """
    The *wanted* documents and what they name, each with the repository that failures name, from any *fetcher*.

    Of the manifests of an index those that *choose* gives. Documents that are *held* have been told before.
    """
    state = _Pass(fetcher, _NothingKnown(), now, choose, lambda what, done, total: None, Counts(), held=held)
    for reference, child in wanted:
        _want(state, _Wanted(reference, child, False))
    yield from _levels(state)
    yield from _rests(state)


# --- tags ------------------------------------------------------------------------------------------------------------


def list_tags(
    targets: Iterable[Target], client: Client, *, now: Callable[[], datetime], listed: list[Reference]
) -> Iterator[Record]:
    """
    The listings of those *targets* that name no tag, and all of their tags without a digest.

    *listed* receives the tags that are asked for.
    """
    state = _Pass(client, _NothingKnown(), now, list, lambda what, done, total: None, Counts(), client.limits.pages)
    tags: list[_Tag] = []
    yield from _listings(state, targets, tags)
    for tag in tags:
        listed.append(tag.reference)
        yield TagObservation(tag.reference.repository, tag.reference.tag or "", now())
    yield from _rests(state)


class _NothingKnown:
    def children(self, digests: Collection[str]) -> Mapping[str, Sequence[Named]]:
        return {}

    def subjects(self, digests: Collection[str]) -> Mapping[str, Sequence[str]]:
        return {}


def parse_tags(body: bytes, *, source: str) -> list[str]:
    """The tags of a page of tags/list. Raises ParseError."""
    try:
        tags = json.loads(body)["tags"]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise ParseError(source, "tags", "must be a JSON object with a list of tags") from None
    if tags is not None and not (isinstance(tags, list) and all(isinstance(tag, str) for tag in tags)):
        raise ParseError(source, "tags", "must be a list of text")
    return tags or []


@dataclass(slots=True)
class _Listed:
    """A repository whose tags are being listed."""

    reference: Reference
    choices: list[TagChoice] = field(default_factory=list)
    tags: dict[str, None] = field(default_factory=dict)  # in the order of the registry
    pages: set[str] = field(default_factory=set)
    idle: int = 0  # pages in a row that told nothing new

    def take(self, tags: Iterable[str]) -> None:
        """Add the tags of a page. Raises SourceError if there are too many, or none that are new for too long."""
        before = len(self.tags)
        self.tags.update(dict.fromkeys(tags))
        self.idle = 0 if len(self.tags) > before else self.idle + 1
        if self.idle > _MOST_IDLE_PAGES or len(self.tags) > _MOST_TAGS:
            raise SourceError(f"{self.reference}: its pages do not end", kind="bad-response")

    def wanted(self) -> set[str]:
        """The tags that any of the choices takes."""
        tags = list(filter(oci.is_tag, self.tags))
        return {tag for choice in self.choices for tag in choice.choose(tags)}


def _with_named(targets: Sequence[Target]) -> Iterator[Target]:
    """*targets*, and tags that are asked for by name as wanted ones of a listing, where there is one."""
    listed = {target.reference for target in targets if not target.reference.tag}  # a digest is no listing
    for target in targets:
        yield target
        repository, tag = replace(target.reference, tag=None), target.reference.tag
        if tag and repository in listed:
            yield Target(repository, TagChoice(names=(tag,)))


def _listings(state: _Pass, targets: Iterable[Target], listed: list[_Tag]) -> Iterator[Record]:
    """The listings, page by page over all repositories at once; *listed* receives the tags to look up."""
    repositories: dict[str, _Listed] = {}
    for target in targets:
        if not (target.reference.tag or target.reference.digest):
            found = repositories.setdefault(target.reference.repository, _Listed(target.reference))
            found.choices.append(target.choice)
    requests = [_list_request(state, repository) for repository in repositories.values()]
    while requests:
        following: list[Request] = []
        for answer in state.client.fetch(requests):
            yield from _listing_page(state, answer, listed, following)
        requests = following


def _list_request(state: _Pass, listed: _Listed) -> Request:
    url = f"{_base(state, listed.reference)}/tags/list?n={PAGE_LENGTH}"
    listed.pages.add(url)
    return Request(url, scope=_scope(listed.reference), key=listed)


def _listing_page(state: _Pass, answer: Answer, tags: list[_Tag], following: list[Request]) -> Iterator[Record]:
    listed: _Listed = answer.request.key
    repository = listed.reference.repository
    try:
        if answer.error:
            raise answer.error
        _reached(state, repository)
        listed.take(parse_tags(answer.body, source=repository))
        request = next_page(answer, listed.pages, state.most_pages)
    except (SourceError, ParseError) as error:
        yield from _failure(state, repository, repository, error)
        if repository in state.reached:
            yield from _listed_tags(state, listed, False, tags)
        return
    if request:
        following.append(request)
    else:
        yield from _listed_tags(state, listed, True, tags)


def _listed_tags(state: _Pass, listed: _Listed, is_complete: bool, tags: list[_Tag]) -> Iterator[Record]:
    repository, moment = listed.reference.repository, state.now()
    yield Listing(repository, moment, is_complete)
    wanted, attached = listed.wanted(), state.attached.get(repository)
    if attached:
        attached.is_listed = is_complete
    for tag in listed.tags:
        if not oci.is_tag(tag):
            error = SourceError(f"{repository}: {tag[:140]!r} is listed but is no tag", kind="bad-response")
            yield from _failure(state, repository, f"{repository}:{tag[:140]!r}", error)
        elif tag in wanted:
            tags.append(_Tag(replace(listed.reference, tag=tag), True))
        elif attached and is_artifact_tag(tag):
            attached.tags.append(replace(listed.reference, tag=tag))
        else:
            yield TagObservation(repository, tag, moment)


def _heads(state: _Pass, tags: Sequence[_Tag], unclear: list[_Tag]) -> Iterator[Record]:
    """Where each tag points; *unclear* receives those for which HEAD says too little."""
    requests = (_tag_request(state, tag, "HEAD") for tag in tags)
    for done, answer in enumerate(state.client.fetch(requests), 1):
        tag: _Tag = answer.request.key
        state.progress("tags", done, len(tags))
        digest = _stated_digest(answer)
        if answer.error is None or answer.status == 404:
            _reached(state, tag.reference.repository)
        if answer.error is None and digest:
            yield _observed(state, tag, digest)
            _want(state, _Wanted(tag.reference, Child(digest, _content_type(answer)), False))
        elif tag.is_listed and answer.status == 404:
            yield from _vanished(state, tag)
        elif tag.is_guess and answer.status == 404:
            continue
        elif answer.error is None or answer.status in {400, 404, 405, 501}:
            unclear.append(tag)
        else:
            yield from _unanswered(state, tag, answer.error)


def _gets(state: _Pass, tags: Sequence[_Tag]) -> Iterator[Record]:
    """Where tags point, by their documents: those not stored yet are taken at once."""
    requests = (_tag_request(state, tag, "GET") for tag in tags)
    for answer in state.client.fetch(requests):
        tag: _Tag = answer.request.key
        repository = tag.reference.repository
        if answer.error and answer.status == 404 and tag.is_guess:
            continue
        if answer.error and answer.status == 404 and answer.error.code == "MANIFEST_UNKNOWN":
            # That the tag is not there is a fact to keep, and for whoever asked for it by name an error as well.
            yield TagObservation(repository, tag.reference.tag or "", state.now(), is_absent=True)
            text = f"{tag.reference} is not there: check the name, or leave out the tag to see all of them"
            yield from _failure(state, repository, str(tag.reference), SourceError(text, kind="not-found", status=404))
        elif answer.error:
            yield from _unanswered(state, tag, answer.error)
        else:
            yield from _tag_document(state, tag, answer)


def _tag_document(state: _Pass, tag: _Tag, answer: Answer) -> Iterator[Record]:
    signed = oci.signed_payload(answer.body)
    digest = _stated_digest(answer) or oci.digest_of(signed)
    if not oci.is_verifiable(digest) or oci.digest_of(signed, digest.partition(":")[0]) != digest:
        text = f"{tag.reference}: the bytes do not match the digest that the registry states"
        yield from _unanswered(state, tag, SourceError(text, kind="digest-mismatch", status=answer.status))
        return
    yield _observed(state, tag, digest)
    if digest in state.seen:
        return
    wanted = _Wanted(tag.reference, Child(digest, _content_type(answer)), False)
    if state.known.children([digest]):
        _want(state, wanted)
        return
    state.seen.add(digest)
    yield from _document(state, wanted, answer)


def _observed(state: _Pass, tag: _Tag, digest: str) -> TagObservation:
    state.counts.tags += 1
    _note_root(state, tag.reference, digest)
    return TagObservation(tag.reference.repository, tag.reference.tag or "", state.now(), digest=digest)


def _unanswered(state: _Pass, tag: _Tag, error: SourceError) -> Iterator[Record]:
    """The failure of a tag; one that was listed is there all the same, or its listing would say that it is gone."""
    if tag.is_listed:
        yield TagObservation(tag.reference.repository, tag.reference.tag or "", state.now())
    yield from _failure(state, tag.reference.repository, str(tag.reference), error)


def _vanished(state: _Pass, tag: _Tag) -> Iterator[Record]:
    repository = tag.reference.repository
    yield TagObservation(repository, tag.reference.tag or "", state.now(), is_absent=True)
    text = f"{tag.reference} was listed but is gone: it was deleted meanwhile, or its manifest is lost"
    yield from _failure(state, repository, str(tag.reference), SourceError(text, kind="vanished", status=404))


def _stated_digest(answer: Answer) -> str | None:
    try:
        return oci.check_digest(answer.headers.get("docker-content-digest", ""))
    except InvalidReference:
        return None


def _tag_request(state: _Pass, tag: _Tag, method: str) -> Request:
    url = f"{_base(state, tag.reference)}/manifests/{tag.reference.tag}"
    is_pull = method == "GET"
    return Request(url, method, _ACCEPT, _scope(tag.reference), tag, DOCUMENT_LIMIT, is_pull=is_pull)


# --- documents -------------------------------------------------------------------------------------------------------


def _want(state: _Pass, wanted: _Wanted) -> None:
    if wanted.child.digest in state.seen:
        return
    repository = wanted.repository.repository
    counts = state.branches if wanted.depth else state.roots
    if wanted.depth and counts[repository] >= _MOST_BELOW * max(1, state.roots[repository]):
        text = f"{repository} leads to more than {_MOST_BELOW:,} documents for each that was asked for"
        _put_off(state, repository, wanted.locator, Postponed(text, kind="too-many"))
        return
    counts[repository] += 1
    state.seen.add(wanted.child.digest)
    state.next.append(wanted)


def _levels(state: _Pass) -> Iterator[Record]:
    while state.next:
        level, state.next = state.next, []
        yield from _level(state, level)


def _level(state: _Pass, level: list[_Wanted]) -> Iterator[Record]:
    """The documents of one depth, and into `state.next` what they name."""
    rest = iter(level)
    done = 0
    while batch := list(islice(rest, _BATCH)):
        known = state.known.children([wanted.child.digest for wanted in batch])
        for wanted in batch:
            for named in known.get(wanted.child.digest, ()):
                child = Child(named.digest, named.media_type)
                _want(state, _Wanted(wanted.repository, child, named.is_config, wanted.depth + 1))
        unknown = [wanted for wanted in batch if wanted.child.digest not in known]
        yield from _refused(state, unknown)
        requests = (_document_request(state, wanted) for wanted in unknown if _is_fetchable(wanted))
        for answer in state.client.fetch(requests):
            yield from _fetched(state, answer)
        done += len(batch)
        state.progress("documents", done, len(level))


def _is_fetchable(wanted: _Wanted) -> bool:
    return oci.is_verifiable(wanted.child.digest) and wanted.depth <= _DEEPEST


def _refused(state: _Pass, batch: Iterable[_Wanted]) -> Iterator[Record]:
    for wanted in batch:
        if not _is_fetchable(wanted):
            is_deep = wanted.depth > _DEEPEST
            reason = "it stands too deep in indexes of indexes" if is_deep else "its bytes could not be verified"
            error = SourceError(f"{wanted.locator} was not fetched: {reason}", kind="unverifiable")
            yield from _failure(state, wanted.repository.repository, wanted.locator, error)


def _document_request(state: _Pass, wanted: _Wanted) -> Request:
    kind = "blobs" if wanted.is_config else "manifests"
    return Request(
        f"{_base(state, wanted.repository)}/{kind}/{wanted.child.digest}",
        headers={} if wanted.is_config else _ACCEPT,
        scope=_scope(wanted.repository),
        key=wanted,
        body_limit=DOCUMENT_LIMIT,
        digest=wanted.child.digest,
        size=wanted.child.size,
        payload=None if wanted.is_config else oci.signed_payload,
        is_pull=not wanted.is_config,
    )


def _fetched(state: _Pass, answer: Answer) -> Iterator[Record]:
    wanted: _Wanted = answer.request.key
    if answer.error:
        yield from _failure(state, wanted.repository.repository, wanted.locator, answer.error)
    else:
        yield from _document(state, wanted, answer)


def _document(state: _Pass, wanted: _Wanted, answer: Answer) -> Iterator[Record]:
    """The rows of one document and its body; what it names is wanted next."""
    _reached(state, wanted.repository.repository)
    digest = wanted.child.digest
    try:
        if wanted.is_config:
            media_type, rows = wanted.child.media_type, oci.parse_config(answer.body, digest=digest)
        else:
            media_type = _content_type(answer) or wanted.child.media_type
            document = oci.parse_manifest(answer.body, digest=digest, media_type=media_type)
            rows = list(document.records)
            _want_children(state, wanted, document)
    except ParseError as error:
        yield from _failure(state, wanted.repository.repository, wanted.locator, error)
        return
    state.counts.documents += 1
    if digest not in state.held:
        yield Blob(digest, media_type, answer.body)
        yield from rows


def _want_children(state: _Pass, wanted: _Wanted, document: Document) -> None:
    chosen = state.choose(document.children)
    if state.attached and document.kind in {"index", "image"}:
        state.below[wanted.child.digest] = [child.digest for child in chosen]
    for child in chosen:
        _want(state, _Wanted(wanted.repository, child, False, wanted.depth + 1))
    if document.config:
        _want(state, _Wanted(wanted.repository, document.config, True, wanted.depth + 1))


def _chosen(platforms: frozenset[str], children: Sequence[Child]) -> Sequence[Child]:
    """The children for *platforms*, what attests them, and those that state no platform."""
    if not platforms:
        return children
    chosen = {child.digest for child in children if child.platform is None or str(child.platform) in platforms}
    return [child for child in children if child.digest in chosen or child.attests_digest in chosen]


# --- artifacts -------------------------------------------------------------------------------------------------------


def _note_root(state: _Pass, reference: Reference, digest: str) -> None:
    if attached := state.attached.get(reference.repository):
        attached.roots[digest] = None


def _artifacts(state: _Pass) -> Iterator[Record]:
    """What is attached to the indexes and images of repositories where that is wanted."""
    subjects = {one.repository: _subjects(state, one.roots) for one in state.attached.values()}
    found = Lists()
    fail = partial(_failure, state)
    yield from ask(subjects, state.client, most_pages=state.most_pages, fail=fail, found=found)
    for repository, child in found.documents:
        _want(state, _Wanted(repository, child, False, 1))
    tags: list[_Tag] = []
    for one in state.attached.values():
        missing = found.missing.get(one.repository, ())
        yield from _artifact_tags(state, one, subjects[one.repository], missing, tags)
    unclear: list[_Tag] = []
    yield from _heads(state, tags, unclear)
    yield from _gets(state, unclear)
    yield from _levels(state)


def _subjects(state: _Pass, roots: Collection[str]) -> list[str]:
    """The indexes and images among *roots* and below them."""
    found: dict[str, None] = {}
    level = list(roots)
    while level:
        known = ChainMap(state.below, dict(state.known.subjects(level)))
        subjects = [digest for digest in level if digest in known and digest not in found]
        found |= dict.fromkeys(subjects)
        level = list(dict.fromkeys(child for digest in subjects for child in known[digest]))
    return list(found)


def _artifact_tags(
    state: _Pass, attached: _Attached, subjects: Iterable[str], missing: Iterable[str], tags: list[_Tag]
) -> Iterator[Record]:
    """
    The tags of artifacts that are about *subjects*, into *tags*; of the other listed ones that they are there.

    Those that point at lists of referrers are looked up only for digests whose list is *missing*.
    """
    about, lists = set(map(fallback_tag, subjects)), dict.fromkeys(map(fallback_tag, missing))
    for reference in attached.tags:
        stem, dot, _ = (reference.tag or "").partition(".")
        if stem in (about if dot else lists):
            tags.append(_Tag(reference, True))
        else:
            yield TagObservation(reference.repository, reference.tag or "", state.now())
    if not attached.is_listed:
        listed = {reference.tag for reference in attached.tags}
        guesses = [replace(attached.repository, tag=tag) for tag in lists if tag not in listed]
        tags += [_Tag(reference, False, is_guess=True) for reference in guesses]


# --- shared ----------------------------------------------------------------------------------------------------------


def _base(state: _Pass, reference: Reference) -> str:
    return f"{state.client.base_url(reference.registry)}/v2/{reference.path}"


def _scope(reference: Reference) -> str:
    return f"repository:{reference.path}:pull"


def _content_type(answer: Answer) -> str | None:
    stated = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    return stated if _MEDIA_TYPE.fullmatch(stated) else None


def _reached(state: _Pass, repository: str) -> None:
    if repository not in state.reached:
        state.reached.add(repository)
        state.counts.repositories += 1


def _failure(state: _Pass, repository: str, locator: str, error: SourceError | ParseError) -> Iterator[Record]:
    """The row for *error*; for a repository of which nothing ever answered, one row stands for all."""
    if isinstance(error, ParseError):
        state.counts.failures += 1
        yield Failure(locator, "bad-document", None, str(error), False)
        return
    if isinstance(error, Postponed):
        _put_off(state, repository, locator, error)
        return
    if error.kind in _OF_REPOSITORY and repository not in state.reached:
        if repository in state.down:
            return
        state.down.add(repository)
        state.counts.unreachable += error.kind in {"unreachable", "tls"}
        locator = repository
    state.counts.failures += 1
    yield Failure(locator, error.kind, error.status, str(error), error.is_temporary)


def _put_off(state: _Pass, repository: str, locator: str, error: Postponed) -> None:
    what = "document" if "@" in locator else "list of tags" if locator == repository else "tag"
    state.postponed.setdefault((repository.partition("/")[0], error.kind), _Rest(error)).counts[what] += 1


def _rests(state: _Pass) -> Iterator[Record]:
    """One row for each registry of which something is left to a later run."""
    for (registry, kind), rest in state.postponed.items():
        state.counts.failures += 1
        counts = [f"{count:,} {what if count == 1 else _PLURALS[what]}" for what, count in rest.counts.items()]
        text = f"{registry}: {' and '.join(counts)} left to a later run: {rest.error}"
        yield Failure(registry, kind, rest.error.status, text, True)
