"""The sections of a difference: each a table of all that is known, and what people read of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import polars as pl

from imglab import queries
from imglab.diff.settings import Known, differences
from imglab.diff.sides import Side
from imglab.errors import UsageError
from imglab.evidence import evidence
from imglab.store import Store

_DEFAULT = "linux/amd64"
_LONGEST = 60  # characters of a value
_CHANGES = {"came": "new", "went": "gone", "grew": "grew", "shrank": "shrank", "unknown": "unknown"}


@dataclass(frozen=True, slots=True)
class Section:
    """A part of what is told: `frame` holds everything, `shown` is for people, `notes` say what neither does."""

    name: str
    title: str
    frame: pl.DataFrame
    shown: pl.DataFrame
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Compared:
    """Two sides with their images; `pairs` has one row per platform that both have, `chosen` those that are told of."""

    first: Side
    second: Side
    first_images: pl.DataFrame
    second_images: pl.DataFrame
    growth: pl.DataFrame
    pairs: pl.DataFrame
    chosen: pl.DataFrame

    @classmethod
    def of(cls, store: Store, first: Side, second: Side, platform: str | None) -> Compared:
        """The two sides with what the store knows of their images. Raises UsageError for a *platform* not of both."""
        growth = queries.growth_by_step(
            store,
            repository=first.repository,
            digest=first.digest,
            to_repository=second.repository,
            to_digest=second.digest,
        )
        columns = ["platform", "from_series", "to_series", "from_manifest_digest", "to_manifest_digest"]
        pairs = growth.select(*columns, "from_total_bytes", "to_total_bytes").unique(maintain_order=True)
        images = [store.query("diff_image", {"digest": side.digest}) for side in (first, second)]
        return cls(first, second, images[0], images[1], growth, pairs, _chosen(pairs, platform))

    def of_chosen(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The rows of *frame* that are about the chosen pairs."""
        pair = ["from_manifest_digest", "to_manifest_digest"]
        return frame.join(self.chosen.select(pair), on=pair, how="semi", maintain_order="left")

    def where(self) -> str:
        """The platform that is told of, as a part of a title; nothing if there are several or none."""
        return f" of {self.chosen['to_series'][0]}" if self.chosen.height == 1 else ""


def _chosen(pairs: pl.DataFrame, platform: str | None) -> pl.DataFrame:
    """The pairs that are told of: those of *platform*, else of linux/amd64, else all."""
    if platform:
        found = pairs.filter(pl.any_horizontal(pl.col("platform", "from_series", "to_series") == platform))
        if found.is_empty():
            both = ", ".join(str(name) for name in pairs["to_series"]) or "none that a source described"
            raise UsageError(f"the two do not both have {platform}; what both have: {both}")
        return found
    usual = pairs.filter(pl.col("platform") == _DEFAULT)
    return usual if usual.height else pairs


