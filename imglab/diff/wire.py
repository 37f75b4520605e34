"""How the first became the second: moves between the two, and what a host pulls for it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import polars as pl

from imglab import queries
from imglab.diff.compared import Compared, Section, platform_of
from imglab.diff.words import size
from imglab.store import Store

_PARTS = {"shared": "shared", "fetched": "to pull", "foreign": "to pull from elsewhere", "dropped": "no longer needed"}
_KINDS = ("content", "unknown", "base only", "rebuild only", "metadata only", "platform set", "attestations only")
_FOR_OTHERS = "unchanged"  # the tag moved for other platforms
_UNSEEN = timedelta(days=7)  # between two looks: what moved in it may have moved more than once


def moves(store: Store, compared: Compared) -> Section:
    """
    What the moves of the tag between the two times changed, for the platform that is told of.

    Rows and columns are those of `queries.moves`: from the earlier side to the later one, without the move to the
    earlier. None unless both are times of one tag.
    """
    between = _between(compared)
    if between is None:
        return Section("moves", "Moves between the two", pl.DataFrame())
    begin, end = between
    platform = _platform(compared)
    frame = queries.moves(
        store,
        repository=compared.first.repository,
        tag=compared.first.tag,
        platform=platform,
        since=begin,
        until=end + timedelta(microseconds=1),
    ).filter(pl.col("moved_at") > begin)
    title = f"Moves of {compared.first.name.partition('@')[0]} between the two{f', for {platform}' if platform else ''}"
    if frame.is_empty():
        return Section("moves", title, frame)
    shown = (
        frame.group_by("kind")
        .agg(
            pl.len().alias("moves"),
            pl.col("moved_at").min().alias("first"),
            pl.col("moved_at").max().alias("last"),
        )
        .sort(pl.col("kind").replace_strict({kind: at for at, kind in enumerate(_KINDS)}, default=len(_KINDS)))
        .select(pl.col("kind").replace({_FOR_OTHERS: "for other platforms"}).alias("what changed"), pl.exclude("kind"))
    )
    return Section("moves", title, frame, shown, _unseen(frame))


def _between(compared: Compared) -> tuple[datetime, datetime] | None:
    """When the tag came to the earlier and to the later side; None where these are not two times of one tag."""
    times = [side.valid_from for side in (compared.first, compared.second) if side.valid_from]
    return (min(times), max(times)) if compared.is_one_tag and len(times) == 2 else None


def _platform(compared: Compared) -> str | None:
    """The platform that is told of, with its build where it is one; None for several."""
    if compared.chosen.height == 1:
        return platform_of(compared.chosen.row(0, named=True))
    names = compared.chosen["platform"].unique().to_list()
    return str(names[0]) if len(names) == 1 and names[0] else None


def _unseen(frame: pl.DataFrame) -> tuple[str, ...]:
    """The longest time in which moves may have gone unseen."""
    looks = frame.with_columns((pl.col("moved_at") - pl.col("moved_at_earliest")).alias("gap"))
    longest = looks.filter(pl.col("gap") >= _UNSEEN).sort("gap", descending=True)
    if longest.is_empty():
        return ()
    row = longest.row(0, named=True)
    rare = f"{longest.height:,} moves were" if longest.height > 1 else "One move was"
    return (
        f"{rare} seen a week or more after the look before, so that there may have been more; the longest such time "
        f"is {row['moved_at_earliest']:%Y-%m-%d} to {row['moved_at']:%Y-%m-%d}.",
    )


def layers(store: Store, compared: Compared) -> Section:
    """
    What the two images share, and what a host that has the first fetches for the second.

    One row per platform that is told of. Columns: platform, from_manifest_digest, to_manifest_digest; shared_count and
    shared_bytes (layers of both), fetched_count and fetched_bytes (of the second alone), foreign_count and
    foreign_bytes (likewise, from elsewhere than the registry), dropped_count and dropped_bytes (of the first alone).
    Each layer counts once; counts are null where layers are not known, bytes also where the size of one is not.
    """
    frame = store.query(
        "diff_layer",
        {
            "from_digests": compared.chosen["from_manifest_digest"].to_list(),
            "to_digests": compared.chosen["to_manifest_digest"].to_list(),
        },
    )
    pair = ["from_manifest_digest", "to_manifest_digest"]
    series = compared.chosen.select(*pair, pl.col("to_series").alias("platform"))
    frame = series.join(frame, on=pair, how="left", maintain_order="left")
    title = f"Layers{compared.where}, for a host that has A"
    known = frame.filter(pl.col("shared_count").is_not_null())
    if compared.is_same:
        return Section("layers", title, frame)
    if known.is_empty():
        return Section("layers", title, frame, notes=() if frame.is_empty() else ("Not known of both.",))
    shown = pl.concat(
        known.select(
            pl.col("platform").fill_null("unknown"),
            pl.lit(words).alias("layers"),
            pl.col(f"{part}_count").alias("count"),
            pl.col(f"{part}_bytes").alias("bytes"),
        )
        for part, words in _PARTS.items()
    )
    notes = ("Of a layer or more the size is not known.",) if shown["bytes"].has_nulls() else ()
    shown = shown.filter((pl.col("layers") != _PARTS["foreign"]) | (pl.col("count") > 0))
    several = compared.chosen.height > 1
    shown = shown.sort("platform", maintain_order=True) if several else shown.drop("platform")
    return Section("layers", title, frame, shown, notes, units={"bytes": "size"})


def update_cost(store: Store, compared: Compared) -> Section:
    """
    What a host pulled that had the first and followed every move of the tag to the second.

    Rows and columns are those of `queries.update_cost` for every move after that to the first side; platform is with
    the build for Windows. None unless the second is a later time of the same tag.
    """
    title, between = f"Following every move from A to B{compared.where.replace(' of', ', for', 1)}", _between(compared)
    before, after = compared.first.valid_from, compared.second.valid_from
    if between is None or before is None or after is None or before >= after:
        return Section("update_cost", title, pl.DataFrame())
    several = compared.chosen.height > 1
    found, notes = [], []
    for pair in compared.chosen.iter_rows(named=True):
        pulls = _pulls(store, compared, pair, between)
        found += [pulls] if pulls is not None else []
        notes.append(f"{pair['to_series'] or 'unknown platform'}: {_pulled(pulls)}" if several else _pulled(pulls))
    return Section("update_cost", title, pl.concat(found) if found else pl.DataFrame(), notes=tuple(notes))


def _pulls(
    store: Store, compared: Compared, pair: dict[str, Any], between: tuple[datetime, datetime]
) -> pl.DataFrame | None:
    """
    The pulls of the platform of *pair* after that of its first image.

    None where `update_cost` followed other images: an index may have several for one platform.
    """
    found = queries.update_cost(
        store,
        repository=compared.first.repository,
        tag=str(compared.first.tag),
        platform=platform_of(pair) or "unknown",
        since=between[0],
        until=between[1] + timedelta(microseconds=1),
    ).filter(pl.col("cadence") == "every move")
    ends = [*found["to_manifest_digest"].head(1), *found["to_manifest_digest"].tail(1)]
    if ends != [pair["from_manifest_digest"], pair["to_manifest_digest"]]:
        return None
    return found.slice(1).with_columns(pl.lit(pair["to_series"]).alias("platform"))


def _pulled(pulls: pl.DataFrame | None) -> str:
    """How often and how much."""
    if pulls is None:
        return "Not known."
    if pulls.is_empty():
        return "No pull."
    known = pulls["pull_bytes"].drop_nulls()
    unknown = pulls.height - known.len()
    count = f"{pulls.height:,} pull{'s' if pulls.height > 1 else ''}"
    how_much = f"{size(int(known.sum()))} in all" if known.len() else "of unknown size"
    beside = f", and {unknown:,} of which the size is not known" if unknown and known.len() else ""
    return f"{count}, {how_much}{beside}."
