"""The two sides of a difference: what a text on the command line means, and where that pointed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, time
from typing import Any

from imglab.errors import UsageError
from imglab.oci import Reference
from imglab.queries import instant
from imglab.render.text import name_of, why_unknown
from imglab.store import Store
from imglab.times import read_time


@dataclass(frozen=True, slots=True)
class Side:
    """A tag at a time, or a digest, and what the store knows of where it pointed (times are UTC)."""

    name: str  # as people write it
    repository: str
    tag: str | None  # None where a digest was named
    at: datetime | None  # None: the newest state
    digest: str
    valid_from: datetime | None = None  # of the tag at this digest; None for a digest
    valid_to: datetime | None = None
    last_observed_at: datetime | None = None
    source: str | None = None
    document: str | None = None
    document_revision: str | None = None


def sides(store: Store, first: str, second: str) -> tuple[Side, Side]:
    """The sides that two texts name; raises as `diff` does."""
    before, before_at = _read(first, None)
    after, after_at = _read(second, before)
    return _resolved(store, before, before_at), _resolved(store, after, after_at)


def _read(text: str, other: Reference | None) -> tuple[Reference, datetime | None]:
    """The reference and the time (None: newest) that *text* names; a time alone is one of the *other* reference."""
    name, at, when = text.rpartition("@")
    if text == "now" and other:
        name, at, when = "", "@", "now"
    if not at or (":" in when and not when[:1].isdigit()):  # no time, or a digest
        return _whole(text), None
    moment = None if when == "now" else _moment(text, when)
    if name:
        return _whole(name), moment
    if other is None:
        raise UsageError(f"{text} names no repository: write one in front, such as python:latest{at}{when}")
    if not other.tag:
        raise UsageError(f"{text} is a time, and {_name(other)} is the same at all times: write a tag")
    return replace(other, digest=None), moment


def _whole(text: str) -> Reference:
    reference = Reference.parse(text)
    if not reference.tag and not reference.digest:
        raise UsageError(f"{text} names no tag: write one such as {text}:latest, or a digest")
    return reference


def _moment(text: str, when: str) -> datetime:
    """The instant that *when* means; a day means its end, so that what moved in its course has moved."""
    try:
        return read_time(when, is_end=True)
    except ValueError:
        raise UsageError(
            f"{text}: {when} is neither a digest nor a time: write sha256:…, 2019-10-17 or 2019-10-17T05:38:15Z"
        ) from None


def _resolved(store: Store, named: Reference, at: datetime | None) -> Side:
    """Where *named* pointed at a time. Raises UsageError if that is not known, and says since when it is."""
    tag = None if named.digest else named.tag
    parameters = {"repository": named.repository, "tag": tag, "digest": named.digest, "at": instant(at)}
    found = store.query("diff_side", parameters).row(0, named=True)
    first, ended = found.pop("first_known_at"), found.pop("ended_at")
    if found["digest"] is None:
        if named.digest or first is None or at is None or at < first:
            raise UsageError(why_unknown(store, named, at))
        raise UsageError(
            f"{_name(named)} was not there at {_when(at)}: it was first seen at {_when(first)}{_end(ended)}"
        )
    return Side(_name(named, at), named.repository, tag, at, **found)


def _end(ended: datetime | None) -> str:
    return f", and gone at {_when(ended)}" if ended else ""


def _name(named: Reference, at: datetime | None = None) -> str:
    if named.digest:
        return f"{name_of(named)}@{named.digest}"
    return f"{name_of(named)}:{named.tag}" + (f"@{_when(at)}" if at else "")


def _when(moment: datetime) -> str:
    if moment.time() in (time.max, time.min):
        return f"{moment:%Y-%m-%d}"
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def fields(side: Side) -> dict[str, Any]:
    """*side* as JSON has it."""
    return {name: getattr(side, name) for name in Side.__slots__}