def platforms(store: Store, compared: Compared) -> Section:
    """What each platform's image weighs, with those that came and went."""
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
    for side in ("from", "to"):
        counts = layers.rename({"manifest_digest": f"{side}_manifest_digest", "layer_count": f"{side}_layer_count"})
        frame = frame.join(counts, on=f"{side}_manifest_digest", how="left", maintain_order="left")
    delta = pl.col("to_bytes") - pl.col("from_bytes")
    frame = frame.with_columns(
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
    shown = frame.select(
        pl.col("platform").fill_null("unknown"),
        "change",
        pl.col("from_bytes").alias("bytes before"),
        pl.col("to_bytes").alias("after"),
        pl.col("delta_bytes").alias("difference"),
        _percent("delta_share").alias("share"),
        pl.col("from_layer_count").alias("layers before"),
        pl.col("to_layer_count").alias("layers after"),
    )
    unknown = [
        f"No source described what {side.name} points at: its images and sizes are not known."
        for side, images in ((compared.first, compared.first_images), (compared.second, compared.second_images))
        if images.is_empty()
    ]
    return Section("platforms", "Platforms (compressed bytes)", frame, shown, tuple(unknown))


def _alone(images: pl.DataFrame, paired: pl.Series, side: str) -> pl.DataFrame:
    """The images that the other side has no image for."""
    return images.filter(~pl.col("manifest_digest").is_in(paired.to_list())).select(
        pl.col("series").alias("platform"),
        pl.col("manifest_digest").alias(f"{side}_manifest_digest"),
        pl.col("compressed_bytes").alias(f"{side}_bytes"),
    )


def _percent(name: str) -> pl.Expr:
    """A share as text: `+18.8 %`."""
    value = (pl.col(name) * 100).round(1) + 0.0  # adding zero: a small negative number is no -0.0
    return pl.format("{}{} %", pl.when(value > 0).then(pl.lit("+")).otherwise(pl.lit("")), value)


def steps(store: Store, compared: Compared) -> Section:
    """The build steps that differ, the base first."""
    frame = compared.of_chosen(compared.growth)
    changed = frame.filter(pl.col("delta_bytes").is_null() | (pl.col("delta_bytes") != 0))
    several = [pl.col("to_series").alias("platform")] if compared.chosen.height > 1 else []
    was = pl.format("{} (was {})", "to_step_label", "from_step_label")
    is_renamed = (pl.col("from_step_label") != pl.col("to_step_label")).fill_null(False)
    shown = changed.select(
        *several,
        pl.when(is_renamed).then(was).otherwise(pl.col("step_label").fill_null("unknown step")).alias("step"),
        pl.col("change").replace(_CHANGES),
        pl.col("from_bytes").alias("bytes before"),
        pl.col("to_bytes").alias("after"),
        pl.col("delta_bytes").alias("difference"),
        _percent("delta_share").alias("of whole"),
        pl.col("match").fill_null("").alias("same by"),
    )
    same = frame.filter(pl.col("match") == "layer").height
    equal = frame.height - changed.height - same
    beside = [
        f"{count:,} with {what}"
        for count, what in ((same, "the same layer"), (equal, "another layer of the same size"))
        if count
    ]
    notes = (f"Beside these: {', '.join(beside)}.",) if beside else ()
    return Section("steps", f"Steps{compared.where()} that differ", frame, shown, notes)


def layers(store: Store, compared: Compared) -> Section:
    """What the two images share, and what a host that has the first fetches for the second."""
    frame = store.query(
        "diff_layer",
        {
            "from_digests": compared.chosen["from_manifest_digest"].to_list(),
            "to_digests": compared.chosen["to_manifest_digest"].to_list(),
        },
    )
    pair = ["from_manifest_digest", "to_manifest_digest"]
    series = compared.chosen.select(*pair, pl.col("to_series").alias("platform"))
    frame = series.join(frame, on=pair, how="left", maintain_order="left")
    parts = {
        "shared": "shared",
        "fetched": "to pull",
        "foreign": "to pull from elsewhere",
        "dropped": "no longer needed",
    }
    shown = pl.concat(
        frame.select(
            pl.col("platform").fill_null("unknown"),
            pl.lit(words).alias("layers"),
            pl.col(f"{part}_count").alias("count"),
            pl.col(f"{part}_bytes").alias("bytes"),
        )
        for part, words in parts.items()
    )
    several = compared.chosen.height > 1
    shown = shown.filter((pl.col("layers") != parts["foreign"]) | (pl.col("count").fill_null(0) > 0))
    shown = shown.sort("platform", maintain_order=True) if several else shown.drop("platform")
    title = f"Layers{compared.where()}, for a host that has the first"
    return Section("layers", title, frame, shown)


def settings(store: Store, compared: Compared) -> Section:
    """What configs set otherwise, where both are known."""
    digests = [*compared.chosen["from_manifest_digest"], *compared.chosen["to_manifest_digest"]]
    told = store.query("diff_step", {"digests": digests})
    rows: list[dict[str, Any]] = []
    unknown: set[str] = {"env", "label", "user", "working directory"}
    for pair in compared.chosen.iter_rows(named=True):
        before = _known(compared.first_images, told, pair["from_manifest_digest"])
        after = _known(compared.second_images, told, pair["to_manifest_digest"])
        unknown -= before.kinds() & after.kinds()
        named = {name: pair[name] for name in ("from_manifest_digest", "to_manifest_digest")}
        rows += [
            {"platform": pair["to_series"], "setting": setting, "change": change, "before": old, "after": new} | named
            for setting, change, old, new in differences(before, after)
        ]
    names = ("platform", "setting", "change", "before", "after", "from_manifest_digest", "to_manifest_digest")
    frame = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String))
    shown = frame.select("platform", "setting", "change", _cut("before"), _cut("after"))
    words = {"env": "environment", "label": "labels", "user": "user", "working directory": "working directory"}
    missing = ", ".join(text for kind, text in words.items() if kind in unknown)
    note = f"Not known of both: {missing}." if missing and compared.chosen.height else ""
    return Section(
        "settings",
        f"Settings{compared.where()} that differ",
        frame,
        shown if compared.chosen.height > 1 else shown.drop("platform"),
        (note,) if note else (),
    )


def _cut(name: str) -> pl.Expr:
    """The texts of a column, no longer than a line of a page takes."""
    text = pl.col(name)
    is_long = text.str.len_chars() > _LONGEST
    return pl.when(is_long).then(text.str.slice(0, _LONGEST - 1) + "…").otherwise(text).alias(name)


def _known(images: pl.DataFrame, told: pl.DataFrame, digest: str) -> Known:
    image = images.filter(pl.col("manifest_digest") == digest).row(0, named=True)
    return Known(image, told.filter(pl.col("manifest_digest") == digest).iter_rows(named=True))


def sources(store: Store, compared: Compared) -> Section:
    """Who says what the two sides are made of."""
    parts = [("A", compared.first.digest), ("B", compared.second.digest)]
    for letter, side in (("A", "from"), ("B", "to")):
        images = compared.chosen.select(f"{side}_series", f"{side}_manifest_digest").rows()
        parts += [(f"{letter} {series or 'of an unknown platform'}", digest) for series, digest in images]
    asked = pl.DataFrame(parts, schema=["of", "digest"], orient="row").sort("of", maintain_order=True)
    told = evidence(store, asked.select("digest"))
    frame = asked.join(told, left_on="digest", right_on="subject", how="left", maintain_order="left")
    shown = frame.select(
        "of",
        "digest",
        "kind",
        "source",
        "document",
        pl.col("document_revision").str.slice(0, 12).alias("revision"),
        pl.col("observed_at").alias("observed"),
    )
    return Section("sources", "Where these numbers come from", frame, shown)


SECTIONS: tuple[Callable[[Store, Compared], Section], ...] = (platforms, steps, layers, settings, sources)
