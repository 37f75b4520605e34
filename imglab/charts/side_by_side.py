"""Charts of one moment: horizontal bars with their figures written beside them."""

from __future__ import annotations

import altair as alt
import polars as pl

from imglab.charts.frames import (
    apart,
    checked,
    counted,
    drawable,
    exact_size_text,
    name_of,
    only,
    plain_column,
    short_repository,
    size_text,
    subject,
    times_text,
    unit_of,
    values,
    when_text,
)
from imglab.charts.theme import MAIN, OTHER, REFERENCE, Chart, folded, labels, nothing, titled, tooltips

MOST_TAGS = 40
_BAR_WIDTH = 460
_ROW_HEIGHT = 24


def architecture_sizes(frame: pl.DataFrame) -> Chart:
    """
    How large a tag's image is on each platform, largest first, beside linux/amd64; Windows on a scale of its own.

    Needs: repository, tag, at, platform, series, compressed_bytes, layer_count, ratio_to_amd64, manifest_digest,
    created_at. An image without a size keeps its row, with no bar.
    """
    frame = checked(
        frame,
        "architecture_sizes",
        "repository tag at platform series compressed_bytes layer_count ratio_to_amd64 manifest_digest created_at",
    )
    if frame.is_empty():
        return nothing("How large is it on each platform?", "architecture_sizes")
    drawable(frame, "architecture_sizes")
    ratio = pl.col("ratio_to_amd64")
    is_reference = (pl.col("platform") == "linux/amd64").fill_null(False)
    drawn = _rows(
        frame,
        pl.format("{} {}", "tag", "series") if frame["tag"].n_unique() > 1 else pl.col("series"),
        label=pl.when(ratio.is_null() | ratio.is_nan() | is_reference)
        .then(size_text("compressed_bytes"))
        .otherwise(pl.format("{} · {}", size_text("compressed_bytes"), times_text(ratio))),
        colour=pl.when(is_reference).then(pl.lit(REFERENCE)).otherwise(pl.lit(MAIN)),
    ).with_columns(
        pl.col("layer_count").cast(pl.String).fill_null("unknown"),
        when_text("created_at").alias("created"),
    )
    is_windows = pl.col("platform").str.starts_with("windows").fill_null(False)
    parts = [("architectures", drawn.filter(~is_windows)), ("architectures_windows", drawn.filter(is_windows))]
    shown = {"name": "platform", "size_exact": "size", "layer_count": "layers"} | {
        "created": "created",
        "manifest_digest": "image digest",
    }
    panels = [_bars(part, name, shown) for name, part in parts if part.height]
    at = frame.select(when_text("at", "").max()).item()
    has_reference = not frame.filter(is_reference).is_empty()
    return titled(
        panels[0] if len(panels) == 1 else alt.vconcat(*panels),
        f"How large is {subject(frame)} on each platform?",
        " ".join(
            part
            for part in (
                f"Compressed layers, {at}." if at else "Compressed layers.",
                "× compares with linux/amd64, marked." if has_reference else "",
            )
            if part
        ),
    )


def layers(frame: pl.DataFrame) -> Chart:
    """
    What an image is made of: one bar per layer, the base on top, named by the step that made it.

    Needs: repository, tag, platform, position, layer_digest, compressed_bytes, media_type, step_label, created_by,
    step_created_at, is_foreign. Foreign layers (fetched from elsewhere, not from the registry) are grey.
    """
    frame = checked(
        frame,
        "layers",
        "repository tag platform position layer_digest compressed_bytes media_type step_label created_by"
        " step_created_at is_foreign",
    )
    if frame.is_empty():
        return nothing("What is it made of?", "layers")
    drawable(frame, "layers")
    platform = only(frame, "platform")
    place = pl.col("position").cast(pl.String)
    step = plain_column("step_label", 48, "unknown step")
    several = frame["platform"].n_unique() > 1
    is_foreign = pl.col("is_foreign").fill_null(False)
    drawn = _rows(
        frame,
        pl.format("{} {} · {}", "platform", place, step) if several else pl.format("{} · {}", place, step),
        label=pl.when(is_foreign)
        .then(pl.format("{} · foreign", size_text("compressed_bytes")))
        .otherwise(size_text("compressed_bytes")),
        colour=pl.when(is_foreign).then(pl.lit(OTHER)).otherwise(pl.lit(MAIN)),
        is_sorted=True,
    ).with_columns(
        plain_column("created_by", 240, "not known").alias("step"),
        plain_column("media_type", 120, "unknown"),
        when_text("step_created_at").alias("created"),
    )
    shown = {"name": "layer", "size_exact": "size", "created": "created", "media_type": "media type"}
    total = frame.select(pl.col("compressed_bytes").sum()).select(size_text("compressed_bytes"))
    return titled(
        _bars(drawn, "layers", shown | {"layer_digest": "layer digest", "step": "step"}),
        f"What is {subject(frame)} made of?" + (f" ({platform})" if platform else ""),
        f"{counted(frame.height, 'layer')}, {total.item()} compressed; the base is on top.",
    )


