"""Charts with time along the bottom: one mark for each stretch in which nothing changed, as wide as it lasted."""

from __future__ import annotations

import altair as alt
import polars as pl

from imglab.charts.frames import (
    ChartError,
    checked,
    drawable,
    exact_size_text,
    name_of,
    only,
    plain_column,
    subject,
    unit_of,
    values,
)
from imglab.charts.theme import (
    OTHER,
    UNKNOWN,
    UNSEEN_OPACITY,
    WIDTH,
    Chart,
    around,
    categories,
    folded,
    is_wide,
    legend,
    nothing,
    titled,
    tooltips,
)
from imglab.charts.timeline import (
    UNSEEN_NOTE,
    block,
    covered,
    spans,
    time_axis,
    time_zoom,
    with_unseen,
)

OTHER_STEPS, UNKNOWN_STEP, UNKNOWN_PLATFORM = "other steps", "unknown step", "unknown"


def layer_growth(frame: pl.DataFrame) -> Chart:
    """
    Which layer of a tag grew: the layers stacked, through time, coloured by the step that made them.

    Needs: repository, tag, platform, valid_from, valid_to, last_observed_at, manifest_digest, position, layer_digest,
    compressed_bytes, stack_from_bytes, stack_to_bytes, step_label, step_group, created_by.
    Raises ChartError if the rows are of several tags or platforms, whose stacks would cover each other.
    A click in the legend shows one step alone; dragging moves through time, shift and wheel zoom.
    """
    frame = checked(
        frame,
        "layer_growth",
        "repository tag platform valid_from valid_to last_observed_at manifest_digest position layer_digest"
        " compressed_bytes stack_from_bytes stack_to_bytes step_label step_group created_by",
    ).drop_nulls(["compressed_bytes", "stack_from_bytes", "stack_to_bytes"])
    if frame.is_empty():
        return nothing("Which layer grew?", "layer_growth")
    _one_image_at_a_time(drawable(frame, "layer_growth"))
    unit, divisor = unit_of(frame, "stack_to_bytes")
    drawn = _stacks(frame, divisor)
    groups, colours = _steps(frame)
    zoom, chosen = time_zoom(), alt.selection_point(name="chosen_step", fields=["step_group"], bind="legend")
    base = alt.Chart(alt.InlineData(values(drawn)), width=WIDTH, height=360)
    base = folded(base, drawn.columns).encode(
        y=alt.Y("stack_to", type="quantitative", title=f"compressed layers ({unit})"),
        color=alt.Color(
            "step_group",
            type="nominal",
            scale=alt.Scale(domain=groups, range=colours),
            legend=legend(*groups, title="step, largest first"),
        ),
        tooltip=tooltips(
            step_label="layer",
            layer_size="size",
            stack_size="with those below",
            position="position",
            when="when",
            layer_digest="layer digest",
            manifest_digest="image digest",
            step="step",
        ),
    )
    stack = base.encode(y2="stack_from")
    seen = block(stack, "valid_from", "seen_to", alt.when(chosen).then(alt.value(1)).otherwise(alt.value(0.12)))
    unseen = block(
        stack, "seen_to", "drawn_to", alt.when(chosen).then(alt.value(UNSEEN_OPACITY)).otherwise(alt.value(0.05))
    )
    # Neighbours in the stack may be of one colour.
    edge = base.mark_rule(color="#ffffff", strokeWidth=0.6, opacity=0.6).encode(
        x=time_axis("valid_from"), x2="drawn_to", color=alt.value("#ffffff")
    )
    seen = seen.properties(name="layer_growth").add_params(zoom, chosen)
    chart = alt.layer(*with_unseen(seen, unseen, drawn), edge)
    platform = only(frame, "platform")
    question = f"Which layer of {subject(frame)} grew?" + (f" ({platform})" if platform else "")
    return titled(chart, question, covered(frame), UNSEEN_NOTE if drawn["is_unseen"].any() else "")


def _stacks(frame: pl.DataFrame, divisor: int) -> pl.DataFrame:
    """What is drawn of each layer, its place in the stack in units of *divisor* bytes."""
    return spans(frame).select(
        "valid_from",
        "seen_to",
        "drawn_to",
        "is_unseen",
        "layer_digest",
        "manifest_digest",
        pl.col("position").cast(pl.String),
        (pl.col("stack_from_bytes") / divisor).alias("stack_from"),
        (pl.col("stack_to_bytes") / divisor).alias("stack_to"),
        plain_column("step_group", 48, UNKNOWN_STEP),
        plain_column("created_by", 240, "not known").alias("step"),
        plain_column("step_label", 60, UNKNOWN_STEP),
        exact_size_text("compressed_bytes").alias("layer_size"),
        exact_size_text("stack_to_bytes").alias("stack_size"),
        "when",
    )


def _one_image_at_a_time(frame: pl.DataFrame) -> None:
    found = frame.select("repository", "tag", "platform").unique().height
    if found > 1:
        raise ChartError(f"charts.layer_growth draws one tag on one platform, and the frame has {found}: choose one")


def _steps(frame: pl.DataFrame) -> tuple[list[str], list[str]]:
    """The step groups by the size of their largest layer, then the two that are no step; and a colour for each."""
    sizes = (
        frame.select(plain_column("step_group", 48, UNKNOWN_STEP), "compressed_bytes")
        .group_by("step_group")
        .agg(pl.col("compressed_bytes").max())
        .sort("compressed_bytes", "step_group", descending=[True, False])
    )
    found = sizes["step_group"].to_list()
    steps = [name for name in found if name not in (OTHER_STEPS, UNKNOWN_STEP)]
    greys = [(name, grey) for name, grey in ((OTHER_STEPS, OTHER), (UNKNOWN_STEP, UNKNOWN)) if name in found]
    return [*steps, *(name for name, _ in greys)], [*categories(len(steps)), *(grey for _, grey in greys)]


