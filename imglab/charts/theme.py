"""The one look of all charts: colours, type and sizes that read on a light and on a dark page."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

import altair as alt
import polars as pl

Chart: TypeAlias = alt.Chart | alt.LayerChart | alt.FacetChart | alt.VConcatChart

WIDTH = 600

# Chosen by search over well-known colour-blind-safe palettes: any two stay apart (CIE76 over 20) for normal, deutan and
# protan sight, and each stands out from white and from the #333 of JupyterLab's dark charts. Largest share first.
CATEGORIES = (
    "#5566CC",
    "#E69F00",
    "#44BB99",
    "#AA3377",
    "#88CCEE",
    "#DDCC77",
    "#CC3311",
    "#6D8BC7",
    "#C44E52",
)
# Apart from each other as well (CIE76 28), since charts have both.
OTHER = "#B4B4B4"
UNKNOWN = "#6A6A6A"
MAIN = "#5B7FC7"
REFERENCE = "#E69F00"
ALTERNATE = ("#5566CC", "#88AEE0")
# Light to strong on a light page, and still apart from a dark one.
RAMP = ("#BFE0D6", "#44BB99", "#2F86A6", "#6A3D9A")
UNSEEN_OPACITY = 0.35
_FOLDED = ("digest", "name")  # how fields end whose texts are long and have no blanks
_LEGEND_LENGTH = 70
_FEW_COUNTS = 5  # of so few a legend names each
# Text inside a plot cannot take the page's colour; this one reads on light and dark.
QUIET = "#808080"

# In characters, so that a title makes no chart wider than a notebook's cell.
_TITLE_LENGTH, _NOTE_LENGTH = 84, 124

# No text or background colour here: those come from the page (JupyterLab's theme, PAGE_THEMES, or Vega's defaults), and
# what a specification sets, the page cannot change.
_CONFIG: dict[str, Any] = {
    "font": "sans-serif",
    "view": {"stroke": None},
    "axis": {
        "domainColor": "#888888",
        "tickColor": "#888888",
        "gridColor": "#888888",
        "gridOpacity": 0.25,
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "titlePadding": 10,
        "labelLimit": 330,
        "labelSeparation": 8,
    },
    "legend": {
        "labelFontSize": 11,
        "titleFontSize": 11,
        "labelLimit": 330,
        "symbolLimit": 40,
        "symbolType": "square",
        "symbolStrokeWidth": 0,
    },
    "title": {
        "anchor": "start",
        "frame": "bounds",
        "fontSize": 16,
        "fontWeight": 600,
        "subtitleFontSize": 12,
        "subtitlePadding": 5,
        "offset": 14,
        "limit": 900,
    },
}

PAGE_THEMES: dict[str, dict[str, Any]] = {
    name: {
        "background": background,
        "title": {"color": text, "subtitleColor": faint},
        "style": {"guide-label": {"fill": text}, "guide-title": {"fill": faint}, "group-title": {"fill": text}},
    }
    for name, background, text, faint in (
        ("light", "#ffffff", "#1f2328", "#59636e"),
        ("dark", "#16191d", "#e6e8ea", "#a4adb6"),
    )
}
"""What a page adds to a specification so that it reads there: one Vega-Lite `config` for `light`, one for `dark`."""


def categories(count: int) -> list[str]:
    """*count* colours, the largest share first; from the tenth on they repeat."""
    return [CATEGORIES[number % len(CATEGORIES)] for number in range(count)]


def titled(chart: Chart, question: str, *notes: str) -> Chart:
    """*chart* in the one look, under the *question* that it answers and those *notes* that are not empty."""
    asked = _lines(question, _TITLE_LENGTH)
    shown = [line for note in notes for line in _lines(note, _NOTE_LENGTH)]
    title = alt.TitleParams(asked if len(asked) > 1 else question, subtitle=shown or alt.Undefined)
    finished: Chart = chart.properties(title=title).configure(**_CONFIG)
    return finished


def _lines(text: str, length: int) -> list[str]:
    """*text* in lines of at most *length* characters, but for words that are longer; none if it is empty."""
    return textwrap.wrap(text, length, break_long_words=False, break_on_hyphens=False)


def nothing(question: str, name: str, why: str = "no rows") -> Chart:
    """A chart of nothing, which says so under its title."""
    data = alt.InlineData([{"message": f"There is nothing to draw: {why}."}])
    chart = alt.Chart(data, name=name, width=WIDTH, height=80).mark_text(size=13, color=QUIET)
    return titled(chart.encode(text=alt.Text("message", type="nominal")), question)


def tooltips(**fields: str) -> list[alt.Tooltip]:
    """
    Tooltip lines, field name to what is written before it.

    A line must never be called `image`: vega-tooltip would load its text as the address of a picture.
    Digests and names are those that `folded` made.
    """
    return [
        alt.Tooltip(f"{field}_folded" if field.endswith(_FOLDED) else field, type="nominal", title=title)
        for field, title in fields.items()
    ]


def folded(chart: alt.Chart, fields: Iterable[str]) -> alt.Chart:
    """
    *chart* with its digests and long names among *fields* also in pieces (`layer_digest_folded`), for `tooltips`.

    JupyterLab's tooltips are narrower than a digest and cut off what has no blank; the data keeps the digest whole.
    """
    pieces = ((0, 36), (36, 72), (72, 108), (108, 144))
    for field in fields:
        if field.endswith("digest"):
            text = " + ' ' + ".join(f"slice(datum.{field}, {start}, {end})" for start, end in pieces)
            chart = chart.transform_calculate(**{f"{field}_folded": text})
        elif field.endswith(_FOLDED):
            text = f"replace(datum.{field}, regexp('[^ ]{{36}}', 'g'), '$& ')"
            long = f"length(datum.{field}) > 44 ? {text} : datum.{field}"
            chart = chart.transform_calculate(**{f"{field}_folded": long})
    return chart


def shortened(length: int) -> str:
    """
    An expression for labels that leaves out the middle of those longer than *length*.

    Tags and repositories often differ only at their ends; the data keeps them whole, for tooltips and to tell them
    apart.
    """
    head = length * 3 // 5
    short = f"slice(datum.label, 0, {head}) + '…' + slice(datum.label, {head + 1 - length})"
    return f"length(datum.label) > {length} ? {short} : datum.label"


def legend(*names: str, title: str | None, orient: Literal["top", "bottom"] = "bottom") -> alt.Legend:
    """A legend above or below a chart, of as many columns as *names* let it have."""
    longest = min(max((len(name) for name in names), default=0), _LEGEND_LENGTH)
    columns = 1 if longest > 46 else 2 if longest > 28 else 3 if longest > 18 else 5
    return alt.Legend(title=title, orient=orient, columns=columns, labelLimit=560, labelExpr=shortened(_LEGEND_LENGTH))


def counts_legend(title: str, most: int) -> alt.Legend:
    """A legend above a chart for shades of 0 to *most*, with whole numbers only."""
    few = {"values": list(range(most + 1))} if most <= _FEW_COUNTS else {"tickMinStep": 1}
    return alt.Legend(title=title, orient="top", gradientLength=200, format=",d", **few)


def labels(field: str, side: Literal["left", "right"]) -> alt.Y:
    """The texts of *field* beside rows, in the order of `row`; only labels of an axis take the page's text colour."""
    axis = alt.Axis(orient=side, domain=False, ticks=False, grid=False, labelPadding=8, labelExpr=shortened(50))
    scale = alt.Scale(type="band", paddingInner=0.2, paddingOuter=0.1)
    order = alt.EncodingSortField(field="row", op="min")
    return alt.Y(field, type="nominal", title=None, sort=order, axis=axis, scale=scale)


def is_wide(numbers: pl.Series) -> bool:
    """Whether *numbers* lie so far apart that only a logarithmic scale shows them all."""
    low, high = float(numbers.min() or 0), float(numbers.max() or 0)  # type: ignore[arg-type]
    return high > 10 * low > 0


def around(numbers: pl.Series) -> alt.Scale:
    """A scale that leaves air around the *numbers*, also if they are all the same; a logarithmic one if `is_wide`."""
    low, high = float(numbers.min() or 0), float(numbers.max() or 0)  # type: ignore[arg-type]
    if is_wide(numbers):
        return alt.Scale(type="log", domain=[low / 1.2, high * 1.2], nice=False)
    air = max((high - low) * 0.08, high * 0.01, 0.001)
    return alt.Scale(domain=[max(low - air, 0), high + air], nice=True, zero=False)
