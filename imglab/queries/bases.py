"""What images are built on: which base, how much of them it is, how soon they follow it."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from imglab.queries.span import instant, span
from imglab.store import Store


def bases(
    store: Store,
    *,
    repository: str,
    tag: str | None = None,
    platform: str = "linux/amd64",
    at: datetime | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> pl.DataFrame:
    """
    What each image of a tag is built on: the nearest base that is known, and how it is known.

    One row per tag and stretch of time with one image; by tag, then time. *tag* may be a glob; without it all tags.
    With *at* only what was so then.
    Columns: repository, tag, platform, valid_from, valid_to (null while current), last_observed_at, digest,
    manifest_digest, compressed_bytes and layer_count (of the image), evidence, base_name (as an annotation or label has
    it, else null), base_repository, base_tags (the names that the base had then, with commas between), base_tag (of
    these, the one that was a base of this tag most often), base_tag_seen (`then`: they pointed at the base as the
    stretch began; else `before` or `after`), base_digest (what they pointed at, or what is stated),
    base_manifest_digest, base_layer_count, base_bytes (of the image's first layers that are the base's; null where they
    are not, or a size is not known) and base_share (base_bytes of compressed_bytes, 0 to 1).
    evidence is `annotation` where the manifest or an index names the base, `label` where the config does (and the label
    is not inherited), else `layers` or `diff_ids` (the packed or unpacked layers): the image begins with all the layers
    of another image of its platform in the store, the one with most layers. Of several such, the one counts that had a
    tag then, is of docker.io/library, or was there first. Null, with all about the base, where none is known: an image
    is not known to have no base.
    """
    return store.query("bases", span(repository, since, until, tag=tag, platform=platform) | {"at": instant(at)})


def base_lag(
    store: Store,
    *,
    repository: str,
    tag: str,
    platform: str = "linux/amd64",
    since: datetime | None = None,
    until: datetime | None = None,
) -> pl.DataFrame:
    """
    How long a tag lagged behind the moves of its base, and how long it then stood on one that was out of date.

    One row per stretch of time in which the tag's images stood on one base, as `bases` finds it; by time.
    Columns: repository, tag, platform, evidence, base_repository, base_tag, base_digest, base_manifest_digest,
    base_moved_at (when base_tag moved there), valid_from (when the tag followed), valid_to (null while current),
    last_observed_at, digest and manifest_digest (of the tag's first image on this base), image_count, lag_days
    (base_moved_at to valid_from), outdated_from (since then base_tag pointed elsewhere, or was gone; null if it did not
    as long as the tag stood on it) and outdated_days (from then to valid_to, or to last_observed_at; 0 if it was not).
    base_moved_at is null where base_tag is not known to have been elsewhere before; lag_days there, where the tag did
    not stand on an older image of base_tag just before, and where the base was seen later than what is built on it;
    outdated_days where no tag of the base is known. Bases with the same layers are one. All times are as exact as
    sources looked.
    """
    return store.query("base_lag", span(repository, since, until, tag=tag, platform=platform))


def base_share(
    store: Store,
    *,
    repository: str,
    tag: str,
    platform: str = "linux/amd64",
    since: datetime | None = None,
    until: datetime | None = None,
) -> pl.DataFrame:
    """
    How much of a tag's images their base brings, the base of that, and so on, and how much was added to them.

    One row per stretch of time with one image, and part of the image; by time, then from the lowest part to what was
    added (level 0; the nearest base is 1).
    Columns: repository, tag, platform, valid_from, valid_to (null while current), last_observed_at, digest,
    manifest_digest, level, evidence, base_repository, base_tag, base_digest, base_manifest_digest (null at level 0, and
    as in `bases`), part_layer_count and part_bytes (without the parts below), stack_from_bytes and stack_to_bytes (sum
    of the parts below, and with it), compressed_bytes (of the image), part_share and base_share (of all bases together;
    null where none is known), both 0 to 1.
    A base that is only named, and whose layers are not known, is in the part above it.
    """
    return store.query("base_share", span(repository, since, until, tag=tag, platform=platform))
