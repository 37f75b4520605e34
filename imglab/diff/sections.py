"""The sections of a difference: each a table of all that is known, and what people read of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl

from imglab.diff.bases import bases
from imglab.diff.compared import Compared, Section
from imglab.diff.images import platforms, steps
from imglab.diff.packages import packages
from imglab.diff.settings import Known, differences
from imglab.diff.wire import layers, moves, update_cost
from imglab.evidence import evidence
from imglab.store import Store

_LONGEST = 60  # characters of a value
_KINDS = {"env": "environment", "label": "labels", "user": "user", "working directory": "working directory"}


def settings(store: Store, compared: Compared) -> Section:
    """
    What configs set otherwise, where both are known.

    One row per platform that is told of and setting. Columns: platform, setting, change (added, removed, changed),
    before, after (null where it is not set), from_manifest_digest, to_manifest_digest.
    """
    digests = [*compared.chosen["from_manifest_digest"], *compared.chosen["to_manifest_digest"]]
    told = store.query("diff_step", {"digests": digests})
    rows: list[dict[str, Any]] = []
    others = compared.chosen.filter(pl.col("from_manifest_digest") != pl.col("to_manifest_digest"))
    unknown: set[str] = set(_KINDS)
    for pair in others.iter_rows(named=True):
        before = _known(compared.first_images, told, pair["from_manifest_digest"])
        after = _known(compared.second_images, told, pair["to_manifest_digest"])
        unknown -= before.kinds() & after.kinds()
        named = {name: pair[name] for name in ("from_manifest_digest", "to_manifest_digest")}
        rows += [
            {"platform": pair["to_series"], "setting": setting, "change": change, "before": old, "after": new} | named
            for setting, change, old, new in differences(before, after)
        ]
    names = ("platform", "setting", "change", "before", "after", "from_manifest_digest", "to_manifest_digest")
    frame = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String))
    shown = frame.select("platform", "setting", "change", _cut("before"), _cut("after"))
    missing = ", ".join(words for kind, words in _KINDS.items() if kind in unknown)
    notes = (f"Not known of both: {missing}.",) if missing else () if rows else ("None.",)
    return Section(
        "settings",
        f"Settings{compared.where} that differ",
        frame,
        shown if compared.chosen.height > 1 else shown.drop("platform"),
        notes if others.height else (),
    )


def _cut(name: str) -> pl.Expr:
    """The texts of a column, no longer than a line of a page takes."""
    text = pl.col(name)
    is_long = text.str.len_chars() > _LONGEST
    return pl.when(is_long).then(text.str.slice(0, _LONGEST - 1) + "…").otherwise(text).alias(name)


def _known(images: pl.DataFrame, told: pl.DataFrame, digest: str) -> Known:
    image = images.filter(pl.col("manifest_digest") == digest).row(0, named=True)
    return Known(image, told.filter(pl.col("manifest_digest") == digest).iter_rows(named=True))


def sources(store: Store, compared: Compared) -> Section:
    """
    Who says what the two sides are made of.

    One row per side and image that is told of. Columns: of, digest, and those of `evidence` but for subject.
    """
    parts = [("A", compared.first.digest), ("B", compared.second.digest)]
    for letter, side in (("A", "from"), ("B", "to")):
        images = compared.chosen.select(f"{side}_series", f"{side}_manifest_digest").rows()
        parts += [(f"{letter} {series or 'of an unknown platform'}", digest) for series, digest in images]
    asked = pl.DataFrame(parts, schema=["of", "digest"], orient="row").unique().sort("of", "digest")
    told = evidence(store, asked.select("digest"))
    frame = asked.join(told, left_on="digest", right_on="subject", how="left", maintain_order="left")
    revision = pl.col("document_revision").str.slice(0, 12)
    document = pl.concat_str(pl.col("source", "document"), revision, separator=" ", ignore_nulls=True)
    shown = (
        frame.group_by(document.alias("seen first in"), pl.col("observed_at").alias("at"), maintain_order=True)
        .agg(pl.col("of").str.join(", "))
        .select("of", "seen first in", "at")
    )
    return Section("sources", "Where these numbers come from", frame, shown)


SECTIONS: tuple[Callable[[Store, Compared], Section], ...] = (
    *(platforms, steps, bases, packages, settings),
    *(layers, moves, update_cost),
    sources,
)
