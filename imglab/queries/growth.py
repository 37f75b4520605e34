"""What grew: two images decomposed into the build steps that differ, and steps through time."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from imglab.errors import UsageError
from imglab.oci import canonical_repository
from imglab.queries.span import instant, span
from imglab.store import Store


def growth_by_step(
    store: Store,
    *,
    repository: str,
    tag: str | None = None,
    digest: str | None = None,
    platform: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    to_repository: str | None = None,
    to_tag: str | None = None,
    to_digest: str | None = None,
) -> pl.DataFrame:
    """
    The difference between two images, step by step: what came, went, grew, shrank and stayed.

    The first image is what *tag* of *repository* gave at *since*, or *digest*, an image or an index; the second is that
    of *to_tag* (default: *tag*) of *to_repository* (default: *repository*) at *until*, or *to_digest*. Without *since*
    the first is the first image of each platform whose size a source told, or where two tags are compared those of the
    newest interval with such an image; so is the second without *until*. Images are compared platform by platform:
    those that both sides have, or *platform* alone. For Windows it may name one build: `windows/amd64 10.0.17763`.

    One row per platform and step of either image; by platform, then as a waterfall reads (step_position, from 0): the
    base first, a step that went beside the one that it followed.
    Columns: repository, tag, to_repository, to_tag (tags null where a digest was given); platform, from_series and
    to_series (platform, with the build for Windows); from_at, to_at (null for digests; of a newest image when it was
    last seen); from_digest, to_digest (what was compared, index or image), from_manifest_digest, to_manifest_digest;
    from_total_bytes, to_total_bytes (of the images); step_position; from_position, to_position, from_layer_digest,
    to_layer_digest, from_bytes, to_bytes, from_created_by, to_created_by, from_step_label, to_step_label (null on the
    side that has no such step; bytes also where a size, texts where a step is not known); instruction, step_label (of
    the second image, else of the first); match (how the two were found to be the same step: `layer`, the same content;
    `text`; `normal text`, but for versions, digests, numbers and architectures; `label`; `position`, what is left
    between the same two neighbours; null: there is one only); change (came, went, grew, shrank, `same size` with other
    content, `same layer`, `unknown`: a size is, or a layer alone may be one of those whose step is); delta_bytes (null
    where a size is not known; these of a platform add up to to_total_bytes - from_total_bytes), delta_share (of that
    difference; null where there is none).
    Where a source tells the size of an image but not its layers, there is one row for both as a whole.
    Raises UsageError if a side has neither tag nor digest.
    """
    if not (tag or digest):
        raise UsageError("growth_by_step compares two images: give a tag or a digest")
    if not (to_tag or to_digest or tag):
        raise UsageError("growth_by_step compares two images: with a digest give a tag too, or to_tag or to_digest")
    first, second = canonical_repository(repository), canonical_repository(to_repository or repository)
    return store.query(
        "growth_by_step",
        {
            "repository": first,
            "tag": tag,
            "digest": digest,
            "platform": platform,
            "since": instant(since),
            "until": instant(until),
            "to_repository": second,
            "to_tag": to_tag or tag,
            "to_digest": to_digest,
            "is_one_tag": first == second and to_tag in (None, tag) and not to_digest,
        },
    )


def step_sizes(
    store: Store,
    *,
    repository: str,
    tag: str,
    platform: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> pl.DataFrame:
    """
    How large the layer of each build step of a tag was over time, platform by platform.

    One row per platform, step and stretch of time in which its layer stayed as it was; by platform, largest step first,
    then time. A step is known by its label, which it keeps from release to release.
    Columns: repository, tag, platform, series (platform, with the build for Windows), step_group (one of the 14 steps
    with the largest layers on the platform, ` (2)` behind the second of a label in one image; else `other steps` or
    `unknown step`, whose layers are one row), step_rank (1: the largest; null for these two), valid_from, valid_to
    (null while current), last_observed_at, manifest_digest (of the first image in the stretch), layer_digest (null
    where there are several layers), layer_count, compressed_bytes (their sum; null where one is not known),
    change_bytes (against the first stretch of the step).
    """
    return store.query("step_sizes", span(repository, since, until, tag=tag, platform=platform))
