"""A chart of sizes with what is out of the ordinary in them."""

from __future__ import annotations

from datetime import timedelta

import altair as alt
import polars as pl

from imglab.charts.frames import (
    apart,
    checked,
    counted,
    drawable,
    exact_size_text,
    name_of,
    plain_column,
    short_repository,
    subject,
    unit_of,
    values,
    when_text,
)
from imglab.charts.theme import REFERENCE, WIDTH, Chart, around, categories, folded, legend, nothing, titled, tooltips
from imglab.charts.timeline import covered, time_axis, time_zoom

MOST_LINES = 9
_LONG = timedelta(days=90)
_ROOM = timedelta(days=15)  # on both sides of a single build


def size_changes(frame: pl.DataFrame) -> Chart:
    """
    Where sizes jumped or drifted: a line per tag and platform, a mark where a change is out of the ordinary.

    Needs: repository, tag, platform, series, valid_from, compressed_bytes, step_bytes, usual_step_bytes, drift_bytes,
    change, digest, manifest_digest. Of more than nine lines those with most changes out of the ordinary are drawn;
    those of Windows have a panel and a scale of their own. The size axis does not begin at zero.
    """
    frame = checked(
        frame,
        "size_changes",
        "repository tag platform series valid_from compressed_bytes step_bytes usual_step_bytes drift_bytes change"
        " digest manifest_digest",
    )
    question = "Where did sizes jump or drift?"
    if frame.is_empty():
        return nothing(question, "size_changes")
    lines, total = _lines(frame)
    drawn = _points(drawable(lines, "size_changes"))
    names = drawn["line_name"].unique(maintain_order=True).to_list()
    is_windows = pl.col("platform").str.starts_with("windows").fill_null(False)
    parts = [("size_changes", drawn.filter(~is_windows)), ("size_changes_windows", drawn.filter(is_windows))]
    panels = [_panel(part, name, names, _ends(lines)) for name, part in parts if part.height]
    jumps, drifts = (frame.filter(pl.col("change") == kind).height for kind in ("jump", "drift"))
    return titled(
        panels[0] if len(panels) == 1 else alt.vconcat(*panels),
        f"Where did the size of {subject(frame)} jump or drift?",
        f"{covered(frame.with_columns(valid_to='valid_from', last_observed_at='valid_from'))}"
        f" {counted(frame.height, 'build')}, {counted(jumps, 'jump')} (triangles)"
        f" and {counted(drifts, 'drift')} (diamonds).",
        f"The {MOST_LINES} of {total:,} lines with most of them." if total > MOST_LINES else "",
        "Lines go on where nobody looked for a while; dots are builds that were seen." if _has_gap(lines) else "",
    )


def _panel(rows: pl.DataFrame, name: str, names: list[str], ends: pl.DataFrame) -> alt.LayerChart | alt.FacetChart:
    """The lines of *rows*; *names* are those of all panels, which share their colours and the time between *ends*."""
    unit, divisor = unit_of(rows, "compressed_bytes")
    drawn = rows.with_columns((pl.col("compressed_bytes") / divisor).alias("size")).drop("compressed_bytes", "platform")
    marked = drawn.filter(pl.col("change").is_not_null())
    x = time_axis("valid_from")
    y = alt.Y("size", type="quantitative", title=f"compressed ({unit})", scale=around(drawn["size"]))
    shown = {"line_name": "of", "when": "since", "size_exact": "size", "step": "against the build before"}
    shown |= {"usual": "usual", "manifest_digest": "image digest"}
    colour = alt.Color(
        "line_name",
        type="nominal",
        scale=alt.Scale(domain=names, range=categories(len(names))),
        legend=legend(*names, title=None) if len(names) > 1 else None,
    )
    height = 300 if name == "size_changes" else 180
    base = folded(alt.Chart(alt.InlineData(values(drawn)), width=WIDTH, height=height), drawn.columns)
    line = base.mark_line(interpolate="step-after", strokeWidth=1.5).encode(x=x, y=y, color=colour)
    point = base.mark_point(filled=True, size=14, opacity=1).encode(x=x, y=y, color=colour, tooltip=tooltips(**shown))
    mark = folded(alt.Chart(alt.InlineData(values(marked))), drawn.columns).mark_point(filled=True, size=130, opacity=1)
    mark = mark.encode(
        x=x,
        y=y,
        # Of several lines a mark says by its colour which one it is on.
        color=colour if len(names) > 1 else alt.value(REFERENCE),
        shape=alt.Shape("sign", type="nominal", scale=None, legend=None),
        tooltip=tooltips(**{"change": "out of the ordinary", **shown, "drift": "in 20 builds"}),
    )
    # The axis takes its ends from data, since they are the same for both panels.
    room = alt.Chart(alt.InlineData(values(ends))).mark_point(opacity=0).encode(x=x)
    line = line.properties(name=name).add_params(time_zoom(f"time_{name}"))
    return alt.layer(line, point, *([mark] if marked.height else []), room)


