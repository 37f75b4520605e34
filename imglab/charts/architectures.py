"""Charts that compare architectures: their sizes in proportion through time, and the steps that make the difference."""

from __future__ import annotations

import altair as alt
import polars as pl

from imglab.charts.frames import (
    checked,
    counted,
    difference_text,
    drawable,
    exact_size_text,
    name_of,
    only,
    plain_column,
    subject,
    times_text,
    unit_of,
    values,
    when_text,
)
from imglab.charts.theme import (
    CATEGORIES,
    OTHER,
    QUIET,
    UNKNOWN,
    WIDTH,
    Chart,
    around,
    categories,
    folded,
    is_wide,
    labels,
    legend,
    nothing,
    titled,
    tooltips,
)
from imglab.charts.timeline import covered, spans, time_axis, time_zoom, with_unseen

_BAR_WIDTH = 460
_ROW_HEIGHT = 26
_MOST_STEPS = 7
_OTHER_STEPS, _UNKNOWN_STEP = "other steps", "unknown step"


def architecture_ratios(frame: pl.DataFrame) -> Chart:
    """
    How large a tag's images are in proportion to those of one platform: a line per platform, Windows in a panel below.

    Needs: repository, tag, platform, series, against, valid_from, valid_to, last_observed_at, compressed_bytes,
    against_bytes, ratio, median_ratio, is_outlier, manifest_digest, against_manifest_digest. Outliers have a ring. Rows
    without a ratio are not drawn, and counted in the subtitle. A click in the legend shows one platform alone.
    """
    frame = checked(
        frame,
        "architecture_ratios",
        "repository tag platform series against valid_from valid_to last_observed_at compressed_bytes against_bytes"
        " ratio median_ratio is_outlier manifest_digest against_manifest_digest",
    )
    known = frame.drop_nulls("ratio")
    against = only(frame, "against") or "one platform"
    question = f"How large is {subject(frame)} on other platforms, in proportion to {against}?"
    if known.is_empty():
        why = "no rows" if frame.is_empty() else "no source tells the sizes of both images"
        return nothing(question if frame.height else "How do the sizes compare?", "architecture_ratios", why)
    drawn = spans(drawable(known, "architecture_ratios").sort("valid_from", "series", maintain_order=True))
    is_windows = pl.col("platform").str.starts_with("windows").fill_null(False)
    parts = [("ratios", drawn.filter(~is_windows)), ("ratios_windows", drawn.filter(is_windows))]
    whole = drawn.select(pl.col("valid_from").min(), pl.col("drawn_to").max()).select(pl.all().dt.epoch("ms")).row(0)
    panels = [_ratio_panel(part, name, whole) for name, part in parts if part.height]
    outliers, unknown = int(known["is_outlier"].fill_null(False).sum()), frame.height - known.height
    return titled(
        panels[0] if len(panels) == 1 else alt.vconcat(*panels).resolve_scale(color="independent"),
        question,
        covered(known) + (f" Left out for want of a size: {counted(unknown, 'row')}." if unknown else ""),
        f"Ringed: {outliers:,} far from what is usual for the platform, the median of its history." if outliers else "",
        "Dashed: not looked at again for more than 90 days." if drawn["is_unseen"].any() else "",
    )


