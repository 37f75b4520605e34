"""Parts that charts with time along the bottom share: rows of tags, marks as wide as they lasted, one time axis."""

from __future__ import annotations

from datetime import timedelta

import altair as alt
import polars as pl

from imglab.charts.frames import MAX_ROWS, plain, short_repository, subject, when_text

MOST_TAGS = 40
# A source that sees every change leaves no such gap; one that stopped does, and what was there meanwhile is a guess.
_UNSEEN_AFTER = timedelta(days=90)
# Vega's own shows months without their year and hours from 1 to 12.
_TIME_FORMAT = {
    "year": "%Y",
    "quarter": "%b %Y",
    "month": "%b %Y",
    "week": "%b %d",
    "date": "%b %d",
    "hours": "%H:%M",
    "minutes": "%H:%M",
    "seconds": "%H:%M:%S",
    "milliseconds": "%H:%M:%S.%L",
}
UNSEEN_NOTE = "Pale: not looked at again for more than 90 days."


def largest_rows(frame: pl.DataFrame, weight: pl.Expr, *, is_ranked: bool = False) -> tuple[pl.DataFrame, int]:
    """
    The rows of the tags with most *weight*, with `row` and `tag_name`; and how many tags there were.

    At most MOST_TAGS tags, and no more than have MAX_ROWS rows together, but for the first.
    """
    several = frame["repository"].n_unique() > 1
    name = pl.format("{}:{}", pl.col("repository").map_elements(short_repository, pl.String), "tag")
    key = ["repository", "tag"]
    tags = frame.group_by(key, maintain_order=True).agg(weight.alias("weight"), pl.len()).with_row_index("place")
    ranked = tags.sort("weight", *key, descending=[True, False, False]).head(MOST_TAGS)
    fitting = ranked.filter((pl.col("len").cum_sum() <= MAX_ROWS) | (pl.int_range(pl.len()) == 0))
    chosen = (fitting if is_ranked else fitting.sort("place")).select(key).with_row_index("row")
    shown = (name if several else pl.col("tag")).map_elements(lambda text: plain(text, 60), pl.String)
    return frame.join(chosen, on=key, how="inner", maintain_order="left").with_columns(
        shown.fill_null("unknown").alias("tag_name")
    ), tags.height


def tags_of(frame: pl.DataFrame) -> str:
    """What a question asks about: `python:latest`, or `the tags of python`."""
    return subject(frame) if frame["tag"].n_unique() == 1 else f"the tags of {subject(frame)}"


def few_of(rows: pl.DataFrame, total: int, which: str) -> str:
    """A note that not all of *total* tags are among the *rows* to draw; empty if they are."""
    shown = rows["row"].n_unique()
    return f"The {shown} tags {which}, of {total:,}." if total > shown else ""


def row_axis(field: str, gap: float = 0) -> alt.Y:
    """One band per tag in the order of `row`, which is a field: a list of names would become an expression."""
    order = alt.EncodingSortField(field="row", op="min")
    return alt.Y(field, type="nominal", title=None, sort=order, scale=alt.Scale(paddingInner=gap))


def spans(frame: pl.DataFrame) -> pl.DataFrame:
    """
    Each row with where its mark ends (`drawn_to`), how much of it was observed (`seen_to`, `is_unseen`), and `when`.

    A stretch that is current ends where it was last observed; one seen only once would have no width and gets a
    two-hundredth of the whole time, or a day if there is nothing else.
    """
    end = pl.col("valid_to").fill_null(pl.col("last_observed_at"))
    whole = (end.max() - pl.col("valid_from").min()).fill_null(timedelta(0))
    least = pl.when(whole > timedelta(0)).then(whole / 200).otherwise(timedelta(days=1))
    drawn = pl.when(pl.col("valid_to").is_null()).then(pl.max_horizontal(end, pl.col("valid_from") + least))
    observed = pl.max_horizontal("last_observed_at", "valid_from")
    unseen = pl.col("valid_to").is_not_null() & ((pl.col("valid_to") - observed) > _UNSEEN_AFTER)
    until = pl.when(pl.col("valid_to").is_null()).then(pl.format("now, last seen {}", when_text("last_observed_at")))
    return frame.with_columns(
        drawn.otherwise(end).alias("drawn_to"),
        unseen.fill_null(False).alias("is_unseen"),
        pl.format("{} to {}", when_text("valid_from"), until.otherwise(when_text("valid_to"))).alias("when"),
    ).with_columns(pl.when("is_unseen").then(observed).otherwise("drawn_to").alias("seen_to"))


def covered(frame: pl.DataFrame) -> str:
    """The days that the rows cover: `2016-09-09 to 2018-01-10.`"""
    first = frame.select(when_text("valid_from").min()).item()
    last = frame.select(pl.max_horizontal(when_text("valid_to", ""), when_text("last_observed_at", "")).max()).item()
    return f"{first[:10]} to {last[:10]}." if first[:10] != last[:10] else f"On {first[:10]}."


def block(base: alt.Chart, start: str, end: str, opacity: object) -> alt.Chart:
    """Rectangles of *base* from one instant to another."""
    drawn: alt.Chart = base.mark_rect().encode(x=time_axis(start), x2=end, opacity=opacity)
    return drawn


def time_axis(
    field: str, whole: tuple[int, int] | None = None, *, padding: int | None = None, is_narrow: bool = False
) -> alt.X:
    """
    An instant along the bottom; *whole* (milliseconds since 1970) makes panels begin and end together.

    *padding* leaves so many pixels at both ends, for marks that are no stretches. Both together, or *whole* for such
    marks, draw nothing in a browser (Vega-Lite 6.4). A narrow one has fewer labels, with air between them.
    """
    scale = alt.Scale(type="utc")
    if whole:
        scale = alt.Scale(type="utc", domain=list(whole))
    elif padding:
        scale = alt.Scale(type="utc", padding=padding)
    axis = alt.Axis(format=_TIME_FORMAT, labelSeparation=10) if is_narrow else alt.Axis(format=_TIME_FORMAT)
    return alt.X(field, type="temporal", title="time (UTC)", scale=scale, axis=axis)


def time_zoom(name: str = "time") -> alt.Parameter:
    """Drag to move along; the wheel only with shift, or a page could not be scrolled past a chart."""
    return alt.selection_interval(name=name, bind="scales", encodings=["x"], zoom="wheel![event.shiftKey]")
