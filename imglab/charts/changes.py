"""A chart of sizes with what is out of the ordinary in them."""

from __future__ import annotations

from datetime import timedelta

import altair as alt
import polars as pl

from imglab.charts.frames import checked, drawable, exact_size_text, plain, subject, unit_of, values, when_text
from imglab.charts.theme import REFERENCE, WIDTH, Chart, categories, folded, nothing, titled, tooltips
from imglab.charts.timeline import time_axis, time_zoom

MOST_LINES = 9
_LONG = timedelta(days=90)


def size_changes(frame: pl.DataFrame) -> Chart:
    """
    Where sizes jumped or drifted: a line per tag and platform, a mark where a change is out of the ordinary.

    Needs: repository, tag, platform, series, valid_from, compressed_bytes, step_bytes, usual_step_bytes, drift_bytes,
    change, digest, manifest_digest. Of more than nine lines those with most changes out of the ordinary are drawn. The
    size axis does not begin at zero.
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
    unit, divisor = unit_of(lines, "compressed_bytes")
    drawn = drawn.with_columns((pl.col("compressed_bytes") / divisor).alias("size")).drop("compressed_bytes")
    marked = drawn.filter(pl.col("change").is_not_null())
    names = drawn["line"].unique(maintain_order=True).to_list()
    y = alt.Y("size", type="quantitative", title=f"compressed ({unit})", scale=alt.Scale(zero=False, padding=12))
    x = time_axis("valid_from", _whole(lines))
    shown = {"line": "image", "when": "since", "size_exact": "size", "step": "against the build before"}
    shown |= {"usual": "usual", "manifest_digest": "image digest"}
    colour = alt.Color(
        "line",
        type="nominal",
        scale=alt.Scale(domain=names, range=categories(len(names))),
        legend=alt.Legend(title=None, orient="bottom", columns=2, labelLimit=300) if len(names) > 1 else None,
    )
    base = folded(alt.Chart(alt.InlineData(values(drawn)), width=WIDTH, height=300), drawn.columns)
    line = base.mark_line(interpolate="step-after", strokeWidth=1.5).encode(x=x, y=y, color=colour)
    point = base.mark_point(filled=True, size=14, opacity=1).encode(x=x, y=y, color=colour, tooltip=tooltips(**shown))
    mark = folded(alt.Chart(alt.InlineData(values(marked))), drawn.columns).mark_point(
        filled=True, size=130, opacity=1, color=REFERENCE
    )
    mark = mark.encode(
        x=x,
        y=y,
        shape=alt.Shape("sign", type="nominal", scale=None, legend=None),
        tooltip=tooltips(**{"change": "out of the ordinary", **shown, "drift": "in 20 builds"}),
    )
    jumps, drifts = ((frame["change"] == kind).sum() for kind in ("jump", "drift"))
    return titled(
        alt.layer(line.properties(name="size_changes").add_params(time_zoom()), point, mark),
        f"Where did the size of {subject(frame)} jump or drift?",
        f"{frame.height:,} builds, {jumps:,} jumps (triangles) and {drifts:,} drifts (diamonds).",
        f"The {MOST_LINES} of {total:,} lines with most of them." if total > MOST_LINES else "",
        "Lines go on where nobody looked for a while; dots are builds that were seen." if _has_gap(lines) else "",
    )


def _whole(frame: pl.DataFrame) -> tuple[int, int]:
    """The time that the rows cover, in milliseconds since 1970, with room for marks at both ends."""
    first, last = frame.select(
        pl.col("valid_from").min().dt.epoch("ms").alias("first"),
        pl.col("valid_from").max().dt.epoch("ms").alias("last"),
    ).row(0)
    room = max((last - first) // 50, 3_600_000)
    return first - room, last + room


def _has_gap(frame: pl.DataFrame) -> bool:
    gap = pl.col("valid_from").diff().over("line") > _LONG
    return bool(frame.sort("line", "valid_from").select(gap.any()).item())


def _lines(frame: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """The rows of the lines to draw, named, and how many lines there are."""
    key = ["repository", "tag", "series"]
    several = frame["tag"].n_unique() > 1 or frame["repository"].n_unique() > 1
    ranked = frame.group_by(key).agg(pl.col("change").count().alias("changes"), pl.len().alias("builds"))
    chosen = ranked.sort("changes", "builds", *key, descending=[True, True, False, False, False]).head(MOST_LINES)
    name = pl.format("{} {}", "tag", "series") if several else pl.col("series")
    named = frame.join(chosen.select(key), on=key, how="inner", maintain_order="left").with_columns(
        name.map_elements(lambda text: plain(text, 60), pl.String).fill_null("unknown").alias("line")
    )
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
            "line",
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
