"""Reports as one file: everything in it, nothing asked for, and text that stays text."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from pathlib import Path

import altair as alt
import polars as pl
import pytest

from imglab import charts, report
from imglab.errors import UsageError

HOSTILE = "</script><img src=x onerror=alert(1)>&\u2028"


def bars(label: str = "latest") -> charts.Chart:
    data = alt.InlineData([{"tag": label, "size": 1}])
    chart = alt.Chart(data, title=f"How large is {label}?").mark_bar()
    found: charts.Chart = chart.encode(x=alt.X("size", type="quantitative"), y=alt.Y("tag", type="nominal"))
    return found


class Elements(HTMLParser):
    """Start tags with their attributes, the text of scripts by type, and all other text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[str | None, str]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append((dict(attrs).get("type"), ""))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "script":
            kind, text = self.scripts[-1]
            self.scripts[-1] = (kind, text + data)
        elif self.cdata_elem is None:
            self.text += data

    def count(self, tag: str) -> int:
        return sum(1 for found, _ in self.tags if found == tag)


def write(tmp_path: Path, *sections: report.Section, title: str = "Report", lead: str = "") -> Elements:
    return Elements(report.page(title, sections, tmp_path / "page.html", lead=lead).read_text("utf-8"))


def test_a_page_holds_its_sections_in_order(tmp_path: Path) -> None:
    """Title, lead, headings, paragraphs and tables are all there, in the order given."""
    table = pl.DataFrame({"tag": ["latest"]})
    page = write(
        tmp_path,
        report.Section("First", "One.\n\nTwo.", [bars()], table),
        report.Section("Second", charts=[bars("a"), bars("b")]),
        title="All of it",
        lead="In short.",
    )
    places = [page.text.index(text) for text in ("All of it", "In short.", "First", "One.", "Two.", "latest", "Second")]
    assert places == sorted(places)
    assert [page.count(tag) for tag in ("h1", "h2", "figure", "table")] == [1, 2, 3, 1]


def test_charts_share_one_script(tmp_path: Path) -> None:
    """However many charts, the page runs two scripts: Vega with all it needs, and ours."""
    pages = [write(tmp_path, report.Section("S", charts=[bars()] * count)) for count in (1, 5)]
    for page in pages:
        programs = [text for kind, text in page.scripts if kind is None]
        assert len(programs) == 2
        assert sum("vegaEmbed=" in text for text in programs) == 1
        assert "vegaEmbed(place" in programs[1]


def test_a_page_without_charts_runs_nothing(tmp_path: Path) -> None:
    """Prose and tables need no script, so there is none, and none is allowed."""
    page = write(tmp_path, report.Section("Only words", "Here."))
    assert page.scripts == []
    assert "script-src 'none'" in policy(page)


def policy(page: Elements) -> str:
    found = [attributes["content"] for _, attributes in page.tags if "http-equiv" in attributes]
    assert len(found) == 1 and found[0]
    return found[0]


def test_a_page_allows_itself_its_own_scripts_only(tmp_path: Path) -> None:
    """The policy forbids every request, names the two scripts by their hashes, and allows neither others nor eval."""
    page = write(tmp_path, report.Section("S", charts=[bars()]))
    found = policy(page)
    hashes = {
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for kind, text in page.scripts if kind is None
    }
    assert set(re.findall(r"'sha256-([^']+)'", found)) == hashes
    assert found.startswith("default-src 'none'")
    assert "eval" not in found and "http" not in found
    assert "unsafe-inline" not in found.split("style-src")[0]


def test_nothing_is_loaded_from_elsewhere(tmp_path: Path) -> None:
    """No element names an address: links lead to sections of the page, and the icon is empty."""
    sections = [report.Section(name, charts=[bars()], table=pl.DataFrame({"a": [1]})) for name in "ABC"]
    page = write(tmp_path, *sections)
    addresses = {attributes[name] for _, attributes in page.tags for name in ("src", "href") if name in attributes}
    assert addresses == {"#section-1", "#section-2", "#section-3", "data:,"}


def test_text_stays_text(tmp_path: Path) -> None:
    """Markup in titles, headings, prose, tables and charts is shown, not obeyed."""
    page = write(
        tmp_path,
        report.Section(HOSTILE, HOSTILE, [bars(HOSTILE)], pl.DataFrame({HOSTILE: [HOSTILE]})),
        title=HOSTILE,
        lead=f"`{HOSTILE}`",
    )
    assert page.count("img") == 0
    assert page.text.count("<img src=x onerror=alert(1)>") == 7
    specification = next(json.loads(text) for kind, text in page.scripts if kind == "application/json")
    assert HOSTILE in json.dumps(specification, ensure_ascii=False)
    assert page.count("script") == 4


def test_words_between_backticks_are_code(tmp_path: Path) -> None:
    """Prose has that one mark, and paragraphs."""
    text = report.page("T", [report.Section("S", "Ask `layer_growth`.")], tmp_path / "p.html").read_text("utf-8")
    assert "<p>Ask <code>layer_growth</code>.</p>" in text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (274_601_627, "274,601,627"),
        (0.5, "0.50"),
        (None, "–"),
        (True, "yes"),
        (datetime(2019, 10, 17, 9, 26, 59, tzinfo=UTC), "2019-10-17 09:26"),
        (date(2019, 10, 17), "2019-10-17"),
        ("sha256:" + "ab" * 32, "sha256:abababababab…"),
        ("a < b", "a < b"),
    ],
)
def test_cells_read_well(tmp_path: Path, value: object, shown: str) -> None:
    """Thousands are apart, times are UTC to the minute, digests are short, what is unknown is a dash."""
    page = write(tmp_path, report.Section("S", table=pl.DataFrame({"value": [value]})))
    assert shown in page.text.splitlines()


def test_a_short_digest_keeps_the_whole(tmp_path: Path) -> None:
    """The full digest is the cell's title."""
    whole = "sha512:" + "cd" * 64
    page = write(tmp_path, report.Section("S", table=pl.DataFrame({"digest": [whole]})))
    assert ("code", {"title": whole}) in page.tags


def test_long_tables_are_cut_and_say_so(tmp_path: Path) -> None:
    """Two hundred rows are shown, with the number of all; an empty table says that it is."""
    page = write(tmp_path, report.Section("S", table=pl.DataFrame({"n": range(1_201)})))
    assert page.count("tr") == 201
    assert "The first 200 of 1,201 rows." in page.text
    assert "No rows." in write(tmp_path, report.Section("S", table=pl.DataFrame({"n": []}))).text


def test_the_same_sections_give_the_same_file(tmp_path: Path) -> None:
    """Nothing in a page depends on the clock or the machine, and folders are made as needed."""
    first, second = (
        report.page("T", [report.Section("S", charts=[bars()])], tmp_path / name / "p.html") for name in "ab"
    )
    assert first.read_bytes() == second.read_bytes()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """The error names the file and the reason, in one line."""
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"page\.html: cannot write the report: ") as caught:
        report.page("T", [], tmp_path / "file" / "page.html")
    assert "\n" not in str(caught.value)
