"""Architectures side by side: how their sizes compare through time, and which build steps make the difference."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from imglab.oci import canonical_repository
from imglab.queries.span import instant, span
from imglab.store import Store


def architecture_ratios(
    store: Store,
    *,
    repository: str,
    tag: str,
    against: str = "linux/amd64",
    platform: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> pl.DataFrame:
    """
    How large a tag's image for each platform was in proportion to that for the platform *against*, over time.

    One row per platform (for Windows each build) and stretch of time in which the tag gave the same two images; by
    platform, then time. With *platform* that one alone; for Windows either may name one build: `windows/amd64
    10.0.17763`.
    Columns: repository, tag, platform, series (platform, with the build for Windows), against, valid_from, valid_to
    (null while current), last_observed_at, compressed_bytes and against_bytes (null for images that no source
    described), ratio (the first divided by the second; null where one is not known), median_ratio, is_outlier, digest
    (what the tag pointed at when the stretch began), manifest_digest, against_manifest_digest.
    is_outlier is true where the ratio is further from median_ratio than five robust standard deviations (1.4826 times
    the median distance of the ratios from it) and further than 5 % of it; null where the ratio is, or where fewer than
    five are known. Both medians are over the whole history of this tag and platform, each stretch counted once.
    """
    return store.query(
        "architecture_ratios", span(repository, since, until, tag=tag, against=against, platform=platform)
    )


def step_ratios(
    store: Store,
    *,
    repository: str,
    tag: str,
    against: str = "linux/amd64",
    platform: str | None = None,
    at: datetime | None = None,
) -> pl.DataFrame:
    """
    Which build steps make a tag's image for a platform smaller or larger than that for the platform *against*.

    One row per image that the tag gave at a time (without *at* in the newest interval) and build step of it or of the
    image for *against*; by platform, then in the order of the build, from the base. With *platform* that one alone.
    Columns: repository, tag, at, platform, series (platform, with the build for Windows), against, step_position (from
    0), step_label, instruction, match (how the two steps were found to be the same: `layer`, the same content; `text`;
    `normal text`, but for versions, digests, numbers and architectures; `label`; `position`, what is left between the
    same two neighbours; null: only one of the images has it), change (seen from *against*: came, went, grew, shrank,
    `same size` with other content, `same layer`, `unknown`), compressed_bytes and against_bytes (of the step's layer;
    null on the side that has no such step, or where a size is not known), ratio (the first divided by the second),
    delta_bytes (the first less the second, where a side without the step counts as 0; null where a size is not known),
    delta_share (of the difference between the images; null where there is none), total_bytes and against_total_bytes
    (of the images), position and against_position (of the layers), created_by and against_created_by (null where a step
    cannot be told), layer_digest, against_layer_digest, digest (what the tag pointed at), manifest_digest,
    against_manifest_digest.
    The delta_bytes of one image add up to total_bytes - against_total_bytes wherever all sizes are known. Where a
    source tells the size of an image but not its layers, there is one row for both as a whole.
    """
    return store.query(
        "step_ratios",
        {
            "repository": canonical_repository(repository),
            "tag": tag,
            "against": against,
            "platform": platform,
            "at": instant(at),
        },
    )
