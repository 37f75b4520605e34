"""Charts of what grew: two images, step by step."""

from __future__ import annotations

import altair as alt
import polars as pl

from imglab.charts.frames import (
    apart,
    checked,
    difference_text,
    drawable,
    exact_size_text,
    in_title,
    plain,
    plain_column,
    short_repository,
    size_text,
    unit_of,
    values,
    when_text,
)
from imglab.charts.theme import (
    CATEGORIES,
    MAIN,
    OTHER,
    UNKNOWN,
    Chart,
    folded,
    labels,
    nothing,
    titled,
    tooltips,
)

_BAR_WIDTH = 460
_ROW_HEIGHT = 22
_MOST_STEPS, _FEW_STEPS = 14, 5  # drawn of one platform, and of each of several
_LEAST_SHARE = 0.005  # of the largest difference: what is less cannot be seen
_COLOURS = {
    "image": MAIN,
    "came": CATEGORIES[1],
    "grew": CATEGORIES[6],
    "shrank": CATEGORIES[2],
    "went": CATEGORIES[4],
    "other steps": OTHER,
    "unknown": UNKNOWN,
}


def growth_by_step(frame: pl.DataFrame) -> Chart:
    """
    Where the difference between two images comes from: a waterfall from the first to the second, step by step.

    Needs: repository, tag, to_repository, to_tag, platform, to_series, from_at, to_at, from_manifest_digest,
    to_manifest_digest, from_total_bytes, to_total_bytes, step_position, from_layer_digest, to_layer_digest, step_label,
    from_step_label, match, change, from_bytes, to_bytes, delta_bytes, delta_share.
    The base is on top. Steps that weigh the same are left out, the smallest differences are one row, platforms stand
    below each other, but for those that stayed as they were. Where little changed the size axis does not begin at zero;
    the subtitle says so.
    """
    frame = checked(
        frame,
        "growth_by_step",
        "repository tag to_repository to_tag platform to_series from_at to_at from_manifest_digest to_manifest_digest"
        " from_total_bytes to_total_bytes step_position from_layer_digest to_layer_digest step_label from_step_label"
        " match change from_bytes to_bytes delta_bytes delta_share",
    )
    known = frame.drop_nulls(["from_total_bytes", "to_total_bytes"])
    question = _question(frame)
    if known.is_empty():
        why = "no rows" if frame.is_empty() else "no source tells the sizes of both images"
        return nothing(question, "growth_by_step", why)
    drawable(known, "growth_by_step")
    pair = ["platform", "to_series", "from_manifest_digest", "to_manifest_digest"]
    pairs = known.partition_by(*pair, maintain_order=True)
    moved = [rows for rows in pairs if _differing(rows).height] or pairs
    drawn = [_waterfall(rows, _MOST_STEPS if len(moved) == 1 else _FEW_STEPS) for rows in moved]
    if len(pairs) > 1:
        drawn = [_with_platform(bars, rows["to_series"][0]) for bars, rows in zip(drawn, moved, strict=True)]
    told = set().union(*(bars["kind"] for bars in drawn))
    kinds = [kind for kind in _COLOURS if kind in told]  # of all: panels share their colours
    panels = [_waterfall_panel(bars, f"growth_by_step_{number}", kinds) for number, bars in enumerate(drawn)]
    unsized = frame.select(pair).n_unique() - len(pairs)
    return titled(
        panels[0] if len(panels) == 1 else alt.vconcat(*panels),
        question,
        _whole_difference(known) if len(pairs) == 1 else "",
        "Compressed layers; the base is on top." + _stayed(pl.concat(moved)),
        _axis_note(drawn),
        _left_out(len(pairs) - len(moved), "platform", "that stayed as it was", "that stayed as they were"),
        _left_out(unsized, "platform", "of unknown size", "of unknown size"),
    )


def _question(frame: pl.DataFrame) -> str:
    """The title, by what is compared: a tag at two times, or two names."""
    if frame.is_empty():
        return "Which steps changed the size of an image?"
    row = frame.row(0, named=True)
    first, second = ((row[f"{side}repository"], row[f"{side}tag"]) for side in ("", "to_"))
    length = 38 if first == second else 24
    names = [
        in_title(short_repository(repository), length) + (f":{in_title(tag, length)}" if tag else "")
        for repository, tag in (first, second)
    ]
    platforms = frame["platform"].unique().to_list()
    where = f" ({plain(platforms[0], 40)})" if len(platforms) == 1 and platforms[0] else ""
    if first == second:
        return f"Which steps changed the size of {names[0]}{where}?"
    return f"Which steps make {names[0]} and {names[1]} differ in size{where}?"


def _axis_note(drawn: list[pl.DataFrame]) -> str:
    if not any(map(_lowest, drawn)):
        return ""
    return ("The" if len(drawn) == 1 else "Where little changed the") + " size axis does not begin at zero."


