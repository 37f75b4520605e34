"""Where charts go: notebooks, files and pages. Nothing here asks a network for anything."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from pathlib import Path
from typing import Any, Literal

import altair as alt
import vl_convert

from imglab.charts.frames import ChartError, plain
from imglab.charts.page import VEGA_LITE, document, figure
from imglab.charts.theme import PAGE_THEMES, Chart

# What JupyterLab 4.6 draws by itself; it bundles Vega-Lite 5 and shows the type of Vega-Lite 6 as text.
NOTEBOOK_TYPE = "application/vnd.vegalite.v5+json"
_NOTEBOOK_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
_SCALE = 1.5


def specification(chart: Chart) -> dict[str, Any]:
    """The Vega-Lite specification of *chart*, data included."""
    found: dict[str, Any] = chart.to_dict()
    return found


def title_of(specification: dict[str, Any]) -> str:
    """The question that a chart answers, on one line; empty if it has no title."""
    title = specification.get("title") or ""
    text = title.get("text", "") if isinstance(title, dict) else title
    return plain(" ".join(text) if isinstance(text, list) else text, 200)


def enable_notebook_renderer() -> None:
    """
    Notebooks show Altair charts interactively in JupyterLab without a network, and as a picture elsewhere.

    Outputs hold no random name and no time, so that a notebook run again gives the same.
    """
    alt.renderers.register("imglab", mime_bundle)
    alt.renderers.enable("imglab")


def mime_bundle(specification: dict[str, Any], **_options: Any) -> dict[str, Any]:
    """A notebook's output for *specification*: Vega-Lite 5 for JupyterLab, a PNG for GitHub and pages, and one line."""
    plain_specification = specification | {"$schema": _NOTEBOOK_SCHEMA}
    picture = _packed(vl_convert.vegalite_to_png(specification, vl_version=VEGA_LITE, scale=_SCALE))
    text = json.dumps(plain_specification, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest()
    return {
        NOTEBOOK_TYPE: plain_specification,
        "image/png": base64.b64encode(picture).decode(),
        "text/plain": f"Chart: {title_of(specification) or 'without a title'} (specification sha256:{digest[:16]})",
    }


def save(chart: Chart, path: Path | str, *, theme: Literal["light", "dark"] = "light") -> Path:
    """
    The file that *path* names, with *chart* in it; what is there is replaced.

    By its suffix: `.html` (one file that needs no network, in the reader's own theme), `.png`, `.svg`, or `.json` (the
    Vega-Lite specification). Raises ChartError for any other.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in (".html", ".png", ".svg", ".json"):
        raise ChartError(f"{path}: a chart is saved as .html, .png, .svg or .json, not as {suffix or 'no suffix'}")
    found = specification(chart)
    config = PAGE_THEMES[theme]
    if suffix == ".png":
        path.write_bytes(_packed(vl_convert.vegalite_to_png(found, vl_version=VEGA_LITE, scale=2, config=config)))
    elif suffix == ".svg":
        path.write_text(vl_convert.vegalite_to_svg(found, vl_version=VEGA_LITE, config=config), encoding="utf-8")
    elif suffix == ".json":
        path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    else:
        page = document(title_of(found) or "Chart", figure(found), style="body { margin: 2rem }")
        path.write_text(page, encoding="utf-8")
    return path


def _packed(picture: bytes) -> bytes:
    """The same PNG in a quarter of the bytes or less: vl-convert 1.9 hardly compresses, and notebooks are committed."""
    head, rest, image = picture[:8], b"", b""
    place = 8
    while place < len(picture):
        length = int.from_bytes(picture[place : place + 4], "big")
        kind, body = picture[place + 4 : place + 8], picture[place + 8 : place + 8 + length]
        if kind == b"IDAT":
            image += body
        elif kind != b"IEND":
            rest += picture[place : place + 12 + length]
        place += 12 + length
    return head + rest + _chunk(b"IDAT", zlib.compress(zlib.decompress(image), 9)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")
