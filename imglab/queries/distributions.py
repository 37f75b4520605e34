"""What a whole registry, or any part of a store, is made of: distributions, sharing, media types, attestations."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from imglab.queries.span import instant, scope
from imglab.queries.tags import Period, checked_period
from imglab.store import Store


def size_distribution(
    store: Store,
    *,
    repository: str | None = None,
    tag: str | None = None,
    platform: str | None = None,
    at: datetime | None = None,
) -> pl.DataFrame:
    """
    How large images and layers are and how many layers images have, beside what was published of Docker Hub.

    One row per measure and percent, 0 to 100; in this order. Of the images to which tags pointed at a time, without
    *at* now; *repository* may be a pattern such as `ghcr.io/team/*`, *tag* a glob. An image counts once, and so does a
    layer, in however many images it is.
    Columns: measure (`image_bytes` and `layer_bytes`, compressed; `layer_count`, of an image), percent, value (so many
    percent of all do not exceed it), value_count (images or layers that the measure is known of), published_value
    (the same of Docker Hub in 2017, at 50 and 90 percent, after Zhao et al. 2019, doi 10.1109/CLUSTER.2019.8891000;
    else null).
    """
    return store.query("size_distribution", scope(repository, tag, platform=platform, at=instant(at)))


def sharing(
    store: Store,
    *,
    repository: str | None = None,
    tag: str | None = None,
    platform: str | None = None,
    at: datetime | None = None,
) -> pl.DataFrame:
    """
    How much less images weigh together than each for itself, since they share layers.

    One row per repository, and in front one for all of them together, whose repository is null; then the most bytes
    first. Of the images to which tags pointed at a time, without *at* now; *repository* may be a pattern.
    Columns: repository, image_count, undescribed_image_count (of these, images of which no source told the layers),
    layer_count (with repeats), unique_layer_count, unknown_layer_count (of these, without a size), image_bytes (all
    layers of all images), unique_bytes (each layer once), shared_bytes (each layer that several images have, once),
    sharing_ratio (image_bytes divided by unique_bytes; null where these are none).
    """
    return store.query("sharing", scope(repository, tag, platform=platform, at=instant(at)))


def bytes_by_depth(
    store: Store,
    *,
    repository: str | None = None,
    tag: str | None = None,
    platform: str | None = None,
    at: datetime | None = None,
) -> pl.DataFrame:
    """
    How many bytes lie at which depth of images: in the lowest layer, the one above it, and so on.

    One row per position (from 0, the base); in this order. Of the images to which tags pointed at a time, without *at*
    now; *repository* may be a pattern. An image counts once.
    Columns: position, image_count (images that have a layer there), unique_layer_count, image_bytes (compressed, of all
    images), unique_bytes (each layer once), image_bytes_share (of the bytes at all depths; null where there are none).
    """
    return store.query("bytes_by_depth", scope(repository, tag, platform=platform, at=instant(at)))


def media_types(
    store: Store,
    *,
    repository: str | None = None,
    tag: str | None = None,
    platform: str | None = None,
    period: Period = "year",
    since: datetime | None = None,
    until: datetime | None = None,
) -> pl.DataFrame:
    """
    Which media types indexes, images and layers had that were first seen in each period.

    One row per period, kind and media type; in this order. *repository* may be a pattern.
    Columns: period_start (UTC), kind (index, image, layer), media_type (null: no source told it), document_count
    (digests first seen under a tag in the period), compressed_bytes (of images all their layers, of layers each once;
    null for indexes and where no size is known).
    Raises UsageError for a period that is none of day, week, month, quarter, year.
    """
    limits = {"period": checked_period(period), "since": instant(since), "until": instant(until)}
    return store.query("media_types", scope(repository, tag, platform=platform, **limits))


def attestation_overhead(
    store: Store, *, repository: str | None = None, tag: str | None = None, at: datetime | None = None
) -> pl.DataFrame:
    """
    What attestations, such as provenance and bills of material, weigh beside the images that they are about.

    One row per repository; the most bytes of attestations first. Of what tags pointed at at a time, without *at* now;
    *repository* may be a pattern. Each digest counts once.
    Columns: repository, image_count, image_bytes (compressed, where known), attestation_count,
    unknown_attestation_count (of these, without a size), attestation_bytes (the sum of their layers; null if of none
    the size is known), attestation_share (attestation_bytes divided by image_bytes; null where these are none).
    """
    return store.query("attestation_overhead", scope(repository, tag, at=instant(at)))