def tags(frame: pl.DataFrame) -> Chart:
    """
    How large each tag is: the 40 largest, largest first.

    Needs: repository, tag, digest, valid_from, last_observed_at, image_count, compressed_bytes, layer_count.
    Tags without a known size come last, with no bar; the subtitle says how many tags there are.
    """
    frame = checked(
        frame,
        "tags",
        "repository tag digest valid_from last_observed_at image_count compressed_bytes layer_count",
    )
    if frame.is_empty():
        return nothing("How large are the tags?", "tags")
    several = frame["repository"].n_unique() > 1
    repository = pl.col("repository").map_elements(short_repository, pl.String)
    layer_count = pl.col("layer_count").map_elements(lambda count: counted(count, "layer"), pl.String)
    drawn = _rows(
        frame,
        pl.format("{}:{}", repository, "tag") if several else pl.col("tag"),
        label=pl.when(layer_count.is_null())
        .then(size_text("compressed_bytes"))
        .otherwise(pl.format("{} · {}", size_text("compressed_bytes"), layer_count)),
        colour=pl.lit(MAIN),
    ).head(MOST_TAGS)
    drawn = drawn.with_columns(
        pl.col("image_count").cast(pl.String).fill_null("unknown"),
        pl.col("digest").fill_null("not stated"),
        when_text("valid_from").alias("since"),
        when_text("last_observed_at").alias("last_seen"),
    )
    shown = {"name": "tag", "size_exact": "size", "image_count": "images", "since": "points there since"}
    newest = frame.select(when_text("last_observed_at", "").max()).item()
    few = f"The {MOST_TAGS} largest of {frame.height:,} tags. " if frame.height > MOST_TAGS else ""
    return titled(
        _bars(drawn, "tags", shown | {"last_seen": "last seen", "digest": "digest"}),
        f"How large is {subject(frame)}?" if frame.height == 1 else f"How large are the tags of {subject(frame)}?",
        f"{few}Compressed layers of linux/amd64, or of the only image; last seen {newest or 'at an unknown time'}.",
    )


def _rows(
    frame: pl.DataFrame, name: pl.Expr, *, label: pl.Expr, colour: pl.Expr, is_sorted: bool = False
) -> pl.DataFrame:
    """*frame* with what a bar shows: `row` (its place), `name`, `label`, `colour`, `size_exact`."""
    ordered = (
        frame.sort("platform", "position", maintain_order=True)
        if is_sorted
        else frame.sort("compressed_bytes", descending=True, nulls_last=True, maintain_order=True)
    )
    return ordered.with_columns(
        name_of(name).alias("name"),
        label.alias("label"),
        colour.alias("colour"),
        exact_size_text("compressed_bytes").alias("size_exact"),
    ).with_row_index("row")


def _bars(frame: pl.DataFrame, name: str, shown: dict[str, str]) -> alt.LayerChart:
    """
    A bar for each row between its name and its figures; *shown* are the tooltip's fields, each with its title.

    Names and figures are labels of two axes, since only labels take the page's text colour.
    """
    unit, divisor = unit_of(frame, "compressed_bytes")
    drawn = frame.with_columns(
        (pl.col("compressed_bytes").fill_null(0) / divisor).alias("size"), apart("name"), apart("label")
    )
    rows = values(drawn.select("row", "size", "label", "colour", *shown))
    most = max(row["size"] for row in rows) or 1
    base = folded(alt.Chart(alt.InlineData(rows), width=_BAR_WIDTH, height=_ROW_HEIGHT * len(rows)), shown)
    bar = base.mark_bar(cornerRadiusEnd=2).encode(
        x=alt.X("size", type="quantitative", title=f"compressed ({unit})", scale=alt.Scale(domain=[0, most])),
        y=labels("name", "left"),
        color=alt.Color("colour", type="nominal", scale=None, legend=None),
        tooltip=tooltips(**shown),
    )
    figures = base.mark_point(opacity=0).encode(y=labels("label", "right"))
    chart: alt.LayerChart = alt.layer(bar.properties(name=name), figures).resolve_scale(y="independent")
    return chart
