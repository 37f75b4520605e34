"""Passes over registries: all that targets lead to, some documents, or lists of tags alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Generator, Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial

from imglab.http import Client
from imglab.oci import Child, Platform, Reference
from imglab.records import Record, TagObservation
from imglab.sources.referrers import Fetcher
from imglab.sources.registry.artifacts import artifacts
from imglab.sources.registry.levels import chosen_for, levels, want
from imglab.sources.registry.listing import listings, with_named
from imglab.sources.registry.state import (
    Attached,
    Choice,
    Counts,
    Known,
    NothingKnown,
    Pass,
    Progress,
    Tag,
    Wanted,
    note_root,
    rests,
)
from imglab.sources.registry.tags import looked_up
from imglab.sources.registry.target import Target


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
    chosen = partial(chosen_for, frozenset(map(str, platforms)))
    state = Pass(client, known, now, chosen, progress, counts or Counts(), client.limits.pages, client.limits.tags)
    targets = list(targets)
    state.attached |= _attached(targets)
    tags = {target.reference: Tag(target.reference, False) for target in targets if target.reference.tag}
    listed: list[Tag] = []
    yield from listings(state, with_named(targets), listed)
    tags |= {tag.reference: tag for tag in listed}
    _want_digests(state, targets)
    yield from looked_up(state, [tag for tag in tags.values() if not tag.reference.digest])
    yield from levels(state)
    yield from artifacts(state)
    yield from rests(state)


def _attached(targets: Iterable[Target]) -> dict[str, Attached]:
    """By repository, where artifacts are wanted: nothing is known of them yet."""
    repositories = [replace(target.reference, tag=None, digest=None) for target in targets if target.referrers]
    return {repository.repository: Attached(repository) for repository in repositories}


def _want_digests(state: Pass, targets: Iterable[Target]) -> None:
    for target in targets:
        if target.reference.digest:
            note_root(state, target.reference, target.reference.digest)
            want(state, Wanted(target.reference, Child(target.reference.digest), False))


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
    state = Pass(fetcher, NothingKnown(), now, choose, lambda what, done, total: None, Counts(), held=held)
    for reference, child in wanted:
        want(state, Wanted(reference, child, False))
    yield from levels(state)
    yield from rests(state)


def list_tags(
    targets: Iterable[Target], client: Client, *, now: Callable[[], datetime], listed: list[Reference]
) -> Iterator[Record]:
    """
    The listings of those *targets* that name no tag, and all of their tags without a digest.

    *listed* receives the tags that are asked for.
    """
    limits, untold = client.limits, Counts()
    state = Pass(client, NothingKnown(), now, list, lambda *progress: None, untold, limits.pages, limits.tags)
    tags: list[Tag] = []
    yield from listings(state, targets, tags)
    for tag in tags:
        listed.append(tag.reference)
        yield TagObservation(tag.reference.repository, tag.reference.tag or "", now())
    yield from rests(state)
