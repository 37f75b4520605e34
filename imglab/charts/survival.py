"""Falling curves of what is still there at an age, as Kaplan and Meier estimate it; and axes of durations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import altair as alt
import polars as pl

from imglab.charts.frames import in_title, short_repository, values
from imglab.charts.theme import OTHER, WIDTH, Chart, categories, legend, tooltips

MOST_LINES = 9
_KINDS = ("name", "x", "x.y", "x.y.z", "dated", "pre-release")
_ALL = "all tags"
_AGES = {0.0: "0", 1.0: "1 day", 7.0: "1 week", 30.0: "1 month", 91.0: "3 months", 365.0: "1 year", 1096.0: "3 years"}
_AGES |= {3652.0: "10 years"}


@dataclass(frozen=True, slots=True)
class Words:
    """What a chart calls its curves and what happens along them."""

    lines: str  # what they are of
    age: str
    there: str
    ended: str
    half: str  # in front of the age at which half of them had ended
    most: str  # where that never came


def curves_of_kinds(frame: pl.DataFrame) -> pl.DataFrame:
    """
    Points of a curve for each kind of tag; and of one for all of them, if there are several.

    Needs: tag, tag_kind, is_past (of an example the last choice), lifetime_days, kind_at_risk_count, kind_ended_count,
    kind_surviving_share, at_risk_count, ended_count, surviving_share.
    """
    order = {kind: number for number, kind in enumerate(_KINDS)}
    of_kind = pl.col("tag_kind").replace_strict(order, default=len(_KINDS), return_dtype=pl.Int64)
    example = pl.col("tag").sort_by("is_past", pl.col("tag").str.len_chars(), "tag").first().over("tag_kind")
    kinds = frame.select(
        of_kind.alias("order"),
        pl.format("{} ({})", pl.col("tag_kind").fill_null("unknown"), example.fill_null("unknown"))
        .map_elements(lambda text: in_title(text, 32), pl.String)
        .alias("group"),
        "lifetime_days",
        pl.col("kind_at_risk_count").alias("at_risk_count"),
        pl.col("kind_ended_count").alias("ended_count"),
        pl.col("kind_surviving_share").alias("surviving_share"),
    )
    every = frame.select(
        pl.lit(len(_KINDS) + 1, pl.Int64).alias("order"), pl.lit(_ALL).alias("group"), *kinds.columns[2:]
    )
    return kinds if kinds["group"].n_unique() == 1 else pl.concat([kinds, every])


def curves_of_repositories(frame: pl.DataFrame) -> pl.DataFrame:
    """
    Points of a curve for each repository, of those with most rows.

    Needs: repository, lifetime_days, at_risk_count, ended_count, surviving_share.
    """
    sizes = frame.group_by("repository").len().sort("len", "repository", descending=[True, False]).head(MOST_LINES)
    chosen = sizes.drop("len").with_row_index("order").with_columns(pl.col("order").cast(pl.Int64))
    return frame.join(chosen, on="repository").select(
        "order",
        pl.col("repository").map_elements(short_repository, pl.String).alias("group"),
        "lifetime_days",
        "at_risk_count",
        "ended_count",
        "surviving_share",
    )


def steps(curves: pl.DataFrame, words: Words) -> pl.DataFrame:
    """The points at which *curves* fall, with the beginning and the end of each."""
    points = _named(curves.unique().sort("order", "group", "lifetime_days"), words)
    begun = points.unique("line", maintain_order=True).with_columns(
        pl.lit(0, pl.Int64).alias("lifetime_days"),
        pl.lit(0, pl.Int64).alias("ended_count"),
        pl.lit(1.0).alias("surviving_share"),
        pl.col("size").alias("at_risk_count"),
    )
    is_last = pl.col("lifetime_days") == pl.col("lifetime_days").max().over("line")
    falls = points.filter((pl.col("ended_count") > 0) | is_last)
    drawn = pl.concat([begun, falls]).sort("order", "group", "lifetime_days", maintain_order=True)
    return drawn.select(
        "line",
        pl.col("lifetime_days").alias("age_days"),
        pl.col("surviving_share").round(4).alias("share"),
        pl.format("{} %", (pl.col("surviving_share") * 100).round(1)).alias("share_text"),
        pl.col("at_risk_count").alias("at_risk"),
        pl.col("ended_count").alias("ended"),
    )


def _named(points: pl.DataFrame, words: Words) -> pl.DataFrame:
    """Each point with the name of its line: how many it is about, and at which age half of them had ended."""
    sized = points.with_columns(
        pl.col("at_risk_count").max().over("group").alias("size"),
        pl.col("lifetime_days").filter(pl.col("surviving_share") <= 0.5).min().over("group").alias("half"),
    )
    days = pl.col("half")
    gone = (
        pl.when(days == 0)
        .then(pl.lit(f"{words.half} within a day"))
        .when(days == 1)
        .then(pl.lit(f"{words.half} at 1 day"))
        .otherwise(pl.format(f"{words.half} at {{}} days", days))
        .fill_null(words.most)
    )
    many = pl.col("size").map_elements(lambda size: f"{size:,}", pl.String)
    return sized.with_columns(pl.format("{} · {} · {}", "group", many, gone).alias("line"))


def falling(drawn: pl.DataFrame, name: str, words: Words) -> Chart:
    """The curves through *drawn* (steps), with a point to hover over where they fall."""
    lines = drawn["line"].unique(maintain_order=True).to_list()
    colours = categories(len(lines))
    if lines[-1].startswith(f"{_ALL} · "):
        colours[-1] = OTHER
    chosen = alt.selection_point(name="chosen_line", fields=["line"], bind="legend")
    base = alt.Chart(alt.InlineData(values(drawn)), width=WIDTH, height=320).encode(
        x=duration("age_days", words.age, _AGES, max(drawn["age_days"].to_list()) or 1, constant=1),
        y=alt.Y(
            "share",
            type="quantitative",
            title=f"share {words.there}",
            scale=alt.Scale(domain=[0, 1]),
            axis=alt.Axis(format="%", tickCount=4),
        ),
        color=alt.Color(
            "line",
            type="nominal",
            scale=alt.Scale(domain=lines, range=colours),
            legend=legend(*lines, title=words.lines),
        ),
        opacity=alt.when(chosen).then(alt.value(1)).otherwise(alt.value(0.1)),
    )
    point = base.mark_point(filled=True, size=60).encode(
        opacity=alt.value(0),
        tooltip=tooltips(
            line=words.lines,
            age_days="age in days",
            share_text=words.there,
            at_risk="followed to this age",
            ended=f"{words.ended} at it",
        ),
    )
    line = base.mark_line(interpolate="step-after", strokeWidth=2).properties(name=name)
    return alt.layer(line.add_params(chosen), point)


def duration(field: str, title: str, words: Mapping[float, str], longest: float, *, constant: float) -> alt.X:
    """Days along the bottom, the short ones as far apart as the long ones; *words* name some."""
    shown = {days: word for days, word in words.items() if days <= longest}
    # Ours are the only words in this expression.
    texts = " : ".join(f"datum.value === {days} ? '{word}'" for days, word in shown.items())
    axis = alt.Axis(values=list(shown), labelExpr=f"{texts} : ''", grid=True, labelOverlap="greedy")
    scale = alt.Scale(type="symlog", constant=constant, domain=[0, longest], nice=False)
    return alt.X(field, type="quantitative", title=title, scale=scale, axis=axis)
