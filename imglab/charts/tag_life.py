"""Charts of how tags live: how long they are there, how much time passes between moves, and when these come."""

from __future__ import annotations

from collections.abc import Mapping

import altair as alt
import polars as pl

from imglab.charts.frames import checked, drawable, only, plain, short_repository, subject, values
from imglab.charts.theme import MAIN, OTHER, RAMP, WIDTH, Chart, categories, nothing, titled, tooltips
from imglab.charts.timeline import tags_of

MOST_LINES = 9
_KINDS = ("name", "x", "x.y", "x.y.z", "dated", "pre-release")
_ALL = "all tags"
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_HOUR = 1 / 24
_AGES = {0.0: "0", 1.0: "1 day", 7.0: "1 week", 30.0: "1 month", 91.0: "3 months", 365.0: "1 year", 1096.0: "3 years"}
_AGES |= {3652.0: "10 years"}
_GAPS = {0.0: "0", _HOUR: "1 hour", 0.25: "6", 1.0: "1 day", 2.0: "2", 4.0: "4", 7.0: "1 week", 14.0: "2", 28.0: "4"}
_GAPS |= {91.0: "3 months", 182.0: "6", 365.0: "1 year"}


def tag_lifetimes(frame: pl.DataFrame) -> Chart:
    """
    How many tags live to which age: a falling line for each kind of tag, or for each of several repositories.

    Needs: repository, tag, tag_kind, ended_at, lifetime_days, is_from_first_look, kind_at_risk_count, kind_ended_count,
    kind_surviving_share, at_risk_count, ended_count, surviving_share. The legend says how many tags there are and when
    half of them had ended; a click in it shows one line alone. Tags from the first look are left out and counted in the
    subtitle, and of more than nine repositories those with fewest tags.
    """
    frame = checked(
        frame,
        "tag_lifetimes",
        "repository tag tag_kind ended_at lifetime_days is_from_first_look kind_at_risk_count kind_ended_count"
        " kind_surviving_share at_risk_count ended_count surviving_share",
    )
    counted = frame.filter(~pl.col("is_from_first_look"))
    if frame.is_empty():
        return nothing("How long do tags live?", "tag_lifetimes")
    question = f"How long do {tags_of(frame)} live?" if frame.height > 1 else f"How long does {subject(frame)} live?"
    if counted.is_empty():
        return nothing(question, "tag_lifetimes", "what was there at the first look may be older")
    several = counted["repository"].n_unique()
    curves = _curves_of_repositories(counted) if several > 1 else _curves_of_kinds(counted)
    left_out = frame.height - counted.height
    still_there = counted["ended_at"].is_null().sum()
    many = f"The {MOST_LINES} repositories with most tags, of {several}." if several > MOST_LINES else ""
    return titled(
        _falling(drawable(_steps(curves), "tag_lifetimes")),
        question,
        f"{counted.height:,} tag{'s' if counted.height > 1 else ''}, {still_there:,} still there."
        " Estimated by Kaplan and Meier's method.",
        f"{left_out:,} that were there at the first look may be older and are left out." if left_out else "",
        many,
    )