def _ends(frame: pl.DataFrame) -> pl.DataFrame:
    """The time that the rows cover, with room for marks before and after: two instants."""
    time = pl.col("valid_from")
    whole = time.max() - time.min()
    room = pl.when(whole > timedelta(0)).then(pl.max_horizontal(whole / 50, timedelta(hours=1))).otherwise(_ROOM)
    return pl.concat([frame.select(time.min() - room), frame.select(time.max() + room)])


def _has_gap(frame: pl.DataFrame) -> bool:
    gap = pl.col("valid_from").diff().over("line_name") > _LONG
    return bool(frame.sort("line_name", "valid_from").select(gap.any()).item())


def _lines(frame: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """The rows of the lines to draw, named, and how many lines there are."""
    key = ["repository", "tag", "series"]
    several = frame["repository"].n_unique() > 1
    ranked = frame.group_by(key).agg(pl.col("change").count().alias("changes"), pl.len().alias("builds"))
    chosen = ranked.sort("changes", "builds", *key, descending=[True, True, False, False, False]).head(MOST_LINES)
    tag = name_of("tag", "no tag")
    if several:
        tag = pl.format("{}:{}", pl.col("repository").map_elements(short_repository, pl.String), tag)
    series = plain_column("series", 30, "unknown platform")
    name = pl.format("{} {}", tag, series) if several or frame["tag"].n_unique() > 1 else series
    known = chosen.select(*key, name.alias("line_name")).with_columns(apart("line_name"))
    named = frame.join(known, on=key, how="inner", maintain_order="left", nulls_equal=True)
    return named, ranked.height


def _points(frame: pl.DataFrame) -> pl.DataFrame:
    """What is drawn of each build."""
    grew = pl.when(pl.col("change") == "drift").then(pl.col("drift_bytes")).otherwise(pl.col("step_bytes")) > 0
    turned = pl.when(grew).then(pl.lit("triangle-up")).otherwise(pl.lit("triangle-down"))

    def signed(name: str) -> pl.Expr:
        size = exact_size_text("size_told")
        return (
            pl.when(pl.col(name) < 0)
            .then(pl.format("-{}", size))
            .otherwise(pl.format("+{}", size))
            .fill_null("first build")
            .alias(name.removesuffix("_bytes"))
        )

    return (
        frame.with_columns(pl.col("step_bytes").abs().alias("size_told"))
        .with_columns(signed("step_bytes"))
        .with_columns(pl.col("drift_bytes").abs().alias("size_told"))
        .with_columns(signed("drift_bytes"))
        .select(
            "line_name",
            "platform",
            "valid_from",
            "compressed_bytes",
            "change",
            "manifest_digest",
            "step",
            "drift",
            exact_size_text("usual_step_bytes").alias("usual"),
            exact_size_text("compressed_bytes").alias("size_exact"),
            when_text("valid_from").alias("when"),
            pl.when(pl.col("change") == "drift").then(pl.lit("diamond")).otherwise(turned).alias("sign"),
        )
    )
