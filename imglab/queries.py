"""
One typed function per question; each has a `.sql` file, a chart and an `ask` name that are spelled the same.

Repositories may be given as people write them (`python` is `docker.io/library/python`). Times are UTC instants; without
a zone they are taken as UTC. Every function raises StoreEmpty if nothing was ever loaded and InvalidReference for a
text that names no repository; what the store does not know gives an empty frame.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

import polars as pl

from imglab.errors import UsageError
from imglab.oci import canonical_repository
from imglab.store import Store

Period = Literal["day", "week", "month", "quarter", "year"]
PERIODS: tuple[Period, ...] = ("day", "week", "month", "quarter", "year")


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
    the layers below, and with it), step_label and created_by (null where a step cannot be told), step_group (one of
    the nine labels with the largest layers, else `other steps` or `unknown step`).
    For Windows *platform* may name one build: `windows/amd64 10.0.17763`.
    """
    return store.query(
        "layer_growth",
        _span(repository, since, until, tag=tag, platform=platform),
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
        _span(repository, since, until, tag=tag, platform=platform),
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


def tag_history(
    store: Store,
    *,
    repository: str,
    tag: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> pl.DataFrame:
    """
    Every stretch of time in which a tag of *repository* pointed at one digest.

    One row per tag and stretch; by tag, then time. *tag* may be a glob (`3.*`); without it all tags.
    Columns: repository, tag, digest, valid_from_earliest (the last moment at which it was known to be elsewhere or not
    there; null if never), valid_from, valid_to (null while current), last_observed_at, source, document and
    document_revision (where the stretch was first seen; null for a registry).
    """
    return store.query(
        "tag_history",
        _span(repository, since, until, tag=tag),
    )


def tag_churn(
    store: Store,
    *,
    repository: str,
    tag: str | None = None,
    period: Period = "month",
    since: datetime | None = None,
    until: datetime | None = None,
) -> pl.DataFrame:
    """
    How often each tag moved from one digest to another, per period.

    One row per tag and period with at least one move; by tag, then period. *tag* may be a glob; without it all tags.
    Columns: repository, tag, period_start (UTC), moves.
    Raises UsageError for a period that is none of day, week, month, quarter, year.
    """
    if period not in PERIODS:
        raise UsageError(f"{period!r} is no period: choose one of {', '.join(PERIODS)}")
    return store.query(
        "tag_churn",
        _span(repository, since, until, tag=tag, period=period),
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


def tags(store: Store, *, repository: str | None = None, tag: str | None = None) -> pl.DataFrame:
    """
    The tags that were there when last looked at.

    One row per tag; by repository, then tag. *tag* may be a glob; without *repository* all of them.
    Columns: repository, tag, digest, valid_from, last_observed_at, source, image_count, compressed_bytes and
    layer_count (of linux/amd64, or of the only image; else null).
    """
    return store.query("tags", {"repository": canonical_repository(repository) if repository else None, "tag": tag})


def _span(repository: str, since: datetime | None, until: datetime | None, **others: str | None) -> dict[str, object]:
    return {"repository": canonical_repository(repository), "since": instant(since), "until": instant(until), **others}


def instant(time: datetime | None) -> datetime | None:
    """*time* as a UTC instant; without a zone it is taken as UTC."""
    if time is None:
        return None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
