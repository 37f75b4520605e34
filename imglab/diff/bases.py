"""What the two sides are built on: which base, how much of them it is, how soon they followed it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import polars as pl

from imglab import queries
from imglab.diff.compared import Compared, Section, Standing, Unit, platform_of
from imglab.diff.words import duration, short_digest, signed
from imglab.oci import Reference
from imglab.render.text import name_of
from imglab.store import Store

_OF_BASE: dict[str, Any] = {
    "evidence": pl.String,
    "base_name": pl.String,
    "base_repository": pl.String,
    "base_tag": pl.String,
    "base_digest": pl.String,
    "base_manifest_digest": pl.String,
    "base_layer_count": pl.Int64,
    "base_bytes": pl.Int64,
    "base_share": pl.Float64,
}
_OF_LAG: dict[str, Any] = {
    "base_moved_at": pl.Datetime("us", "UTC"),
    "lag_days": pl.Float64,
    "outdated_from": pl.Datetime("us", "UTC"),
    "outdated_days": pl.Float64,
}
_COLUMNS = {**_OF_BASE, **_OF_LAG}
_WORDS = {
    "same": "Both are built on the same base image",
    "moved": "The base is the same tag, which has moved",
    "other": "The base is another one",
}


def bases(store: Store, compared: Compared) -> Section:
    """
    Which image each side is built on, whether that changed, and how far each side lagged behind it.

    One row per platform that is told of. Columns: platform, change (`same` base image, `moved`: the same tag of it,
    `other`; null where one is not known), delta_bytes (what the base brings of the difference), from_manifest_digest,
    to_manifest_digest (of the images); and for each side, with from_ or to_ in front: evidence, base_name,
    base_repository, base_tag, base_digest, base_manifest_digest, base_layer_count, base_bytes, base_share as in
    `queries.bases`, base_moved_at, lag_days, outdated_from, outdated_days as in `queries.base_lag`; null where no base
    is known.
    """
    pairs = [_of_pair(store, compared, pair) for pair in compared.chosen.iter_rows(named=True)]
    frame = _frame(pairs)
    known = frame.filter(pl.any_horizontal(pl.col("from_evidence", "to_evidence").is_not_null()))
    title = f"Bases{compared.where}"
    if known.is_empty():
        return Section("bases", title, frame, notes=_why_none(pairs))
    shown = pl.DataFrame([row for pair in known.iter_rows(named=True) for row in _shown(compared, pair)])
    shown = shown if compared.chosen.height > 1 else shown.drop("platform")
    units: dict[str, Unit] = {"bytes": "size", "of image": "share"}
    notes = _summary(compared, known) if compared.chosen.height == 1 else ()
    return Section("bases", title, frame, shown, notes, units)


def _why_none(pairs: list[dict[str, Any]]) -> tuple[str, ...]:
    if not pairs:
        return ()
    untold = {name for pair in pairs for name in pair["untold"]}
    if untold:
        which = "either" if len(untold) > 1 else untold.pop()
        return (f"Not known: bases are looked up by tag, and no tag is known that gave {which} to a host.",)
    how = "no label or annotation names one, and neither begins with all the layers of another image in the store"
    return (f"Not known: {how}.",)


def _of_pair(store: Store, compared: Compared, pair: dict[str, Any]) -> dict[str, Any]:
    """The bases of both images of a *pair*, whether they are the same, and of which sides nothing is told: `untold`."""
    row: dict[str, Any] = {"platform": pair["to_series"], "change": None, "delta_bytes": None, "untold": []}
    for name, side, standing in (
        ("from", compared.first, compared.first_standing),
        ("to", compared.second, compared.second_standing),
    ):
        row[f"{name}_manifest_digest"] = digest = pair[f"{name}_manifest_digest"]
        found = _of_image(store, side.repository, standing, platform_of(pair), digest)
        row["untold"] += [{"from": "A", "to": "B"}[name]] if found is None else []
        row |= {f"{name}_{column}": (found or {}).get(column) for column in _COLUMNS}
    if row["from_evidence"] and row["to_evidence"]:
        row["change"] = _change(row)
    if row["from_base_bytes"] is not None and row["to_base_bytes"] is not None:
        row["delta_bytes"] = row["to_base_bytes"] - row["from_base_bytes"]
    return row


def _of_image(
    store: Store, repository: str, standing: Standing | None, platform: str | None, digest: str
) -> dict[str, Any] | None:
    """
    What `bases` and `base_lag` tell of the image *digest*, as the tag of its *standing* gave it; {} for no known base.

    None where no tag is known to have given that image.
    """
    if standing is None or platform is None:
        return None
    tag, at = standing.tag, standing.at
    found = queries.bases(store, repository=repository, tag=tag, platform=platform, at=at)
    found = found.filter(pl.col("manifest_digest") == digest)
    if found.is_empty():
        return None
    if found["evidence"][0] is None:
        return {}
    lag = queries.base_lag(store, repository=repository, tag=tag, platform=platform)
    lag = lag.filter(pl.col("valid_from") <= at, pl.col("valid_to").is_null() | (pl.col("valid_to") > at))
    told = found.row(0, named=True)
    return told | (lag.select(*_OF_LAG).row(0, named=True) if lag.height else {})


def _change(row: dict[str, Any]) -> str:
    """same image, moved (the same tag, elsewhere), other."""
    before, after = ({name: row[f"{side}_{name}"] for name in _OF_BASE} for side in ("from", "to"))
    for name in ("base_manifest_digest", "base_digest"):
        if before[name] and before[name] == after[name]:
            return "same"
    names = ("base_repository", "base_tag")
    is_one = before["base_tag"] and [before[name] for name in names] == [after[name] for name in names]
    return "moved" if is_one else "other"


def _frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    schema: dict[str, Any] = {"platform": pl.String, "change": pl.String, "delta_bytes": pl.Int64}
    for side in ("from", "to"):
        schema[f"{side}_manifest_digest"] = pl.String
        schema |= {f"{side}_{column}": kind for column, kind in _COLUMNS.items()}
    return pl.DataFrame([{name: row[name] for name in schema} for row in rows], schema=schema)


def _shown(compared: Compared, pair: dict[str, Any]) -> list[dict[str, Any]]:
    """A line for each side."""
    rows = []
    sides = (("A", "from", compared.first), ("B", "to", compared.second))
    for letter, name, side in sides[1:] if compared.is_same else sides:
        told = {column: pair[f"{name}_{column}"] for column in _COLUMNS}
        rows.append(
            {
                "platform": pair["platform"],
                "side": "both" if compared.is_same else letter,
                "base": _base(told),
                "bytes": told["base_bytes"],
                "of image": told["base_share"],
                "known by": told["evidence"],
                "lag": duration(told["lag_days"]),
                "outdated": _outdated(told, side.at),
            }
        )
    return rows


def _base(told: dict[str, Any]) -> str:
    """The base as docker names it, with the beginning of its digest."""
    if told["evidence"] is None:
        return "not known"
    digest = short_digest(told["base_manifest_digest"] or told["base_digest"])
    name = told["base_name"] or "without a tag"
    if told["base_repository"]:
        name = name_of(Reference.parse(str(told["base_repository"])))
        name += f":{told['base_tag']}" if told["base_tag"] else ""
    return f"{name} {digest}" if digest else str(name)


def _outdated(told: dict[str, Any], at: datetime | None) -> str | None:
    """Since when the base was out of date, if it was (by then); None where that is not known."""
    since = told["outdated_from"]
    if told["outdated_days"] is None:
        return None
    return "no" if since is None or (at and since > at) else f"{since:%Y-%m-%d}"


def _summary(compared: Compared, known: pl.DataFrame) -> tuple[str, ...]:
    """Whether the base changed, and what of the difference it brings."""
    row, pair = known.row(0, named=True), compared.chosen.row(0, named=True)
    if row["change"] is None or compared.is_same:
        return ()
    words = _WORDS[row["change"]]
    if (
        row["change"] == "same"
        or row["delta_bytes"] is None
        or None in (pair["from_total_bytes"], pair["to_total_bytes"])
    ):
        return (f"{words}.",)
    whole = pair["to_total_bytes"] - pair["from_total_bytes"]
    return (f"{words}: it brings {signed(row['delta_bytes'])} of the difference of {signed(whole)}.",)
