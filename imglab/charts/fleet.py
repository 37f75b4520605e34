"""Charts of what a set of images costs together."""

from __future__ import annotations

import re

import altair as alt
import polars as pl

from imglab.charts.frames import (
    apart,
    checked,
    drawable,
    exact_size_text,
    in_title,
    name_of,
    only,
    plain,
    short_repository,
    size_text,
    subject,
    unit_of,
    values,
)
from imglab.charts.theme import ALTERNATE, MAIN, OTHER, Chart, folded, labels, nothing, titled, tooltips

_BAR_WIDTH = 420
_ROW_HEIGHT = 24
_KINDS = ("there already", "comes with it, shared", "comes with it, only here")
MOST_BASES = 40
_FEW_IMAGES = 2
_TAG = re.compile(r":[^/:]+$")  # what follows the port of a host holds a slash


def fleet_cost(frame: pl.DataFrame) -> Chart:
    """
    What images cost together: a bar for each in their order, split into what is there already and what comes with it.

    Needs: position, repository, tag, platform, digest, manifest_digest, total_bytes, unique_bytes, shared_bytes,
    added_bytes, layer_count, added_layer_count, fleet_bytes, unknown_count. What is not known keeps its row.
    """
    frame = checked(
        frame,
        "fleet_cost",
        "position repository tag platform digest manifest_digest total_bytes unique_bytes shared_bytes added_bytes"
        " layer_count added_layer_count fleet_bytes unknown_count",
    )
    if frame.is_empty():
        return nothing("What do these images cost together?", "fleet_cost")
    drawable(frame, "fleet_cost")
    unit, divisor = unit_of(frame, "total_bytes")
    repository = pl.col("repository").map_elements(short_repository, pl.String)
    version = pl.coalesce(pl.format(":{}", "tag"), pl.format("@{}", pl.col("digest").str.slice(0, 19)))
    known = pl.col("total_bytes").is_not_null()
    rows = frame.sort("position").with_row_index("row")
    rows = rows.with_columns(
        name_of(pl.format("{}{}", repository, version)).alias("name"),
        pl.when(known)
        .then(pl.format("+{} of {}", size_text("added_bytes"), size_text("total_bytes")))
        .otherwise(pl.lit("not known"))
        .alias("label"),
        pl.format("{} of {}", "added_layer_count", "layer_count").fill_null("unknown").alias("layers_added"),
        *(exact_size_text(f"{name}_bytes").alias(name) for name in ("total", "unique", "shared", "added")),
        pl.col("manifest_digest").fill_null("not known"),
    ).with_columns(apart("name"), apart("label"))
    drawn = pl.concat([_part(rows, number, divisor) for number in range(len(_KINDS))]).sort("row", "part_order")
    shown = {"name": "reference", "total": "all layers", "added": "comes with it", "unique": "only here"}
    shown |= {"shared": "shared", "layers_added": "layers that come with it", "manifest_digest": "image digest"}
    columns = ["row", "name", "label", "part", "part_order", "from", "to", *list(shown)[1:]]
    base = alt.Chart(alt.InlineData(values(drawn.select(columns))), width=_BAR_WIDTH, height=_ROW_HEIGHT * rows.height)
    base = folded(base, columns)
    bar = base.mark_bar().encode(
        x=alt.X("from", type="quantitative", title=f"compressed ({unit})"),
        x2="to",
        y=labels("name", "left"),
        color=alt.Color(
            "part",
            type="nominal",
            title=None,
            scale=alt.Scale(domain=list(_KINDS), range=[OTHER, ALTERNATE[1], ALTERNATE[0]]),
            legend=alt.Legend(orient="bottom"),
        ),
        tooltip=tooltips(**shown),
    )
    figures = base.mark_point(opacity=0).encode(y=labels("label", "right"))
    platform = only(frame, "platform")
    many = f"{frame.height:,} images of {subject(frame)}" if frame.height > 1 else subject(frame)
    does = "do" if frame.height > 1 else "does"
    unknown = int(frame["unknown_count"].max() or 0)  # type: ignore[arg-type]
    return titled(
        alt.layer(bar.properties(name="fleet_cost"), figures).resolve_scale(y="independent"),
        f"What {does} {many} cost{' together' if frame.height > 1 else ''}?" + (f" ({platform})" if platform else ""),
        _fleet_summary(frame),
        f"{unknown:,} not known and left out." if unknown else "",
    )


def _part(rows: pl.DataFrame, number: int, divisor: int) -> pl.DataFrame:
    """One of three parts of each bar, by its number in `_KINDS`."""
    bounds = (
        pl.lit(0, pl.Int64),
        pl.col("total_bytes") - pl.col("added_bytes"),
        pl.col("total_bytes") - pl.col("unique_bytes"),
        pl.col("total_bytes"),
    )
    return rows.with_columns(
        pl.lit(_KINDS[number]).alias("part"),
        pl.lit(number).alias("part_order"),
        (bounds[number].fill_null(0) / divisor).alias("from"),
        (bounds[number + 1].fill_null(0) / divisor).alias("to"),
    )


