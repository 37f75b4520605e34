"""Frames made ready to draw: columns checked; times and sizes as text and numbers that mean the same everywhere."""

from __future__ import annotations

import math
import re
from typing import Any

import polars as pl

MAX_ROWS = 5_000
_NAME_LENGTH = 400  # a repository has up to 255 characters, a tag 128

# Control, format and direction characters: a tag cannot hold them, but a step or a label can, and a title would obey.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]+")


class ChartError(ValueError):
    """A frame or a file name that no chart can be made of."""


class MissingColumn(ChartError):
    """A frame without a column that the chart needs."""


class TooManyRows(ChartError):
    """A frame with more rows than a chart may carry."""


def checked(frame: pl.DataFrame, chart: str, columns: str) -> pl.DataFrame:
    """*frame* with only the *columns* (names with blanks between). Raises MissingColumn naming those not there."""
    names = columns.split()
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise MissingColumn(
            f"charts.{chart} needs the column {missing[0]!r}"
            + (f" (and {', '.join(map(repr, missing[1:]))})" if missing[1:] else "")
            + f"; the frame has {', '.join(frame.columns) or 'none'}: give it the answer of queries.{chart}"
        )
    return frame.select(names)


def drawable(frame: pl.DataFrame, chart: str) -> pl.DataFrame:
    """*frame* as it is. Raises TooManyRows above MAX_ROWS, which slow a browser down and swell a notebook."""
    if frame.height > MAX_ROWS:
        raise TooManyRows(
            f"charts.{chart} has {frame.height:,} rows to draw and draws at most {MAX_ROWS:,}: narrow the question"
            " (fewer tags or platforms, a shorter time)"
        )
    return frame


def values(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """The rows of *frame* as JSON can hold them: instants as ISO text in UTC, no number that is none."""
    ready = frame.with_columns(
        pl.col(name).dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
        for name, kind in frame.schema.items()
        if isinstance(kind, pl.Datetime)
    )
    return [{name: _finite(value) for name, value in row.items()} for row in ready.iter_rows(named=True)]


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def plain(text: object, length: int = 120) -> str:
    """*text* on one line, without characters that cannot be seen, cut to *length*."""
    shown = " ".join(_UNPRINTABLE.sub(" ", str(text)).split())
    return shown if len(shown) <= length else shown[: length - 1].rstrip() + "…"


def plain_column(name: str, length: int, missing: str) -> pl.Expr:
    """The text column *name* as `plain` shows it, with *missing* where there is none."""
    return pl.col(name).cast(pl.String).map_elements(lambda text: plain(text, length), pl.String).fill_null(missing)


def apart(name: str) -> pl.Expr:
    """The texts of the column *name*, equal ones told apart by blanks at their end: an axis has one place for each."""
    return pl.col(name) + pl.lit(" ").repeat_by(pl.int_range(pl.len()).over(name)).list.join("")


def when_text(name: str, missing: str = "unknown") -> pl.Expr:
    """The instants of the column *name* as text: `2019-10-17 12:00 UTC`."""
    return pl.col(name).dt.strftime("%Y-%m-%d %H:%M UTC").fill_null(missing)


def size_text(name: str | pl.Expr) -> pl.Expr:
    """The bytes of the column *name* as the registries' pages write them: `274.6 MB`, `5.44 GB`, `239 B`."""
    size = pl.col(name) if isinstance(name, str) else name

    def written(unit: str, divisor: int, decimals: int = 1) -> pl.Expr:
        return pl.format("{} " + unit, (size / divisor).round(decimals).cast(pl.String))

    return (
        pl.when(size.is_null())
        .then(pl.lit("size unknown"))
        .when(size < 1_000)
        .then(pl.format("{} B", size))
        .when(size < 1_000_000)
        .then(written("kB", 1_000))
        .when(size < 1_000_000_000)
        .then(written("MB", 1_000_000))
        .otherwise(written("GB", 1_000_000_000, 2))
    )


def difference_text(name: str) -> pl.Expr:
    """The bytes of the column *name* as a difference: `+62.3 MB`, `-239 B`."""
    size = pl.col(name)
    sign = pl.when(size > 0).then(pl.lit("+")).when(size < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    return pl.format("{}{}", sign, size_text(size.abs()))


def exact_size_text(name: str) -> pl.Expr:
    """The bytes of the column *name*, rounded and exact: `274.6 MB (274601627 bytes)`."""
    return (
        pl.when(pl.col(name).is_null())
        .then(pl.lit("unknown"))
        .otherwise(pl.format("{} ({} bytes)", size_text(name), pl.col(name)))
    )


def times_text(ratio: str | pl.Expr, decimals: int = 2) -> pl.Expr:
    """A ratio as text: `0.91×`, `405,189×`."""

    def written(value: float) -> str:
        return f"{value:,.0f}×" if value >= 100 else f"{value:.{decimals}f}×"

    return (pl.col(ratio) if isinstance(ratio, str) else ratio).map_elements(written, pl.String)


def counted(number: int, what: str) -> str:
    """`1 step`, `2,000 steps`."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def unit_of(frame: pl.DataFrame, name: str) -> tuple[str, int]:
    """The decimal unit in which the largest size of the column *name* is written, and its bytes."""
    most = frame[name].max()
    largest = most if isinstance(most, int) else 0
    for unit, size in (("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)):
        if largest >= size:
            return unit, size
    return ("bytes", 1) if largest else ("MB", 1_000_000)


def subject(frame: pl.DataFrame) -> str:
    """What the rows are about: `python:latest`, `python` where there are several tags, `images` where several names."""
    repositories, tags = _distinct(frame, "repository"), _distinct(frame, "tag")
    if len(repositories) != 1:
        return f"{len(repositories)} repositories" if repositories else "these images"
    name = in_title(short_repository(repositories[0]), 44)
    return f"{name}:{in_title(tags[0], 32)}" if len(tags) == 1 else name


def short_repository(repository: str) -> str:
    """*repository* as people say it: `python` for `docker.io/library/python`."""
    return plain(repository.removeprefix("docker.io/").removeprefix("library/"), _NAME_LENGTH)


def name_of(name: str | pl.Expr, missing: str | None = "unknown") -> pl.Expr:
    """Tags and repositories made plain, and left whole: what draws them shortens them (`theme.shortened`)."""
    column = pl.col(name) if isinstance(name, str) else name
    shown = column.map_elements(lambda text: plain(text, _NAME_LENGTH), pl.String)
    return shown if missing is None else shown.fill_null(missing)


def in_title(text: object, length: int) -> str:
    """*text* made plain; of more than *length* characters the middle is left out."""
    shown = plain(text, _NAME_LENGTH)
    return shown if len(shown) <= length else f"{shown[: length * 3 // 5]}…{shown[length * 3 // 5 + 1 - length :]}"


def only(frame: pl.DataFrame, name: str) -> str | None:
    """The one value of the column *name*, made plain; None if there are several or none."""
    found = _distinct(frame, name)
    return plain(found[0], 80) if len(found) == 1 else None


def _distinct(frame: pl.DataFrame, name: str) -> list[str]:
    return frame[name].drop_nulls().cast(pl.String).unique().sort().to_list()
