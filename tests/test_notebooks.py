"""The notebooks as files: they hold outputs to compare with, and prose rather than programs."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from imglab.cli import QUESTIONS

FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def cells(path: Path, kind: str) -> list[dict[str, object]]:
    """The cells of one kind."""
    return [cell for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == kind]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_there_to_be_compared(path: Path) -> None:
    """nbval passes a cell without outputs in silence: every cell that shows something must have kept it."""
    for cell in cells(path, "code"):
        last = ast.parse("".join(cell["source"])).body[-1]
        assert bool(cell["outputs"]) == isinstance(last, ast.Expr)
        assert [output for output in cell["outputs"] if output["output_type"] != "execute_result"] == []
        assert cell["execution_count"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_cells_are_short_and_hold_no_programs(path: Path) -> None:
    """No functions, no SQL, no paths, no more than eight lines."""
    for cell in cells(path, "code"):
        source = "".join(cell["source"])
        assert len(source.splitlines()) <= 8
        assert not re.search(r"\bdef \b|\bclass \b|select .* from|\.sql\(|[\"'][./~]*/", source)
    assert len(cells(path, "markdown")) >= 4


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_chart_has_a_picture_and_a_specification(path: Path) -> None:
    """Charts show on GitHub and in JupyterLab, and nothing in an output names a machine."""
    charts = 0
    for cell in cells(path, "code"):
        for output in cell["outputs"]:
            data = output["data"]
            if "application/vnd.vegalite.v5+json" in data:
                charts += 1
                assert data["image/png"]
            # The letters of a picture say nothing: in base64 any word occurs by chance.
            told = {kind: content for kind, content in data.items() if kind != "image/png"}
            assert not re.search(r"/home/|/root|/tmp|site-packages", json.dumps(told))
    assert charts >= 2
    assert path.stat().st_size < 1_000_000


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_question_has_a_place_in_a_notebook(question: str) -> None:
    """It is asked in one, and its answer is drawn."""
    sources = "\n".join("".join(cell["source"]) for path in NOTEBOOKS for cell in cells(path, "code"))
    assert re.search(rf"\bqueries\.{question}\(", sources)
    assert re.search(rf"\bcharts\.{question}\(", sources)


def test_there_is_a_notebook_for_each_subject() -> None:
    """Numbered, so that they are read in order."""
    assert [path.stem for path in NOTEBOOKS] == [
        "01_layer_growth",
        "02_architectures",
        "03_tag_churn",
        "04_twelve_years_of_tags",
        "05_growth_by_step",
        "06_what_updates_cost",
        "07_bases_and_pins",
        "08_distributions",
    ]
