"""The packages in images, as bills of materials list them."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from imglab.oci import canonical_repository
from imglab.queries.span import instant
from imglab.store import Store


def package_growth(
    store: Store,
    *,
    repository: str,
    tag: str,
    platform: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    to_repository: str | None = None,
    to_tag: str | None = None,
) -> pl.DataFrame:
    """
    Which packages came, went or changed their version between two images, of those with a bill of materials (SBOM).

    The first image is what *tag* of *repository* gave at *since*, the second what *to_tag* (default: *tag*) of
    *to_repository* (default: *repository*) gave at *until*. Without *since* the first is the first image of each
    platform with an SBOM, or where two tags are compared the newest; without *until* the second is the newest with one.
    Images are compared platform by platform: those that both sides have, or *platform* alone. For Windows it may name
    one build: `windows/amd64 10.0.17763`.

    One row per platform and package that differs; by platform, then ecosystem and name.
    Columns: repository, tag, to_repository, to_tag; platform, from_series and to_series (platform, with the build for
    Windows); from_at, to_at (of a newest image when it was last seen); from_digest, to_digest (what the tags pointed
    at), from_manifest_digest, to_manifest_digest, from_sbom_digest, to_sbom_digest (what lists the packages),
    from_tools, to_tools (what made these lists: where they differ, so may what they find; null: not stated); ecosystem
    (deb, apk, pypi, npm, …; null: not stated), name, from_version, to_version (null on the side that has none, and
    where it is not stated); change (came, went, `changed` for another version, be it newer or older, `copies` for the
    same version in more or fewer places, `resized` for the same version of another size); from_count, to_count (places
    where that version is installed); from_installed_bytes, to_installed_bytes (in all of these; unpacked, so that they
    are no part of compressed sizes; null where the list does not tell them, as SPDX never does), delta_bytes (null
    where a size is not known).
    A package may have several versions in one image, as npm installs them. One that lost one version and got one
    changed; else nothing says which belong together, so that each version is one that came or went.
    """
    first, second = canonical_repository(repository), canonical_repository(to_repository or repository)
    return store.query(
        "package_growth",
        {
            "repository": first,
            "tag": tag,
            "platform": platform,
            "since": instant(since),
            "until": instant(until),
            "to_repository": second,
            "to_tag": to_tag or tag,
            "is_one_tag": first == second and to_tag in (None, tag),
        },
    )
