"""What registries say, now or in their own histories, as one run."""

from __future__ import annotations

import logging
import operator
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Literal

import polars as pl

from imglab.errors import ParseError
from imglab.http import Client
from imglab.journal import Journal
from imglab.oci import DOCKER_HUB, MANIFEST_TYPES, Document, Platform, is_statement, parse_manifest
from imglab.offers import Offers
from imglab.progress import Report
from imglab.records import Blob, Failure, IndexEntry, Layer, Manifest, Record, Run, Sbom, TagObservation
from imglab.runs import Outcome, Traffic, recover, take, utc_now
from imglab.sources import chainguard, dockerhub, history_api, quay, registry
from imglab.sources.catalog import Namespace, expand
from imglab.sources.history_api import ENTRY_FAULT, Move, Pass, Window
from imglab.sources.registry import Target
from imglab.sources.sbom import READER, is_sbom
from imglab.sources.sbom_layers import Bill, bills_of
from imglab.store import Paths

Wanted = Target | Namespace
_logger = logging.getLogger("imglab")
_KNOWN_BY = (Blob, IndexEntry, Layer, Manifest, Sbom)


def snapshot(
    data: Path,
    targets: Sequence[Wanted],
    client: Client,
    *,
    progress: Report = lambda what, done, total: None,
    now: Callable[[], datetime] = utc_now,
) -> Outcome:
    """What registries say of *targets* now, as one run. Documents that the journal holds are not fetched again."""
    recover(data)
    records = _said(targets, client, Journal(Paths(data).journal), progress, now)
    with client, closing(records):  # in this order, or an unfinished batch would outlive the client's loop
        return take(
            data,
            source="registry",
            target=" ".join(str(target) for target in targets),
            records=records,
            traffic=lambda: Traffic(client.requests, client.received_bytes),
            now=now,
        )


def _said(
    targets: Sequence[Wanted], client: Client, journal: Journal, progress: Report, now: Callable[[], datetime]
) -> Generator[Record, None, None]:
    """
    What registries say: a pass for each choice of platforms, in which every repository stands once.

    A pass takes for known what the ones before it brought, as if it were a run of its own.
    """
    found: list[Target] = []
    yield from _expanded(targets, client, found)
    passes = list(_passes(found).items())
    told: list[Record] = []
    for number, (platforms, group) in enumerate(passes, 1):
        known, offers = Known(journal, platforms, told), Offers(platforms, group)
        answers = registry.collect(group, client, known, now=now, platforms=platforms, progress=progress)
        with closing(answers) as records:
            for record in records:
                offers.note(record)
                if number < len(passes) and isinstance(record, _KNOWN_BY):
                    told.append(replace(record, body=b"") if isinstance(record, Blob) else record)
                yield record
        for sentence in offers.missing(journal):
            _logger.warning("%s", sentence)


def _expanded(targets: Iterable[Wanted], client: Client, found: list[Target]) -> Iterator[Record]:
    """Failures to find the repositories of namespaces; *found* receives these and all other *targets*."""
    namespaces: list[Namespace] = []
    for one in targets:
        if isinstance(one, Namespace):
            namespaces.append(one)
        else:
            found.append(one)
    yield from expand(namespaces, client, found=found)


def _passes(targets: Iterable[Target]) -> dict[tuple[Platform, ...], list[Target]]:
    """*targets* by the platforms that are wanted of their repository, by any target of it; none: all of them."""
    wanted: dict[str, list[Target]] = {}
    for target in targets:
        wanted.setdefault(target.reference.repository, []).append(target)
    passes: dict[tuple[Platform, ...], list[Target]] = {}
    for group in wanted.values():
        is_limited = all(target.platforms for target in group)
        platforms = sorted({platform for target in group for platform in target.platforms}) if is_limited else ()
        passes.setdefault(tuple(platforms), []).extend(group)
    return passes


Way = Literal["auto", "registry", "hub-api"]


