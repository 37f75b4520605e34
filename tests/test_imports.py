"""Imports point down, and each third-party library has one home."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "imglab"
ROWS = {
    **dict.fromkeys(["errors"], 0),
    **dict.fromkeys(["records", "secrecy", "steps", "tar", "times"], 1),
    **dict.fromkeys(["ahead", "journal", "oci", "connections", "pace", "http", "credentials"], 2),
    **dict.fromkeys(["gitlog", "progress", "archive", "checked_toml", "tables"], 2),
    **dict.fromkeys(["store", "sources", "pins"], 3),
    **dict.fromkeys(
        [
            "charts",
            "queries",
            "render",
            "runs",
            "snapshot",
            "targets",
            "imports",
            "data",
            "doctor",
            "offers",
            "evidence",
            "budgets",
        ],
        4,
    ),
    **dict.fromkeys(["output", "ask", "report", "demo", "verdicts", "commands", "cli", "diff"], 5),
}
BESIDE = {  # within a row: who may import whom
    "journal": {"ahead"},
    "http": {"connections", "pace"},
    "credentials": {"http", "oci"},
    "data": set(),
    "render": {"queries"},
    "budgets": {"queries"},
    "verdicts": {"output"},
    "snapshot": {"offers", "runs"},
    "imports": {"runs"},
    "report": {"output"},
    "demo": {"output", "report"},
    "commands": {"ask", "demo", "diff", "output", "report", "verdicts"},
    "diff": {"output"},
    "cli": {"commands", "output"},
}
HOMES = {
    "httpx": {"http"},
    "httpx_aiohttp": {"connections"},
    "aiohttp": {"connections"},
    "duckdb": {"store"},
    "altair": {"charts"},
    "vl_convert": {"charts"},
    "polars": {
        *(
            "journal",
            "store",
            "queries",
            "evidence",
            "budgets",
            "verdicts",
            "render",
            "charts",
            "runs",
            "snapshot",
            "imports",
            "offers",
        ),
        *("output", "ask", "report", "demo", "commands", "diff"),
    },
    "rich": {"tables", "progress"},
    "backports": {"archive"},
    "yaml": {"pins"},
}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py" or path.parent != PACKAGE)


def part(path: Path) -> str:
    """The top-level module or subpackage that *path* belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[str]:
    """Dotted names of everything *path* imports, wherever it does so."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "imglab":
            yield from (f"imglab.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    """A module imports only rows below its own, its own part, and what BESIDE allows."""
    own = part(path)
    for name in imported(path):
        if not name.startswith("imglab."):
            continue
        other = name.split(".")[1]
        if other == own or other.startswith("__"):
            continue
        assert ROWS[other] < ROWS[own] or other in BESIDE.get(own, set()), f"{own} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_each_library_has_one_home(path: Path) -> None:
    """Third-party libraries are imported only where they live."""
    for name in imported(path):
        library = name.split(".")[0]
        if library in HOMES:
            assert part(path) in HOMES[library], f"{path.name} imports {library}"


def test_charts_import_nothing_of_ours() -> None:
    """A chart is a function of a frame."""
    names = {name for path in MODULES if part(path) == "charts" for name in imported(path)}
    assert {name for name in names if name.startswith("imglab") and not name.startswith("imglab.charts")} == set()