def _ratio_panel(frame: pl.DataFrame, name: str, whole: tuple[int, int]) -> alt.LayerChart | alt.FacetChart:
    """One line per platform, broken where there was none, over a rule at 1."""
    usual = pl.format("{} · {}", pl.col("series"), times_text(pl.col("median_ratio")))
    drawn = frame.select(
        name_of(usual).alias("line_name"),
        "valid_from",
        "seen_to",
        "drawn_to",
        "is_unseen",
        "ratio",
        pl.col("is_outlier").fill_null(False),
        times_text(pl.col("ratio"), 3).alias("ratio_text"),
        exact_size_text("compressed_bytes").alias("size_exact"),
        exact_size_text("against_bytes").alias("against_exact"),
        "when",
        "manifest_digest",
        "against_manifest_digest",
    ).with_columns(pl.col("ratio").shift(1).over("line_name").alias("ratio_before"))
    lines = frame.group_by("series").agg(pl.col("median_ratio").first()).sort("median_ratio", "series", descending=True)
    names = lines.select(name_of(usual)).to_series().to_list()
    chosen = alt.selection_point(name=f"chosen_{name}", fields=["line_name"], bind="legend")
    base = alt.Chart(alt.InlineData(values(drawn)), width=WIDTH, height=280 if name == "ratios" else 160)
    base = folded(base, drawn.columns).encode(
        y=alt.Y(
            "ratio",
            type="quantitative",
            title="size in proportion" + (" (logarithmic)" if is_wide(drawn["ratio"]) else ""),
            scale=around(drawn["ratio"]),
        ),
        color=alt.Color(
            "line_name",
            type="nominal",
            scale=alt.Scale(domain=names, range=categories(len(names))),
            legend=legend(*names, title="platform · median ratio"),
        ),
        opacity=alt.when(chosen).then(alt.value(1)).otherwise(alt.value(0.1)),
        tooltip=tooltips(
            line_name="platform",
            ratio_text="ratio",
            size_exact="size",
            against_exact="compared with",
            when="when",
            manifest_digest="image digest",
            against_manifest_digest="compared with image",
        ),
    )
    seen = base.mark_rule(strokeWidth=2.5).encode(x=time_axis("valid_from", whole), x2="seen_to")
    unseen = base.mark_rule(strokeWidth=1.5, strokeDash=[3, 4]).encode(x=time_axis("seen_to"), x2="drawn_to")
    step = base.mark_rule(strokeWidth=1).encode(x=time_axis("valid_from"), y2="ratio_before")
    point = base.mark_point(filled=True, size=24).encode(x=time_axis("valid_from"))
    ring = base.mark_point(filled=False, size=150, strokeWidth=2).encode(x=time_axis("valid_from"))
    layers = with_unseen(seen.properties(name=name).add_params(time_zoom(f"time_{name}"), chosen), unseen, drawn)
    if drawn["ratio_before"].drop_nulls().len():
        layers.append(step.transform_filter("datum.ratio_before !== null"))
    layers.append(point)
    if drawn["is_outlier"].any():
        layers.append(ring.transform_filter("datum.is_outlier"))
    if name == "ratios":
        ends = drawn.select(
            pl.col("valid_from").min(), pl.col("drawn_to").max().alias("seen_to"), pl.lit(1).alias("even")
        )
        even = alt.Chart(alt.InlineData(values(ends))).mark_rule(color=QUIET, strokeDash=[6, 4])
        y = alt.Y("even", type="quantitative")
        layers.append(even.encode(x=time_axis("valid_from"), x2="seen_to", y=y))
    return alt.layer(*layers)


def step_ratios(frame: pl.DataFrame) -> Chart:
    """
    Which build steps make images smaller or larger than that of one platform: a bar per platform, in pieces by step.

    Needs: repository, tag, at, platform, series, against, step_position, step_label, compressed_bytes, against_bytes,
    delta_bytes, delta_share, total_bytes, against_total_bytes, layer_digest, against_layer_digest, manifest_digest.
    What a step saves lies left of the middle, what it adds right of it; Windows has a panel and a scale of its own. The
    seven steps with the largest differences have a colour. A click in the legend shows one step alone.
    """
    frame = checked(
        frame,
        "step_ratios",
        "repository tag at platform series against step_position step_label compressed_bytes against_bytes delta_bytes"
        " delta_share total_bytes against_total_bytes layer_digest against_layer_digest manifest_digest",
    )
    known = frame.drop_nulls(["delta_bytes", "total_bytes", "against_total_bytes"])
    against = only(frame, "against") or "one platform"
    question = f"Which steps make {subject(frame)} smaller or larger than on {against}?"
    if known.is_empty():
        why = "no rows" if frame.is_empty() else "no source tells the sizes of the steps"
        return nothing(question if frame.height else "Which steps make the difference?", "step_ratios", why)
    if not (known["delta_bytes"] != 0).any():
        return nothing(question, "step_ratios", "every step weighs the same")
    drawable(known, "step_ratios")
    is_windows = pl.col("platform").str.starts_with("windows").fill_null(False)
    parts = [("steps", known.filter(~is_windows)), ("steps_windows", known.filter(is_windows))]
    panels = [_difference_bars(part, name) for name, part in parts if part.height]
    at = frame.select(when_text("at", "").max()).item()
    unknown = frame.height - known.height
    return titled(
        panels[0] if len(panels) == 1 else alt.vconcat(*panels).resolve_scale(color="independent"),
        question,
        f"Compressed layers{', ' + at if at else ''}. Left of the middle what a step saves, right of it what it adds.",
        f"Left out for want of a size: {counted(unknown, 'step')}." if unknown else "",
    )


def _pieces(frame: pl.DataFrame) -> pl.DataFrame:
    """The steps of each platform one beside the other, those that save to the left of 0; the largest have a name."""
    step = plain_column("step_label", 48, _UNKNOWN_STEP)
    named = frame.with_columns(step.alias("step")).filter(pl.col("delta_bytes") != 0)
    sizes = named.group_by("step").agg(pl.col("delta_bytes").abs().max().alias("most"))
    largest = (
        sizes.filter(pl.col("step") != _UNKNOWN_STEP)
        .sort("most", "step", descending=[True, False])
        .head(_MOST_STEPS)["step"]
    )
    is_named = pl.col("step").is_in(largest.implode()) | (pl.col("step") == _UNKNOWN_STEP)
    side = pl.col("delta_bytes") > 0
    one_bar = ["manifest_digest", side.alias("is_more")]
    return (
        named.with_columns(pl.when(is_named).then("step").otherwise(pl.lit(_OTHER_STEPS)).alias("group"))
        .sort("row", "step_position", maintain_order=True)
        .with_columns(pl.col("delta_bytes").cum_sum().over(one_bar).alias("to_delta"))
        .with_columns((pl.col("to_delta") - pl.col("delta_bytes")).alias("from_delta"))
    )


