"""Reports: titled sections of prose, charts and tables as one HTML file that needs nothing else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import polars as pl

from imglab import charts
from imglab.errors import UsageError
from imglab.output import cell

MAX_TABLE_ROWS = 200

_DIGEST = re.compile(r"(sha256|sha512):[0-9a-f]{64,128}")
_CODE = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True)
class Section:
    """
    One question of a report: what is asked, what is seen, and the evidence.

    *prose* is plain text: an empty line begins a paragraph, and words between backticks are shown as code.
    """

    heading: str
    prose: str = ""
    charts: Sequence[charts.Chart] = ()
    table: pl.DataFrame | None = None


def page(title: str, sections: Sequence[Section], path: Path | str, *, lead: str = "") -> Path:
    """
    The file *path*, one self-contained HTML page; what is there is replaced.

    It follows the reader's light or dark theme, holds the script that draws its charts once, and asks no host for
    anything. *lead* is prose under the title. Tables show their first 200 rows and say how many there are.
    Raises UsageError if the file cannot be written.
    """
    path = Path(path)
    contents = "".join(
        f'<li><a href="#section-{number}">{escape(section.heading)}</a></li>'
        for number, section in enumerate(sections, 1)
    )
    body = "\n".join(
        [
            "<main>",
            f"<header><h1>{escape(title)}</h1>{_paragraphs(lead)}</header>",
            f'<nav aria-label="Contents"><ol>{contents}</ol></nav>' if len(sections) > 2 else "",
            *(_section(section, number) for number, section in enumerate(sections, 1)),
            _HINT if any(section.charts for section in sections) else "",
            "</main>",
        ]
    )
    text = charts.document(title, body, style=_STYLE)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot write the report: {error.strerror or error}") from error
    return path


def _section(section: Section, number: int) -> str:
    specifications = [charts.specification(chart) for chart in section.charts]
    return "\n".join(
        [
            f'<section id="section-{number}">',
            f"<h2>{escape(section.heading)}</h2>",
            _paragraphs(section.prose),
            *(charts.figure(found, charts.title_of(found)) for found in specifications),
            _table(section.table) if section.table is not None else "",
            "</section>",
        ]
    )


def _paragraphs(prose: str) -> str:
    parts = [part.strip() for part in re.split(r"\n\s*\n", prose) if part.strip()]
    return "\n".join("<p>" + _CODE.sub(r"<code>\1</code>", escape(part)) + "</p>" for part in parts)


def _table(frame: pl.DataFrame) -> str:
    numeric = [kind.is_numeric() for kind in frame.dtypes]
    head = "".join(
        f'<th scope="col"{_side(is_numeric)}>{escape(name.replace("_", " "))}</th>'
        for name, is_numeric in zip(frame.columns, numeric, strict=True)
    )
    rows = "\n".join(
        "<tr>"
        + "".join(f"<td{_side(is_numeric)}>{_cell(value)}</td>" for value, is_numeric in zip(row, numeric, strict=True))
        + "</tr>"
        for row in frame.head(MAX_TABLE_ROWS).iter_rows()
    )
    more = frame.height - MAX_TABLE_ROWS
    note = f"<p class=note>The first {MAX_TABLE_ROWS:,} of {frame.height:,} rows.</p>" if more > 0 else ""
    none = "<p class=note>No rows.</p>" if frame.is_empty() else ""
    return (
        f'<div class="table" tabindex="0"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>'
        f"</div>{note}{none}"
    )


def _side(is_numeric: bool) -> str:
    return ' class="number"' if is_numeric else ""


def _cell(value: object) -> str:
    """One value as tables show it; a digest is short, with the whole as a title."""
    if value is None:
        return '<span class="none">–</span>'
    text = str(value)
    if _DIGEST.fullmatch(text):
        return f'<code title="{text}">{cell(text)}</code>'
    return escape(cell(value))


_HINT = (
    "<footer><p>Point at a mark for its figures, click in a legend to see one series alone, drag a chart to move"
    " through time, and zoom with shift and the wheel. Sizes are decimal (MB = 10<sup>6</sup> bytes), compressed; times"
    " are UTC.</p></footer>"
)

_STYLE = """\
body { margin: 0; line-height: 1.55; -webkit-text-size-adjust: 100% }
main { max-width: 62rem; margin: 0 auto; padding: 3rem 1.25rem 4rem }
h1 { font-size: 2rem; line-height: 1.2; letter-spacing: -0.01em; margin: 0 0 0.75rem }
h2 { font-size: 1.35rem; line-height: 1.3; margin: 0 0 0.6rem }
p { max-width: 42rem; margin: 0 0 0.9rem; overflow-wrap: anywhere }
header p { font-size: 1.1rem }
section { margin-top: 3rem; padding-top: 2rem; border-top: 1px solid #8884 }
figure.chart { margin: 1.25rem 0 }
nav ol { margin: 1.25rem 0 0; padding-left: 1.25rem }
a { color: inherit; text-decoration-color: #8888; text-underline-offset: 0.2em }
code { font-family: ui-monospace, monospace; font-size: 0.92em }
.table { overflow: auto; max-height: 32rem; margin: 1.25rem 0 0.5rem; border: 1px solid #8884; border-radius: 6px }
table { border-collapse: collapse; width: 100%; font-size: 0.875rem; font-variant-numeric: tabular-nums }
th { text-align: left; font-weight: 600; position: sticky; top: 0; background: #f4f5f7 }
th, td { padding: 0.35rem 0.75rem; white-space: nowrap; max-width: 28rem; overflow: hidden; text-overflow: ellipsis }
tbody tr + tr td { border-top: 1px solid #8883 }
.number { text-align: right }
.note, .none, footer { color: #707880; font-size: 0.875rem }
footer { margin-top: 3rem; padding-top: 1rem; border-top: 1px solid #8884 }
@media (prefers-color-scheme: dark) { th { background: #22272d } }
@media print { .table { max-height: none } }
"""
