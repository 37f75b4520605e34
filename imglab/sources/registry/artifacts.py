"""What is attached to images, where that is wanted."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from functools import partial

from imglab.records import Record, TagObservation
from imglab.sources.referrers import Lists, ask, fallback_tag
from imglab.sources.registry.levels import levels, want
from imglab.sources.registry.state import Attached, Pass, Tag, Wanted, failure
from imglab.sources.registry.tags import looked_up


def artifacts(state: Pass) -> Iterator[Record]:
    """What is attached to the indexes and images of repositories where that is wanted."""
    subjects = {one.repository: _subjects(state, one.roots) for one in state.attached.values()}
    found = Lists()
    fail = partial(failure, state)
    yield from ask(subjects, state.client, most_pages=state.most_pages, fail=fail, found=found)
    for repository, child in found.documents:
        want(state, Wanted(repository, child, False, 1))
    tags: list[Tag] = []
    for one in state.attached.values():
        missing = found.missing.get(one.repository, ())
        yield from _artifact_tags(state, one, subjects[one.repository], missing, tags)
    yield from looked_up(state, tags)
    yield from levels(state)


def _subjects(state: Pass, roots: Collection[str]) -> list[str]:
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
    state: Pass, attached: Attached, subjects: Iterable[str], missing: Iterable[str], tags: list[Tag]
) -> Iterator[Record]:
    """
    The tags of artifacts that are about *subjects*, into *tags*; of the other listed ones that they are there.

    Those that point at lists of referrers are looked up only for digests whose list is *missing*.
    """
    about, lists = set(map(fallback_tag, subjects)), dict.fromkeys(map(fallback_tag, missing))
    for reference in attached.tags:
        stem, dot, _ = (reference.tag or "").partition(".")
        if stem in (about if dot else lists):
            tags.append(Tag(reference, True))
        else:
            yield TagObservation(reference.repository, reference.tag or "", state.now())
    if not attached.is_listed:
        listed = {reference.tag for reference in attached.tags}
        guesses = [replace(attached.repository, tag=tag) for tag in lists if tag not in listed]
        tags += [Tag(reference, False, is_guess=True) for reference in guesses]
