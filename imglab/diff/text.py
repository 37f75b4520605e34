"""A difference as people and programs read it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime

from imglab.diff.sections import Compared, Section
from imglab.diff.sides import Side, fields
from imglab.output import cell, markdown, rows_for_json, text, visible


def as_text(compared: Compared, sections: Iterable[Section]) -> str:
    """One page for a terminal."""
    parts = [_heading(compared, "{} {}\n  {}\n  {}\n")]
    for section in sections:
        body = "" if section.shown.is_empty() else text(section.shown, "table")
        notes = "".join(f"{visible(note)}\n" for note in _notes(section))
        parts.append(f"{visible(section.title)}\n{body}{notes}")
    return "\n".join(parts)


def as_markdown(compared: Compared, sections: Iterable[Section]) -> str:
    """The same for a comment or a page."""
    parts = [_heading(compared, "- **{}** `{}`  \n  `{}`  \n  {}\n")]
    for section in sections:
        told = [] if section.shown.is_empty() else [markdown(section.shown)]
        parts.append(
            "\n".join([f"### {visible(section.title)}\n", *told, *(f"{visible(n)}\n" for n in _notes(section))])
        )
    return "\n".join(parts)


def as_json(compared: Compared, sections: Iterable[Section]) -> str:
    """Everything, digests whole: the two sides, and the rows and notes of each section by its name."""
    found = {
        "from": _plain(fields(compared.first)),
        "to": _plain(fields(compared.second)),
        "sections": {
            section.name: {"rows": rows_for_json(section.frame), "notes": list(section.notes)} for section in sections
        },
    }
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def _notes(section: Section) -> tuple[str, ...]:
    return section.notes if section.notes or not section.shown.is_empty() else ("None that is known.",)


def _heading(compared: Compared, form: str) -> str:
    sides = zip(("A", "B"), (compared.first, compared.second), strict=True)
    lines = [form.format(letter, visible(side.name), side.digest, _when(side)) for letter, side in sides]
    if compared.first.digest == compared.second.digest:
        lines.append("\nBoth are the same digest.\n")
    return "".join(lines)


def _when(side: Side) -> str:
    """Since when and until when the tag pointed there, and who says so."""
    if side.valid_from is None or side.last_observed_at is None:
        return "a digest: the same at all times"
    until = f"until {cell(side.valid_to)}" if side.valid_to else "still"
    told = " ".join(filter(None, (side.source, side.document)))
    return visible(f"since {cell(side.valid_from)}, {until}, last seen {cell(side.last_observed_at)} (UTC; {told})")


def _plain(values: dict[str, object]) -> dict[str, object]:
    return {
        name: value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value
        for name, value in values.items()
    }
