"""Tags: where they point, by HEAD where that says enough, else by GET."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from imglab import oci
from imglab.errors import InvalidReference, SourceError
from imglab.http import Answer, Request
from imglab.oci import Child
from imglab.records import Record, TagObservation
from imglab.sources.registry.levels import ACCEPT, DOCUMENT_LIMIT, read_document, want
from imglab.sources.registry.state import (
    Pass,
    Tag,
    Wanted,
    base,
    content_type,
    failure,
    foreign,
    note_root,
    reached,
    scope,
)


def looked_up(state: Pass, tags: Sequence[Tag]) -> Iterator[Record]:
    """Where each tag points, or that it is not there; what it points at is wanted, unless it came with it."""
    unclear: list[Tag] = []
    yield from _heads(state, tags, unclear)
    yield from _gets(state, unclear)


def _heads(state: Pass, tags: Sequence[Tag], unclear: list[Tag]) -> Iterator[Record]:
    """Where each tag points; *unclear* receives those for which HEAD says too little."""
    requests = (_tag_request(state, tag, "HEAD") for tag in tags)
    for done, answer in enumerate(state.client.fetch(requests), 1):
        tag: Tag = answer.request.key
        state.progress("tags", done, len(tags))
        digest = _stated_digest(answer)
        if answer.error is None or answer.status == 404:
            reached(state, tag.reference.repository)
        if answer.error is None and digest:
            yield _observed(state, tag, digest)
            want(state, Wanted(tag.reference, Child(digest, content_type(answer)), False))
        elif tag.is_listed and answer.status == 404:
            yield from _vanished(state, tag)
        elif tag.is_guess and answer.status == 404:
            continue
        elif answer.error is None or answer.status in {400, 404, 405, 501}:
            unclear.append(tag)
        else:
            yield from _unanswered(state, tag, answer.error)


def _gets(state: Pass, tags: Sequence[Tag]) -> Iterator[Record]:
    """Where tags point, by their documents: those not stored yet are taken at once."""
    requests = (_tag_request(state, tag, "GET") for tag in tags)
    for answer in state.client.fetch(requests):
        tag: Tag = answer.request.key
        repository = tag.reference.repository
        if answer.error and answer.status == 404 and tag.is_guess:
            continue
        if answer.error and answer.status == 404 and answer.error.code == "MANIFEST_UNKNOWN":
            # That the tag is not there is a fact to keep, and for whoever asked for it by name an error as well.
            yield TagObservation(repository, tag.reference.tag or "", state.now(), is_absent=True)
            text = f"{tag.reference} is not there: check the name, or leave out the tag to see all of them"
            yield from failure(state, repository, str(tag.reference), SourceError(text, kind="not-found", status=404))
        elif answer.error:
            yield from _unanswered(state, tag, answer.error)
        else:
            yield from _tag_document(state, tag, answer)


def _tag_document(state: Pass, tag: Tag, answer: Answer) -> Iterator[Record]:
    stated = _stated_digest(answer)
    if stated is None and (error := foreign(answer, "a manifest")):  # or the tag would seem to have moved there
        yield from _unanswered(state, tag, error)
        return
    signed = oci.signed_payload(answer.body)
    digest = stated or oci.digest_of(signed)
    if not oci.is_verifiable(digest) or oci.digest_of(signed, digest.partition(":")[0]) != digest:
        text = f"{tag.reference}: the bytes do not match the digest that the registry states"
        yield from _unanswered(state, tag, SourceError(text, kind="digest-mismatch", status=answer.status))
        return
    yield _observed(state, tag, digest)
    wanted = Wanted(tag.reference, Child(digest, content_type(answer)), False)
    if digest in state.seen or state.known.children([digest]):
        want(state, wanted)
        return
    state.roots[tag.reference.repository] += 1
    state.seen.add(digest)
    yield from read_document(state, wanted, answer)


def _observed(state: Pass, tag: Tag, digest: str) -> TagObservation:
    state.counts.tags += 1
    note_root(state, tag.reference, digest)
    return TagObservation(tag.reference.repository, tag.reference.tag or "", state.now(), digest=digest)


def _unanswered(state: Pass, tag: Tag, error: SourceError) -> Iterator[Record]:
    """The failure of a tag; one that was listed is there all the same, or its listing would say that it is gone."""
    if tag.is_listed:
        yield TagObservation(tag.reference.repository, tag.reference.tag or "", state.now())
    yield from failure(state, tag.reference.repository, str(tag.reference), error)


def _vanished(state: Pass, tag: Tag) -> Iterator[Record]:
    repository = tag.reference.repository
    yield TagObservation(repository, tag.reference.tag or "", state.now(), is_absent=True)
    text = f"{tag.reference} was listed but is gone: it was deleted meanwhile, or its manifest is lost"
    yield from failure(state, repository, str(tag.reference), SourceError(text, kind="vanished", status=404))


def _stated_digest(answer: Answer) -> str | None:
    try:
        return oci.check_digest(answer.headers.get("docker-content-digest", ""))
    except InvalidReference:
        return None


def _tag_request(state: Pass, tag: Tag, method: str) -> Request:
    url = f"{base(state, tag.reference)}/manifests/{tag.reference.tag}"
    is_pull = method == "GET"
    return Request(url, method, ACCEPT, scope(tag.reference), tag, DOCUMENT_LIMIT, is_pull=is_pull)
