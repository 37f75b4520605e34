"""A chart of how long tags lag behind what they are built on."""

from __future__ import annotations

import altair as alt
import polars as pl

from imglab.charts.bases import base_colour, base_colours, platform_note, with_base
from imglab.charts.frames import (
    checked,
    drawable,
    subject,
    values,
    when_text,
)
from imglab.charts.theme import (
    CATEGORIES,
    OTHER,
    WIDTH,
    Chart,
    folded,
    legend,
    nothing,
    titled,
    tooltips,
)
from imglab.charts.timeline import (
    spans,
    time_axis,
)

_STATES = ("the newest", "out of date")


def base_lag(frame: pl.DataFrame) -> Chart:
    """
    How long a tag lagged behind its base: a stem for each move that it followed, below them when it was out of date.

    Needs: repository, tag, platform, valid_from, valid_to, last_observed_at, manifest_digest, base_repository,
    base_tag, base_manifest_digest, base_moved_at, lag_days, outdated_from, outdated_days.
    """
    frame = checked(
        frame,
        "base_lag",
        "repository tag platform valid_from valid_to last_observed_at manifest_digest base_repository base_tag"
        " base_manifest_digest base_moved_at lag_days outdated_from outdated_days",
    )
    known = frame.drop_nulls("base_manifest_digest")
    if known.is_empty():
        if frame.is_empty():
            return nothing("How long do tags lag behind their base?", "base_lag")
        return nothing(f"How long did {subject(frame)} lag behind its base?", "base_lag", "no base is known")
    named = with_base(drawable(known, "base_lag")).with_columns(
        _days_text("lag_days").alias("lag_text"),
        _days_text("outdated_days").alias("outdated_text"),
        when_text("base_moved_at").alias("moved"),
        when_text("valid_from").alias("followed"),
    )
    whole = _whole(spans(named))
    panels: list[Chart] = [_band(named, whole)]
    if named["lag_days"].drop_nulls().len():
        panels.insert(0, _lags(named, whole))
    return titled(
        alt.vconcat(*panels).resolve_scale(color="independent"),
        f"How long did {subject(frame)} lag behind its base?{platform_note(frame)}",
        _lag_summary(known),
        "Days from a move of the base to the move of the tag that followed it, as far as both were seen.",
    )


def _lags(frame: pl.DataFrame, whole: tuple[int, int]) -> alt.LayerChart | alt.FacetChart:
    """A lollipop for each move of the base that was followed, as high as it took days."""
    lagged = frame.drop_nulls("lag_days")
    most = max(lagged["lag_days"].to_list()) or 1
    drawn = lagged.with_columns(pl.lit(0).alias("none")).select(
        "valid_from",
        "none",
        "part_name",
        "lag_days",
        "lag_text",
        "moved",
        "followed",
        "base_manifest_digest",
        "manifest_digest",
    )
    groups, colours = base_colours(lagged)
    base = alt.Chart(alt.InlineData(values(drawn)), width=WIDTH, height=220)
    base = folded(base, drawn.columns).encode(
        y=alt.Y(
            "lag_days", type="quantitative", title="lag (days)", scale=alt.Scale(domain=[0, most * 1.04], nice=False)
        ),
        color=base_colour(groups, colours, "base"),
        tooltip=tooltips(
            part_name="base",
            moved="base moved",
            followed="followed",
            lag_text="lag",
            base_manifest_digest="base digest",
            manifest_digest="image digest",
        ),
    )
    stem = base.mark_rule(strokeWidth=2).encode(x=time_axis("valid_from", whole), y2="none")
    point = base.mark_point(filled=True, size=45, opacity=1).encode(x=time_axis("valid_from"))
    return alt.layer(stem.properties(name="base_lag"), point)


def _band(frame: pl.DataFrame, whole: tuple[int, int]) -> alt.Chart:
    """One band through time, as far as it was seen: since when the base was the newest, since when out of date."""
    stays = spans(frame).with_columns(
        pl.min_horizontal("outdated_from", "seen_to").fill_null(pl.col("seen_to")).alias("fresh_to")
    )
    fresh = stays.with_columns(pl.col("fresh_to").alias("to"), pl.lit(_STATES[0]).alias("state"))
    late = stays.with_columns(
        pl.col("fresh_to").alias("valid_from"), pl.col("seen_to").alias("to"), pl.lit(_STATES[1]).alias("state")
    )
    drawn = pl.concat([fresh, late]).filter(pl.col("valid_from") < pl.col("to")).sort("valid_from")
    shown = [
        "state",
        "part_name",
        "valid_from",
        "to",
        "when",
        "outdated_text",
        "base_manifest_digest",
        "manifest_digest",
    ]
    base = alt.Chart(alt.InlineData(values(drawn.select(shown))), width=WIDTH, height=34, name="base_state")
    band: alt.Chart = (
        folded(base, shown)
        .mark_rect()
        .encode(
            x=time_axis("valid_from", whole),
            x2="to",
            color=alt.Color(
                "state",
                type="nominal",
                scale=alt.Scale(domain=list(_STATES), range=[OTHER, CATEGORIES[6]]),
                legend=legend(*_STATES, title="its base was then"),
            ),
            tooltip=tooltips(
                part_name="base",
                state="was then",
                when="built on it",
                outdated_text="out of date",
                base_manifest_digest="base digest",
                manifest_digest="first image on it",
            ),
        )
    )
    return band


def _lag_summary(frame: pl.DataFrame) -> str:
    """How many moves were followed, how soon, and for how much of the time the base was out of date."""
    lags = frame["lag_days"].drop_nulls()
    drawn = spans(frame)
    looked = drawn.select(
        (pl.col("seen_to") - pl.col("valid_from")).sum().dt.total_seconds().alias("in_all"),
        (pl.col("seen_to") - pl.min_horizontal("outdated_from", "seen_to")).sum().dt.total_seconds().alias("outdated"),
    )
    total, outdated = (seconds / 86400 for seconds in looked.row(0))
    median = float(lags.median() or 0)  # type: ignore[arg-type]
    followed = (
        f"{lags.len():,} moves of the base followed, half of them {f'within {_days(median)}' if median else 'at once'}."
        if lags.len()
        else "No move of the base is known to have been followed."
    )
    first, last = drawn.select(
        when_text("valid_from").min().str.slice(0, 10), when_text("seen_to").max().str.slice(0, 10)
    ).row(0)
    return f"{followed} Out of date for {_days(outdated)} of {_days(total)}, {first} to {last}."


def _whole(drawn: pl.DataFrame) -> tuple[int, int]:
    """The first and last instant that was seen, in milliseconds since 1970."""
    first, last = (
        drawn.select(pl.col("valid_from").min(), pl.col("seen_to").max()).select(pl.all().dt.epoch("ms")).row(0)
    )
    return first, last


def _days(days: float) -> str:
    """Days, or hours where they are few: `12 days`, `2.5 days`, `15.2 hours`, `0 hours`."""
    if days < 1:
        return f"{days * 24:.1f} hours" if days else "0 hours"
    return f"{days:,.0f} days" if days >= 10 else f"{days:.1f} days"


def _days_text(name: str) -> pl.Expr:
    return pl.col(name).map_elements(_days, pl.String).fill_null("unknown")
