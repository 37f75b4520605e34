"""Pages that draw charts by themselves: one script for all of them, and no request to anyone."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from html import escape
from typing import Any

import vl_convert

from imglab.charts.theme import PAGE_THEMES

VEGA_LITE = "6.4"

# `ast` makes Vega interpret its expressions instead of compiling them, so that the page can forbid `eval`.
_DRAW = """\
(() => {
  const themes = JSON.parse(document.getElementById("chart-themes").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const draw = () => {
    const theme = dark.matches ? "dark" : "light";
    for (const figure of document.querySelectorAll("figure.chart")) {
      const place = figure.querySelector("div");
      const specification = JSON.parse(figure.querySelector("script").textContent);
      vegaEmbed(place, specification, {
        mode: "vega-lite",
        renderer: "svg",
        ast: true,
        config: themes[theme],
        tooltip: { theme: theme },
        actions: { export: true, source: false, compiled: false, editor: false },
      }).then(() => figure.setAttribute("data-drawn", theme)).catch((error) => {
        place.textContent = "This chart could not be drawn: " + error.message;
      });
    }
  };
  dark.addEventListener("change", draw);
  draw();
})();
"""

_STYLE = """\
:root { color-scheme: light dark }
body { background: #ffffff; color: #1f2328; font-family: system-ui, sans-serif }
figure.chart { margin: 0; overflow-x: auto }
figure.chart svg { max-width: 100%; height: auto }
#vg-tooltip-element { max-width: 36rem }
#vg-tooltip-element table tr td.value { max-width: 28rem; max-height: none; overflow-wrap: anywhere }
@media (prefers-color-scheme: dark) { body { background: #16191d; color: #e6e8ea } }
"""


def figure(specification: dict[str, Any], label: str = "") -> str:
    """The HTML of one chart, to stand in a `document`; *label* is what a screen reader says."""
    return (
        f'<figure class="chart" role="group" aria-label="{escape(label or "chart")}"><div></div>'
        f'<script type="application/json">{embedded_json(specification)}</script></figure>'
    )


def document(title: str, body: str, *, style: str = "") -> str:
    """
    A whole HTML page of *body* (HTML), which draws every `figure` in it in the reader's light or dark theme.

    The page forbids itself every request, every script but its own two, and `eval`.
    """
    has_charts = '<figure class="chart"' in body
    scripts = (_bundle(), _DRAW) if has_charts else ()
    allowed = " ".join(f"'sha256-{_hash(script)}'" for script in scripts) or "'none'"
    policy = (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:;"
        " base-uri 'none'; form-action 'none'"
    )
    drawn = f'<script type="application/json" id="chart-themes">{embedded_json(PAGE_THEMES)}</script>\n' + "\n".join(
        f"<script>{script}</script>" for script in scripts
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<title>{escape(title)}</title>\n<link rel="icon" href="data:,">\n<style>\n{_STYLE}{style}</style>\n</head>\n'
        f"<body>\n{body}\n{drawn if has_charts else ''}\n</body>\n</html>\n"
    )


def embedded_json(value: object) -> str:
    """*value* as JSON that no text in it can end the script element of."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


@cache
def _bundle() -> str:
    script: str = vl_convert.javascript_bundle(vl_version=VEGA_LITE)  # type: ignore[call-arg]
    if "</script" in script.lower() or "<!--" in script:
        script = script.replace("</script", "<\\/script").replace("<!--", "<\\!--")
    return script


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
