"""Documents by their digests, a level of what names them at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, product

from imglab import oci
from imglab.errors import ParseError, Postponed, SourceError
from imglab.http import MEBIBYTE, Answer, Request
from imglab.oci import Child, Document
from imglab.records import Blob, Record
from imglab.sources.registry.state import Pass, Wanted, base, content_type, failure, put_off, reached, scope
from imglab.sources.sbom_layers import bills_of

DOCUMENT_LIMIT = 8 * MEBIBYTE
ACCEPT = {"accept": ", ".join(oci.MANIFEST_TYPES)}
_BATCH = 5000  # documents that are looked up in the journal at once
MOST_BELOW = 1_000  # documents that a tag or digest leads to, over all that a repository is asked for
_DEEPEST = 8  # indexes within indexes; two are real


def want(state: Pass, wanted: Wanted) -> None:
    """Have a document looked at in the next level, unless it was already, where it did not fail, or too many are."""
    digest, repository = wanted.child.digest, wanted.repository.repository
    if digest in state.waiting:
        state.spare.setdefault(digest, {}).setdefault(repository, wanted)
        return
    if digest in state.seen and (digest not in state.failed or repository in state.failed[digest]):
        return
    counts = state.branches if wanted.depth else state.roots
    if wanted.depth and counts[repository] >= MOST_BELOW * max(1, state.roots[repository]):
        text = f"{repository} leads to more than {MOST_BELOW:,} documents for each that was asked for"
        put_off(state, repository, wanted.locator, Postponed(text, kind="too-many"))
        return
    counts[repository] += 1
    state.seen.add(digest)
    state.waiting.add(digest)
    state.next.append(wanted)


def _closed(state: Pass, digest: str) -> list[Wanted]:
    """The other repositories that a document is in, which was come to."""
    state.waiting.discard(digest)
    return list(state.spare.pop(digest, {}).values())


def levels(state: Pass) -> Iterator[Record]:
    """All that is wanted and, level by level, what it names."""
    while state.next:
        level, state.next = state.next, []
        yield from _level(state, level)


def _level(state: Pass, level: list[Wanted]) -> Iterator[Record]:
    """The documents of one depth, and into `state.next` what they name."""
    rest = iter(level)
    done = 0
    while batch := list(islice(rest, _BATCH)):
        known = state.known.children([wanted.child.digest for wanted in batch])
        for wanted in batch:
            is_come_to = wanted.child.digest in known or not _is_fetchable(wanted)
            places = [wanted, *(_closed(state, wanted.child.digest) if is_come_to else ())]
            for named, place in product(known.get(wanted.child.digest, ()), places):
                child = Child(named.digest, named.media_type)
                want(state, Wanted(place.repository, child, named.is_config, place.depth + 1))
        unknown = [wanted for wanted in batch if wanted.child.digest not in known]
        yield from _refused(state, unknown)
        requests = (_document_request(state, wanted) for wanted in unknown if _is_fetchable(wanted))
        for answer in state.client.fetch(requests):
            yield from _fetched(state, answer)
        done += len(batch)
        state.progress("documents", done, len(level))


def _is_fetchable(wanted: Wanted) -> bool:
    return oci.is_verifiable(wanted.child.digest) and wanted.depth <= _DEEPEST


def _refused(state: Pass, batch: Iterable[Wanted]) -> Iterator[Record]:
    for wanted in batch:
        if not _is_fetchable(wanted):
            is_deep = wanted.depth > _DEEPEST
            reason = "it stands too deep in indexes of indexes" if is_deep else "its bytes could not be verified"
            error = SourceError(f"{wanted.locator} was not fetched: {reason}", kind="unverifiable")
            yield from failure(state, wanted.repository.repository, wanted.locator, error)


def _document_request(state: Pass, wanted: Wanted) -> Request:
    kind = "blobs" if wanted.is_config else "manifests"
    return Request(
        f"{base(state, wanted.repository)}/{kind}/{wanted.child.digest}",
        headers={} if wanted.is_config else ACCEPT,
        scope=scope(wanted.repository),
        key=wanted,
        body_limit=DOCUMENT_LIMIT,
        digest=wanted.child.digest,
        size=wanted.child.size,
        payload=None if wanted.is_config else oci.signed_payload,
        is_pull=not wanted.is_config,
    )


def _fetched(state: Pass, answer: Answer) -> Iterator[Record]:
    wanted: Wanted = answer.request.key
    digest, repository = wanted.child.digest, wanted.repository.repository
    others = _closed(state, digest)
    if answer.error is None:
        state.failed.pop(digest, None)
        yield from read_document(state, wanted, answer, others)
        return
    yield from failure(state, repository, wanted.locator, answer.error)
    if not isinstance(answer.error, Postponed):
        state.failed.setdefault(digest, set()).add(repository)
        for other in others:
            want(state, other)


def read_document(state: Pass, wanted: Wanted, answer: Answer, others: Sequence[Wanted] = ()) -> Iterator[Record]:
    """The rows of one document and its body; what it names is wanted next, if need be of the *others* that have it."""
    reached(state, wanted.repository.repository)
    digest = wanted.child.digest
    try:
        if wanted.is_config:
            media_type, rows = wanted.child.media_type, oci.parse_config(answer.body, digest=digest)
        else:
            media_type = content_type(answer) or wanted.child.media_type
            document = oci.parse_manifest(answer.body, digest=digest, media_type=media_type)
            rows = list(document.records)
            for place in (wanted, *others):
                _want_children(state, place, document)
            if state.billed:
                state.bills[digest] = bills_of(rows)
    except ParseError as error:
        yield from failure(state, wanted.repository.repository, wanted.locator, error)
        return
    state.counts.documents += 1
    if digest not in state.held:
        yield Blob(digest, media_type, answer.body)
        yield from rows


def _want_children(state: Pass, wanted: Wanted, document: Document) -> None:
    chosen = state.choose(document.children)
    if (state.attached or state.billed) and document.kind in {"index", "image"}:
        state.below[wanted.child.digest] = [child.digest for child in chosen]
    for child in chosen:
        want(state, Wanted(wanted.repository, child, False, wanted.depth + 1))
    if document.config:
        want(state, Wanted(wanted.repository, document.config, True, wanted.depth + 1))


def chosen_for(platforms: frozenset[str], children: Sequence[Child]) -> Sequence[Child]:
    """The children for *platforms*, what attests them, and those that state no platform."""
    if not platforms:
        return children
    chosen = {child.digest for child in children if child.platform is None or str(child.platform) in platforms}
    return [child for child in children if child.digest in chosen or child.attests_digest in chosen]