def observe(
    data: Path,
    targets: Sequence[Wanted],
    client: Callable[[], Client],
    *,
    via: Way = "auto",
    progress: Report = lambda what, done, total: None,
    now: Callable[[], datetime] = utc_now,
) -> list[Outcome]:
    """
    What is said of *targets* now, as one run of their registries and perhaps one of Docker Hub's tags API.

    Tags of Docker Hub are asked for *via* its registry, its tags API (which takes no pull and tells sizes and times),
    or the one and, if its pulls did not suffice, also the other. Each run has a *client* of its own. Raises UsageError
    for what the tags API is to be asked for but cannot be.
    """
    of_hub = [target for target in targets if target.registry == DOCKER_HUB]
    outcomes = []
    if via == "hub-api":
        history_api.plan((target for target in of_hub if isinstance(target, Target)), None, Window())
        targets = [target for target in targets if target not in of_hub]
    if targets:
        outcomes.append(snapshot(data, targets, client(), progress=progress, now=now))
    if via == "registry" or (via == "auto" and not any(map(_is_short_of_pulls, outcomes))):
        return outcomes
    if told := list(filter(_has_tags_in_hub, of_hub)):
        outcomes.append(backfill(data, "docker-hub", told, client(), progress=progress, now=now))
    return outcomes


def _has_tags_in_hub(target: Wanted) -> bool:
    """Whether Docker Hub's tags API can be asked: for repositories with a namespace and a name, and not for content."""
    if isinstance(target, Namespace):
        return True
    return target.reference.digest is None and target.reference.path.count("/") == 1


def _is_short_of_pulls(outcome: Outcome) -> bool:
    return any((failure.locator, failure.kind) == (DOCKER_HUB, "rate-limited") for failure in outcome.failures)


