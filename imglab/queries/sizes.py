"""Sizes and layers of images: over time, side by side, one by one."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from imglab.oci import canonical_repository
from imglab.queries.span import instant, span
from imglab.store import Store


def layer_growth(
    store: Store,
    *,
    repository: str,
    tag: str,
    platform: str = "linux/amd64",
    since: datetime | None = None,
    until: datetime | None = None,
) -> pl.DataFrame:
    """
    The layers of a tag's image for one platform over time, each with the build step that made it.

    One row per stretch of time with one image, and layer; by time, then position.
    Columns: repository, tag, platform, valid_from, valid_to (null while current), last_observed_at, manifest_digest,
    position (from 0, the base first), layer_digest, compressed_bytes, stack_from_bytes and stack_to_bytes (sum of
    the layers below, and with it; sizes and sums are null where no source told a size), step_label and created_by (null
    where a step cannot be told), step_group (one of the nine labels with the largest layers, else `other steps` or
    `unknown step`).
    For Windows *platform* may name one build: `windows/amd64 10.0.17763`.
    """
    return store.query(
        "layer_growth",
        span(repository, since, until, tag=tag, platform=platform),
    )


def size_over_time(
    store: Store,
    *,
    repository: str,
    tag: str,
    platform: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> pl.DataFrame:
    """
    The compressed size of a tag's images over time.

    One row per interval of the tag and image; by time, then platform.
    Columns: repository, tag, platform, series (platform, with the build for Windows), os_version, valid_from, valid_to
    (null while current), last_observed_at, digest (what the tag pointed at), manifest_digest, compressed_bytes and
    layer_count (null for images that no source described).
    """
    return store.query(
        "size_over_time",
        span(repository, since, until, tag=tag, platform=platform),
    )


def architecture_sizes(store: Store, *, repository: str, tag: str, at: datetime | None = None) -> pl.DataFrame:
    """
    The images that a tag gave to each platform at a time, side by side.

    One row per image, smallest first; without *at* those of the newest interval.
    Columns: repository, tag, at, platform, series, os_version, compressed_bytes, layer_count, ratio_to_amd64 (size
    divided by that of linux/amd64; null where there is none), manifest_digest, created_at.
    """
    return store.query(
        "architecture_sizes", {"repository": canonical_repository(repository), "tag": tag, "at": instant(at)}
    )


def layers(
    store: Store,
    *,
    repository: str,
    tag: str | None = None,
    digest: str | None = None,
    platform: str = "linux/amd64",
    at: datetime | None = None,
) -> pl.DataFrame:
    """
    The layers of one image: what *tag* gave to *platform* at a time (default: newest), or the image *digest*.

    One row per layer, in the order in which they are applied.
    Columns: repository, tag (null when asked by digest), platform, manifest_digest, position, layer_digest,
    compressed_bytes, media_type, is_foreign, step_label, created_by and step_created_at (null where a step cannot be
    told).
    """
    return store.query(
        "layers",
        {
            "repository": canonical_repository(repository),
            "tag": None if digest else tag,
            "digest": digest,
            "platform": platform,
            "at": instant(at),
        },
    )
