"""Charts of bytes on the wire."""

from __future__ import annotations

import altair as alt
import polars as pl

from imglab.charts.frames import (
    checked,
    drawable,
    exact_size_text,
    only,
    plain_column,
    size_text,
    subject,
    unit_of,
    values,
    when_text,
)
from imglab.charts.theme import OTHER, WIDTH, Chart, categories, folded, labels, nothing, titled, tooltips
from imglab.charts.timeline import roomy, time_axis, time_zoom

_ROW_HEIGHT = 26
_BAR_WIDTH = 400
_PALE = 0.35


def update_cost(frame: pl.DataFrame) -> Chart:
    """
    What it cost to keep up with a tag: for each cadence a bar in front of whole images, and below the sum through time.

    Needs: repository, tag, platform, cadence, pulled_at, from_manifest_digest, to_manifest_digest, pull_bytes,
    full_bytes, kept_bytes, pull_layer_count, full_layer_count, cumulative_pull_bytes, cumulative_full_bytes,
    unknown_count. Of one cadence alone the sum of whole images is drawn too, dashed.
    """
    frame = checked(
        frame,
        "update_cost",
        "repository tag platform cadence pulled_at from_manifest_digest to_manifest_digest pull_bytes full_bytes"
        " kept_bytes pull_layer_count full_layer_count cumulative_pull_bytes cumulative_full_bytes unknown_count",
    )
    if frame.is_empty():
        return nothing("What did it cost to keep up?", "update_cost")
    drawable(frame, "update_cost")
    unit, divisor = unit_of(frame, "cumulative_full_bytes")
    cadences = frame["cadence"].unique(maintain_order=True).to_list()
    colours = dict(zip(cadences, categories(len(cadences)), strict=True))
    platform = only(frame, "platform")
    first, last = frame.select(when_text("pulled_at").min().alias("first"), when_text("pulled_at").max()).row(0)
    unknown = int(frame["unknown_count"].max() or 0)  # type: ignore[arg-type]
    return titled(
        alt.vconcat(_totals(frame, unit, divisor, colours), _sums(frame, unit, divisor, colours)),
        f"What did it cost to keep up with {subject(frame)}?" + (f" ({platform})" if platform else ""),
        f"{first[:10]} to {last[:10]}. Compressed layers fetched by a host that keeps the image it has;"
        " pale: all layers each time.",
        f"Pulls of unknown size are left out, up to {unknown:,} of a cadence." if unknown else "",
    )


def _totals(frame: pl.DataFrame, unit: str, divisor: int, colours: dict[str, str]) -> alt.LayerChart:
    """A bar for each cadence: all that it fetched, in front of what whole images would have been."""
    pulls = pl.col("pulls").map_elements(lambda count: f"{count:,} pull{'s' if count > 1 else ''}", pl.String)
    share = (pl.col("pulled") / pl.col("whole") * 100).round(0).cast(pl.Int64)
    totals = (
        frame.group_by("cadence", maintain_order=True)
        .agg(
            pl.len().alias("pulls"),
            pl.col("cumulative_pull_bytes").last().alias("pulled"),
            pl.col("cumulative_full_bytes").last().alias("whole"),
        )
        .with_row_index("row")
        .with_columns(
            pl.col("cadence").replace_strict(colours, return_dtype=pl.String).alias("colour"),
            pl.format("{} of {} · {}", size_text("pulled"), size_text("whole"), pulls).alias("label"),
            exact_size_text("pulled").alias("pulled_exact"),
            exact_size_text("whole").alias("whole_exact"),
            pl.when(pl.col("whole") > 0).then(pl.format("{} %", share)).otherwise(pl.lit("unknown")).alias("share"),
            pl.col("pulls").cast(pl.String),
            pl.col("pulled", "whole") / divisor,
        )
        .with_columns(pl.col("label") + pl.lit(" ").repeat_by("row").list.join(""))
    )
    most = max(totals["whole"].to_list()) or 1
    base = alt.Chart(alt.InlineData(values(totals)), width=_BAR_WIDTH, height=_ROW_HEIGHT * totals.height).encode(
        y=labels("cadence", "left"),
        color=alt.Color("colour", type="nominal", scale=None, legend=None),
        tooltip=tooltips(
            cadence="cadence",
            pulls="pulls",
            pulled_exact="fetched",
            whole_exact="all layers each time",
            share="share",
        ),
    )

    def bar(field: str, opacity: float) -> alt.Chart:
        x = alt.X(field, type="quantitative", title=f"fetched in all ({unit})", scale=alt.Scale(domain=[0, most]))
        drawn: alt.Chart = base.mark_bar(cornerRadiusEnd=2, opacity=opacity).encode(x=x)
        return drawn

    figures = base.mark_point(opacity=0).encode(y=labels("label", "right"), color=alt.value(OTHER))
    bars = alt.layer(bar("whole", _PALE).properties(name="update_cost"), bar("pulled", 1))
    chart: alt.LayerChart = alt.layer(bars, figures).resolve_scale(y="independent")
    return chart


def _sums(frame: pl.DataFrame, unit: str, divisor: int, colours: dict[str, str]) -> alt.LayerChart | alt.FacetChart:
    """What each cadence had fetched by when; of one alone also what whole images would have been by then."""
    drawn = frame.select(
        "cadence",
        "pulled_at",
        (pl.col("cumulative_pull_bytes") / divisor).alias("pulled"),
        (pl.col("cumulative_full_bytes") / divisor).alias("whole"),
        exact_size_text("cumulative_pull_bytes").alias("sum"),
        exact_size_text("cumulative_full_bytes").alias("whole_sum"),
        exact_size_text("pull_bytes").alias("fetched"),
        exact_size_text("kept_bytes").alias("kept"),
        pl.format("{} of {}", "pull_layer_count", "full_layer_count").fill_null("unknown").alias("layers_fetched"),
        when_text("pulled_at").alias("when"),
        plain_column("from_manifest_digest", 144, "none"),
        "to_manifest_digest",
    )
    most = max(drawn["whole" if len(colours) == 1 else "pulled"].to_list()) or 1
    base = alt.Chart(alt.InlineData(values(drawn)), width=WIDTH, height=260)
    base = folded(base, drawn.columns).encode(
        x=time_axis("pulled_at", roomy(drawn["pulled_at"])),
        y=alt.Y(
            "pulled",
            type="quantitative",
            title=f"fetched so far ({unit})",
            scale=alt.Scale(domain=[0, most * 1.04], nice=False),
        ),
        color=alt.Color(
            "cadence",
            type="nominal",
            scale=alt.Scale(domain=list(colours), range=list(colours.values())),
            legend=None,
        ),
        tooltip=tooltips(
            cadence="cadence",
            when="pulled",
            fetched="fetched then",
            kept="already there",
            layers_fetched="layers fetched",
            sum="fetched so far",
            whole_sum="all layers each time",
            from_manifest_digest="image before",
            to_manifest_digest="image digest",
        ),
    )
    line = base.mark_line(interpolate="step-after", strokeWidth=2).properties(name="update_cost_sums")
    parts = [line.add_params(time_zoom()), base.mark_point(filled=True, size=22, opacity=1)]
    if len(colours) == 1:
        parts.append(base.mark_line(interpolate="step-after", strokeDash=[4, 3], opacity=0.6).encode(y="whole:Q"))
    return alt.layer(*parts)
