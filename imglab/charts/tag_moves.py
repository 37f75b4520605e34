"""Charts of where tags pointed and how often they moved: a row for each tag, time along the bottom."""

from __future__ import annotations

from datetime import timedelta

import altair as alt
import polars as pl

from imglab.charts.frames import (
    checked,
    drawable,
    plain_column,
    values,
    when_text,
)
from imglab.charts.theme import (
    ALTERNATE,
    RAMP,
    UNSEEN_OPACITY,
    WIDTH,
    Chart,
    counts_legend,
    folded,
    nothing,
    titled,
    tooltips,
)
from imglab.charts.timeline import (
    UNSEEN_NOTE,
    block,
    covered,
    few_of,
    largest_rows,
    row_axis,
    spans,
    tags_of,
    time_axis,
    time_zoom,
    with_unseen,
)

_MANY_PERIODS = 150


def tag_history(frame: pl.DataFrame) -> Chart:
    """
    When each tag moved: one row per tag, one segment per digest, the shade changing with every move.

    Needs: repository, tag, digest, valid_from_earliest, valid_from, valid_to, last_observed_at, source.
    Of more than 40 tags those with most segments are drawn, in the order of the frame; the subtitle says so.
    """
    frame = checked(
        frame,
        "tag_history",
        "repository tag digest valid_from_earliest valid_from valid_to last_observed_at source",
    )
    if frame.is_empty():
        return nothing("When did the tags move?", "tag_history")
    rows, total = largest_rows(frame, pl.len())
    drawable(rows, "tag_history")
    shade = pl.int_range(pl.len()).over("row") % 2
    drawn = spans(rows.sort("row", "valid_from", maintain_order=True).with_columns(shade.alias("shade"))).select(
        "row",
        "tag_name",
        "valid_from",
        "seen_to",
        "drawn_to",
        "is_unseen",
        pl.col("shade").replace_strict({0: ALTERNATE[0], 1: ALTERNATE[1]}, return_dtype=pl.String),
        pl.col("digest").fill_null("not stated"),
        when_text("valid_from_earliest", "never before").alias("elsewhere_until"),
        plain_column("source", 60, "unknown"),
        "when",
    )
    base = alt.Chart(alt.InlineData(values(drawn)), width=WIDTH, height=alt.Step(20 if total > 1 else 48))
    base = folded(base, drawn.columns).encode(
        y=row_axis("tag_name", 0.2),
        color=alt.Color("shade", type="nominal", scale=None, legend=None),
        tooltip=tooltips(
            tag_name="tag", digest="digest", when="when", elsewhere_until="last known elsewhere", source="source"
        ),
    )
    seen = block(base, "valid_from", "seen_to", alt.value(1))
    unseen = block(base, "seen_to", "drawn_to", alt.value(UNSEEN_OPACITY))
    return titled(
        alt.layer(*with_unseen(seen.properties(name="tag_history").add_params(time_zoom()), unseen, drawn)),
        f"When did {tags_of(frame)} move?",
        "The shade changes with every move. " + covered(frame),
        few_of(rows, total, "with most moves"),
        UNSEEN_NOTE if drawn["is_unseen"].any() else "",
    )


def tag_churn(frame: pl.DataFrame) -> Chart:
    """
    How often each tag moved, period by period: a heat map, the busiest tag on top.

    Needs: repository, tag, period_start, moves. At most the 40 tags with most moves; the subtitle says so.
    The width of a period (day, week, month, quarter or year) is read from the distances between the starts.
    """
    frame = checked(frame, "tag_churn", "repository tag period_start moves")
    if frame.is_empty():
        return nothing("How often did the tags move?", "tag_churn")
    period, offset = _period(frame["period_start"])
    rows, total = largest_rows(frame, pl.col("moves").sum(), is_ranked=True)
    drawable(rows, "tag_churn")
    drawn = rows.sort("row", "period_start").select(
        "row",
        "tag_name",
        "period_start",
        pl.col("period_start").dt.offset_by(offset).alias("period_end"),
        "moves",
        pl.col("moves").cast(pl.String).alias("moves_text"),
        pl.col("period_start").dt.strftime("%Y-%m-%d").alias("period"),
        pl.col("moves").sum().over("row").cast(pl.String).alias("tag_moves"),
    )
    most = max(drawn["moves"].to_list())
    base = alt.Chart(alt.InlineData(values(drawn)), width=WIDTH, height=alt.Step(20 if total > 1 else 48))
    start, end = pl.col("period_start"), pl.col("period_end")
    periods = drawn.select((end.max() - start.min()) / (end - start).max()).item()
    chart = (
        folded(base, drawn.columns)
        # Edges would take the colour from cells that are hardly wider than they.
        .mark_rect(stroke="#ffffff", strokeWidth=0.6 if periods < _MANY_PERIODS else 0, strokeOpacity=0.7)
        .encode(
            x=time_axis("period_start"),
            x2="period_end",
            y=row_axis("tag_name"),
            color=alt.Color(
                "moves",
                type="quantitative",
                scale=alt.Scale(domain=[0, most], range=list(RAMP), interpolate="lab"),
                legend=counts_legend(f"moves per {period}", most),
            ),
            tooltip=tooltips(
                tag_name="tag", period=f"{period} from", moves_text="moves", tag_moves="moves of the tag in all"
            ),
        )
        .properties(name="tag_churn")
        .add_params(time_zoom())
    )
    moves = int(frame["moves"].sum())
    return titled(
        chart,
        f"How often did {tags_of(frame)} move?",
        f"{moves:,} moves from one digest to another, per {period} (UTC); no cell means none.",
        few_of(rows, total, "with most moves"),
    )


def _period(starts: pl.Series) -> tuple[str, str]:
    """The period that the *starts* stand for, and the same as an offset of polars."""
    days = starts.unique().sort()
    gap = days.diff().drop_nulls().min()
    least = gap if isinstance(gap, timedelta) else timedelta(0)
    if (days.dt.day() != 1).any():
        is_weekly = (days.dt.weekday() == 1).all() and (not least or least >= timedelta(days=7))
        return ("week", "1w") if is_weekly else ("day", "1d")
    if (days.dt.month() == 1).all() and least >= timedelta(days=365):
        return "year", "1y"
    if days.dt.month().is_in([1, 4, 7, 10]).all() and least >= timedelta(days=89):
        return "quarter", "1q"
    return ("day", "1d") if timedelta(0) < least < timedelta(days=28) else ("month", "1mo")
