"""Bills of materials, where they are wanted: one request each, once ever."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from functools import partial

from imglab.errors import Postponed
from imglab.oci import Reference
from imglab.records import Record
from imglab.sources.registry.levels import MOST_BELOW
from imglab.sources.registry.state import Billed, Pass, failure, put_off
from imglab.sources.sbom_layers import Bill, fetch


def sboms(state: Pass) -> Iterator[Record]:
    """The bills of materials about images of repositories where they are wanted, but for those that were read."""
    wanted: dict[str, tuple[Reference, Bill]] = {}
    for one in state.billed.values():
        most = MOST_BELOW * max(1, len(one.roots))
        for count, bill in enumerate(_bills(state, one), 1):
            if count > most:
                text = f"{one.repository} leads to more than {MOST_BELOW:,} bills of materials for each tag"
                locator = str(replace(one.repository, digest=bill.digest))
                put_off(state, one.repository.repository, locator, Postponed(text, kind="too-many"))
                continue
            wanted.setdefault(bill.digest, (one.repository, bill))
    read = state.known.read_sboms(wanted) if wanted else ()
    unread = [pair for digest, pair in wanted.items() if digest not in read]
    yield from fetch(unread, state.client, fail=partial(failure, state), progress=state.progress)


def _bills(state: Pass, billed: Billed) -> Iterator[Bill]:
    """The bills of materials in all manifests below the roots of a repository."""
    manifests = _manifests(state, billed.roots)
    held = state.known.bills([digest for digest in manifests if digest not in state.bills])
    for digest in manifests:
        yield from state.bills.get(digest) or held.get(digest, ())


def _manifests(state: Pass, roots: Collection[str]) -> list[str]:
    """*roots*, and all manifests that they lead to and that are wanted."""
    found: dict[str, None] = {}
    level = list(roots)
    while level:
        new = [digest for digest in dict.fromkeys(level) if digest not in found]
        found |= dict.fromkeys(new)
        known = state.known.children([digest for digest in new if digest not in state.below])
        level = [child for digest in new for child in state.below.get(digest, ())]
        level += [one.digest for named in known.values() for one in named if not one.is_config]
    return list(found)
