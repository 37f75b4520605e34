"""A chart of pinned references: since when each is behind."""

from __future__ import annotations

from functools import partial

import altair as alt
import polars as pl

from imglab.charts.frames import (
    apart,
    checked,
    counted,
    drawable,
    name_of,
    short_repository,
    size_text,
    values,
    when_text,
)
from imglab.charts.theme import MAIN, REFERENCE, Chart, folded, labels, nothing, titled, tooltips
from imglab.charts.timeline import time_axis, time_zoom

MOST_PINS = 40
_WIDTH = 380
_ROW_HEIGHT = 24


def pins(frame: pl.DataFrame) -> Chart:
    """
    How far behind each pinned reference is: a band while its tag pointed there, another one since it moved on.

    Needs: repository, tag, digest, state, first_seen_at, replaced_at, last_observed_at, behind_days, moves_behind,
    pull_bytes. Those longest behind come first; of more than 40 the first are drawn. What is not pinned, or of which
    nothing is known, has a name and no band.
    """
    frame = checked(
        frame,
        "pins",
        "repository tag digest state first_seen_at replaced_at last_observed_at behind_days moves_behind pull_bytes",
    )
    question = "How far behind are pinned images?"
    if frame.is_empty():
        return nothing(question, "pins")
    if frame["first_seen_at"].null_count() == frame.height:
        many = counted(frame.height, "reference")
        return nothing(question, "pins", f"of {many} none is pinned to a digest that is known")
    rows = _rows(frame.unique(maintain_order=True))
    shown = rows.head(MOST_PINS)
    base = folded(
        alt.Chart(alt.InlineData(values(drawable(shown, "pins"))), width=_WIDTH, height=_ROW_HEIGHT * shown.height),
        shown.columns,
    )
    tip = {"name": "reference", "state": "state", "since": "had since", "until": "until", "digest": "digest"}
    band = base.encode(x=time_axis("first_seen_at"), y=labels("name", "left"), tooltip=tooltips(**tip))
    # A stroke, since what was seen once, or for a day of many years, would have no width.
    held = band.mark_bar(color=MAIN, stroke=MAIN, strokeWidth=2).encode(x2="held_to").properties(name="pins")
    behind = band.mark_bar(color=REFERENCE).encode(x=time_axis("held_to"), x2="last_observed_at")
    figures = base.mark_point(opacity=0).encode(y=labels("label", "right"))
    bands = alt.layer(behind, held.add_params(time_zoom()))
    count, pinned = frame.filter(pl.col("state") == "behind").height, frame["digest"].count()
    return titled(
        alt.layer(bands, figures).resolve_scale(y="independent"),
        question,
        f"Of {counted(frame.height, 'reference')} {pinned:,} {'is' if pinned == 1 else 'are'} pinned to a digest,"
        f" and {count:,} {'is' if count == 1 else 'are'} behind.",
        "Blue: the tag pointed at the digest. Orange: it had moved on.",
        f"The first {MOST_PINS} of {rows.height:,}." if rows.height > MOST_PINS else "",
    )


def _rows(frame: pl.DataFrame) -> pl.DataFrame:
    """One row for each reference: name and figures beside its band."""
    digest = pl.col("digest").str.extract(r":([0-9a-f]{7})")
    name = pl.concat_str(
        pl.col("repository").map_elements(short_repository, pl.String),
        pl.concat_str(pl.lit(":"), "tag").fill_null(""),
        pl.concat_str(pl.lit("@"), digest).fill_null(""),
    )
    days, moves = (
        pl.col(name).map_elements(partial(counted, what=what), pl.String)
        for name, what in (("behind_days", "day"), ("moves_behind", "move"))
    )
    pull = pl.format(", {} to pull", size_text("pull_bytes"))
    behind = pl.format("{}, {}", days, moves) + pl.when(pl.col("pull_bytes").is_null()).then(pl.lit("")).otherwise(pull)
    label = pl.when(pl.col("state") == "behind").then(behind).otherwise(pl.col("state"))
    ordered = frame.sort("behind_days", descending=True, nulls_last=True, maintain_order=True).with_row_index("row")
    return ordered.select(
        "row",
        name_of(name).alias("name"),
        label.fill_null("unknown").alias("label"),
        "state",
        "first_seen_at",
        pl.col("replaced_at").fill_null(pl.col("last_observed_at")).alias("held_to"),
        "last_observed_at",
        pl.col("digest").fill_null("none"),
        when_text("first_seen_at").alias("since"),
        when_text("replaced_at", "now").alias("until"),
    ).with_columns(apart("name"), apart("label"))
