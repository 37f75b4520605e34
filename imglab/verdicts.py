"""Findings of budgets in the forms that CI systems read: SARIF 2.1.0 and JUnit's XML."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import polars as pl

from imglab import __version__
from imglab.output import visible

_SARIF = "https://json.schemastore.org/sarif-2.1.0.json"
_RULES = {
    "max_size": "Compressed size of an image",
    "max_layers": "Number of layers of an image",
    "max_growth": "Growth of an image since a time",
    "steps": "Size of the layer that a build step makes",
    "alarms": "Jump or drift of an image's size",
    "budget": "A budget about nothing that is known",
}
_FAILED = ("over", "unknown")


def sarif(findings: pl.DataFrame, file: str) -> str:
    """What is over or unknown among *findings* as a SARIF log; each result is at the line of its budget in *file*."""
    rules = [{"id": name, "shortDescription": {"text": text}} for name, text in _RULES.items()]
    results = [_result(row, file) for row in _rows(findings) if row["verdict"] in _FAILED]
    driver = {"name": "imglab", "version": __version__, "rules": rules}
    log = {"$schema": _SARIF, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}
    return json.dumps(log, indent=1, ensure_ascii=False) + "\n"


def _result(row: dict[str, Any], file: str) -> dict[str, Any]:
    place = {"artifactLocation": {"uri": file.replace("\\", "/")}, "region": {"startLine": row["line"]}}
    named = "/".join(str(row[key] or "") for key in ("repository", "tag", "platform", "check", "step_label"))
    return {
        "ruleId": row["check"],
        "level": "error" if row["verdict"] == "over" else "warning",
        "message": {"text": f"{_subject(row)}: {visible(row['message'])}"},
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": {"imglab/v1": visible(named)},
    }


def junit(findings: pl.DataFrame) -> str:
    """*findings* as JUnit's XML: a test case each; `over` is a failure, `unknown` an error, `new` skipped."""
    rows = list(_rows(findings))
    counts = {name: str(sum(row["verdict"] == verdict for row in rows)) for name, verdict in _COUNTED.items()}
    suite = ElementTree.Element("testsuite", {"name": "imglab budgets", "tests": str(len(rows)), **counts})
    for row in rows:
        case = ElementTree.SubElement(suite, "testcase", {"classname": row["repository"] or "", "name": _subject(row)})
        kind = {"over": "failure", "unknown": "error", "new": "skipped"}.get(row["verdict"])
        if kind:
            ElementTree.SubElement(case, kind, {"message": visible(row["message"])})
    ElementTree.indent(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(suite, encoding="unicode") + "\n"


_COUNTED = {"failures": "over", "errors": "unknown", "skipped": "new"}


def _rows(findings: pl.DataFrame) -> Iterator[dict[str, Any]]:
    yield from findings.iter_rows(named=True)


def _subject(row: dict[str, Any]) -> str:
    tag = f":{row['tag']}" if row["tag"] else ""
    about = " ".join(part for part in (row["platform"], row["check"], row["step_label"]) if part)
    return visible(f"{row['repository']}{tag} {about}")
