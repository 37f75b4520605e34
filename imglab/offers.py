"""Platforms that were asked for, beside those for which there are images: a slip, or a platform that is no more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import polars as pl

from imglab.journal import Journal
from imglab.oci import Platform
from imglab.records import IndexEntry, Record, TagObservation
from imglab.sources.registry import Target

_COLUMNS = ("index_digest", "os", "architecture", "variant")


class Offers:
    """For which platforms the indexes are that targets with *platforms* led to."""

    def __init__(self, platforms: Iterable[Platform], targets: Iterable[Target]) -> None:
        self._platforms = sorted(map(str, platforms))
        self._repositories: dict[str, set[str]] = {}
        for reference in (target.reference for target in targets):
            roots = self._repositories.setdefault(reference.repository, set())
            roots |= {reference.digest} if reference.digest else set()
        self._told: list[tuple[str, str | None, str | None, str | None]] = []

    def note(self, record: Record) -> None:
        """Take in what a registry says."""
        if not self._platforms:
            return
        if isinstance(record, TagObservation) and record.digest:
            self._repositories.setdefault(record.repository, set()).add(record.digest)
        elif isinstance(record, IndexEntry):
            self._told.append((record.index_digest, record.os, record.architecture, record.variant))

    def missing(self, journal: Journal) -> Iterator[str]:
        """A sentence for each repository whose indexes hold nothing for a platform; *journal* knows older ones."""
        if not self._platforms:
            return
        offered = self._by_index(journal)
        for repository, digests in self._repositories.items():
            found = set().union(*(offered[digest] for digest in digests & offered.keys()))
            lacking = [name for name in self._platforms if name not in found]
            if found and None not in found and lacking:
                there = ", ".join(sorted(str(name) for name in found))
                yield f"{repository}: nothing there is for {', '.join(lacking)}; there are images for {there}"

    def _by_index(self, journal: Journal) -> dict[str, set[str | None]]:
        """The platforms of the images in each index; None for one that states none."""
        wanted = pl.Series([digest for digests in self._repositories.values() for digest in digests], dtype=pl.String)
        told = pl.DataFrame(self._told, schema=dict.fromkeys(_COLUMNS, pl.String), orient="row")
        held = journal.collect(
            lambda: journal.scan(IndexEntry, _COLUMNS).select(_COLUMNS).filter(pl.col("index_digest").is_in(wanted))
        )
        offered: dict[str, set[str | None]] = {}
        for digest, os, architecture, variant in pl.concat([told, held]).unique().iter_rows():
            if os == architecture == "unknown":  # an attestation, as BuildKit marks it
                continue
            name = None if os is None or architecture is None else str(Platform.normalised(os, architecture, variant))
            offered.setdefault(digest, set()).add(name)
        return offered
