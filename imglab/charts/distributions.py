"""Charts of whole registries: distributions, sharing, depth, attestations."""

from __future__ import annotations

import altair as alt
import polars as pl

from imglab.charts.frames import (
    apart,
    checked,
    drawable,
    exact_size_text,
    short_repository,
    size_text,
    times_text,
    unit_of,
    values,
)
from imglab.charts.theme import (
    MAIN,
    OTHER,
    REFERENCE,
    WIDTH,
    Chart,
    folded,
    labels,
    nothing,
    titled,
    tooltips,
)

MOST_REPOSITORIES = 20
_BAR_WIDTH = 420
_ROW_HEIGHT = 24
_UNITS = ("B", "kB", "MB", "GB", "TB")
_PUBLISHED = "Diamonds: half and nine tenths of Docker Hub in 2017 (Zhao et al. 2019, 10.1109/CLUSTER.2019.8891000)."
_MEASURES = {
    "image_bytes": ("images", "compressed size of an image"),
    "layer_bytes": ("layers", "compressed size of a layer"),
    "layer_count": ("images", "layers of an image"),
}
_BYTES = {10 ** (3 * power + zeros): f"{10**zeros} {unit}" for power, unit in enumerate(_UNITS) for zeros in range(3)}
_COUNTS = {number: str(number) for number in (1, 2, 3, 5, 8, 13, 20, 30, 50, 80, 128, 200, 500)}
_POINT = ("share_text", "published_text", "value_text")


def size_distribution(frame: pl.DataFrame) -> Chart:
    """
    How many percent of images and layers are how large at most, and how many layers images have: a rising line each.

    Needs: measure, percent, value, value_count, published_value. Scales are logarithmic, so that nothing counts as one
    byte; diamonds mark what was published of Docker Hub.
    """
    frame = checked(frame, "size_distribution", "measure percent value value_count published_value")
    question = "How large are images and their layers?"
    if frame.is_empty():
        return nothing(question, "size_distribution")
    drawable(frame, "size_distribution")
    parts = [(measure, frame.filter(pl.col("measure") == measure)) for measure in _MEASURES]
    panels = [_rising(measure, part) for measure, part in parts if part.height]
    return titled(alt.vconcat(*panels, spacing=24), question, _PUBLISHED)


def _rising(measure: str, frame: pl.DataFrame) -> Chart:
    """One measure: the share that does not exceed each value, and the published points."""
    what, title = _MEASURES[measure]
    is_bytes = measure.endswith("_bytes")
    drawn = frame.with_columns(
        pl.col("value").clip(1).alias("drawn_value"),
        (size_text("value") if is_bytes else pl.col("value").cast(pl.String)).alias("value_text"),
        (size_text("published_value") if is_bytes else pl.col("published_value").cast(pl.String)).alias(
            "published_text"
        ),
        pl.format("{} %", "percent").alias("share_text"),
    )
    published = drawn.filter(pl.col("published_value").is_not_null())
    x = _logarithmic(drawn, f"{title} ({frame['value_count'].to_list()[0]:,} {what})", _BYTES if is_bytes else _COUNTS)
    y = alt.Y("percent", type="quantitative", title="% of them", scale=alt.Scale(domain=[0, 100]))
    shown = tooltips(share_text="of them", value_text="at most")
    rows = alt.InlineData(values(drawn.select("percent", "drawn_value", "value_text", "share_text")))
    line = alt.Chart(rows, name=measure, width=WIDTH, height=150).mark_line(
        interpolate="step-after", color=MAIN, strokeWidth=2
    )
    hover = alt.Chart(rows).mark_point(opacity=0, size=60)
    point = alt.Chart(alt.InlineData(values(published.select("percent", "published_value", *_POINT)))).mark_point(
        shape="diamond", filled=True, size=110, opacity=1, color=REFERENCE
    )
    beside = tooltips(share_text="of Docker Hub in 2017", published_text="at most", value_text="here")
    return alt.layer(
        line.encode(x=x, y=y),
        hover.encode(x=x, y=y, tooltip=shown),
        point.encode(x=alt.X("published_value", type="quantitative"), y=y, tooltip=beside),
    )


