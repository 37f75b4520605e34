"""
Pages of tags as Chainguard's tags-history pages show them, for any repository at any time.

The tables are those of https://github.com/chainguard-dev/edu as last seen in July 2024, in the five forms that
`imglab.sources.tags_history` tells apart; the words around them are our own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TypeVar

import polars as pl

from imglab.errors import UsageError
from imglab.oci import Reference, canonical_repository
from imglab.queries import instant
from imglab.render.text import name_of, not_among
from imglab.sources.tags_history import day_text
from imglab.store import Store

RECENT = timedelta(days=30)


def tags_history(store: Store, repository: str, *, at: datetime | None = None) -> str:
    """
    The page of the tags of *repository* as it stood at a time, by default as it was when last looked at.

    Where the newest knowledge is that of a tags-history page, its tables are those of that page. Else there is one
    table of the tags that moved in the 30 days before the time: those that moved last first, tags with one digest
    since one day in one row.
    Raises UsageError if the store knows nothing of the repository at that time, or if *repository* has a tag or digest;
    StoreEmpty if nothing was ever loaded; InvalidReference for a text that names no repository.
    """
    repository, at = canonical_repository(repository), instant(at)
    (state,) = _rows(_State, store.query("tags_history_state", {"repository": repository, "at": at}))
    if state.first_known_at is None or (at and at < state.first_known_at):
        raise UsageError(_why_unknown(store, repository, at, state.first_known_at))
    title = f"## Tags history of `{name_of(Reference.parse(repository))}`\n\n"
    if state.page_observed_at:
        return title + _recorded(store, repository, state, state.page_observed_at)
    return title + _recent(store, repository, at or state.looked_at or state.first_known_at, state.looked_at)


# --- what the store knows ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _State:
    first_known_at: datetime | None  # None: nothing is known at all
    looked_at: datetime | None
    page_run_id: str | None  # None: no page is the newest knowledge
    page_document: str | None
    page_observed_at: datetime | None
    page_form: str | None


@dataclass(frozen=True, slots=True)
class _PageTag:
    is_private: bool
    tag: str
    changed_at: datetime | None
    digest: str


@dataclass(frozen=True, slots=True)
class _Tag:
    tag: str
    digest: str
    changed_at: datetime
    is_first_sighting: bool


Stored = TypeVar("Stored", _State, _PageTag, _Tag)


def _rows(kind: type[Stored], frame: pl.DataFrame) -> list[Stored]:
    return [kind(**row) for row in frame.iter_rows(named=True)]


def _why_unknown(store: Store, repository: str, at: datetime | None, first_known_at: datetime | None) -> str:
    """What to tell who asked for a *repository* of which nothing is known at that time."""
    if at and first_known_at:
        return f"nothing is known of {repository} at {_time(at)}: it was first seen at {_time(first_known_at)}"
    repositories = store.query("known_tags")["repository"].unique().to_list()
    if repository not in repositories:
        return not_among("repository", repository, repositories)
    return f"no source said where a tag of {repository} pointed"


# --- pages -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Row:
    tags: tuple[str, ...]
    changed_at: datetime | None
    digest: str


def _recorded(store: Store, repository: str, state: _State, observed_at: datetime) -> str:
    """The tables of the page that *state* tells of, which stood so at *observed_at*."""
    version = {
        "repository": repository,
        "run_id": state.page_run_id,
        "document": state.page_document,
        "observed_at": observed_at,
    }
    tags = _rows(_PageTag, store.query("tags_history_page", version))
    is_single = state.page_form == "single"
    public, private = (
        _table(_stated_rows([tag for tag in tags if tag.is_private == is_private], is_single), is_single)
        for is_private in (False, True)
    )
    head = f"Where the tags pointed and since when, as the page of {_time(observed_at)} told.\n\n"
    if state.page_form != "split":
        return head + public
    return f"{head}### Public Registry\n\n{public}\n\n### Private/Dedicated Registry\n\n{private}"


def _stated_rows(tags: Iterable[_PageTag], is_single: bool) -> list[_Row]:
    """The rows of a page: neighbours with one digest since one day share theirs, unless each tag has its own."""
    rows: list[_Row] = []
    for tag in tags:
        last = rows[-1] if rows and not is_single else None
        if last and (last.digest, last.changed_at) == (tag.digest, tag.changed_at):
            rows[-1] = _Row((*last.tags, tag.tag), last.changed_at, last.digest)
        else:
            rows.append(_Row((tag.tag,), tag.changed_at, tag.digest))
    return rows


def _recent(store: Store, repository: str, moment: datetime, looked_at: datetime | None) -> str:
    """The table of the tags that moved in the 30 days before *moment*, or the sentence that none did."""
    tags = _rows(_Tag, store.query("tags_history_tag", {"repository": repository, "at": moment}))
    looked = f" Last looked at {_time(looked_at)}." if looked_at else ""
    if not tags:
        return f"It had no tags at {_time(moment)}.{looked}\n"
    recent = [tag for tag in tags if tag.changed_at >= moment - RECENT]
    span = f"in the {RECENT.days} days before {_time(moment)}"
    if not recent:
        return f"None of its {len(tags):,} tags moved {span}.{looked}\n"
    text = f"Tags that moved {span}.{looked}\n\n{_table(_recent_rows(recent), is_single=False)}"
    first = sum(tag.is_first_sighting for tag in recent)
    return text + (
        f"\nFirst sightings among these: {first:,}. They may have moved before their day.\n" if first else ""
    )


def _recent_rows(tags: Iterable[_Tag]) -> list[_Row]:
    """The rows of *tags*, which are sorted by name: those of one digest since one day share theirs; newest first."""
    groups: dict[tuple[str, date], list[_Tag]] = defaultdict(list)
    for tag in tags:
        groups[tag.digest, tag.changed_at.date()].append(tag)
    newest_first = sorted(groups.values(), key=lambda group: max(tag.changed_at for tag in group), reverse=True)
    return [_Row(tuple(tag.tag for tag in group), group[0].changed_at, group[0].digest) for group in newest_first]


def _table(rows: Sequence[_Row], is_single: bool) -> str:
    """A Markdown table, its columns as wide as their widest cell; a sentence without rows."""
    if not rows:
        return "The page lists no tags here.\n"
    head = ("Tag", "Last Updated", "Digest") if is_single else ("Tag (s)", "Last Changed", "Digest")
    margin = "" if is_single else " "
    cells = [
        (
            margin + " ".join(f"`{tag}`" for tag in row.tags),
            day_text(row.changed_at) if row.changed_at else "unknown",
            f"`{row.digest}`",
        )
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    rule = "".join(f"|{'-' * (width + 2)}" for width in widths) + "|\n"
    return _line(head, widths) + rule + "".join(_line(line, widths) for line in cells)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "".join(f"| {cell.ljust(width)} " for cell, width in zip(cells, widths, strict=True)) + "|\n"


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
