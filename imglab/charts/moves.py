"""Charts of churn: what moves of tags changed, on which days they came, how long digests stay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import altair as alt
import polars as pl

from imglab.charts.frames import (
    checked,
    counted,
    difference_text,
    drawable,
    exact_size_text,
    only,
    plain_column,
    subject,
    values,
    when_text,
)
from imglab.charts.survival import MOST_LINES, Words, curves_of_kinds, curves_of_repositories, falling, steps
from imglab.charts.theme import (
    CATEGORIES,
    OTHER,
    RAMP,
    UNKNOWN,
    WIDTH,
    Chart,
    counts_legend,
    folded,
    legend,
    nothing,
    titled,
    tooltips,
)
from imglab.charts.timeline import few_of, fixed_time, largest_rows, roomy, row_axis, tags_of, time_axis, time_zoom

MOST_YEARS = 12
_KINDS = {
    "content": CATEGORIES[0],
    "base only": CATEGORIES[1],
    "rebuild only": CATEGORIES[5],
    "metadata only": CATEGORIES[2],
    "platform set": CATEGORIES[3],
    "attestations only": CATEGORIES[4],
    "unchanged": OTHER,
    "unknown": UNKNOWN,
}
_COUNTS = {
    "content": "content_count",
    "base only": "base_count",
    "rebuild only": "rebuild_count",
    "metadata only": "metadata_count",
    "platform set": "platform_set_count",
    "attestations only": "attestation_count",
    "unchanged": "unchanged_count",
    "unknown": "unknown_count",
}
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_WORDS = Words(
    "digests of tags", "age of a digest", "still pointed at", "replaced", "half replaced", "more than half stay"
)


def moves(frame: pl.DataFrame) -> Chart:
    """
    What each move of a tag changed: a row per tag, a mark per move, coloured by kind.

    Needs: repository, tag, platform, moved_at, kind, from_digest, to_digest, changed_platforms, delta_bytes,
    pulled_bytes. Of more than 40 tags those with most moves are drawn; the subtitle says so, and how many moves were of
    which kind. A click in the legend shows one kind alone.
    """
    frame = checked(
        frame,
        "moves",
        "repository tag platform moved_at kind from_digest to_digest changed_platforms delta_bytes pulled_bytes",
    )
    if frame.is_empty():
        return nothing("What did the moves change?", "moves")
    chosen_rows, total = largest_rows(frame, pl.len(), is_ranked=True)
    drawable(chosen_rows, "moves")
    drawn = chosen_rows.sort("row", "moved_at", maintain_order=True).select(
        "row",
        "tag_name",
        "moved_at",
        "kind",
        when_text("moved_at").alias("when"),
        plain_column("changed_platforms", 160, "none, or not known"),
        difference_text("delta_bytes").fill_null("unknown").alias("difference"),
        exact_size_text("pulled_bytes").alias("pulled"),
        "from_digest",
        "to_digest",
    )
    found = [kind for kind in _KINDS if kind in set(drawn["kind"])]
    chosen = alt.selection_point(name="chosen_kind", fields=["kind"], bind="legend")
    base = alt.Chart(alt.InlineData(values(drawn)), width=WIDTH, height=alt.Step(20 if total > 1 else 48))
    chart = (
        folded(base, drawn.columns)
        .mark_rect(width=1.5 if total > 1 else 2.5)
        .encode(
            x=time_axis("moved_at", roomy(drawn["moved_at"])),
            y=row_axis("tag_name", 0.2),
            color=alt.Color(
                "kind",
                type="nominal",
                scale=alt.Scale(domain=found, range=[_KINDS[kind] for kind in found]),
                legend=legend(*found, title="what changed", orient="top"),
            ),
            opacity=alt.when(chosen).then(alt.value(1)).otherwise(alt.value(0.08)),
            tooltip=tooltips(
                tag_name="tag",
                kind="what changed",
                when="moved",
                changed_platforms="platforms",
                difference="size difference",
                pulled="layers to pull",
                from_digest="from digest",
                to_digest="to digest",
            ),
        )
        .properties(name="moves")
        .add_params(time_zoom(), chosen)
    )
    return titled(
        chart,
        f"What did the moves of {tags_of(frame)} change?{_platform(frame)}",
        _shares(dict(frame.select(plain_column("kind", 30, "unknown")).group_by("kind").len().iter_rows())),
        few_of(chosen_rows, total, "with most moves"),
    )


def _platform(frame: pl.DataFrame) -> str:
    """The platform that moves were judged by, as the end of a question; empty for all of them together."""
    found = only(frame, "platform")
    return f" ({found})" if found else ""


def _shares(counts: dict[str, int]) -> str:
    """How many moves there were, and how many of them of which kind, the largest share first."""
    total = sum(counts.values())
    ordered = sorted(counts.items(), key=lambda kind: (-kind[1], kind[0]))
    parts = [f"{kind} {100 * count / total:.1f} %" for kind, count in ordered if count]
    return f"{counted(total, 'move')}: {', '.join(parts)}."


def move_calendar(frame: pl.DataFrame) -> Chart:
    """
    On which days tags moved: a calendar for each year, weeks beside each other, Monday on top.

    Needs: repository, tag, platform, move_date, weekday, move_count, tag_count, content_count, base_count,
    rebuild_count, metadata_count, platform_set_count, attestation_count, unchanged_count, unknown_count. Years without
    moves are left out, and of more than twelve the oldest; the subtitle says so.
    """
    frame = checked(
        frame,
        "move_calendar",
        f"repository tag platform move_date weekday move_count tag_count {' '.join(_COUNTS.values())}",
    )
    if frame.is_empty():
        return nothing("On which days did the tags move?", "move_calendar")
    drawable(frame, "move_calendar")
    years = frame["move_date"].dt.year().unique().sort().to_list()
    shown = years[-MOST_YEARS:]
    most = max(frame["move_count"].to_list())
    days = _cells(frame)
    panels = [_year(days.filter(pl.col("year") == year), year, most) for year in shown]
    name = subject(frame)
    counts = {kind: int(frame[column].sum()) for kind, column in _COUNTS.items()}
    return titled(
        panels[0] if len(panels) == 1 else alt.vconcat(*panels, spacing=6),
        f"On which days did {name if ':' in name else f'the tags of {name}'} move?{_platform(frame)}",
        _shares(counts),
        f"On {counted(frame.height, 'day')} (UTC); no cell means that no move was seen, nor perhaps looked for.",
        f"The {MOST_YEARS} newest of {len(years)} years with moves." if len(years) > len(shown) else "",
    )


def _cells(frame: pl.DataFrame) -> pl.DataFrame:
    """Each day with its place in the calendar and its figures as text."""
    day = pl.col("move_date").cast(pl.Datetime("us", "UTC"))
    monday = day - pl.duration(days=pl.col("weekday") - 1)
    kinds = [
        pl.when(pl.col(column) > 0).then(pl.format(kind + " {}", column)).otherwise(pl.lit(None, pl.String))
        for kind, column in _COUNTS.items()
    ]
    return frame.select(
        pl.col("move_date").dt.year().alias("year"),
        pl.col("weekday").replace_strict(dict(enumerate(_DAYS, 1)), return_dtype=pl.String).alias("day"),
        monday.alias("week_from"),
        (monday + timedelta(days=7)).alias("week_to"),
        pl.col("move_date").dt.strftime("%Y-%m-%d").alias("date"),
        "move_count",
        pl.col("move_count").cast(pl.String).alias("moves"),
        pl.col("tag_count").cast(pl.String).alias("tags"),
        pl.concat_str(kinds, separator=", ", ignore_nulls=True).alias("kinds"),
    )


def _year(cells: pl.DataFrame, year: int, most: int) -> alt.Chart:
    """A column per week and a row per weekday of one year, from the Monday before it to the Sunday after."""
    first, last = datetime(year, 1, 1, tzinfo=UTC), datetime(year, 12, 31, tzinfo=UTC)
    edges = (first - timedelta(days=first.weekday()), last + timedelta(days=7 - last.weekday()))
    start, end = (int(edge.timestamp()) * 1_000 for edge in edges)
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values(cells.drop("year"))), width=WIDTH, height=13 * len(_DAYS))
        .mark_rect(stroke="#ffffff", strokeWidth=0.6, strokeOpacity=0.7)
        .encode(
            x=alt.X(
                "week_from",
                type="temporal",
                title=None,
                scale=fixed_time(start, end),
                axis=alt.Axis(format="%b", tickCount="month", grid=False),
            ),
            x2="week_to",
            y=alt.Y(
                "day",
                type="ordinal",
                title=str(year),
                scale=alt.Scale(domain=list(_DAYS)),
                axis=alt.Axis(values=["Mon", "Wed", "Fri", "Sun"], domain=False, ticks=False),
            ),
            color=alt.Color(
                "move_count",
                type="quantitative",
                scale=alt.Scale(type="sqrt", domain=[0, most], range=list(RAMP), interpolate="lab"),
                legend=counts_legend("moves a day", most),
            ),
            tooltip=tooltips(date="day", moves="moves", tags="tags that moved", kinds="what changed"),
        )
        .properties(name=f"move_calendar_{year}")
    )
    return chart


def digest_lifetimes(frame: pl.DataFrame) -> Chart:
    """
    How long tags point at one digest: a falling line for each kind of tag, or for each of several repositories.

    Needs: repository, tag, tag_kind, is_start_known, is_replaced, lifetime_days, kind_at_risk_count,
    kind_replaced_count, kind_standing_share, at_risk_count, replaced_count, standing_share. The legend says how many
    digests there are and when half of them had been replaced; a click in it shows one line alone. Digests whose start
    is not known are left out and counted in the subtitle, and of more than nine repositories those with fewest digests.
    """
    frame = checked(
        frame,
        "digest_lifetimes",
        "repository tag tag_kind is_start_known is_replaced lifetime_days kind_at_risk_count kind_replaced_count"
        " kind_standing_share at_risk_count replaced_count standing_share",
    )
    if frame.is_empty():
        return nothing("How long do digests stay?", "digest_lifetimes")
    verb = "does" if frame["tag"].n_unique() == 1 else "do"
    question = f"How long {verb} {tags_of(frame)} point at one digest?"
    known = frame.filter("is_start_known")
    if known.is_empty():
        return nothing(question, "digest_lifetimes", "what was there at the first look may be older")
    curves = _curves(known)
    several = known["repository"].n_unique()
    left_out, followed = frame.height - known.height, int((~known["is_replaced"]).sum())
    return titled(
        falling(drawable(steps(curves, _WORDS), "digest_lifetimes"), "digest_lifetimes", _WORDS),
        question,
        f"{counted(known.height, 'digest')}, {followed:,} not seen to be replaced."
        " Estimated by Kaplan and Meier's method.",
        f"{left_out:,} may have been there before they were first seen and are left out." if left_out else "",
        f"The {MOST_LINES} repositories with most digests, of {several}." if several > MOST_LINES else "",
    )


def _curves(frame: pl.DataFrame) -> pl.DataFrame:
    """Points of curves as `survival` draws them."""
    named = frame.rename(
        {
            "kind_replaced_count": "kind_ended_count",
            "kind_standing_share": "kind_surviving_share",
            "replaced_count": "ended_count",
            "standing_share": "surviving_share",
        }
    ).with_columns(pl.lit(False).alias("is_past"))
    return curves_of_repositories(named) if named["repository"].n_unique() > 1 else curves_of_kinds(named)
