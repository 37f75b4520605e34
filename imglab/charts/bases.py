"""Charts of what images are built on."""

from __future__ import annotations

import altair as alt
import polars as pl

from imglab.charts.frames import (
    checked,
    drawable,
    exact_size_text,
    name_of,
    only,
    plain_column,
    short_repository,
    subject,
    unit_of,
    values,
    when_text,
)
from imglab.charts.theme import (
    CATEGORIES,
    OTHER,
    UNKNOWN,
    UNSEEN_OPACITY,
    WIDTH,
    Chart,
    categories,
    folded,
    legend,
    nothing,
    titled,
    tooltips,
)
from imglab.charts.timeline import (
    UNSEEN_NOTE,
    block,
    covered,
    few_of,
    largest_rows,
    row_axis,
    spans,
    tags_of,
    time_zoom,
    with_unseen,
)

NO_BASE, OTHER_BASES, ADDED = "no base known", "other bases", "added to it"
_ROW_HEIGHT = 20


def bases(frame: pl.DataFrame) -> Chart:
    """
    What images are built on: a row for each tag, through time, coloured by the base.

    Needs: repository, tag, platform, valid_from, valid_to, last_observed_at, manifest_digest, evidence, base_name,
    base_repository, base_tag, base_tags, base_manifest_digest, base_bytes, base_share. Of more than 40 tags those with
    most images are drawn, and of more than nine bases those that are most often one by name. A click in the legend
    shows one base alone.
    """
    frame = checked(
        frame,
        "bases",
        "repository tag platform valid_from valid_to last_observed_at manifest_digest evidence base_name"
        " base_repository base_tag base_tags base_manifest_digest base_bytes base_share",
    )
    if frame.is_empty():
        return nothing("What is it built on?", "bases")
    rows, total = largest_rows(frame, pl.len())
    named = with_base(drawable(rows, "bases"))
    drawn = spans(named.sort("row", "valid_from", maintain_order=True)).select(
        "row",
        "tag_name",
        "part_name",
        "valid_from",
        "seen_to",
        "drawn_to",
        "is_unseen",
        plain_column("base_tags", 120, "unknown").alias("names"),
        plain_column("evidence", 20, "none").alias("known_by"),
        exact_size_text("base_bytes").alias("brings"),
        _share_text("base_share").alias("share"),
        "when",
        plain_column("base_manifest_digest", 144, "unknown"),
        "manifest_digest",
    )
    groups, colours = base_colours(named)
    chosen = alt.selection_point(name="chosen_base", fields=["part_name"], bind="legend")
    base = alt.Chart(alt.InlineData(values(drawn)), width=WIDTH, height=alt.Step(_ROW_HEIGHT if total > 1 else 48))
    base = folded(base, drawn.columns).encode(
        y=row_axis("tag_name", 0.2),
        color=base_colour(groups, colours, "base"),
        tooltip=tooltips(
            tag_name="tag",
            part_name="base",
            names="names then",
            known_by="known by",
            brings="brings",
            share="share",
            when="when",
            base_manifest_digest="base digest",
            manifest_digest="image digest",
        ),
    )
    seen = block(base, "valid_from", "seen_to", alt.when(chosen).then(alt.value(1)).otherwise(alt.value(0.12)))
    seen = seen.mark_rect(stroke="#ffffff", strokeWidth=0.5, strokeOpacity=0.5)
    unseen = block(
        base, "seen_to", "drawn_to", alt.when(chosen).then(alt.value(UNSEEN_OPACITY)).otherwise(alt.value(0.05))
    )
    images = frame["manifest_digest"].n_unique()
    known = frame.filter(pl.col("evidence").is_not_null())["manifest_digest"].n_unique()
    return titled(
        alt.layer(*with_unseen(seen.properties(name="bases").add_params(time_zoom(), chosen), unseen, drawn)),
        f"What is {subject(frame)} built on?{platform_note(frame)}"
        if frame["tag"].n_unique() == 1
        else f"What are {tags_of(frame)} built on?{platform_note(frame)}",
        f"The nearest base that is known, of {known:,} of {images:,} images. " + covered(frame),
        few_of(rows, total, "with most images"),
        UNSEEN_NOTE if drawn["is_unseen"].any() else "",
    )


