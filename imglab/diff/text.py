"""A difference as people and programs read it."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import polars as pl

from imglab import tables
from imglab.diff import words
from imglab.diff.compared import Compared, Section, Standing, Unit
from imglab.diff.sides import Side, fields
from imglab.output import cell, markdown_text, rows_for_json, visible

_UNITS: Mapping[Unit, Callable[[Any], str]] = {
    "size": words.size,
    "difference": words.signed,
    "share": words.share,
    "change": words.change,
}


def as_text(compared: Compared, sections: Iterable[Section], *, width: int | None = None) -> str:
    """One page for a terminal, in lines of *width* where that is given."""
    parts = [_heading(compared, "{} {}\n  {}\n  {}\n", visible)]
    is_line = False
    for section in sections:
        if not section.shown.is_empty():
            notes = (_filled(visible(note), width) for note in section.notes)
            parts.append("".join([f"\n{visible(section.title)}\n", *_tables(section, width), *notes]))
            is_line = False
        elif section.notes:
            line = _filled(visible(" ".join([f"{section.title}.", *section.notes])), width)
            parts.append(line if is_line else f"\n{line}")
            is_line = True
    return "".join(parts)


def as_markdown(compared: Compared, sections: Iterable[Section]) -> str:
    """The same for a comment or a page, in the Markdown of GitHub."""
    parts = [_heading(compared, "- **{}** {}  \n  `{}`  \n  {}\n", markdown_text)]
    for section in sections:
        notes = [f"\n{markdown_text(note)}\n" for note in section.notes]
        title = markdown_text(section.title)
        if not section.shown.is_empty():
            parts.append("".join([f"\n### {title}\n\n", _markdown(_columns(section.shown, section.units)), *notes]))
        elif notes:
            parts.append(f"\n**{title}.** {markdown_text(' '.join(section.notes))}\n")
    return "".join(parts)


def as_json(compared: Compared, sections: Iterable[Section]) -> str:
    """
    Everything, digests whole: `from` and `to` are the two sides, `sections` has `rows` and `notes` by name.

    Every section is there, without rows where it has nothing to say.
    """
    found = {
        "from": _plain(fields(compared.first)),
        "to": _plain(fields(compared.second)),
        "sections": {
            section.name: {"rows": rows_for_json(section.frame), "notes": list(section.notes)} for section in sections
        },
    }
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def _tables(section: Section, width: int | None) -> Iterator[str]:
    """What is shown; where it is about several platforms, in a table of each."""
    is_by_platform = section.name != "platforms" and "platform" in section.shown.columns
    groups = section.shown.partition_by("platform", maintain_order=True) if is_by_platform else [section.shown]
    for shown in groups:
        if is_by_platform:
            yield f"{visible(str(shown['platform'][0] or 'unknown platform'))}:\n"
        columns = _columns(shown.drop("platform") if is_by_platform else shown, section.units)
        yield tables.whole(columns) if width is None else tables.fitted(columns, width)


def _columns(shown: pl.DataFrame, units: Mapping[str, Unit]) -> list[tables.Column]:
    """What is shown, in words."""
    return [
        tables.Column(
            name,
            [_cell(value, units.get(name)) for value in shown[name]],
            is_text=not dtype.is_numeric() and not dtype.is_temporal(),
            is_number=dtype.is_numeric(),
        )
        for name, dtype in shown.schema.items()
    ]


def _cell(value: Any, unit: Unit | None) -> str:
    return cell(value) if unit is None or value is None else _UNITS[unit](value)


def _markdown(columns: list[tables.Column]) -> str:
    rule = [" ---: " if column.is_number else " --- " for column in columns]
    cells = zip(*([markdown_text(text) for text in (column.name, *column.cells)] for column in columns), strict=True)
    head, *rows = (f"| {' | '.join(row)} |\n" for row in cells)
    return "".join([head, f"|{'|'.join(rule)}|\n", *rows])


def _filled(text: str, width: int | None) -> str:
    """*text* as lines of *width*; names stay whole."""
    filled = textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False) if width else text
    return f"{filled}\n"


def _heading(compared: Compared, form: str, written: Callable[[str], str]) -> str:
    sides = (("A", compared.first, compared.first_standing), ("B", compared.second, compared.second_standing))
    lines = [
        form.format(letter, written(side.name.partition("@sha")[0]), side.digest, written(_when(side, standing)))
        for letter, side, standing in sides
    ]
    if compared.is_same:
        lines.append("\nBoth are the same digest.\n")
    return "".join(lines)


def _when(side: Side, standing: Standing | None) -> str:
    """Since when and until when the tag pointed there; of a digest, which tag did last."""
    if side.valid_from is None or side.last_observed_at is None:
        had = (
            f"that the tag {standing.tag} had since {cell(standing.at)} UTC" if standing else "of no tag that is known"
        )
        return f"a digest {had}"
    seen = "then" if side.last_observed_at == side.valid_from else cell(side.last_observed_at)
    told = f"since {cell(side.valid_from)} UTC, last seen {seen}"
    if side.valid_to:
        return f"{told}, {'until' if side.at else 'and gone since'} {cell(side.valid_to)}"
    return f"{told}, still there"


def _plain(values: dict[str, object]) -> dict[str, object]:
    return {
        name: value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value
        for name, value in values.items()
    }