def _left_out(count: int, what: str, one: str, several: str) -> str:
    """A note of what is not drawn; empty if nothing is."""
    if not count:
        return ""
    return f"1 {what} {one} is left out." if count == 1 else f"{count:,} {what}s {several} are left out."


def _whole_difference(frame: pl.DataFrame) -> str:
    delta = (pl.col("to_total_bytes") - pl.col("from_total_bytes")).alias("delta")
    text = pl.format(
        "{} to {}: {}.", size_text("from_total_bytes"), size_text("to_total_bytes"), difference_text("delta")
    )
    return str(frame.head(1).with_columns(delta).select(text).item())


def _stayed(frame: pl.DataFrame) -> str:
    note = _left_out(frame.filter(pl.col("delta_bytes") == 0).height, "step", "of the same size", "of the same size")
    return f" {note}" if note else ""


def _differing(pair: pl.DataFrame) -> pl.DataFrame:
    """The steps to draw: those whose size changed, or may have."""
    return pair.filter(pl.col("delta_bytes").is_null() | (pl.col("delta_bytes") != 0))


def _waterfall(pair: pl.DataFrame, most: int) -> pl.DataFrame:
    """
    The bars of one pair of images, in order: the first image, steps that differ, the second image.

    Columns: row, name, kind, label, start_bytes, end_bytes (null where not known), and texts for the tooltip.
    """
    steps = _steps(_differing(pair))
    weight = pl.col("delta_bytes").abs()
    place = weight.rank("ordinal", descending=True)
    is_small = ((place > most) | (weight < weight.max() * _LEAST_SHARE)).fill_null(False)
    few = steps.filter(is_small)
    shown = steps.filter(~is_small) if few.height > 1 else steps
    first, last = (_image(pair, side, name) for side, name in zip(("from", "to"), _image_names(pair), strict=True))
    bars = pl.concat([shown, _others(few if few.height > 1 else few.clear()), _rest(pair)], how="diagonal_relaxed")
    running = pl.col("delta_bytes").fill_null(0).cum_sum() + pair["from_total_bytes"][0]
    bars = bars.with_columns(
        (running - pl.col("delta_bytes")).alias("start_bytes"),
        pl.when(pl.col("delta_bytes").is_not_null()).then(running).alias("end_bytes"),
        _label().alias("label"),
    )
    texts = [pl.col(name).fill_null("") for name in ("before", "after", "match", "from_digest", "to_digest")]
    return pl.concat([first, bars, last], how="diagonal_relaxed").with_columns(texts).with_row_index("row")


def _steps(changed: pl.DataFrame) -> pl.DataFrame:
    """The steps that differ, each with its name, kind, and what its tooltip says."""
    step = plain_column("step_label", 60, "unknown step")
    was = plain_column("from_step_label", 60, "unknown step")
    is_renamed = (pl.col("from_step_label") != pl.col("step_label")).fill_null(False)
    return changed.select(
        "step_position",
        "delta_bytes",
        "delta_share",
        pl.when(is_renamed).then(pl.format("{} (was {})", step, was)).otherwise(step).alias("name"),
        pl.when(pl.col("delta_bytes").is_null() | ~pl.col("change").is_in(list(_COLOURS)))
        .then(pl.lit("unknown"))
        .otherwise("change")
        .alias("kind"),
        pl.when(pl.col("from_layer_digest").is_null())
        .then(pl.lit("not there"))
        .otherwise(exact_size_text("from_bytes"))
        .alias("before"),
        pl.when(pl.col("to_layer_digest").is_null())
        .then(pl.lit("not there"))
        .otherwise(exact_size_text("to_bytes"))
        .alias("after"),
        pl.col("match").fill_null("no other").alias("match"),
        pl.col("from_layer_digest").alias("from_digest"),
        pl.col("to_layer_digest").alias("to_digest"),
    )


def _label() -> pl.Expr:
    """What stands beside a bar: the difference, and its share of the whole where it is a part of it."""
    share = pl.col("delta_share")
    percent = pl.format(" · {} %", (share * 100).round(0).cast(pl.Int64))
    return difference_text("delta_bytes") + pl.when(share.is_between(0.005, 1)).then(percent).otherwise(pl.lit(""))


def _others(few: pl.DataFrame) -> pl.DataFrame:
    """The smallest differences as one."""
    if few.is_empty():
        return few
    return few.select(
        pl.col("delta_bytes").sum(),
        pl.col("delta_share").sum(),
        pl.lit(f"{few.height:,} other steps").alias("name"),
        pl.lit("other steps").alias("kind"),
    )


def _rest(pair: pl.DataFrame) -> pl.DataFrame:
    """What steps of unknown size make up together: what the sizes of the images differ by and no step accounts for."""
    whole = pair["to_total_bytes"][0] - pair["from_total_bytes"][0]
    rest = whole - int(pair["delta_bytes"].sum())
    given = pl.DataFrame({"delta_bytes": [rest], "name": ["steps of unknown size"], "kind": ["unknown"]})
    return given.with_columns(pl.lit(rest / whole if whole else None, pl.Float64).alias("delta_share")).filter(
        rest != 0
    )


