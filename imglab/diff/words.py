"""Sizes, shares and times as people read them."""

from __future__ import annotations

_UNITS = (("GB", 10**9, 2, 999_950_000), ("MB", 10**6, 1, 999_950), ("kB", 10**3, 1, 1_000))  # from how many bytes on


def size(value: int) -> str:
    """Bytes in decimal units, as registries' pages have them: `274.6 MB`, `5.44 GB`, `239 B`."""
    for unit, length, digits, least in _UNITS:
        if abs(value) >= least:
            return f"{value / length:,.{digits}f} {unit}"
    return f"{value:,} B"


def signed(value: int) -> str:
    """A difference in bytes: `+65.7 MB`, `-1.0 MB`, `0 B`."""
    return f"+{size(value)}" if value > 0 else size(value)


def share(value: float) -> str:
    """A part of a whole: `18.8 %`."""
    return f"{round(value * 100, 1) + 0.0:.1f} %"  # adding zero: a small negative number is no -0.0


def change(value: float) -> str:
    """A change in parts of a whole: `+18.8 %`."""
    text = share(value)
    return text if text.startswith(("-", "0.0 ")) else f"+{text}"


def duration(days: float | None) -> str | None:
    """How long something took, given in *days*: `9 h`, `12 days`; None where that is not known."""
    if days is None:
        return None
    return f"{days:,.0f} days" if days >= 2 else f"{days * 24:.0f} h"


def short_digest(digest: str | None) -> str | None:
    """The beginning of a digest, as docker shows it: `58999049259d`."""
    return digest.rpartition(":")[2][:12] if digest else None
