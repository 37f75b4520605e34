"""Frames as people and programs read them: tables, CSV, JSON, Parquet, Markdown."""

from __future__ import annotations

import json
import re
import sys
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import polars as pl

from imglab import tables
from imglab.errors import UsageError

FORMATS = ("table", "csv", "json", "parquet", "markdown")
_DIGEST = re.compile(r"(?<![0-9a-f])(sha\d+:[0-9a-f]{12})[0-9a-f]{52,}")
_MENTION = re.compile(r"(?<![\w`])@(?=\w)")
_FEW_ROWS = 8  # so many are shown as blocks where they are too wide: of more, columns are left out
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def write(frame: pl.DataFrame, form: str, out: Path | None = None) -> None:
    """
    *frame* in one of FORMATS, to the file *out* or to standard output.

    Tables and Markdown are for people: digests are shortened, times are minutes, numbers have separators, control
    characters are shown, not sent. A table is as wide as the terminal, elsewhere as wide as it is. CSV, JSON and
    Parquet hold every digit; on a terminal CSV and JSON show them too.
    """
    if form == "parquet":
        _write_parquet(frame, out)
    elif out:
        out.write_text(text(frame, form), "utf-8")
    elif form == "table" and sys.stdout.isatty() and frame.width:
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
    return table(frame)


def table(frame: pl.DataFrame, width: int | None = None) -> str:
    """*frame* as a table, however wide; or in lines of *width*, as `tables.fitted` makes them."""
    columns = _columns(frame)
    return tables.whole(columns) if width is None or not columns else tables.fitted(columns, width)


def markdown(frame: pl.DataFrame) -> str:
    """*frame* as a Markdown table."""
    header = "| " + " | ".join(map(visible, frame.columns)) + " |\n"
    rule = "|" + "|".join(" ---: " if dtype.is_numeric() else " --- " for dtype in frame.dtypes) + "|\n"
    rows = ["| " + " | ".join(markdown_text(cell(value)) for value in row) + " |\n" for row in frame.iter_rows()]
    return header + rule + "".join(rows)


def markdown_text(words: str) -> str:
    """*words* as Markdown that shows them, also in a cell; what GitHub would take for somebody's name stays a text."""
    return _MENTION.sub("@<!-- -->", re.sub(r"([\\|`*_~<>\[\]&])", r"\\\1", words))


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
    """*frame* to a terminal, in its width: what is the same in all rows is told once, and what is left out is named."""
    columns, width = _columns(frame), tables.width_of(stream)
    if tables.fits(columns, width):
        tables.send(tables.fitted(columns, width), stream)
        return
    same, columns = tables.shared(columns)
    stream.write(_of_all(same, frame.height))
    left_out = tables.too_many(columns, width) if frame.height > _FEW_ROWS else []
    tables.send(tables.fitted([column for column in columns if column not in left_out], width), stream)
    if left_out:
        names = ", ".join(visible(column.name) for column in left_out)
        stream.write(f"\nLeft out, as {width} characters are few: {names}. `| less -S` shows all.\n")


def _of_all(same: list[tables.Column], rows: int) -> str:
    """What all rows say."""
    told = [f"{column.name} {column.cells[0]}" for column in same if column.cells[0]]
    empty = [column.name for column in same if not column.cells[0]]
    told += [f"nothing in {', '.join(empty)}"] if empty else []
    return f"In all {rows:,} rows: {'; '.join(told)}.\n\n" if told else ""


def _columns(frame: pl.DataFrame) -> list[tables.Column]:
    return [
        tables.Column(visible(name), [cell(value) for value in frame[name]], _is_text(dtype), dtype.is_numeric())
        for name, dtype in frame.schema.items()
    ]


def _is_text(dtype: pl.DataType) -> bool:
    return dtype == pl.String or dtype.is_nested()


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