def _image_names(pair: pl.DataFrame) -> tuple[str, str]:
    """What stands beside the two images: days, or times of one day, with the tags if they differ; digests have none."""
    row = pair.select(
        pl.all(), when_text("from_at", "").alias("from_text"), when_text("to_at", "").alias("to_text")
    ).row(0, named=True)
    length = 16 if row["from_text"][:10] == row["to_text"][:10] else 10
    is_one = (row["repository"], row["tag"]) == (row["to_repository"], row["to_tag"])
    is_one_repository = row["repository"] == row["to_repository"]
    names = []
    for side, start in (("from", ""), ("to", "to_")):
        when = row[f"{side}_text"][: length if is_one else 10]
        digest = plain(row[f"{side}_manifest_digest"], 20)
        called = in_title(row[f"{start}tag"] or "", 30)
        if not is_one_repository:
            called = in_title(short_repository(row[f"{start}repository"]), 30) + f":{called}" * bool(called)
        names.append(" · ".join(part for part in ("" if is_one else called, when) if part) or digest)
    return names[0], names[1]


def _image(pair: pl.DataFrame, side: str, name: str) -> pl.DataFrame:
    """The bar of one of the two images."""
    total = f"{side}_total_bytes"
    return pair.head(1).select(
        pl.lit(name).alias("name"),
        pl.lit("image").alias("kind"),
        size_text(total).alias("label"),
        pl.lit(0, pl.Int64).alias("start_bytes"),
        pl.col(total).alias("end_bytes"),
        (exact_size_text(total) if side == "from" else pl.lit("")).alias("before"),
        (exact_size_text(total) if side == "to" else pl.lit("")).alias("after"),
        pl.lit("image").alias("match"),
        pl.col("from_manifest_digest").alias("from_digest"),
        pl.col("to_manifest_digest").alias("to_digest"),
    )


def _with_platform(bars: pl.DataFrame, series: str | None) -> pl.DataFrame:
    """*bars* with the platform in front of the names of the images."""
    name = pl.format("{} · {}", pl.lit(plain(series or "unknown platform", 48)), "name")
    return bars.with_columns(pl.when(pl.col("kind") == "image").then(name).otherwise("name").alias("name"))


def _lowest(bars: pl.DataFrame) -> int:
    """Where the size axis begins: at zero unless the steps would be too small to see."""
    levels = pl.concat([bars["end_bytes"], bars["start_bytes"].filter(bars["kind"] != "image")]).drop_nulls()
    low, high = int(levels.min() or 0), int(levels.max() or 0)  # type: ignore[arg-type]
    return max(0, low - (high - low) // 2) if 0 < (high - low) * 3 < high else 0


def _waterfall_panel(bars: pl.DataFrame, name: str, kinds: list[str]) -> alt.LayerChart:
    """The bars between the names of steps and what they add."""
    unit, divisor = unit_of(bars, "end_bytes")
    lowest = _lowest(bars)
    drawn = bars.select(
        "row",
        plain_column("name", 100, "unknown"),
        "label",
        "kind",
        (pl.max_horizontal("start_bytes", pl.lit(lowest)) / divisor).alias("start"),
        (pl.col("end_bytes") / divisor).alias("end"),
        "before",
        "after",
        "match",
        "from_digest",
        "to_digest",
    ).with_columns(apart("name"), apart("label"))
    high = max([*drawn["start"], *drawn["end"].drop_nulls()])
    base = alt.Chart(alt.InlineData(values(drawn)), width=_BAR_WIDTH, height=_ROW_HEIGHT * drawn.height)
    base = folded(base, drawn.columns)
    scale = alt.Scale(domain=[lowest / divisor, high or 1], zero=False, nice=False)
    bar = base.mark_bar(cornerRadius=1).encode(
        x=alt.X("start", type="quantitative", title=f"compressed ({unit})", scale=scale, axis=alt.Axis(tickCount=8)),
        x2="end",
        y=labels("name", "left"),
        color=alt.Color(
            "kind",
            type="nominal",
            title=None,
            scale=alt.Scale(domain=kinds, range=[_COLOURS[kind] for kind in kinds]),
            legend=alt.Legend(orient="top"),
        ),
        tooltip=tooltips(
            name="step",
            kind="change",
            label="difference",
            before="before",
            after="after",
            match="matched by",
            from_digest="digest before",
            to_digest="digest after",
        ),
    )
    figures = base.mark_point(opacity=0).encode(y=labels("label", "right"))
    chart: alt.LayerChart = alt.layer(bar.properties(name=name), figures).resolve_scale(y="independent")
    return chart
