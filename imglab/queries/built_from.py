"""What tags are built from, and for which platforms."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from imglab.queries.span import instant, span
from imglab.store import Store


def architecture_support(
    store: Store,
    *,
    repository: str,
    tag: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> pl.DataFrame:
    """
    Since when, and until when, there was anything for each platform.

    One row per platform and stretch of time in which at least one tag was built for it; by platform, then time. *tag*
    may be a glob; without it all tags.
    Columns: repository, tag (as asked for), platform, basis, valid_from, valid_to (null while current),
    last_observed_at, tag_count (tags that were built for it in the stretch), last_tag_count (of these, those at its
    end, or now), last_all_tag_count (all tags at that time).
    basis is `definition` where documents say for which architectures a tag is built (official-images); else `document`,
    the list of architectures in a README, which is about no single tag: the counts are null, and it does not answer for
    *tag*; else `digest`, the images that the tags gave.
    """
    return store.query("architecture_support", span(repository, since, until, tag=tag))


def tag_sources(
    store: Store,
    *,
    repository: str,
    tag: str | None = None,
    at: datetime | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> pl.DataFrame:
    """
    What each tag was built from: commit, directory and file, and the document that says so.

    One row per tag, build of it and stretch of time in which it was built so; by tag, then time, the main build first.
    A tag may have several builds at a time: for Linux and for Windows, or for each platform. *tag* may be a glob;
    without it all tags. With *at* only what was so then.
    Columns: repository, tag, valid_from, valid_to (null while current), last_observed_at, is_main (the build for
    linux/amd64, else the first by platform), platforms (text, with commas; null where no document states any),
    git_repository, git_commit (old documents also name tags and branches), directory, file, url (of the file, where it
    is kept on GitHub, GitLab or Launchpad; else null), source, document and document_revision (the version that said so
    first).
    """
    return store.query("tag_sources", span(repository, since, until, tag=tag) | {"at": instant(at)})
