"""The one look of all charts: colours, type and sizes that read on a light and on a dark page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

import altair as alt
import polars as pl

Chart: TypeAlias = alt.Chart | alt.LayerChart | alt.FacetChart | alt.VConcatChart

WIDTH = 640

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
OTHER = "#A0A0A0"
UNKNOWN = "#767676"
MAIN = "#5B7FC7"
REFERENCE = "#E69F00"
ALTERNATE = ("#5566CC", "#88AEE0")
# Light to strong on a light page, and still apart from a dark one.
RAMP = ("#BFE0D6", "#44BB99", "#2F86A6", "#6A3D9A")
UNSEEN_OPACITY = 0.35
# Text inside a plot cannot take the page's colour; this one reads on light and dark.
QUIET = "#808080"

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
        "labelLimit": 320,
    },
    "legend": {
        "labelFontSize": 11,
        "titleFontSize": 11,
        "labelLimit": 280,
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
    shown = [note for note in notes if note]
    title = alt.TitleParams(question, subtitle=shown) if shown else alt.TitleParams(question)
    finished: Chart = chart.properties(title=title).configure(**_CONFIG)
    return finished


def nothing(question: str, name: str, why: str = "no rows") -> Chart:
    """A chart of nothing, which says so under its title."""
    data = alt.InlineData([{"message": f"There is nothing to draw: {why}."}])
    chart = alt.Chart(data, name=name, width=WIDTH, height=80).mark_text(size=13, color=QUIET)
    return titled(chart.encode(text=alt.Text("message", type="nominal")), question)


def tooltips(**fields: str) -> list[alt.Tooltip]:
    """
    Tooltip lines, field name to what is written before it.

    A line must never be called `image`: vega-tooltip would load its text as the address of a picture.
    Digests are those that `folded` made.
    """
    return [
        alt.Tooltip(f"{field}_folded" if field.endswith("digest") else field, type="nominal", title=title)
        for field, title in fields.items()
    ]


def folded(chart: alt.Chart, fields: Iterable[str]) -> alt.Chart:
    """
    *chart* with its digests among *fields* also in pieces (`layer_digest_folded`), for `tooltips`.

    JupyterLab's tooltips are narrower than a digest and cut off what has no blank; the data keeps the digest whole.
    """
    pieces = ((0, 36), (36, 72), (72, 108), (108, 144))
    for field in fields:
        if field.endswith("digest"):
            text = " + ' ' + ".join(f"slice(datum.{field}, {start}, {end})" for start, end in pieces)
            chart = chart.transform_calculate(**{f"{field}_folded": text})
    return chart


def labels(field: str, side: Literal["left", "right"]) -> alt.Y:
    """The texts of *field* beside rows, in the order of `row`; only labels of an axis take the page's text colour."""
    axis = alt.Axis(orient=side, domain=False, ticks=False, grid=False, labelPadding=8)
    scale = alt.Scale(paddingInner=0.2, paddingOuter=0.1)
    order = alt.EncodingSortField(field="row", op="min")
    return alt.Y(field, type="nominal", title=None, sort=order, axis=axis, scale=scale)


def around(sizes: pl.Series) -> alt.Scale:
    """A scale that leaves air around the *sizes*, also if they are all the same."""
    low, high = float(sizes.min() or 0), float(sizes.max() or 0)  # type: ignore[arg-type]
    air = max((high - low) * 0.08, high * 0.01, 0.001)
    return alt.Scale(domain=[max(low - air, 0), high + air], nice=True, zero=False)
