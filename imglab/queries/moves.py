"""Churn that matters: what each move of a tag changed, when moves come, how long a digest stays."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from imglab.oci import canonical_repository
from imglab.queries.span import instant, span
from imglab.store import Store


def moves(
    store: Store,
    *,
    repository: str,
    tag: str | None = None,
    platform: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> pl.DataFrame:
    """
    What each move of a tag from one digest to another changed.

    One row per move; by tag, then time. *tag* may be a glob; without it all tags. With *platform* each move is judged
    by the images for that platform alone; moves of which it had none before or after are left out.
    Columns: repository, tag, platform (as asked for), moved_at_earliest (the move lies between this and moved_at; null
    if the tag was never known to be elsewhere), moved_at, kind, from_digest, to_digest, changed_platforms (text, with
    commas; for Windows with the build; null if none changed), image_count (images compared), of these content_count,
    base_count, rebuild_count, metadata_count, unchanged_count, unknown_count, came_count and went_count; from_bytes,
    to_bytes, delta_bytes (compressed sizes of all images before and after, and their difference; null where one is not
    known), pulled_bytes (compressed layers that the images after have and those before had not: what a pull brings to
    who has the image from before; null where layers or a size are not known, and where one of two images is from a
    Docker archive, which names layers otherwise); source, document and document_revision (where the move was first
    seen). Where a source does not tell which images a digest stands for, counts, bytes and
    changed_platforms are null. Where nobody looked for long, one row holds what several moves changed.
    kind is the change that says most of those of its images, in this order:
    `content`: the build steps above the base are others, or the image has none; or a layer is another whose step does
    not tell what is in it: a COPY or ADD without a digest of what it copied, or the name of a tool (apko, jib, bazel).
    `unknown`: the layers of an image are not known, or they changed and the texts of its steps are not known.
    `base only`: the same steps, settings included, on other layers of the base. The base is the root filesystem, and of
    Windows the layers of Microsoft's images: where one ends that has more is told nowhere, and its other steps count as
    the image's own.
    `rebuild only`: the same steps run again on the same base, or on one that no step tells, gave other layers.
    `metadata only`: the same layers, packed or unpacked; what is new lies in configs, manifests or the index, be it
    settings, labels or dates.
    `platform set`: images came or went, the others are unchanged.
    `attestations only`: the same images, and the index names other attestations. Where a source does not tell these, it
    is `metadata only`.
    `unchanged`: with *platform* only; the tag moved for other platforms.
    """
    return store.query("moves", span(repository, since, until, tag=tag, platform=platform))


def move_calendar(
    store: Store,
    *,
    repository: str,
    tag: str | None = None,
    platform: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> pl.DataFrame:
    """
    On which days tags moved from one digest to another, and what these moves changed.

    One row per day (UTC) with at least one move, in order. *tag* may be a glob; without it all tags. *platform* as for
    `moves`, whose kinds are counted.
    Columns: repository, tag and platform (as asked for), move_date, weekday (1 is Monday), move_count, tag_count (tags
    that moved), and of the moves content_count, base_count, rebuild_count, metadata_count, platform_set_count,
    attestation_count, unchanged_count (with *platform* only), unknown_count.
    A move counts on the day that its source states, else on that on which it was first seen: days on which nobody
    looked have none.
    """
    return store.query("move_calendar", span(repository, since, until, tag=tag, platform=platform))


def digest_lifetimes(
    store: Store,
    *,
    repository: str | None = None,
    tag: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> pl.DataFrame:
    """
    How long tags point at one digest before they move on to another, and how many do so for how long.

    One row per stretch of time in which a tag pointed at one digest; by repository, tag, then time. *tag* may be a
    glob; without *repository* all of them; *since* and *until* limit to digests first seen from then and before then.
    Columns: repository, tag, tag_kind (as in tag_lifetimes), digest, valid_from, valid_to (null while current),
    followed_to (valid_to if it was replaced, else how long it is known to have been there), is_start_known (false: it
    may have been there before it was first seen), is_replaced (the tag moved on at valid_to, and it is known to within
    90 days when), lifetime_days (whole days from valid_from to followed_to).
    The shares are Kaplan-Meier estimates over the rows of the answer whose start is known; for the others they are
    null. Digests that are current, whose tag is gone, or that nobody followed to their end count as long as they were
    followed. Of the tag: tag_half_life_days (the age at which at most half of its digests still stand; null if more
    do). Of the repository's tags of the same kind: kind_at_risk_count (digests that were followed to this age),
    kind_replaced_count (of these, replaced at it), kind_standing_share, kind_half_life_days; and of all its tags:
    at_risk_count, replaced_count, standing_share, half_life_days.
    A document whose versions were read from one history was followed from each to the next; to be current it must be in
    the newest of them about its repository. Times are as exact as the source that looked.
    """
    return store.query(
        "digest_lifetimes",
        {
            "repository": canonical_repository(repository) if repository else None,
            "tag": tag,
            "since": instant(since),
            "until": instant(until),
        },
    )
