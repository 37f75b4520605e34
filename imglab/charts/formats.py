"""A chart of the formats that images come in."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import polars as pl

from imglab.charts.frames import (
    checked,
    drawable,
    plain,
    plain_column,
    values,
)
from imglab.charts.theme import (
    OTHER,
    UNKNOWN,
    WIDTH,
    Chart,
    categories,
    legend,
    nothing,
    titled,
    tooltips,
)

MOST_TYPES = 8


def media_types(frame: pl.DataFrame) -> Chart:
    """
    Which media types were new in each period: bars of shares, a panel for indexes, images and layers each.

    Needs: period_start, kind, media_type, document_count, compressed_bytes. The eight commonest types have colours of
    their own.
    """
    frame = checked(frame, "media_types", "period_start kind media_type document_count compressed_bytes")
    question = "Which media types come with new images?"
    if frame.is_empty():
        return nothing(question, "media_types")
    drawn = drawable(_typed(frame), "media_types")
    form, is_whole = _periods(drawn["period_start"])
    order = drawn.unique(["order", "type"]).sort("order")["type"].to_list()
    kinds = [kind for kind in ("index", "image", "layer") if kind in drawn["kind"]]
    panels = [_shares(drawn.filter(pl.col("kind") == kind), kind, order, form) for kind in kinds]
    return titled(
        alt.vconcat(*panels, spacing=24),
        question,
        "By when they were first seen under a tag."
        + ("" if is_whole else " Times with nothing new are left out, and the axis is not even."),
        "Of grey ones no source told the type." if "not told" in order else "",
    )


def _typed(frame: pl.DataFrame) -> pl.DataFrame:
    """*frame* with `type`, its media type or `other types`, and `order`, the commonest first."""
    ranks = (
        frame.filter(pl.col("media_type").is_not_null())
        .group_by("media_type")
        .agg(pl.col("document_count").sum())
        .sort("document_count", "media_type", descending=[True, False])
        .with_row_index("order")
        .with_columns(pl.col("order").cast(pl.Int64))
    )
    joined = frame.join(ranks.drop("document_count"), on="media_type", how="left", maintain_order="left")
    is_other = pl.col("order") >= MOST_TYPES
    named = joined.with_columns(
        pl.when(is_other)
        .then(pl.lit("other types"))
        .otherwise(plain_column("media_type", 60, "not told").str.strip_prefix("application/"))
        .alias("type"),
        pl.when(is_other).then(MOST_TYPES).otherwise(pl.col("order").fill_null(MOST_TYPES + 1)).alias("order"),
    )
    summed = named.group_by("period_start", "kind", "type", "order").agg(pl.col("document_count").sum())
    return summed.sort("kind", "period_start", "order")


def _periods(starts: pl.Series) -> tuple[str, bool]:
    """How to write the *starts* of periods, the shorter the longer they are; and whether none is missing."""
    found = starts.unique().sort()
    every = {"%Y": "1y", "%Y-%m": "1mo", "%Y-%m-%d": "1d"}
    form = "%Y-%m-%d"
    if (found.dt.day() == 1).all():
        form = "%Y" if (found.dt.month() == 1).all() else "%Y-%m"
    gaps = found.dt.offset_by(every[form])[:-1] == found[1:]
    return form, bool(gaps.all())


def _shares(frame: pl.DataFrame, kind: str, order: Sequence[str], form: str) -> alt.Chart:
    """The panel of one kind: a bar for each period, its start written in *form*, parted by type."""
    total = pl.col("document_count").sum().over("period_start")
    drawn = frame.select(
        pl.col("period_start").dt.strftime(form).alias("period"),
        "type",
        "order",
        (pl.col("document_count") / total).alias("share"),
        pl.format("{} of {}", "document_count", total).alias("count_text"),
    )
    grey = {"other types": OTHER, "not told": UNKNOWN}
    colours = [grey.get(name, colour) for name, colour in zip(order, categories(len(order)), strict=True)]
    base = alt.Chart(alt.InlineData(values(drawn)), name=f"media_types_{kind}", width=WIDTH, height=130)
    chart: alt.Chart = base.mark_bar().encode(
        x=alt.X("period", type="ordinal", title=None, axis=alt.Axis(labelAngle=0, labelOverlap=True)),
        y=alt.Y(
            "share",
            type="quantitative",
            title=f"of new {plain({'index': 'indexes'}.get(kind, kind + 's'))}",
            axis=alt.Axis(format="%", tickCount=4),
            scale=alt.Scale(domain=[0, 1]),
        ),
        order=alt.Order("order", type="quantitative"),
        color=alt.Color(
            "type",
            type="nominal",
            scale=alt.Scale(domain=list(order), range=colours),
            legend=legend(*order, title=None),
        ),
        tooltip=tooltips(period="period", type="media type", count_text=f"new {kind}s"),
    )
    return chart