def _curves_of_kinds(frame: pl.DataFrame) -> pl.DataFrame:
    """Points of a curve for each kind of tag; and of one for all of them, if there are several."""
    order = {kind: number for number, kind in enumerate(_KINDS)}
    of_kind = pl.col("tag_kind").replace_strict(order, default=len(_KINDS), return_dtype=pl.Int64)
    is_gone, length = pl.col("ended_at").is_not_null(), pl.col("tag").str.len_chars()
    example = pl.col("tag").sort_by(is_gone, length, "tag").first().over("tag_kind")
    kinds = frame.select(
        of_kind.alias("order"),
        pl.format("{} ({})", pl.col("tag_kind").fill_null("unknown"), example.fill_null("unknown"))
        .map_elements(lambda text: plain(text, 40), pl.String)
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


def _curves_of_repositories(frame: pl.DataFrame) -> pl.DataFrame:
    """Points of a curve for each repository, of those with most tags."""
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


def _steps(curves: pl.DataFrame) -> pl.DataFrame:
    """The points at which a curve falls, with its beginning and its end."""
    points = _named(curves.unique().sort("order", "group", "lifetime_days"))
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


def _named(points: pl.DataFrame) -> pl.DataFrame:
    """Each point with the name of its line: how many tags it is about, and at which age half of them had ended."""
    sized = points.with_columns(
        pl.col("at_risk_count").max().over("group").alias("size"),
        pl.col("lifetime_days").filter(pl.col("surviving_share") <= 0.5).min().over("group").alias("half"),
    )
    gone = pl.format("half gone at {} days", "half").fill_null("more than half live on")
    many = pl.col("size").map_elements(lambda size: f"{size:,}", pl.String)
    return sized.with_columns(pl.format("{} · {} · {}", "group", many, gone).alias("line"))


def _falling(drawn: pl.DataFrame) -> Chart:
    """The curves, with a point to hover over where they fall."""
    lines = drawn["line"].unique(maintain_order=True).to_list()
    colours = categories(len(lines))
    if lines[-1].startswith(f"{_ALL} · "):
        colours[-1] = OTHER
    chosen = alt.selection_point(name="chosen_line", fields=["line"], bind="legend")
    base = alt.Chart(alt.InlineData(values(drawn)), width=WIDTH, height=320).encode(
        x=_duration("age_days", "age of a tag", _AGES, max(drawn["age_days"].to_list()) or 1, constant=1),
        y=alt.Y(
            "share",
            type="quantitative",
            title="share still there",
            scale=alt.Scale(domain=[0, 1]),
            axis=alt.Axis(format="%", tickCount=4),
        ),
        color=alt.Color(
            "line",
            type="nominal",
            title="tags",
            scale=alt.Scale(domain=lines, range=colours),
            legend=alt.Legend(labelLimit=340),
        ),
        opacity=alt.when(chosen).then(alt.value(1)).otherwise(alt.value(0.1)),
    )
    point = base.mark_point(filled=True, size=60).encode(
        opacity=alt.value(0),
        tooltip=tooltips(
            line="tags",
            age_days="age in days",
            share_text="still there",
            at_risk="followed to this age",
            ended="ended at it",
        ),
    )
    line = base.mark_line(interpolate="step-after", strokeWidth=2).properties(name="tag_lifetimes")
    return alt.layer(line.add_params(chosen), point)


def _duration(field: str, title: str, words: Mapping[float, str], longest: float, *, constant: float) -> alt.X:
    """Days along the bottom, the short ones as far apart as the long ones; *words* name some."""
    shown = {days: word for days, word in words.items() if days <= longest}
    # Ours are the only words in this expression.
    texts = " : ".join(f"datum.value === {days} ? '{word}'" for days, word in shown.items())
    axis = alt.Axis(values=list(shown), labelExpr=f"{texts} : ''", grid=True, labelOverlap="greedy")
    scale = alt.Scale(type="symlog", constant=constant, domain=[0, longest], nice=False)
    return alt.X(field, type="quantitative", title=title, scale=scale, axis=axis)


def update_gaps(frame: pl.DataFrame) -> Chart:
    """
    When in the week tags move, as a heat map, and how much time passes between two moves of a tag, as bars.

    Needs: repository, tag, basis, weekday, hour, gap_from_days, gap_to_days, gap_class, move_count, median_gap_days.
    Adds up the cells of the frame. Moves that are dated to the day only are not in the heat map, and first moves, which
    end no gap, not among the bars; the subtitle counts both.
    """
    frame = checked(
        frame,
        "update_gaps",
        "repository tag basis weekday hour gap_from_days gap_to_days gap_class move_count median_gap_days",
    )
    if frame.is_empty():
        return nothing("When do the tags move, and how often?", "update_gaps")
    drawable(frame, "update_gaps")
    hours = _added(frame.drop_nulls("hour"), "weekday", "hour")
    gaps = _added(frame.drop_nulls("gap_from_days"), "gap_from_days", "gap_to_days", "gap_class")
    panels = [_week(hours)] if hours.height else []
    panels += [_gaps(gaps)] if gaps.height else []
    name = subject(frame)
    undated = int(frame.filter(pl.col("hour").is_null())["move_count"].sum())
    return titled(
        panels[0] if len(panels) == 1 else alt.vconcat(*panels).resolve_scale(color="independent"),
        f"When does {name} move, and how often?" if ":" in name else f"When do the tags of {name} move, and how often?",
        _moves(frame),
        f"{undated:,} are dated to the day only and have no hour." if undated else "",
    )


def _moves(frame: pl.DataFrame) -> str:
    """What was counted, and the middle of the gaps."""
    what = "changes of what tags are built from" if only(frame, "basis") == "definition" else "moves to another digest"
    median = frame["median_gap_days"].max()
    middle = f"; half of the gaps between two are shorter than {_span(median)}" if isinstance(median, float) else ""
    first = int(frame.filter(pl.col("gap_from_days").is_null())["move_count"].sum())
    return f"{int(frame['move_count'].sum()):,} {what}{middle}. {first:,} are the first of their tag and end no gap."


def _span(days: float) -> str:
    return f"{days:.1f} days" if days >= 2 else f"{days * 24:.1f} hours"


def _added(frame: pl.DataFrame, *by: str) -> pl.DataFrame:
    """The moves of the cells that agree in *by*, and their share of all."""
    added = frame.group_by(by).agg(pl.col("move_count").sum()).sort(by)
    share = pl.col("move_count") / pl.col("move_count").sum()
    return added.with_columns(
        share.round(4).alias("share"),
        pl.format("{} ({} %)", "move_count", (share * 100).round(1)).alias("moves"),
    )


def _week(cells: pl.DataFrame) -> alt.Chart:
    """A heat map of the week: a row per day, a column per hour."""
    days = dict(enumerate(_DAYS, 1))
    drawn = cells.select(
        pl.col("weekday").replace_strict(days, return_dtype=pl.String).alias("day"),
        "hour",
        "move_count",
        "moves",
        pl.format("{}:00 to {}:59 UTC", "hour", "hour").alias("when"),
    )
    most = max(drawn["move_count"].to_list())
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values(drawn)), width=WIDTH, height=22 * len(_DAYS), name="update_gaps_week")
        .mark_rect(stroke="#ffffff", strokeWidth=0.6, strokeOpacity=0.7)
        .encode(
            x=alt.X(
                "hour",
                type="ordinal",
                title="hour of the day (UTC)",
                scale=alt.Scale(domain=list(range(24))),
                axis=alt.Axis(labelAngle=0),
            ),
            y=alt.Y("day", type="ordinal", title=None, scale=alt.Scale(domain=list(_DAYS))),
            color=alt.Color(
                "move_count",
                type="quantitative",
                title="moves",
                scale=alt.Scale(domain=[0, most], range=list(RAMP), interpolate="lab"),
                legend=alt.Legend(tickMinStep=1, format="d"),
            ),
            tooltip=tooltips(day="day", when="hour", moves="moves"),
        )
    )
    return chart


def _gaps(cells: pl.DataFrame) -> alt.Chart:
    """A bar for each class of gaps, as wide as the class on an axis that stretches the short ones."""
    longest = 2 * max(cells["gap_from_days"].to_list())
    drawn = cells.drop("move_count").with_columns(pl.col("gap_to_days").fill_null(longest))
    base = alt.Chart(alt.InlineData(values(drawn)), width=WIDTH, height=180)
    top = max(max(drawn["gap_to_days"].to_list()), 1)
    bars = base.mark_rect(color=MAIN, stroke="#ffffff", strokeWidth=0.6, strokeOpacity=0.7).encode(
        x=_duration("gap_from_days", "time since the tag's last move", _GAPS, top, constant=_HOUR),
        x2="gap_to_days",
        y=alt.Y("share", type="quantitative", title="share of the gaps", axis=alt.Axis(format="%", tickCount=4)),
        y2=alt.datum(0),
        tooltip=tooltips(gap_class="gap", moves="moves"),
    )
    chart: alt.Chart = bars.properties(name="update_gaps")
    return chart