def size_over_time(frame: pl.DataFrame) -> Chart:
    """
    How the size of a tag's images changed: one step line per platform, Windows in a panel and on a scale of its own.

    Needs: repository, tag, platform, series, os_version, valid_from, valid_to, last_observed_at, digest,
    manifest_digest, compressed_bytes, layer_count. Rows without a size are not drawn, and counted in the subtitle.
    A point is a new image; the size axis does not begin at zero. A click in the legend shows one platform alone.
    """
    frame = checked(
        frame,
        "size_over_time",
        "repository tag platform series os_version valid_from valid_to last_observed_at digest manifest_digest"
        " compressed_bytes layer_count",
    )
    known = frame.drop_nulls("compressed_bytes")
    if known.is_empty():
        return nothing("How did the size change?", "size_over_time")
    drawn = spans(_connected(drawable(known, "size_over_time")))
    is_windows = pl.col("platform").str.starts_with("windows").fill_null(False)
    parts = [("size", drawn.filter(~is_windows)), ("size_windows", drawn.filter(is_windows))]
    whole = drawn.select(pl.col("valid_from").min(), pl.col("drawn_to").max()).select(pl.all().dt.epoch("ms")).row(0)
    panels = [_size_panel(part, name, whole) for name, part in parts if part.height]
    chart = panels[0] if len(panels) == 1 else alt.vconcat(*panels).resolve_scale(color="independent")
    unknown = frame.height - known.height
    return titled(
        chart,
        f"How did the size of {subject(frame)} change?",
        covered(known) + (f" {unknown:,} images of unknown size are left out." if unknown else ""),
        "Dashed: not looked at again for more than 90 days." if drawn["is_unseen"].any() else "",
    )


def _connected(frame: pl.DataFrame) -> pl.DataFrame:
    """Each row with the size just before it, and whether its image is another; null and true where a line begins."""
    line = ["repository", "tag", "series"]
    several = frame["tag"].n_unique() > 1 or frame["repository"].n_unique() > 1
    series = pl.col("series").fill_null(UNKNOWN_PLATFORM)
    name = pl.format("{} {}", "tag", series) if several else series
    ordered = frame.sort("valid_from", "manifest_digest", maintain_order=True)
    follows = (pl.col("valid_to").shift(1).over(line) == pl.col("valid_from")).fill_null(False)
    return ordered.with_columns(
        name_of(name).alias("line_name"),
        pl.when(follows).then(pl.col("compressed_bytes").shift(1).over(line)).alias("before_bytes"),
        (~follows | (pl.col("manifest_digest").shift(1).over(line) != pl.col("manifest_digest")).fill_null(True)).alias(
            "is_new"
        ),
    )


def _size_panel(frame: pl.DataFrame, name: str, whole: tuple[int, int]) -> alt.LayerChart | alt.FacetChart:
    unit, divisor = unit_of(frame, "compressed_bytes")
    drawn = frame.select(
        "line_name",
        "valid_from",
        "seen_to",
        "drawn_to",
        "is_unseen",
        "is_new",
        (pl.col("compressed_bytes") / divisor).alias("size"),
        (pl.col("before_bytes") / divisor).alias("size_before"),
        exact_size_text("compressed_bytes").alias("size_exact"),
        pl.col("layer_count").cast(pl.String).fill_null("unknown").alias("layer_count"),
        "when",
        "manifest_digest",
        "digest",
    )
    newest = frame.group_by("line_name").agg(pl.col("compressed_bytes").sort_by("valid_from").last())
    is_unknown = pl.col("line_name") == UNKNOWN_PLATFORM
    lines = newest.sort(is_unknown, "compressed_bytes", "line_name", descending=[False, True, False])["line_name"]
    colours = categories(len(lines))
    if lines[-1] == UNKNOWN_PLATFORM:
        colours[-1] = UNKNOWN
    chosen = alt.selection_point(name=f"chosen_{name}", fields=["line_name"], bind="legend")
    sizes = f"compressed ({unit}{', logarithmic' if is_wide(drawn['size']) else ''})"
    base = alt.Chart(alt.InlineData(values(drawn)), width=WIDTH, height=280 if name == "size" else 160)
    base = folded(base, drawn.columns).encode(
        y=alt.Y("size", type="quantitative", title=sizes, scale=around(drawn["size"])),
        color=alt.Color(
            "line_name",
            type="nominal",
            scale=alt.Scale(domain=lines.to_list(), range=colours),
            legend=legend(*lines, title="platform, largest first"),
        ),
        opacity=alt.when(chosen).then(alt.value(1)).otherwise(alt.value(0.1)),
        tooltip=tooltips(
            line_name="platform",
            size_exact="size",
            layer_count="layers",
            when="when",
            manifest_digest="image digest",
            digest="tag's digest",
        ),
    )
    seen = base.mark_rule(strokeWidth=2.5).encode(x=time_axis("valid_from", whole), x2="seen_to")
    unseen = base.mark_rule(strokeWidth=1.5, strokeDash=[3, 4]).encode(x=time_axis("seen_to"), x2="drawn_to")
    step = base.mark_rule(strokeWidth=1.2).encode(x=time_axis("valid_from"), y2="size_before")
    point = base.mark_point(filled=True, size=28, opacity=1).encode(x=time_axis("valid_from"))
    marks = with_unseen(seen.properties(name=name).add_params(time_zoom(f"time_{name}"), chosen), unseen, drawn)
    if drawn["size_before"].drop_nulls().len():
        marks.append(step.transform_filter("datum.size_before !== null"))
    return alt.layer(*marks, point.transform_filter("datum.is_new"))
