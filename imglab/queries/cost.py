"""Bytes on the wire: what it costs to keep up with a tag."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from imglab.queries.span import span
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
