"""Repositories and times as people give them, as parameters of a query."""

from __future__ import annotations

from datetime import UTC, datetime

from imglab.oci import canonical_repository


def span(repository: str, since: datetime | None, until: datetime | None, **others: str | None) -> dict[str, object]:
    return {"repository": canonical_repository(repository), "since": instant(since), "until": instant(until), **others}


def instant(time: datetime | None) -> datetime | None:
    """*time* as a UTC instant; without a zone it is taken as UTC."""
    if time is None:
        return None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def scope(repository: str | None, tag: str | None, **others: object) -> dict[str, object]:
    """Parameters of a question about many repositories: *repository* is one, a pattern of them, or None for all."""
    return {"repository": repository_pattern(repository), "tag": tag, **others}


def repository_pattern(repository: str | None) -> str | None:
    """*repository* in full where it is one; a pattern, with `*`, `?` or `[`, as it is."""
    if repository is None or set(repository) & set("*?["):
        return repository
    return canonical_repository(repository)
