"""Charts of the packages in images."""

from __future__ import annotations

import altair as alt
import polars as pl

from imglab.charts.frames import (
    apart,
    checked,
    exact_size_text,
    in_title,
    only,
    plain,
    plain_column,
    short_repository,
    size_text,
    unit_of,
    values,
)
from imglab.charts.theme import CATEGORIES, MAIN, OTHER, Chart, folded, labels, nothing, titled, tooltips

_BAR_WIDTH, _MARK_WIDTH = 300, 30
_ROW_HEIGHT = 20
_MOST, _FEW = 40, 12  # drawn of one platform, and of each of several
_MOST_PLATFORMS = 12
_COLOURS = {
    "came": CATEGORIES[1],
    "went": CATEGORIES[4],
    "changed": MAIN,
    "copies": CATEGORIES[2],
    "resized": OTHER,
}
_NEEDED = (
    "repository tag to_repository to_tag platform to_series from_at to_at from_tools to_tools ecosystem name"
    " from_version to_version change from_count to_count from_installed_bytes to_installed_bytes delta_bytes"
    " from_sbom_digest to_sbom_digest"
)


def package_growth(frame: pl.DataFrame) -> Chart:
    """
    Which packages came, went or changed between two images, those first that changed its size most.

    Needs: repository, tag, to_repository, to_tag, platform, to_series, from_at, to_at, from_tools, to_tools, ecosystem,
    name, from_version, to_version, change, from_count, to_count, from_installed_bytes, to_installed_bytes, delta_bytes,
    from_sbom_digest, to_sbom_digest.
    A bar is what a package grew or shrank by, unpacked; where its size is not stated it has a mark instead. Of many
    packages 40 are drawn, of each of several platforms 12; the subtitle counts all.
    """
    frame = checked(frame, "package_growth", _NEEDED)
    question = f"Which packages changed {_compared(frame)}?"
    if frame.is_empty():
        return nothing(question, "package_growth", "no package differs, or no bill of materials is known")
    pair = ["platform", "to_series", "from_sbom_digest", "to_sbom_digest"]
    pairs = frame.partition_by(*pair, maintain_order=True)[:_MOST_PLATFORMS]
    most = _MOST if len(pairs) == 1 else _FEW
    drawn = [_rows(rows, most) for rows in pairs]
    shown = {kind for rows in drawn for kind in rows["change"]}
    kinds = [kind for kind in _COLOURS if kind in shown]
    names = [""] if len(pairs) == 1 else [plain(rows["to_series"][0] or "unknown platform", 48) for rows in pairs]
    panels = [
        _panel(rows, f"package_growth_{number}", name, kinds)
        for number, (rows, name) in enumerate(zip(drawn, names, strict=True))
    ]
    left_out = frame.height - sum(rows.height for rows in drawn)
    return titled(
        panels[0] if len(panels) == 1 else alt.vconcat(*panels),
        question,
        _counted(frame, len(pairs)),
        f"{left_out:,} more are not drawn." if left_out else "",
        _size_note(frame),
        _tool_note(frame),
    )


def _compared(frame: pl.DataFrame) -> str:
    """What is compared: `in python:latest (linux/amd64)`, or `from python:3.7 to python:3.8`."""
    if frame.is_empty():
        return "in an image"
    row = frame.row(0, named=True)
    first, second = (
        f"{in_title(short_repository(row[f'{side}repository']), 40)}:{in_title(row[f'{side}tag'], 30)}"
        for side in ("", "to_")
    )
    platform = only(frame, "platform")
    where = f" ({platform})" if platform else ""
    return (f"in {first}" if first == second else f"from {first} to {second}") + where


def _counted(frame: pl.DataFrame, pairs: int) -> str:
    """Since when, until when, and how many of each kind."""
    counts = {kind: frame.filter(change=kind).height for kind in _COLOURS}
    words = {"copies": "in more or fewer places", "resized": "of another size"}
    kinds = ", ".join(f"{count:,} {words.get(kind, kind)}" for kind, count in counts.items() if count)
    if pairs > 1:
        return f"{kinds}, over all platforms."
    times = frame.head(1).select(pl.col("from_at", "to_at").dt.strftime("%Y-%m-%d")).row(0)
    return f"{' to '.join(time or 'unknown' for time in times)}: {kinds}."


def _size_note(frame: pl.DataFrame) -> str:
    unsized = frame["delta_bytes"].null_count()
    if unsized == frame.height:
        return "The bills of materials state no sizes."
    some = f"; a square where no size is stated ({unsized:,})" if unsized else ""
    return f"Installed sizes, unpacked{some}."


def _tool_note(frame: pl.DataFrame) -> str:
    made = frame.select("from_tools", "to_tools").unique().drop_nulls()
    for first, second in sorted(made.rows()):
        if first != second:
            return f"Found by {plain(first, 50)}, then by {plain(second, 50)}, which may find other packages."
    return ""