def _logarithmic(drawn: pl.DataFrame, title: str, words: dict[int, str]) -> alt.X:
    """Values along the bottom, each ten times the one before; *words* name some."""
    told = pl.concat([drawn["drawn_value"], drawn["published_value"].drop_nulls()])
    least, most = float(min(told)) / 1.1, float(max(told)) * 1.1
    shown = {value: word for value, word in words.items() if least <= value <= most}
    # Ours are the only words in this expression.
    texts = " : ".join(f"datum.value === {value} ? '{word}'" for value, word in shown.items())
    axis = alt.Axis(values=list(shown), labelExpr=f"{texts} : ''" if shown else "''", labelOverlap="greedy")
    scale = alt.Scale(type="log", domain=[least, most], nice=False)
    return alt.X("drawn_value", type="quantitative", title=title, scale=scale, axis=axis)


def sharing(frame: pl.DataFrame) -> Chart:
    """
    What images weigh each for itself, and with every layer counted once: two bars over each other for each repository.

    Needs: repository, image_count, layer_count, unique_layer_count, image_bytes, unique_bytes, shared_bytes,
    sharing_ratio. The largest 20; all together on top if there are several.
    """
    frame = checked(
        frame,
        "sharing",
        "repository image_count layer_count unique_layer_count image_bytes unique_bytes shared_bytes sharing_ratio",
    )
    question = "How much do images share?"
    known = frame.filter(pl.col("image_bytes").is_not_null())
    if known.is_empty():
        return nothing(question, "sharing", "of no image the layers are known" if frame.height else "no rows")
    single = known.filter(pl.col("repository").is_not_null())
    chosen = known.filter(pl.col("repository").is_null() & (single.height != 1)).vstack(single.head(MOST_REPOSITORIES))
    name = pl.col("repository").map_elements(short_repository, pl.String).fill_null("all together")
    sizes = pl.format("{} instead of {}", size_text("unique_bytes"), size_text("image_bytes"))
    drawn = chosen.with_columns(
        name.alias("name"),
        pl.format("{} · {}", sizes, times_text("sharing_ratio")).fill_null(sizes).alias("label"),
        pl.col("image_bytes").alias("whole_bytes"),
        pl.col("unique_bytes").alias("part_bytes"),
        exact_size_text("image_bytes").alias("whole_text"),
        exact_size_text("unique_bytes").alias("part_text"),
        exact_size_text("shared_bytes").alias("shared_text"),
    )
    shown = {"name": "repository", "image_count": "images", "whole_text": "each for itself"}
    shown |= {"part_text": "every layer once", "shared_text": "in several images", "layer_count": "layers"}
    few = f"The {MOST_REPOSITORIES} largest of {single.height:,} repositories." if single.height > chosen.height else ""
    return titled(
        _nested(drawn, "sharing", shown | {"unique_layer_count": "different layers"}),
        question,
        "Compressed layers: grey of each image for itself, blue every layer once.",
        few,
    )


def attestation_overhead(frame: pl.DataFrame) -> Chart:
    """
    What attestations weigh beside their images: a bar for each repository, with the share written beside it.

    Needs: repository, image_count, image_bytes, attestation_count, attestation_bytes, attestation_share. Repositories
    without attestations are counted in the subtitle; the 20 with most bytes of them are drawn.
    """
    frame = checked(
        frame,
        "attestation_overhead",
        "repository image_count image_bytes attestation_count attestation_bytes attestation_share",
    )
    question = "What do attestations weigh?"
    attested = frame.filter(pl.col("attestation_count") > 0)
    if attested.is_empty():
        many = f"none of {frame.height:,} repositories has attestations"
        why = "no rows" if frame.is_empty() else "it has none" if frame.height == 1 else many
        return nothing(question, "attestation_overhead", why)
    percent = pl.col("attestation_share") * 100
    words = pl.when(percent < 0.01).then(pl.lit("under 0.01")).otherwise(percent.round(2).cast(pl.String))
    share = pl.format(" · {} % of the images", words).fill_null("")
    drawn = attested.head(MOST_REPOSITORIES).with_columns(
        pl.col("repository").map_elements(short_repository, pl.String).alias("name"),
        pl.concat_str(size_text("attestation_bytes"), share).alias("label"),
        pl.col("attestation_bytes").alias("whole_bytes"),
        pl.col("attestation_bytes").alias("part_bytes"),
        exact_size_text("attestation_bytes").alias("part_text"),
        exact_size_text("image_bytes").alias("whole_text"),
    )
    shown = {"name": "repository", "attestation_count": "attestations", "part_text": "attestations weigh"}
    without = frame.height - attested.height
    few = f"The {MOST_REPOSITORIES} with most, of {attested.height:,}." if attested.height > MOST_REPOSITORIES else ""
    return titled(
        _nested(drawn, "attestation_overhead", shown | {"image_count": "images", "whole_text": "images weigh"}),
        question,
        f"Provenance, bills of material and the like, beside the images of their repository. {few}".strip(),
        f"{without:,} {'repository has' if without == 1 else 'repositories have'} none." if without else "",
    )


