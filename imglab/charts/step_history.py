"""Charts of build steps through time."""

from __future__ import annotations

import altair as alt
import polars as pl

from imglab.charts.frames import (
    apart,
    checked,
    difference_text,
    drawable,
    exact_size_text,
    only,
    plain,
    plain_column,
    size_text,
    subject,
    unit_of,
    values,
)
from imglab.charts.theme import RAMP, UNSEEN_OPACITY, Chart, folded, labels, nothing, titled, tooltips
from imglab.charts.timeline import UNSEEN_NOTE, covered, spans, time_axis, with_unseen

_WIDTH, _ROW_HEIGHT = 420, 20
_FEW_STEPS = 5  # drawn of each of several platforms


def step_sizes(frame: pl.DataFrame) -> Chart:
    """
    How large each build step of a tag was through time: a heat map, the largest step on top.

    Needs: repository, tag, platform, series, step_group, step_rank, valid_from, valid_to, last_observed_at,
    manifest_digest, layer_digest, layer_count, compressed_bytes, change_bytes.
    Beside each step stands its newest size and what it is more or less than at first. Of several platforms the largest
    steps are drawn, one platform below the other, Windows on a scale of its own. A stretch of unknown size is left out.
    Time ends where somebody last looked; how long the last stretches went on after that is told of each.
    """
    frame = checked(
        frame,
        "step_sizes",
        "repository tag platform series step_group step_rank valid_from valid_to last_observed_at manifest_digest"
        " layer_digest layer_count compressed_bytes change_bytes",
    )
    known = frame.drop_nulls("compressed_bytes")
    if known.is_empty():
        return nothing("How large was each step?", "step_sizes")
    count = known["series"].n_unique()
    chosen = known if count == 1 else known.filter(pl.col("step_rank").fill_null(_FEW_STEPS + 1) <= _FEW_STEPS)
    shown = chosen if chosen.height else known
    rows = _step_rows(drawable(shown, "step_sizes"))
    whole = rows.select(pl.col("valid_from").min(), pl.col("drawn_to").max()).select(pl.all().dt.epoch("ms")).row(0)
    is_windows = pl.col("platform").str.starts_with("windows").fill_null(False)
    parts = [("step_sizes", rows.filter(~is_windows)), ("step_sizes_windows", rows.filter(is_windows))]
    panels = [_heat_panel(part, name, whole, is_headed=count > 1) for name, part in parts if part.height]
    platform = only(frame, "platform")
    return titled(
        panels[0] if len(panels) == 1 else alt.vconcat(*panels).resolve_scale(color="independent"),
        f"How large was each step of {subject(frame)}?" + (f" ({platform})" if platform else ""),
        f"{covered(rows)} Beside each step: its newest size, and what changed since its first.",
        f"The {_FEW_STEPS} largest steps of each platform." if shown.height < known.height else "",
        f"{frame.height - known.height:,} layers of unknown size are left out." if frame.height > known.height else "",
        UNSEEN_NOTE if rows["is_unseen"].any() else "",
    )


def _step_rows(frame: pl.DataFrame) -> pl.DataFrame:
    """Each stretch with what is drawn of it, and what stands beside its step: `label`."""
    step = ["series", "step_group"]
    newest = pl.col("compressed_bytes").sort_by("valid_from").last().over(step).alias("newest_bytes")
    change = pl.col("change_bytes").sort_by("valid_from").last().over(step).alias("newest_change")
    told = spans(frame.sort("series", pl.col("step_rank").fill_null(1_000), "step_group", "valid_from"))
    label = (
        pl.when(pl.col("newest_change").fill_null(0) == 0)
        .then(size_text("newest_bytes"))
        .otherwise(pl.format("{} · {}", size_text("newest_bytes"), difference_text("newest_change")))
    )
    return told.with_columns(newest, change).with_columns(label.alias("label"))


def _heat_panel(
    rows: pl.DataFrame, name: str, whole: tuple[int, int], *, is_headed: bool
) -> alt.LayerChart | alt.FacetChart:
    """Steps as rows, time along the bottom; each platform under a row with its name if *is_headed*."""
    unit, divisor = unit_of(rows, "compressed_bytes")
    steps = rows.select(
        "series",
        plain_column("step_group", 60, "unknown step").alias("name"),
        pl.struct("series", "step_group").alias("key"),
        "label",
        "valid_from",
        "seen_to",
        "drawn_to",
        "is_unseen",
        (pl.col("compressed_bytes") / divisor).alias("size"),
        exact_size_text("compressed_bytes").alias("size_exact"),
        difference_text("change_bytes").alias("change"),
        pl.col("layer_count").cast(pl.String),
        pl.col("layer_digest").fill_null("several layers"),
        "manifest_digest",
        "when",
    )
    drawn = _numbered(_headed(steps) if is_headed else steps)
    base = alt.Chart(alt.InlineData(values(drawn)), width=_WIDTH, height=_ROW_HEIGHT * int(drawn["row"].n_unique()))
    base = folded(base, drawn.columns)
    scale = alt.Scale(type="sqrt", domain=[0, drawn["size"].max() or 1], range=list(RAMP), interpolate="lab")  # type: ignore[list-item]
    marks = base.encode(
        y=_step_names(),
        color=alt.Color(
            "size",
            type="quantitative",
            scale=scale,
            legend=alt.Legend(title=f"compressed ({unit})", orient="top", gradientLength=200, gradientOpacity=1),
        ),
        tooltip=tooltips(
            name="step",
            size_exact="size",
            change="since the first",
            layer_count="layers",
            when="when",
            layer_digest="layer digest",
            manifest_digest="image digest",
        ),
    )
    seen = marks.mark_rect().encode(x=time_axis("valid_from", whole), x2="seen_to").properties(name=name)
    unseen = marks.mark_rect(opacity=UNSEEN_OPACITY).encode(x=time_axis("seen_to"), x2="drawn_to")
    figures = base.mark_point(opacity=0).encode(x=time_axis("valid_from"), y=labels("label", "right"))
    chart: alt.LayerChart = alt.layer(alt.layer(*with_unseen(seen, unseen, drawn)), figures).resolve_scale(
        y="independent"
    )
    return chart


def _step_names() -> alt.Y:
    """The names of steps; bold where a blank comes first, which only `_headed` writes: the texts of steps are plain."""
    axis = labels("name", "left")
    bold = {"test": "slice(datum.label, 0, 1) == ' '", "value": "bold"}
    axis["axis"]["labelFontWeight"] = {"condition": bold, "value": "normal"}
    return axis


def _headed(steps: pl.DataFrame) -> pl.DataFrame:
    """*steps* with a row in front of each series that only names it."""
    parts = []
    for part in steps.partition_by("series", maintain_order=True):
        head = part.head(1).with_columns(
            pl.lit(" " + plain(part["series"][0] or "unknown platform", 48)).alias("name"),
            pl.lit("").alias("label"),
            pl.col("valid_from").alias("seen_to"),  # no width: nothing is drawn
            pl.lit(False).alias("is_unseen"),
            pl.struct("series", pl.lit("").alias("step_group")).alias("key"),
        )
        parts += [head, part]
    return pl.concat(parts)


def _numbered(steps: pl.DataFrame) -> pl.DataFrame:
    """*steps* with `row`, one for each key in order, and names and labels that are the row's own."""
    keys = steps.select("key", "name", "label").unique("key", maintain_order=True).with_row_index("row")
    told = keys.with_columns(apart("name"), apart("label"))
    return steps.drop("name", "label").join(told, on="key", maintain_order="left").drop("key", "series")
