"""Tags: where they point, when they move, how long they live, which go together."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import polars as pl

from imglab.errors import UsageError
from imglab.oci import canonical_repository
from imglab.queries.span import instant, span
from imglab.store import Store

Period = Literal["day", "week", "month", "quarter", "year"]
PERIODS: tuple[Period, ...] = ("day", "week", "month", "quarter", "year")


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
        span(repository, since, until, tag=tag),
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
    return store.query("tag_churn", span(repository, since, until, tag=tag, period=checked_period(period)))


def tags(store: Store, *, repository: str | None = None, tag: str | None = None) -> pl.DataFrame:
    """
    The tags that were there when last looked at.

    One row per tag; by repository, then tag. *tag* may be a glob; without *repository* all of them.
    Columns: repository, tag, digest, valid_from, last_observed_at, source, image_count, compressed_bytes and
    layer_count (of linux/amd64, or of the only image; else null).
    """
    return store.query("tags", {"repository": canonical_repository(repository) if repository else None, "tag": tag})


def tag_lifetimes(
    store: Store,
    *,
    repository: str | None = None,
    tag: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> pl.DataFrame:
    """
    How long each tag lives or lived, and the share of tags that live to its age.

    One row per tag that ever was, also of those that are gone; by repository, then tag. *tag* may be a glob; without
    *repository* all of them; *since* and *until* limit to tags first seen from then and before then.
    Columns: repository, tag, tag_kind (what its text promises: `name` such as latest, `x`, `x.y` or `x.y.z` by its
    numbers, `pre-release`, `dated`), basis, first_seen_at, ended_at (null while it is there), last_observed_at (when it
    was last looked for), lifetime_days (whole days from first_seen_at to ended_at, or to last_observed_at),
    return_count (how often it came back: its life goes on meanwhile), is_from_first_look (it was there at the first
    look at its repository and may be older).
    The shares are Kaplan-Meier estimates over the tags of the answer but for those that are from the first look, for
    which they are null; tags that are there count as long as they were looked for. Of the repository's tags of the same
    kind: kind_at_risk_count (tags that were followed to this age), kind_ended_count (of these, ended at it),
    kind_surviving_share; and of all its tags: at_risk_count, ended_count, surviving_share.
    basis is `definition` where documents define tags of the repository (official-images, READMEs): then a tag is there
    while the newest version names it. Elsewhere it is `digest`: then it is there from its first sighting until a source
    says that it is gone.
    """
    return store.query(
        "tag_lifetimes",
        {
            "repository": canonical_repository(repository) if repository else None,
            "tag": tag,
            "since": instant(since),
            "until": instant(until),
        },
    )


def aliases(store: Store, *, repository: str, tag: str | None = None, at: datetime | None = None) -> pl.DataFrame:
    """
    Which tags are names of the same thing at a time, and since when they go together.

    One row per tag that is there then, without *at* now; the largest groups first, in each the leader, then those that
    have gone with it longest. *tag* may be a glob: groups with such a tag, whole.
    Columns: repository, at, basis, alias_of (the leader of its group: the tag that was there first, of several
    `latest`, else the shortest), tag_count (of the group; 1: the tag has no other name), tag, digest, first_seen_at,
    last_observed_at (up to *at*), together_from (since then it is what its leader is), is_always (it was so ever since
    both are there), move_count (moves that they made together since together_from).
    Each tag is compared with its leader only, at every moment up to *at* at which both were there. Always is only what
    was seen: where move_count is 0 nothing has put it to the test.
    basis is `definition` where documents define tags of the repository: tags are the same if they are defined by the
    same builds, and digest names these. Elsewhere it is `digest`: they are the same if they point at the same digest;
    differences of less than a day do not count then, since sources look at one tag after the other.
    """
    return store.query("aliases", {"repository": canonical_repository(repository), "tag": tag, "at": instant(at)})


def update_gaps(
    store: Store,
    *,
    repository: str,
    tag: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> pl.DataFrame:
    """
    How much time passed between moves of a tag, and at which hours of the week they came.

    One row per weekday, hour and class of gaps with at least one move; in this order. *tag* may be a glob; without it
    all tags.
    Columns: repository, tag (as asked for), basis, weekday (1 is Monday), hour (UTC; null for moves that are dated to
    the day only), gap_from_days and gap_to_days (bounds of the class; from included; to is null in the last one),
    gap_class (in words), move_count, median_gap_days (of all gaps of the answer, the same in each row).
    A gap lies between two moves of the same tag, the class and its bounds are null for the first move of each. Where
    nobody looked in between, moves are missed, and the gap is too long; a move is as late as it was seen.
    basis is `digest`, moves from one digest to another, if any are known of the repository, else `definition`, changes
    of what a tag is built from.
    """
    return store.query("update_gaps", span(repository, since, until, tag=tag))


def checked_period(period: Period) -> Period:
    """*period* if it is one. Raises UsageError else."""
    if period not in PERIODS:
        raise UsageError(f"{period!r} is no period: choose one of {', '.join(PERIODS)}")
    return period
