"""Frames as people and programs read them: tables, CSV, JSON, Parquet, Markdown."""

from __future__ import annotations

import json
import re
import sys
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import polars as pl

from imglab.errors import UsageError

FORMATS = ("table", "csv", "json", "parquet", "markdown")
_DIGEST = re.compile(r"(?<![0-9a-f])(sha\d+:[0-9a-f]{12})[0-9a-f]{52,}")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def write(frame: pl.DataFrame, form: str, out: Path | None = None) -> None:
    """
    *frame* in one of FORMATS, to the file *out* or to standard output.

    Tables and Markdown are for people: digests are shortened, times are minutes, numbers have separators, control
    characters are shown, not sent. CSV, JSON and Parquet hold every digit; on a terminal CSV and JSON show them too.
    """
    if form == "parquet":
        _write_parquet(frame, out)
    elif out:
        out.write_text(text(frame, form), "utf-8")
    elif form == "table":
        _print_table(frame, sys.stdout)
    else:
        words = text(frame, form)
        sys.stdout.write("\n".join(map(visible, words.split("\n"))) if sys.stdout.isatty() else words)


def text(frame: pl.DataFrame, form: str) -> str:
    """*frame* as text in one of FORMATS except Parquet."""
    if form == "csv":
        return _flat(frame).with_columns(_harmless_cells(frame)).write_csv()
    if form == "json":
        return json.dumps(rows_for_json(frame), indent=1, ensure_ascii=False) + "\n"
    if form == "markdown":
        return markdown(frame)
    from io import StringIO

    buffer = StringIO()
    _print_table(frame, buffer)
    return buffer.getvalue()


def markdown(frame: pl.DataFrame) -> str:
    """*frame* as a Markdown table."""
    header = "| " + " | ".join(frame.columns) + " |\n"
    rule = "|" + "|".join(" ---: " if dtype.is_numeric() else " --- " for dtype in frame.dtypes) + "|\n"
    rows = ["| " + " | ".join(_markdown_cell(value) for value in row) + " |\n" for row in frame.iter_rows()]
    return header + rule + "".join(rows)


def cell(value: Any) -> str:
    """One value as people read it: digests short, times in minutes (UTC), numbers with separators, nothing for null."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}" if (value.hour or value.minute) else f"{value:%Y-%m-%d}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{round(value, 2) + 0.0:,.2f}"  # adding zero: a small negative number is no -0.00
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    if isinstance(value, list):
        return ", ".join(cell(item) for item in value)
    return visible(_DIGEST.sub(r"\1…", str(value)))


def visible(words: str) -> str:
    """*words* with control characters written out, so that no terminal obeys them."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in words)


def _print_table(frame: pl.DataFrame, stream: IO[str]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, dtype in zip(frame.columns, frame.dtypes, strict=True):
        table.add_column(
            Text(name), justify="right" if dtype.is_numeric() else "left", overflow="ellipsis", no_wrap=True
        )
    for row in frame.iter_rows():
        table.add_row(*(Text(cell(value)) for value in row))
    is_terminal = stream.isatty()
    Console(file=stream, width=None if is_terminal else 10_000, highlight=False).print(table, soft_wrap=not is_terminal)


def _write_parquet(frame: pl.DataFrame, out: Path | None) -> None:
    if out:
        frame.write_parquet(out)
    elif sys.stdout.isatty():
        raise UsageError("Parquet is not for a terminal: give --out FILE or redirect the output")
    else:
        frame.write_parquet(sys.stdout.buffer)


def _flat(frame: pl.DataFrame) -> pl.DataFrame:
    """Lists as JSON text, since CSV has no lists."""
    lists = [name for name, dtype in frame.schema.items() if dtype.is_nested()]
    return frame.with_columns(
        pl.Series(name, [None if value is None else json.dumps(list(value)) for value in frame[name]], pl.String)
        for name in lists
    )


def _harmless_cells(frame: pl.DataFrame) -> list[pl.Expr]:
    """Text that a spreadsheet would run as a formula gets an apostrophe in front."""
    names = [name for name, dtype in frame.schema.items() if dtype == pl.String]
    return [
        pl.when(pl.any_horizontal(pl.col(name).str.starts_with(mark) for mark in _FORMULA))
        .then(pl.lit("'") + pl.col(name))
        .otherwise(pl.col(name))
        .alias(name)
        for name in names
    ]


def rows_for_json(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """The rows of *frame* as JSON can hold them, every digit and digest whole."""
    return [_jsonable(row) for row in frame.iter_rows(named=True)]


def _jsonable(row: dict[str, Any]) -> dict[str, Any]:
    return {name: _json_value(value) for name, value in row.items()}


def _json_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (str, int, float, bool, list, dict)) or value is None:
        return value
    return str(value)


def _markdown_cell(value: Any) -> str:
    return re.sub(r"([\\|`*_<>\[\]])", r"\\\1", cell(value))
