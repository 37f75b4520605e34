"""Charts of how tags live: how long they are there, how much time passes between moves, and when these come."""

from __future__ import annotations

import altair as alt
import polars as pl

from imglab.charts.frames import checked, drawable, only, subject, values
from imglab.charts.survival import MOST_LINES, Words, curves_of_kinds, curves_of_repositories, duration, falling, steps
from imglab.charts.theme import MAIN, RAMP, WIDTH, Chart, counts_legend, nothing, titled, tooltips
from imglab.charts.timeline import tags_of

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_HOUR = 1 / 24
_GAPS = {0.0: "0", _HOUR: "1 hour", 0.25: "6", 1.0: "1 day", 2.0: "2", 4.0: "4", 7.0: "1 week", 14.0: "2", 28.0: "4"}
_GAPS |= {91.0: "3 months", 182.0: "6", 365.0: "1 year"}
_WORDS = Words("tags", "age of a tag", "still there", "ended", "half gone", "more than half live on")


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
    past = counted.with_columns(pl.col("ended_at").is_not_null().alias("is_past"))
    curves = curves_of_repositories(counted) if several > 1 else curves_of_kinds(past)
    left_out = frame.height - counted.height
    still_there = counted["ended_at"].is_null().sum()
    many = f"The {MOST_LINES} repositories with most tags, of {several}." if several > MOST_LINES else ""
    return titled(
        falling(drawable(steps(curves, _WORDS), "tag_lifetimes"), "tag_lifetimes", _WORDS),
        question,
        f"{counted.height:,} tag{'s' if counted.height > 1 else ''}, {still_there:,} still there."
        " Estimated by Kaplan and Meier's method.",
        f"{left_out:,} that were there at the first look may be older and are left out." if left_out else "",
        many,
    )


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
                scale=alt.Scale(domain=[0, most], range=list(RAMP), interpolate="lab"),
                legend=counts_legend("moves", most),
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
        x=duration("gap_from_days", "time since the tag's last move", _GAPS, top, constant=_HOUR),
        x2="gap_to_days",
        y=alt.Y("share", type="quantitative", title="share of the gaps", axis=alt.Axis(format="%", tickCount=4)),
        y2=alt.datum(0),
        tooltip=tooltips(gap_class="gap", moves="moves"),
    )
    chart: alt.Chart = bars.properties(name="update_gaps")
    return chart
