"""
What is known of the difference between two references, and who says so.

A side is a tag, now or at a time, or a digest. What is told is a tuple of sections, each a table: platforms, steps,
bases, packages, moves, layers, the cost of following every move, settings, sources. A further one is a function in
`SECTIONS`.
"""

from __future__ import annotations

from imglab.diff.compared import Compared, Section
from imglab.diff.sections import SECTIONS
from imglab.diff.sides import Side, sides
from imglab.diff.text import as_json, as_markdown, as_text
from imglab.store import Store

__all__ = ["SECTIONS", "Compared", "Section", "Side", "as_json", "as_markdown", "as_text", "diff"]


def diff(store: Store, first: str, second: str, *, platform: str | None = None) -> tuple[Compared, tuple[Section, ...]]:
    """
    The two sides that *first* and *second* name, and the sections about their difference.

    A side is `python:3.12`, the newest that is known of it, `python:latest@2019-10-17`, what it was then (a day stands
    for its end), or `python@sha256:…`. The second may be a time alone of what the first names: `@2026-08-25`, `now`.
    All but the platforms' sizes is told of *platform*, by default linux/amd64 if both have it, else of all they share.
    Raises UsageError for a text that is neither, for what the store does not know then, and for a platform that the
    sides do not both have; InvalidReference for a text that names no repository; StoreEmpty if nothing was ever loaded.
    """
    compared = Compared.of(store, *sides(store, first, second), platform)
    return compared, tuple(section(store, compared) for section in SECTIONS)
