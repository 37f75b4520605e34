"""What is compared: two sides with their images, and the parts of what is told of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import polars as pl

from imglab import queries
from imglab.diff.sides import Side
from imglab.errors import UsageError
from imglab.store import Store

_DEFAULT = "linux/amd64"
Unit = Literal["size", "difference", "share", "change"]  # bytes, bytes more or less, a part, a part more or less


@dataclass(frozen=True, slots=True)
class Section:
    """
    A part of what is told: `frame` holds everything, `shown` is for people, `notes` say what neither does.

    units: what the numbers of a column of `shown` are, where they are not counts.
    """

    name: str
    title: str
    frame: pl.DataFrame
    shown: pl.DataFrame = field(default_factory=pl.DataFrame)
    notes: tuple[str, ...] = ()
    units: Mapping[str, Unit] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Standing:
    """A tag that gave what a side is, and a time when it did (UTC)."""

    tag: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Compared:
    """
    Two sides with their images; `pairs` has one row per platform that both have, `chosen` those that are told of.

    The standings are those of the tags that were named, or for digests of the tags that had them last; None: no tag is
    known to have had that.
    """

    first: Side
    second: Side
    first_images: pl.DataFrame
    second_images: pl.DataFrame
    growth: pl.DataFrame
    pairs: pl.DataFrame
    chosen: pl.DataFrame
    first_standing: Standing | None
    second_standing: Standing | None

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
        return cls(
            first,
            second,
            first_images=store.query("diff_image", {"digest": first.digest}),
            second_images=store.query("diff_image", {"digest": second.digest}),
            growth=growth,
            pairs=pairs,
            chosen=_chosen(pairs, platform),
            first_standing=_standing(store, first),
            second_standing=_standing(store, second),
        )

    def of_chosen(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The rows of *frame* that are about the chosen pairs."""
        pair = ["from_manifest_digest", "to_manifest_digest"]
        return frame.join(self.chosen.select(pair), on=pair, how="semi", maintain_order="left")

    @property
    def where(self) -> str:
        """The platform that is told of, as a part of a title; nothing if there are several or none."""
        return f" of {self.chosen['to_series'][0] or 'an unknown platform'}" if self.chosen.height == 1 else ""

    @property
    def is_same(self) -> bool:
        """Whether both sides are one digest."""
        return self.first.digest == self.second.digest

    @property
    def is_one_tag(self) -> bool:
        """Whether the sides are two times of one tag."""
        first, second = self.first, self.second
        return first.tag is not None and (first.repository, first.tag) == (second.repository, second.tag)


def platform_of(pair: Mapping[str, str | None]) -> str | None:
    """What questions call the platform of a *pair*: with its build, where both sides have that."""
    return pair["to_series"] if pair["from_series"] == pair["to_series"] else pair["platform"]


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


def _standing(store: Store, side: Side) -> Standing | None:
    if side.tag and side.valid_from:
        return Standing(side.tag, side.valid_from)
    found = store.query("diff_tag", {"repository": side.repository, "digest": side.digest})
    return Standing(*found.row(0)) if found.height else None