def _rows(pair: pl.DataFrame, most: int) -> pl.DataFrame:
    """The packages of one platform that changed most, as they are drawn."""
    order = pl.col("change").replace_strict({kind: place for place, kind in enumerate(_COLOURS)}, default=9)
    ecosystem = plain_column("ecosystem", 20, "unknown")
    before, after = (plain_column(f"{side}_version", 40, "no version") for side in ("from", "to"))
    ordered = pair.sort(
        pl.col("delta_bytes").abs(), order, descending=[True, False], nulls_last=True, maintain_order=True
    )
    return (
        ordered.head(most)
        .select(
            pl.format("{} ({})", plain_column("name", 60, "unnamed"), ecosystem).alias("name"),
            ecosystem.alias("ecosystem"),
            plain_column("change", 20, "unknown").alias("change"),
            pl.when(pl.col("from_count") > 0).then(before).otherwise(pl.lit("not there")).alias("before"),
            pl.when(pl.col("to_count") > 0).then(after).otherwise(pl.lit("not there")).alias("after"),
            *(pl.col(name).cast(pl.String) for name in ("from_count", "to_count")),
            exact_size_text("from_installed_bytes").alias("size_before"),
            exact_size_text("to_installed_bytes").alias("size_after"),
            "delta_bytes",
            pl.col("delta_bytes").abs().alias("weight"),
            _versions(before, after).alias("label"),
            "from_sbom_digest",
            "to_sbom_digest",
        )
        .with_columns(_with_difference().alias("label"))
        .with_row_index("row")
    )


def _versions(before: pl.Expr, after: pl.Expr) -> pl.Expr:
    change = pl.col("change")
    return (
        pl.when(change == "came")
        .then(after)
        .when(change == "went")
        .then(before)
        .when(change == "copies")
        .then(pl.format("{} · {} → {} places", after, "from_count", "to_count"))
        .when(change == "resized")
        .then(after)
        .otherwise(pl.format("{} → {}", before, after))
    )


def _with_difference() -> pl.Expr:
    sign = pl.when(pl.col("delta_bytes") < 0).then(pl.lit("-")).otherwise(pl.lit("+"))
    size = pl.format("{} · {}{}", "label", sign, size_text("weight"))
    return pl.when(pl.col("delta_bytes").is_null()).then("label").otherwise(size)


def _panel(rows: pl.DataFrame, name: str, title: str, kinds: list[str]) -> alt.LayerChart:
    """A bar or a square for each package, between its name and its versions."""
    unit, divisor = unit_of(rows, "weight")
    drawn = rows.with_columns(
        (pl.col("delta_bytes") / divisor).alias("difference"),
        pl.when(pl.col("delta_bytes").is_null()).then(0.0).alias("nothing"),
        apart("name"),
        apart("label"),
    ).drop("delta_bytes", "weight")
    sized = drawn["difference"].drop_nulls()
    base = folded(
        alt.Chart(
            alt.InlineData(values(drawn)),
            width=_BAR_WIDTH if sized.len() else _MARK_WIDTH,
            height=_ROW_HEIGHT * drawn.height,
        ),
        drawn.columns,
    )
    low, high = min([0.0, *sized]), max([0.0, *sized])
    axis = alt.Axis(title=f"difference, installed ({unit})") if sized.len() else None
    scale = alt.Scale(domain=[low, high if high > low else 1], nice=False)
    colour = alt.Color(
        "change",
        type="nominal",
        title=None,
        scale=alt.Scale(domain=kinds, range=[_COLOURS[kind] for kind in kinds]),
        legend=alt.Legend(orient="top"),
    )
    shown = tooltips(
        name="package",
        change="change",
        before="before",
        after="after",
        from_count="places before",
        to_count="places after",
        size_before="installed before",
        size_after="installed after",
        from_sbom_digest="list before",
        to_sbom_digest="list after",
    )
    place = labels("name", "left")
    bar = base.mark_bar().encode(
        x=alt.X("difference", type="quantitative", axis=axis, scale=scale), y=place, color=colour, tooltip=shown
    )
    square = base.mark_point(shape="square", filled=True, opacity=1, size=70).encode(
        x=alt.X("nothing", type="quantitative", axis=axis, scale=scale),
        y=labels("name", "left").axis(None),  # its own, of the same rows in the same order: one is enough to read
        color=colour,
        tooltip=shown,
    )
    figures = base.mark_point(opacity=0).encode(y=labels("label", "right"))
    chart: alt.LayerChart = alt.layer(bar.properties(name=name), square, figures).resolve_scale(y="independent")
    heading = alt.TitleParams(title, frame="group", fontSize=12)
    return chart.properties(title=heading) if title else chart