def _fleet_summary(frame: pl.DataFrame) -> str:
    """What all of it weighs together, and each for itself."""
    total = frame.select(pl.col("fleet_bytes").max(), pl.col("total_bytes").sum())
    together, each = total.row(0)
    texts = total.select(size_text("fleet_bytes").alias("together"), size_text("total_bytes").alias("each")).row(0)
    saved = f": {100 - 100 * together / each:.0f} % is shared" if each else ""
    return f"Compressed layers, each once: {texts[0]} together, {texts[1]} each for itself{saved}. In the order given."


def common_bases(frame: pl.DataFrame) -> Chart:
    """
    Which bases a set of images shares: a bar for each base, as long as the bytes that are saved through it.

    Needs: base_repository, base_tag, base_manifest_digest, base_layer_count, base_bytes, image_count, image_references,
    saved_bytes. At most the 40 bases that save most.
    """
    frame = checked(
        frame,
        "common_bases",
        "base_repository base_tag base_manifest_digest base_layer_count base_bytes image_count image_references"
        " saved_bytes",
    )
    if frame.is_empty():
        return nothing("Which bases do these images share?", "common_bases", "no base of theirs is known")
    drawable(frame, "common_bases")
    unit, divisor = unit_of(frame, "saved_bytes")
    repository = pl.col("base_repository").map_elements(short_repository, pl.String)
    digest = pl.col("base_manifest_digest").str.slice(0, 19)
    ordered = frame.sort("saved_bytes", "image_count", descending=True, nulls_last=True, maintain_order=True)
    rows = ordered.head(MOST_BASES).with_row_index("row")
    many = pl.col("image_count").map_elements(lambda count: f"{count:,} image{'s' * (count > 1)}", pl.String)
    rows = rows.with_columns(
        name_of(pl.coalesce(pl.format("{}:{}", repository, "base_tag"), digest)).alias("name"),
        pl.when(pl.col("saved_bytes").is_null())
        .then(pl.format("size unknown · {}", many))
        .otherwise(pl.format("{} saved · {} · {}", size_text("saved_bytes"), many, size_text("base_bytes")))
        .alias("label"),
        (pl.col("saved_bytes").fill_null(0) / divisor).alias("saved"),
        exact_size_text("saved_bytes").alias("saved_exact"),
        exact_size_text("base_bytes").alias("base_exact"),
        pl.col("base_layer_count").cast(pl.String).fill_null("unknown").alias("layers"),
        pl.col("image_references").map_elements(_short_references, pl.String).alias("standing"),
        pl.col("base_manifest_digest").fill_null("unknown"),
    ).with_columns(apart("name"), apart("label"))
    shown = {"name": "base", "saved_exact": "saved", "base_exact": "the base", "layers": "layers of the base"}
    shown |= {"standing": "built on it", "base_manifest_digest": "base digest"}
    drawn = rows.select("row", "label", "saved", *shown)
    most = max(drawn["saved"].to_list()) or 1
    base = alt.Chart(alt.InlineData(values(drawn)), width=_BAR_WIDTH, height=_ROW_HEIGHT * rows.height)
    base = folded(base, shown)
    bar = base.mark_bar(cornerRadiusEnd=2, color=MAIN).encode(
        x=alt.X("saved", type="quantitative", title=f"saved ({unit})", scale=alt.Scale(domain=[0, most])),
        y=labels("name", "left"),
        tooltip=tooltips(**shown),
    )
    figures = base.mark_point(opacity=0).encode(y=labels("label", "right"))
    images = dict.fromkeys(image for text in frame["image_references"].drop_nulls() for image in text.split(", "))
    return titled(
        alt.layer(bar.properties(name="common_bases"), figures).resolve_scale(y="independent"),
        f"Which bases do {_few_images(list(images))} share?",
        "Compressed layers that come once and not image by image; what a base saves is part of what is saved above it.",
        f"The {MOST_BASES} bases that save most, of {frame.height:,}." if frame.height > MOST_BASES else "",
    )


def _few_images(references: list[str]) -> str:
    """What a title calls images: the names of one or two, the repositories of several, or how many there are."""
    if len(references) <= _FEW_IMAGES:
        return " and ".join(in_title(short_repository(reference), 40) for reference in references)
    found = dict.fromkeys(_TAG.sub("", reference.partition("@")[0]) for reference in references)
    names = [in_title(short_repository(repository), 24) for repository in found]
    if len(names) > _FEW_IMAGES:
        names = [", ".join(names[:_FEW_IMAGES]), f"{len(names) - _FEW_IMAGES} more"]
    return f"{len(references)} images of {' and '.join(names)}"


def _short_references(text: str) -> str:
    """References as people write them: `python:3.13, redis:8`."""
    return plain(", ".join(short_repository(reference) for reference in text.split(", ")), 200)
