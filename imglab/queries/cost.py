"""Bytes on the wire: what it costs to keep up with a tag, and what a set of images costs together."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from imglab.oci import Reference
from imglab.queries.span import instant, span
from imglab.queries.tags import Period, checked_period
from imglab.store import Store


def update_cost(
    store: Store,
    *,
    repository: str,
    tag: str,
    platform: str = "linux/amd64",
    period: Period | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> pl.DataFrame:
    """
    The bytes that a host fetched that followed a tag: at every move, or only once a day, week, month, quarter or year.

    One row per cadence and pull, `every move` first, then time; with *period* that cadence alone.
    The host keeps the image that it has, and no other. Every cadence begins with the same pull of the whole image, when
    the tag was first there or at *since*. Then the host pulls when the platform's image is another one: at each move,
    or at the end of each period (UTC) what the tag points at by then.
    Columns: repository, tag, platform, cadence (`every move`, or the period), pulled_at, from_digest and to_digest
    (what the tag pointed at), from_manifest_digest and to_manifest_digest (the images; from is null in the first pull),
    pull_bytes (layers that the host lacked; one that an image has twice counts once), full_bytes (all layers, once
    each), kept_bytes (full_bytes without pull_bytes), pull_layer_count, full_layer_count, and cumulative_pull_bytes and
    cumulative_full_bytes (up to here, of the pulls of which both are known; unknown_count says how many are not).
    Bytes are those of compressed layers, foreign ones too; manifests and configs, a few kB, are not counted. They are
    null where a layer's size is not known, pull_bytes also where the layers of one of the images are not, or where one
    of them is from a Docker archive and the other is not (which name layers differently).
    """
    return store.query(
        "update_cost",
        span(repository, since, until, tag=tag, platform=platform, period=checked_period(period) if period else None),
    )


def fleet_cost(
    store: Store, *, references: Sequence[str], platform: str = "linux/amd64", at: datetime | None = None
) -> pl.DataFrame:
    """
    What images cost together: how much each brings to a host that has those before it, and how much they share.

    One row per reference, in their order. A reference without tag and digest means `latest`; tags are taken as they
    were *at* a time, or as they are known last.
    Columns: position (of the reference, from 0), repository, tag, platform (as asked for), valid_from (when the tag
    moved there; null for a digest), digest, manifest_digest, total_bytes (its layers), unique_bytes (of those, what no
    other image of the answer has), shared_bytes (the rest), added_bytes (what a host lacks that has those before it),
    layer_count, unique_layer_count and added_layer_count, cumulative_bytes (added_bytes up to here), fleet_bytes (all
    layers of the answer) and unknown_count (references of which they are not known; both the same in each row).
    Bytes are those of compressed layers, each layer once; manifests and configs are not counted. Bytes and layer counts
    are null for what is not known: the reference, an image for the platform, its layers or the size of one. What is
    shared with such an image counts as not shared.
    Raises InvalidReference for a text that is none.
    """
    return store.query("fleet_cost", _fleet(references, platform, at))


def common_bases(
    store: Store, *, references: Sequence[str], platform: str = "linux/amd64", at: datetime | None = None
) -> pl.DataFrame:
    """
    The bases that a set of images stands on, and how many bytes it shares through each.

    One row per base of one of the images, however far below; what saves most first. References are those of
    `fleet_cost`, bases those of `bases`; an image that is itself the base of another counts among those on it.
    Columns: base_repository and base_tag (the best known name that it had when the tag moved there; null if none is
    known), base_digest, base_manifest_digest, base_layer_count, base_bytes (its layers, each once), image_count,
    image_references (text, with commas) and saved_bytes (what its layers would weigh image by image, without
    base_bytes). What a base saves is saved by those below it in part too: these do not add up. Bytes are null where the
    size of a layer is not known. Bases with the same layers are one.
    """
    texts = [str(Reference.parse(text)) for text in references]
    return store.query("common_bases", _fleet(references, platform, at) | {"references": texts})


def _fleet(references: Sequence[str], platform: str, at: datetime | None) -> dict[str, object]:
    parsed = [Reference.parse(text) for text in references]
    return {
        "repositories": [reference.repository for reference in parsed],
        "tags": [reference.tag for reference in parsed],
        "digests": [reference.digest for reference in parsed],
        "platform": platform,
        "at": instant(at),
    }
