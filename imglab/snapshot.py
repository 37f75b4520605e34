"""What registries say, now or in their own histories, as one run."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Literal

import polars as pl

from imglab.http import Client
from imglab.journal import Journal
from imglab.oci import DOCKER_HUB, MANIFEST_TYPES, Platform
from imglab.progress import Report
from imglab.records import Blob, Failure, IndexEntry, Manifest, Record, Run, TagObservation
from imglab.runs import Outcome, Traffic, recover, take, utc_now
from imglab.sources import chainguard, dockerhub, history_api, quay, registry
from imglab.sources.history_api import ENTRY_FAULT, Move, Pass, Window
from imglab.store import Paths


def snapshot(
    data: Path,
    targets: Sequence[registry.Target],
    client: Client,
    *,
    platforms: Collection[Platform] = (),
    progress: Report = lambda what, done, total: None,
    now: Callable[[], datetime] = utc_now,
) -> Outcome:
    """What registries say of *targets* now, as one run. Documents that the journal holds are not fetched again."""
    recover(data)
    known = Known(Journal(Paths(data).journal), platforms)
    records = registry.collect(targets, client, known, now=now, platforms=platforms, progress=progress)
    with client, closing(records):  # in this order, or an unfinished batch would outlive the client's loop
        return take(
            data,
            source="registry",
            target=" ".join(str(target) for target in targets),
            records=records,
            traffic=lambda: Traffic(client.requests, client.received_bytes),
            now=now,
        )


Way = Literal["auto", "registry", "hub-api"]


def observe(
    data: Path,
    targets: Sequence[registry.Target],
    client: Callable[[], Client],
    *,
    via: Way = "auto",
    platforms: Collection[Platform] = (),
    progress: Report = lambda what, done, total: None,
    now: Callable[[], datetime] = utc_now,
) -> list[Outcome]:
    """
    What is said of *targets* now, as one run of their registries and perhaps one of Docker Hub's tags API.

    Tags of Docker Hub are asked for *via* its registry, its tags API (which takes no pull and tells sizes and times),
    or the one and, if its pulls did not suffice, also the other. Each run has a *client* of its own. Raises UsageError
    for what the tags API is to be asked for but cannot be.
    """
    of_hub = [target for target in targets if target.reference.registry == DOCKER_HUB]
    outcomes = []
    if via == "hub-api":
        history_api.plan(of_hub, None, Window())
        targets = [target for target in targets if target not in of_hub]
    if targets:
        outcomes.append(snapshot(data, targets, client(), platforms=platforms, progress=progress, now=now))
    if via == "registry" or (via == "auto" and not any(map(_is_short_of_pulls, outcomes))):
        return outcomes
    if told := [target for target in of_hub if not target.reference.digest and target.reference.path.count("/") == 1]:
        outcomes.append(backfill(data, "docker-hub", told, client(), progress=progress, now=now))
    return outcomes


def _is_short_of_pulls(outcome: Outcome) -> bool:
    return any((failure.locator, failure.kind) == (DOCKER_HUB, "rate-limited") for failure in outcome.failures)


def backfill(
    data: Path,
    api: str,
    targets: Sequence[registry.Target],
    client: Client,
    *,
    window: Window | None = None,
    progress: Report = lambda what, done, total: None,
    now: Callable[[], datetime] = utc_now,
) -> Outcome:
    """
    What the history *api* of registries says of *targets*, as one run: chainguard, quay or docker-hub.

    Where the API can be asked for what is new alone, it is; what comes again merges into the same intervals.
    """
    recover(data)
    journal = Journal(Paths(data).journal)
    state = Pass(client, now, window or Window(), progress)
    if api == "chainguard":
        state.newest = _newest_moves(journal, api)
    elif api == "docker-hub":
        state.described = journal.known_digests()
    records = _HISTORIES[api](targets, state)
    with client, closing(records):
        return take(
            data,
            source=api,
            target=" ".join(map(str, targets)) + str(state.window),
            records=records,
            traffic=lambda: Traffic(client.requests, client.received_bytes),
            now=now,
        )


_HISTORIES: dict[str, Callable[[Iterable[registry.Target], Pass], Generator[Record, None, None]]] = {
    "chainguard": chainguard.collect,
    "quay": quay.collect,
    "docker-hub": dockerhub.collect,
}


def _newest_moves(journal: Journal, source: str) -> dict[tuple[str, str], Move]:
    """
    The last move of each tag that *source* told together with all moves before it.

    What was asked for with limits does not count, nor a history that broke off: before its moves some may be missing.
    """
    runs = {"run_id", "source", "target"}
    failures = {"run_id", "locator", "kind"}
    moves = {"run_id", "repository", "tag", "changed_at", "digest"}
    newest = pl.col("digest").sort_by("changed_at").last(), pl.col("changed_at").max()

    def told() -> pl.LazyFrame:
        is_whole = pl.col("source").eq(source) & ~pl.col("target").str.contains(" --", literal=True)
        broken = journal.scan(Failure, failures).filter(pl.col("kind") != ENTRY_FAULT)
        return (
            journal.scan(TagObservation, moves)
            .drop_nulls("digest")
            .join(journal.scan(Run, runs).filter(is_whole), on="run_id", how="semi")
            .with_columns(locator=pl.format("{}:{}", "repository", "tag"))
            .join(broken, on=["run_id", "locator"], how="anti")
            .group_by("repository", "tag")
            .agg(newest)
        )

    rows = journal.collect(told).select("repository", "tag", "changed_at", "digest").iter_rows()
    return {(repository, tag): Move(changed_at, digest) for repository, tag, changed_at, digest in rows}


class Known:
    """What the journal holds verified: digests of documents, and what each names below it that is wanted."""

    def __init__(self, journal: Journal, platforms: Collection[Platform] = ()) -> None:
        self._journal = journal
        self._bodies = journal.collect(lambda: journal.scan(Blob, {"digest"}).unique())
        is_image = (pl.col("kind") == "image", pl.col("config_digest").is_not_null())
        child = pl.col("config_digest").alias("child"), pl.lit(True).alias("is_config")
        columns = {"digest", "kind", "config_digest"}
        below = journal.collect(lambda: journal.scan(Manifest, columns).filter(*is_image).select("digest", *child))
        self._below = pl.concat([_wanted_entries(journal, frozenset(map(str, platforms))), below])

    def children(self, digests: Collection[str]) -> dict[str, list[registry.Named]]:
        """For each of *digests* whose document is held, what it names: manifests, or a config."""
        wanted = pl.DataFrame({"digest": list(digests)}, schema={"digest": pl.String})
        held = self._bodies.join(wanted, on="digest", how="semi")
        found: dict[str, list[registry.Named]] = {digest: [] for digest in held["digest"]}
        below = self._below.join(held, on="digest", how="semi").unique(maintain_order=True)
        for digest, child, is_config in below.iter_rows():
            found[digest].append(registry.Named(child, is_config))
        return found

    def subjects(self, digests: Collection[str]) -> dict[str, list[str]]:
        """For each of *digests* that is an index or image whose document is held: the manifests that are wanted."""
        named = self.children(digests)
        return {
            digest: [child.digest for child in children if not child.is_config]
            for digest, children in named.items()
            if digest in self._about
        }

    @functools.cached_property
    def _about(self) -> frozenset[str]:
        """The digests that artifacts may be about."""
        is_subject = pl.col("kind").is_in(["index", "image"])
        kinds = self._journal.collect(lambda: self._journal.scan(Manifest, {"digest", "kind"}).filter(is_subject))
        return frozenset(kinds["digest"])


def _wanted_entries(journal: Journal, platforms: frozenset[str]) -> pl.DataFrame:
    """
    Index and manifest digests; with *platforms* those that run on one, what attests these, and the unspecific.

    What is said to be no manifest is not wanted.
    """
    columns = ["index_digest", "manifest_digest", "os", "architecture", "variant", "attests_digest"]
    kind = pl.col("media_type")
    is_manifest = kind.is_null() | kind.is_in(MANIFEST_TYPES)
    entries = journal.collect(
        lambda: journal.scan(IndexEntry, {*columns, "media_type"}).filter(is_manifest).select(columns)
    )
    if platforms:
        raw = entries.select("os", "architecture", "variant").unique()
        is_chosen = [
            os is None or architecture is None or str(Platform.normalised(os, architecture, variant)) in platforms
            for os, architecture, variant in raw.iter_rows()
        ]
        chosen = entries.join(
            raw.filter(pl.Series(is_chosen, dtype=pl.Boolean)), on=raw.columns, how="semi", nulls_equal=True
        )
        attesting = entries.join(chosen, left_on="attests_digest", right_on="manifest_digest", how="semi")
        entries = pl.concat([chosen, attesting])
    digest, child = pl.col("index_digest").alias("digest"), pl.col("manifest_digest").alias("child")
    return entries.select(digest, child, pl.lit(False).alias("is_config"))
