"""Times as people write them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time


def read_time(text: str, *, is_end: bool = False) -> datetime:
    """
    The instant that *text* names (UTC unless it says otherwise); a day alone stands for its start, or for its end.

    Raises ValueError for what is neither a day nor a time.
    """
    try:
        return datetime.combine(date.fromisoformat(text), time.max if is_end else time.min, UTC)
    except ValueError:
        moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