def base_share(frame: pl.DataFrame) -> Chart:
    """
    How much of a tag's images is their base: the base, what that is built on, and what was added, stacked through time.

    Needs: repository, tag, platform, valid_from, valid_to, last_observed_at, manifest_digest, level, base_repository,
    base_tag, base_manifest_digest, part_bytes, stack_from_bytes, stack_to_bytes, part_share, base_share.
    Parts of unknown size are not drawn. A click in the legend shows one part alone.
    """
    frame = checked(
        frame,
        "base_share",
        "repository tag platform valid_from valid_to last_observed_at manifest_digest level base_repository base_tag"
        " base_manifest_digest part_bytes stack_from_bytes stack_to_bytes part_share base_share",
    ).drop_nulls(["part_bytes", "stack_from_bytes", "stack_to_bytes"])
    if frame.is_empty():
        return nothing("How much of it is its base?", "base_share")
    unit, divisor = unit_of(frame, "stack_to_bytes")
    is_whole = pl.col("base_share").is_null()
    named = with_base(drawable(frame, "base_share"), pl.when(is_whole).then(pl.lit(NO_BASE)).otherwise(pl.lit(ADDED)))
    drawn = spans(named).select(
        "part_name",
        "valid_from",
        "seen_to",
        "drawn_to",
        "is_unseen",
        (pl.col("stack_from_bytes") / divisor).alias("stack_from"),
        (pl.col("stack_to_bytes") / divisor).alias("stack_to"),
        exact_size_text("part_bytes").alias("brings"),
        _share_text("part_share").alias("share"),
        _share_text("base_share").alias("all_bases"),
        "when",
        plain_column("base_manifest_digest", 144, "none"),
        "manifest_digest",
    )
    groups, colours = base_colours(named)
    chosen = alt.selection_point(name="chosen_part", fields=["part_name"], bind="legend")
    base = alt.Chart(alt.InlineData(values(drawn)), width=WIDTH, height=320)
    base = folded(base, drawn.columns).encode(
        y=alt.Y("stack_to", type="quantitative", title=f"compressed layers ({unit})"),
        y2="stack_from",
        color=base_colour(groups, colours, "part"),
        tooltip=tooltips(
            part_name="part",
            brings="brings",
            share="share",
            all_bases="all bases together",
            when="when",
            base_manifest_digest="base digest",
            manifest_digest="image digest",
        ),
    )
    seen = block(base, "valid_from", "seen_to", alt.when(chosen).then(alt.value(1)).otherwise(alt.value(0.12)))
    unseen = block(
        base, "seen_to", "drawn_to", alt.when(chosen).then(alt.value(UNSEEN_OPACITY)).otherwise(alt.value(0.05))
    )
    newest = frame.filter(pl.col("level") == 0, pl.col("base_share").is_not_null()).sort("valid_from").tail(1)
    last = newest.select(_share_text("base_share"), when_text("valid_from").alias("then")).rows()
    return titled(
        alt.layer(*with_unseen(seen.properties(name="base_share").add_params(time_zoom(), chosen), unseen, drawn)),
        f"How much of {subject(frame)} is its base?{platform_note(frame)}",
        f"Last known, {last[0][1][:10]}: {last[0][0]}. " + covered(frame) if last else covered(frame),
        UNSEEN_NOTE if drawn["is_unseen"].any() else "",
    )


def with_base(frame: pl.DataFrame, missing: pl.Expr | None = None) -> pl.DataFrame:
    """*frame* with `part_name`: what a base is called, of many the nine that occur most, or what is *missing*."""
    short = pl.col("base_repository").map_elements(short_repository, pl.String)
    tagged = pl.when(pl.col("base_tag").is_not_null()).then(pl.format("{}:{}", short, "base_tag"))
    stated = pl.col("base_name") if "base_name" in frame.columns else pl.lit(None, pl.String)
    digest = pl.col("base_manifest_digest").str.slice(0, 19)
    name = name_of(pl.coalesce(stated, tagged, digest), missing=None)
    named = frame.with_columns(name.alias("part_name"))
    counts = (
        named.drop_nulls("part_name").group_by("part_name").len().sort("len", "part_name", descending=[True, False])
    )
    many = counts["part_name"].to_list()[len(CATEGORIES) :]
    return named.with_columns(
        pl.when(pl.col("part_name").is_in(many))
        .then(pl.lit(OTHER_BASES))
        .otherwise(pl.coalesce("part_name", missing if missing is not None else pl.lit(NO_BASE)))
        .alias("part_name")
    )


def base_colours(frame: pl.DataFrame) -> tuple[list[str], list[str]]:
    """The bases, most frequent first, then what is none of them; and a colour for each."""
    counts = frame.group_by("part_name").len().sort("len", "part_name", descending=[True, False])
    found = counts["part_name"].to_list()
    none = [(OTHER_BASES, OTHER), (ADDED, OTHER), (NO_BASE, UNKNOWN)]
    greys = [(name, grey) for name, grey in none if name in found]
    named = [name for name in found if name not in dict(none)]
    return [*named, *(name for name, _ in greys)], [*categories(len(named)), *(grey for _, grey in greys)]


def base_colour(groups: list[str], colours: list[str], title: str) -> alt.Color:
    scale = alt.Scale(domain=groups, range=colours)
    return alt.Color("part_name", type="nominal", scale=scale, legend=legend(*groups, title=title, orient="top"))


def platform_note(frame: pl.DataFrame) -> str:
    platform = only(frame, "platform")
    return f" ({platform})" if platform else ""


def _share_text(name: str) -> pl.Expr:
    return pl.format("{} %", (pl.col(name) * 100).round(1)).fill_null("unknown")
