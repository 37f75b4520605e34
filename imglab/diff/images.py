"""What images weigh, and which build steps make the difference."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from imglab.diff.compared import Compared, Section, Unit
from imglab.diff.words import signed
from imglab.store import Store

_AGAINST = "linux/amd64"
_PLATFORMS = {"same image": "same", "other image": "changed"}
_SHOWN = 12  # steps in a table for people
_STEPS = {"came": "new", "went": "gone"}


def platforms(store: Store, compared: Compared) -> Section:
    """
    What each platform's image weighs, with those that came and went, and each in proportion to linux/amd64.

    One row per platform (for Windows each build) and image, by platform.
    Columns: platform (null: not known), change (new, gone, `same image`, `other image`), from_manifest_digest and
    to_manifest_digest (null on the side that has none), from_bytes, to_bytes (compressed; null also where not known),
    delta_bytes, delta_share (of from_bytes), from_layer_count, to_layer_count, from_ratio, to_ratio (from_bytes divided
    by those of linux/amd64 on the same side; null where that is not there).
    """
    frame = _weighed(compared)
    shown = frame.select(
        pl.col("platform").fill_null("unknown"),
        pl.col("change").replace(_PLATFORMS),
        pl.col("from_bytes").alias("before"),
        pl.col("to_bytes").alias("after"),
        pl.col("delta_bytes").alias("difference"),
        pl.col("delta_share").alias("share"),
        _arrows(frame["from_ratio"], frame["to_ratio"]).alias("× amd64"),
    )
    if not shown["× amd64"].count():
        shown = shown.drop("× amd64")
    unknown = tuple(
        f"No source described what {side.name} points at: its images and sizes are not known."
        for side, images in ((compared.first, compared.first_images), (compared.second, compared.second_images))
        if images.is_empty()
    )
    units: dict[str, Unit] = {"before": "size", "after": "size", "difference": "difference", "share": "change"}
    return Section("platforms", "Platforms (compressed)", frame, shown, unknown, units)


def _weighed(compared: Compared) -> pl.DataFrame:
    """One row per platform of either side, by platform."""
    paired = compared.pairs.select(
        pl.col("to_series").alias("platform"),
        "from_manifest_digest",
        "to_manifest_digest",
        pl.col("from_total_bytes").alias("from_bytes"),
        pl.col("to_total_bytes").alias("to_bytes"),
    )
    gone = _alone(compared.first_images, paired["from_manifest_digest"], "from")
    new = _alone(compared.second_images, paired["to_manifest_digest"], "to")
    layers = (
        pl.concat([compared.first_images, compared.second_images]).select("manifest_digest", "layer_count").unique()
    )
    frame = pl.concat([paired, gone, new], how="diagonal").sort("platform", maintain_order=True)
    for side, images in (("from", compared.first_images), ("to", compared.second_images)):
        counts = layers.rename({"manifest_digest": f"{side}_manifest_digest", "layer_count": f"{side}_layer_count"})
        frame = frame.join(counts, on=f"{side}_manifest_digest", how="left", maintain_order="left")
        usual = images.filter(pl.col("platform") == _AGAINST)["compressed_bytes"]
        against = usual[0] if usual.len() else None
        frame = frame.with_columns((pl.col(f"{side}_bytes") / pl.lit(against, pl.Int64)).alias(f"{side}_ratio"))
    delta = pl.col("to_bytes") - pl.col("from_bytes")
    return frame.with_columns(
        delta.alias("delta_bytes"),
        (delta / pl.col("from_bytes")).alias("delta_share"),
        pl.when(pl.col("from_manifest_digest").is_null())
        .then(pl.lit("new"))
        .when(pl.col("to_manifest_digest").is_null())
        .then(pl.lit("gone"))
        .when(pl.col("from_manifest_digest") == pl.col("to_manifest_digest"))
        .then(pl.lit("same image"))
        .otherwise(pl.lit("other image"))
        .alias("change"),
    )


def _alone(images: pl.DataFrame, paired: pl.Series, side: str) -> pl.DataFrame:
    """The images that the other side has no image for."""
    return images.filter(~pl.col("manifest_digest").is_in(paired.to_list())).select(
        pl.col("series").alias("platform"),
        pl.col("manifest_digest").alias(f"{side}_manifest_digest"),
        pl.col("compressed_bytes").alias(f"{side}_bytes"),
    )


def _arrows(before: pl.Series, after: pl.Series) -> pl.Series:
    """Two ratios as text: `0.97 → 1.02`, one alone `→ 1.02`; null if neither is known."""
    told = (["" if one is None else f"{one:.2f}" for one in pair] for pair in zip(before, after, strict=True))
    return pl.Series([f"{old} → {new}".strip(" ") if old or new else None for old, new in told], dtype=pl.String)


def steps(store: Store, compared: Compared) -> Section:
    """
    The build steps that differ, the base first.

    Rows and columns are those of `queries.growth_by_step`, also of steps that are the same.
    """
    frame = compared.of_chosen(compared.growth)
    changed = frame.filter(pl.col("delta_bytes").is_null() | (pl.col("delta_bytes") != 0))
    largest, rest = _largest(changed)
    several = [pl.col("to_series").alias("platform")] if compared.chosen.height > 1 else []
    was = pl.format("{} (was {})", "to_step_label", "from_step_label")
    is_renamed = (pl.col("from_step_label") != pl.col("to_step_label")).fill_null(False)
    shown = largest.select(
        *several,
        pl.when(is_renamed).then(was).otherwise(pl.col("step_label").fill_null("unknown step")).alias("step"),
        pl.col("change").replace(_STEPS),
        pl.col("from_bytes").alias("before"),
        pl.col("to_bytes").alias("after"),
        pl.col("delta_bytes").alias("difference"),
        pl.col("delta_share").alias("of whole"),
    )
    title = f"Steps{compared.where} that differ"
    units: dict[str, Unit] = {"before": "size", "after": "size", "difference": "difference", "of whole": "change"}
    return Section("steps", title, frame, shown, (*_to_the_byte(frame), *rest, *_others(frame, changed)), units)


def _to_the_byte(frame: pl.DataFrame) -> Iterator[str]:
    """What the steps of one pair add up to, where all of them are known."""
    totals = frame.select("from_total_bytes", "to_total_bytes").unique()
    if totals.height == 1 and not (totals.row(0)[0] is None or totals.row(0)[1] is None):
        before, after = totals.row(0)
        if frame["delta_bytes"].null_count() == 0 and before != after:
            yield f"Together {frame['delta_bytes'].sum():+,} bytes: {before:,} became {after:,}."


def _largest(changed: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """Of each pair the steps that differ most, in their order, and what is to be said of the others."""
    pair = ["from_manifest_digest", "to_manifest_digest"]
    size = pl.col("delta_bytes").abs().fill_null(2**62)
    is_large = size.rank("ordinal", descending=True).over(pair) <= _SHOWN
    largest, rest = changed.filter(is_large), changed.filter(~is_large)
    if rest.is_empty():
        return largest, []
    count = f"{rest.height:,} more step{'s' if rest.height > 1 else ''}"
    return largest, [f"{count}, each with less of a difference: {signed(int(rest['delta_bytes'].sum()))} together."]


def _others(frame: pl.DataFrame, changed: pl.DataFrame) -> tuple[str, ...]:
    """How many steps are not among those that differ in size."""
    same = frame.filter(pl.col("match") == "layer").height
    equal = frame.height - changed.height - same
    counts = ((same, "the same layer"), (equal, "another layer of the same size"))
    told = ", ".join(f"{count:,} with {what}" for count, what in counts if count)
    if not told or not equal + changed.height:
        return ()
    return (f"Beside these: {told}." if changed.height else f"None in size: {told}.",)