def _nested(frame: pl.DataFrame, name: str, shown: dict[str, str]) -> alt.LayerChart:
    """A grey bar for each row from `whole_bytes`, and in it one from `part_bytes`, between `name` and `label`."""
    unit, divisor = unit_of(frame, "whole_bytes")
    drawn = frame.with_row_index("row").with_columns(
        (pl.col("whole_bytes").fill_null(0) / divisor).alias("whole"),
        (pl.col("part_bytes").fill_null(0) / divisor).alias("part"),
        apart("name"),
        apart("label"),
        *(pl.col(field).cast(pl.String) for field in shown if field.endswith("_count")),
    )
    rows = values(drawn.select("row", "whole", "part", "label", *shown))
    most = max(row["whole"] for row in rows) or 1
    base = folded(alt.Chart(alt.InlineData(rows), width=_BAR_WIDTH, height=_ROW_HEIGHT * len(rows)), shown)
    scale = alt.Scale(domain=[0, most])

    def bar(field: str, colour: str) -> alt.Chart:
        x = alt.X(field, type="quantitative", title=f"compressed ({unit})", scale=scale)
        mark = base.mark_bar(cornerRadiusEnd=2, color=colour)
        drawn_bar: alt.Chart = mark.encode(x=x, y=labels("name", "left"), tooltip=tooltips(**shown))
        return drawn_bar

    bars = alt.layer(bar("whole", OTHER).properties(name=name), bar("part", MAIN))  # of one axis
    figures = base.mark_point(opacity=0).encode(y=labels("label", "right"))
    chart: alt.LayerChart = alt.layer(bars, figures).resolve_scale(y="independent")
    return chart


def bytes_by_depth(frame: pl.DataFrame) -> Chart:
    """
    How many bytes lie at which depth of images: grey of all images, blue with every layer once.

    Needs: position, image_count, unique_layer_count, image_bytes, unique_bytes, image_bytes_share.
    """
    frame = checked(
        frame, "bytes_by_depth", "position image_count unique_layer_count image_bytes unique_bytes image_bytes_share"
    )
    question = "At which depth of images do the bytes lie?"
    if frame.is_empty():
        return nothing(question, "bytes_by_depth")
    unit, divisor = unit_of(frame, "image_bytes")
    drawn = drawable(frame, "bytes_by_depth").select(
        "position",
        (pl.col("image_bytes").fill_null(0) / divisor).alias("whole"),
        (pl.col("unique_bytes").fill_null(0) / divisor).alias("part"),
        pl.col("image_count").cast(pl.String),
        pl.col("unique_layer_count").cast(pl.String),
        exact_size_text("image_bytes").alias("whole_text"),
        exact_size_text("unique_bytes").alias("part_text"),
        pl.format("{} %", (pl.col("image_bytes_share") * 100).round(1)).fill_null("unknown").alias("share"),
    )
    base = alt.Chart(alt.InlineData(values(drawn)), width=WIDTH, height=260)
    shown = {"position": "depth (0: lowest)", "whole_text": "of all images", "share": "of all bytes"}
    shown |= {"part_text": "every layer once", "image_count": "images", "unique_layer_count": "different layers"}

    def bar(field: str, colour: str) -> alt.Chart:
        y = alt.Y(field, type="quantitative", title=f"compressed ({unit})")
        axis = alt.Axis(labelAngle=0, labelOverlap=True, grid=False)
        x = alt.X("position", type="ordinal", title="layers below", axis=axis)
        drawn_bar: alt.Chart = base.mark_bar(color=colour).encode(x=x, y=y, tooltip=tooltips(**shown))
        return drawn_bar

    deepest = frame["position"].to_list()[-1]
    lowest = drawn["share"].to_list()[0] if frame["position"].to_list()[0] == 0 else "0 %"
    return titled(
        alt.layer(bar("whole", OTHER).properties(name="bytes_by_depth"), bar("part", MAIN)),
        question,
        f"{lowest} of the bytes are in lowest layers; the deepest image has {deepest:,} layers below its highest.",
        "Grey: of each image for itself. Blue: every layer once.",
    )