def backfill(
    data: Path,
    api: str,
    targets: Sequence[Wanted],
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
    records = _remembered(api, targets, state)
    with client, closing(records):
        return take(
            data,
            source=api,
            target=" ".join(map(str, targets)) + str(state.window),
            records=records,
            traffic=lambda: Traffic(client.requests, client.received_bytes),
            now=now,
        )


def _remembered(api: str, targets: Sequence[Wanted], state: Pass) -> Generator[Record, None, None]:
    """What the history *api* says."""
    found: list[Target] = []
    yield from _expanded(targets, state.client, found)
    with closing(_HISTORIES[api](found, state)) as records:
        yield from records


_HISTORIES: dict[str, Callable[[Iterable[Target], Pass], Generator[Record, None, None]]] = {
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

    def __init__(self, journal: Journal, platforms: Collection[Platform] = (), told: Sequence[Record] = ()) -> None:
        """*told* is what is to be held by the journal, but not yet."""
        self._journal = journal
        self._told = told
        held = _rows(journal, Manifest, ("digest", "kind", "config_digest"), told)
        is_image = (pl.col("kind") == "image", pl.col("config_digest").is_not_null())
        configs = held.filter(*is_image).select("digest", child="config_digest", is_config=pl.lit(True))
        self._bodies = _rows(journal, Blob, ("digest",), told).unique()
        self._below = pl.concat([_wanted_entries(journal, frozenset(map(str, platforms)), told), configs])
        self._about = held.filter(pl.col("kind").is_in(["index", "image"])).select("digest")

    def children(self, digests: Collection[str]) -> dict[str, list[registry.Named]]:
        """For each of *digests* whose document is held, what it names: manifests, or a config."""
        wanted = pl.DataFrame({"digest": list(digests)}, schema={"digest": pl.String})
        held = self._bodies.join(wanted, on="digest", how="semi")
        found: dict[str, list[registry.Named]] = {digest: [] for digest in held["digest"]}
        below = self._below.join(held, on="digest", how="semi").unique(maintain_order=True)
        types = self._config_types(below)
        for digest, child, is_config in below.iter_rows():
            found[digest].append(registry.Named(child, is_config, types.get(child)))
        return found

    def _config_types(self, below: pl.DataFrame) -> dict[str, str | None]:
        """The media types of those configs *below* images that are not held, as their manifests say them."""
        lacking = below.filter("is_config").join(self._bodies, left_on="child", right_on="digest", how="anti")
        if lacking.is_empty():
            return {}
        configs = [document.config for _, document in self._documents(set(lacking["digest"]))]
        return {config.digest: config.media_type for config in configs if config}

    def _documents(self, digests: Collection[str]) -> Iterator[tuple[str, Document]]:
        """The manifests *digests* as their bodies say them."""
        scanned = self._journal.scan(Blob, {"digest", "media_type", "body"}).filter(pl.col("digest").is_in(digests))
        held = self._journal.collect(lambda: scanned.select("digest", "media_type", "body"))
        for digest, media_type, body in held.iter_rows():
            with suppress(ParseError):
                yield digest, parse_manifest(body, digest=digest, media_type=media_type)

    def subjects(self, digests: Collection[str]) -> dict[str, list[str]]:
        """For each of *digests* that is an index or image whose document is held: the manifests that are wanted."""
        about = self._about.filter(pl.col("digest").is_in(list(digests)))["digest"].unique()
        return {
            digest: [child.digest for child in children if not child.is_config]
            for digest, children in self.children(about.to_list()).items()
        }

    def bills(self, digests: Collection[str]) -> dict[str, list[Bill]]:
        """For each of *digests* that is a held manifest with bills of materials for layers: these."""
        found: dict[str, list[Bill]] = {}
        unclear: set[str] = set()
        for manifest, *layer, media_type, predicate_type in self._statements(digests).iter_rows():
            if is_sbom(media_type, predicate_type):
                found.setdefault(manifest, []).append(Bill(*layer))
            elif is_statement(media_type) and predicate_type is None:  # of before this was read
                unclear.add(manifest)
        for manifest, document in self._documents(unclear):
            found[manifest] = bills_of(document.records)
        return found

    def _statements(self, digests: Collection[str]) -> pl.DataFrame:
        """The layers of the manifests *digests* that may be statements or documents about an image."""
        columns = ("manifest_digest", "digest", "compressed_bytes", "media_type", "predicate_type")
        is_candidate = pl.col("media_type").str.contains("in-toto|dsse|sigstore|spdx|cyclonedx")
        wanted = pl.DataFrame({"manifest_digest": list(digests)}, schema={"manifest_digest": pl.String})
        layers = _rows(self._journal, Layer, columns, self._told, is_candidate)
        return layers.join(wanted, on="manifest_digest", how="semi").unique(maintain_order=True)

    def read_sboms(self, digests: Collection[str]) -> set[str]:
        """Those of *digests* that are bills of materials which were read as well as they can be."""
        is_wanted = pl.col("digest").is_in(list(digests)) & (pl.col("reader") >= READER)
        return set(_rows(self._journal, Sbom, ("digest", "reader"), self._told, is_wanted)["digest"])


def _rows(
    journal: Journal,
    record: type[Record],
    columns: Sequence[str],
    told: Iterable[Record],
    is_wanted: pl.Expr | None = None,
) -> pl.DataFrame:
    """These columns of the rows that *journal* has and of those *told* since, of all or of those that are wanted."""
    conditions = () if is_wanted is None else (is_wanted,)
    held = journal.collect(lambda: journal.scan(record, columns).filter(*conditions).select(columns))
    since = [operator.attrgetter(*columns)(row) for row in told if isinstance(row, record)]
    rows = since if len(columns) > 1 else [(value,) for value in since]
    return pl.concat([held, pl.DataFrame(rows, schema=held.schema, orient="row").filter(*conditions)])


def _wanted_entries(journal: Journal, platforms: frozenset[str], told: Iterable[Record]) -> pl.DataFrame:
    """
    Index and manifest digests; with *platforms* those that run on one, what attests these, and the unspecific.

    What is said to be no manifest is not wanted.
    """
    columns = ("index_digest", "manifest_digest", "os", "architecture", "variant", "attests_digest", "media_type")
    kind = pl.col("media_type")
    is_manifest = kind.is_null() | kind.is_in(MANIFEST_TYPES)
    entries = _rows(journal, IndexEntry, columns, told).filter(is_manifest).drop("media_type")
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