def _difference_bars(frame: pl.DataFrame, name: str) -> alt.LayerChart:
    """A bar for each platform between its name and its whole difference."""
    total = pl.col("total_bytes") - pl.col("against_total_bytes")
    whole = frame.unique("manifest_digest", maintain_order=True).with_columns(total.alias("total_delta"))
    ordered = whole.sort("total_delta", "series", maintain_order=True).with_row_index("row")
    rows = frame.join(ordered.select("row", "manifest_digest", "total_delta"), on="manifest_digest")
    pieces = _pieces(rows)
    unit, divisor = unit_of(pieces.with_columns(pl.col("delta_bytes").abs()), "delta_bytes")
    platform = name_of("series")
    bars = pieces.select(
        "row",
        platform.alias("name"),
        "group",
        "step",
        (pl.col("from_delta") / divisor).alias("from_delta"),
        (pl.col("to_delta") / divisor).alias("to_delta"),
        difference_text("delta_bytes").alias("difference"),
        pl.when(pl.col("delta_share").is_null())
        .then(pl.lit("none"))
        .otherwise(pl.format("{} %", (pl.col("delta_share") * 100).round(1)))
        .alias("share"),
        exact_size_text("compressed_bytes").alias("size_exact"),
        exact_size_text("against_bytes").alias("against_exact"),
        pl.col("layer_digest").fill_null("none"),
        pl.col("against_layer_digest").fill_null("none"),
    )
    ends = ordered.select(
        "row",
        platform.alias("name"),
        pl.format(
            "{} · {}", difference_text("total_delta"), times_text(pl.col("total_bytes") / pl.col("against_total_bytes"))
        )
        .fill_null("size unknown")
        .alias("label"),
        (pl.col("total_delta") / divisor).alias("total"),
    )
    return _stacked(bars, ends, name, unit)


def _stacked(bars: pl.DataFrame, ends: pl.DataFrame, name: str, unit: str) -> alt.LayerChart:
    """The pieces, a mark at each whole difference, and names and figures as labels of two axes."""
    groups = bars.group_by("group").agg((pl.col("to_delta") - pl.col("from_delta")).abs().max().alias("most"))
    found = groups.sort("most", "group", descending=[True, False])["group"].to_list()
    steps = [group for group in found if group not in (_OTHER_STEPS, _UNKNOWN_STEP)]
    greys = [(group, grey) for group, grey in ((_OTHER_STEPS, OTHER), (_UNKNOWN_STEP, UNKNOWN)) if group in found]
    scale = alt.Scale(
        domain=[*steps, *(group for group, _ in greys)], range=[*CATEGORIES[: len(steps)], *(grey for _, grey in greys)]
    )
    height = _ROW_HEIGHT * ends.height
    chosen = alt.selection_point(name=f"chosen_{name}", fields=["group"], bind="legend")
    shown = {"name": "platform", "step": "step", "difference": "difference", "share": "share of the difference"}
    shown |= {"size_exact": "size", "against_exact": "compared with"}
    shown |= {"layer_digest": "layer digest", "against_layer_digest": "compared with layer"}
    base = folded(alt.Chart(alt.InlineData(values(bars)), width=_BAR_WIDTH, height=height), shown)
    bar = base.mark_bar().encode(
        x=alt.X(
            "from_delta",
            type="quantitative",
            title=f"difference ({unit} compressed)",
            axis=alt.Axis(tickCount=6),  # of more, labels that touch are left out, and among them zero
        ),
        x2="to_delta",
        y=labels("name", "left"),
        color=alt.Color("group", type="nominal", scale=scale, legend=legend(*found, title="step, largest first")),
        opacity=alt.when(chosen).then(alt.value(1)).otherwise(alt.value(0.12)),
        tooltip=tooltips(**shown),
    )
    whole = alt.Chart(alt.InlineData(values(ends)), width=_BAR_WIDTH, height=height)
    mark = whole.mark_tick(color=QUIET, thickness=2.5, size=_ROW_HEIGHT - 4).encode(
        x=alt.X("total", type="quantitative"), y=labels("name", "left")
    )
    figures = whole.mark_point(opacity=0).encode(y=labels("label", "right"))
    left = alt.layer(bar.properties(name=name).add_params(chosen), mark)
    chart: alt.LayerChart = alt.layer(left, figures).resolve_scale(y="independent")
    return chart
