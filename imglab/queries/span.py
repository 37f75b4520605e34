"""Repositories and times as people give them, as parameters of a query."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from imglab.errors import UsageError
from imglab.oci import canonical_repository

Period = Literal["day", "week", "month", "quarter", "year"]
PERIODS: tuple[Period, ...] = ("day", "week", "month", "quarter", "year")


def span(repository: str, since: datetime | None, until: datetime | None, **others: str | None) -> dict[str, object]:
    return {"repository": canonical_repository(repository), "since": instant(since), "until": instant(until), **others}


def instant(time: datetime | None) -> datetime | None:
    """*time* as a UTC instant; without a zone it is taken as UTC."""
    if time is None:
        return None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def checked_period(period: Period) -> Period:
    """*period*, if it is one; raises UsageError else."""
    if period not in PERIODS:
        raise UsageError(f"{period!r} is no period: choose one of {', '.join(PERIODS)}")
    return period
