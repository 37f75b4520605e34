"""Parts that charts with time along the bottom share: rows of tags, marks as wide as they lasted, one time axis."""

from __future__ import annotations

from datetime import timedelta

import altair as alt
import polars as pl

from imglab.charts.frames import MAX_ROWS, name_of, short_repository, subject, when_text
from imglab.charts.theme import shortened

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
    shown = name_of(name if several else "tag").alias("tag_name")
    key = ["repository", "tag"]
    tags = frame.group_by(key, maintain_order=True).agg(weight.alias("weight"), pl.len()).with_row_index("place")
    ranked = tags.sort("weight", *key, descending=[True, False, False]).head(MOST_TAGS)
    fitting = ranked.filter((pl.col("len").cum_sum() <= MAX_ROWS) | (pl.int_range(pl.len()) == 0))
    chosen = (fitting if is_ranked else fitting.sort("place")).select(key).with_row_index("row")
    return frame.join(chosen, on=key, how="inner", maintain_order="left").with_columns(shown), tags.height


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
    axis = alt.Axis(labelExpr=shortened(44))
    return alt.Y(field, type="nominal", title=None, sort=order, scale=alt.Scale(paddingInner=gap), axis=axis)


def spans(frame: pl.DataFrame) -> pl.DataFrame:
    """
    Each row with where its mark ends (`drawn_to`), how much of it was observed (`seen_to`, `is_unseen`), and `when`.

    A stretch that is current ends where it was last observed; one seen only once would have no width and gets a
    two-hundredth of the whole time, or a day if there is nothing else. Of one that nobody looked at any more, and that
    nothing came after, no more than a fiftieth is drawn, or a question with an end in the past would show years of it.
    """
    end = pl.col("valid_to").fill_null(pl.col("last_observed_at"))
    whole = (end.max() - pl.col("valid_from").min()).fill_null(timedelta(0))
    least = pl.when(whole > timedelta(0)).then(whole / 200).otherwise(timedelta(days=1))
    drawn = pl.when(pl.col("valid_to").is_null()).then(pl.max_horizontal(end, pl.col("valid_from") + least))
    until = pl.when(pl.col("valid_to").is_null()).then(pl.format("now, last seen {}", when_text("last_observed_at")))
    told = frame.with_columns(
        drawn.otherwise(end).alias("drawn_to"),
        _is_unseen().alias("is_unseen"),
        pl.format("{} to {}", when_text("valid_from"), until.otherwise(when_text("valid_to"))).alias("when"),
    ).with_columns(pl.when("is_unseen").then(_observed()).otherwise("drawn_to").alias("seen_to"))
    last = pl.col("seen_to").max()
    room = pl.max_horizontal((last - pl.col("valid_from").min()) / 50, timedelta(days=1))
    return told.with_columns(pl.min_horizontal("drawn_to", last + room).alias("drawn_to"))


def _observed() -> pl.Expr:
    return pl.max_horizontal("last_observed_at", "valid_from")


def _is_unseen() -> pl.Expr:
    """Whether a stretch went on for long after somebody last looked."""
    return (pl.col("valid_to") - _observed() > _UNSEEN_AFTER).fill_null(False)


def covered(frame: pl.DataFrame) -> str:
    """The days that the rows cover, as far as somebody looked: `2016-09-09 to 2018-01-10.`"""
    first = frame.select(when_text("valid_from").min()).item()
    seen = pl.when(_is_unseen()).then(_observed()).otherwise(pl.max_horizontal("valid_to", _observed()))
    last = frame.select(seen.max().alias("last")).select(when_text("last", "")).item()
    return f"{first[:10]} to {last[:10]}." if first[:10] != last[:10] else f"On {first[:10]}."


def block(base: alt.Chart, start: str, end: str, opacity: object) -> alt.Chart:
    """Rectangles of *base* from one instant to another."""
    drawn: alt.Chart = base.mark_rect().encode(x=time_axis(start), x2=end, opacity=opacity)
    return drawn


def with_unseen(seen: alt.Chart, unseen: alt.Chart, drawn: pl.DataFrame) -> list[alt.Chart]:
    """The marks *seen*, and those *unseen* if the rows *drawn* have any: marks of nothing make browsers warn."""
    return [seen, unseen.transform_filter("datum.is_unseen")] if drawn["is_unseen"].any() else [seen]


def time_axis(field: str, whole: tuple[int, int] | None = None) -> alt.X:
    """An instant along the bottom; *whole* (milliseconds since 1970) makes panels begin and end together."""
    scale = fixed_time(*whole) if whole else alt.Scale(type="utc")
    return alt.X(field, type="temporal", title="time (UTC)", scale=scale, axis=alt.Axis(format=_TIME_FORMAT))


def roomy(times: pl.Series) -> tuple[int, int]:
    """The first and last of *times* (milliseconds since 1970), with room around for marks that are no stretches."""
    first, last = (
        int(end)
        for end in times.to_frame("at")
        .select(pl.col("at").min().dt.epoch("ms").alias("first"), pl.col("at").max().dt.epoch("ms").alias("last"))
        .row(0)
    )
    room = (last - first) // 75 or 15 * 86_400_000
    return first - room, last + room


def fixed_time(start: int, end: int) -> alt.Scale:
    """
    A time scale from *start* to *end*, in milliseconds since 1970.

    Written as numbers that Vega computes: of plain ones Vega-Lite 6.4 makes calls of `datetime`, which the pages'
    interpreter of expressions answers with no time at all, and then nothing is drawn.
    """
    return alt.Scale(type="utc", domainMin=alt.ExprRef(str(start)), domainMax=alt.ExprRef(str(end)))


def time_zoom(name: str = "time") -> alt.Parameter:
    """Drag to move along; the wheel only with shift, or a page could not be scrolled past a chart."""
    return alt.selection_interval(name=name, bind="scales", encodings=["x"], zoom="wheel![event.shiftKey]")
