"""References that files pin: what they point at, and how far behind they are."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from imglab.oci import Reference
from imglab.store import Store


def pins(store: Store, *, references: Sequence[str], platform: str = "linux/amd64") -> pl.DataFrame:
    """
    What is known of each of *references*: which tags had its digest and when, how far behind it is.

    One row per reference, in their order. A reference without tag and digest means `latest`. A digest is followed under
    the tag of its reference, or else under the one that had it last; that of one image, not of an index, on its own
    platform.
    Columns: position (of the reference, from 0), repository, tag (the one that is followed; null: no tag is known to
    have had the digest), digest (as given), state, is_there (some tag of the repository points at the digest;
    null where none is given, and where no tag is known to have had it), had_by (the tags that ever pointed at it, as
    text), first_seen_at (under any of them), replaced_at (when the tag left it;
    null: not yet, or it never had it), last_observed_at (when the tag was last looked at), behind_days (whole days from
    replaced_at to last_observed_at), moves_behind (moves of the tag since), move_count (all moves known of it),
    pull_bytes (what a host with the pinned image has to pull for the current one: layers that it lacks, each once),
    delta_bytes (current size minus pinned), compressed_bytes (of the current image), current_digest (what the tag
    points at), manifest_digest and current_manifest_digest (the two images for the platform). Sizes are null where no
    source told them, pull_bytes also where the layers of one of the two images are not known, or where one is from a
    Docker archive and the other is not (which name layers differently).
    state is `current` (the tag points at the digest), `behind`, `not pinned` (no digest), `tag gone`, `never of this
    tag` (other tags had the digest), or `unknown repository`, `unknown tag` or `unknown digest`.
    Raises InvalidReference for a text that is none.
    """
    parsed = [Reference.parse(text) for text in references]
    return store.query(
        "pins",
        {
            "repositories": [reference.repository for reference in parsed],
            "tags": [reference.tag for reference in parsed],
            "digests": [reference.digest for reference in parsed],
            "platform": platform,
        },
    )
