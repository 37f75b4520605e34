"""Frames as text: for people short and harmless, for programs whole."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from imglab import output

DIGEST = "sha256:" + "0123456789abcdef" * 4
FRAME = pl.DataFrame(
    {
        "tag": ["latest", "=cmd()", "a|b\x1b[31m"],
        "digest": [DIGEST, None, DIGEST],
        "compressed_bytes": [274601627, None, 1],
        "at": [datetime(2018, 1, 10, 23, 52, 1, tzinfo=UTC), None, datetime(2018, 1, 10, tzinfo=UTC)],
        "list": [["a", "b"], None, []],
    }
)


def test_a_table_is_short_and_sends_no_control_characters() -> None:
    """Digests are cut, numbers grouped, escape sequences written out."""
    text = output.text(FRAME, "table")
    assert "274,601,627" in text
    assert "sha256:0123456789ab…" in text
    assert "2018-01-10 23:52" in text
    assert "\x1b" not in text
    assert r"a|b\x1b[31m" in text


def test_csv_holds_every_digit_and_no_formula() -> None:
    """A cell that a spreadsheet would run gets an apostrophe; lists are JSON."""
    frame = pl.read_csv(io.StringIO(output.text(FRAME, "csv")))
    assert frame["tag"].to_list() == ["latest", "'=cmd()", "a|b\x1b[31m"]
    assert frame["digest"].to_list() == [DIGEST, None, DIGEST]
    assert frame["compressed_bytes"].to_list() == [274601627, None, 1]
    assert frame["list"].to_list() == ['["a", "b"]', None, "[]"]


@pytest.mark.parametrize("mark", list("=+-@\t\r\n"))
def test_csv_begins_no_cell_as_a_formula(mark: str) -> None:
    """Neither the column of a text nor an answer's own choice of names matters; numbers stay numbers."""
    frame = pl.DataFrame({"text": [f"{mark}1+1", f"a{mark}1"], "number": [-1, 2]})
    cells = list(csv.reader(io.StringIO(output.text(frame, "csv"), newline="")))
    assert cells == [["text", "number"], [f"'{mark}1+1", "-1"], [f"a{mark}1", "2"]]


def test_json_holds_times_in_utc_and_lists() -> None:
    """Rows are objects, null is null."""
    rows = json.loads(output.text(FRAME, "json"))
    assert rows[0]["at"] == "2018-01-10T23:52:01Z"
    assert rows[0]["list"] == ["a", "b"]
    assert rows[1]["digest"] is None


def test_markdown_cells_stay_cells() -> None:
    """A pipe or markup in a tag is text."""
    lines = output.text(FRAME, "markdown").splitlines()
    assert lines[0] == "| tag | digest | compressed_bytes | at | list |"
    assert lines[1] == "| --- | --- | ---: | --- | --- |"
    assert lines[4].startswith(r"| a\|b")


def test_parquet_gives_the_frame_back(tmp_path: Path) -> None:
    """Parquet loses nothing."""
    output.write(FRAME, "parquet", tmp_path / "frame.parquet")
    assert pl.read_parquet(tmp_path / "frame.parquet").equals(FRAME)


@pytest.mark.parametrize("form", ["table", "csv", "json", "markdown"])
def test_text_goes_to_a_file_when_asked(tmp_path: Path, form: str) -> None:
    """--out writes what would have been printed."""
    output.write(FRAME, form, tmp_path / "out")
    assert (tmp_path / "out").read_text("utf-8") == output.text(FRAME, form)


class Terminal(io.StringIO):
    """What a person reads."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("form", ["table", "csv", "json", "markdown"])
def test_no_form_sends_control_characters_to_a_terminal(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    """Not the eight-bit ones either, nor what turns the direction of writing; to a pipe CSV goes as it is."""
    frame = pl.DataFrame({"tag": ["a\x1b[31m\x9b31m\u202eb", "c\nd"], "count": [1, 2]})
    terminal, pipe = Terminal(), io.StringIO()
    monkeypatch.setattr("sys.stdout", terminal)
    output.write(frame, form)
    printed = terminal.getvalue()
    assert not [mark for mark in ("\x1b[31m", "\x9b", "\u202e") if mark in printed]
    assert "31m" in printed
    monkeypatch.setattr("sys.stdout", pipe)
    output.write(frame, form)
    assert pipe.getvalue() == output.text(frame, form)


def printed(monkeypatch: pytest.MonkeyPatch, frame: pl.DataFrame, width: int) -> list[str]:
    """The lines of *frame* as a table on a terminal, without what makes them bold."""
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("COLUMNS", str(width))
    output.write(frame, "table")
    return terminal.getvalue().replace("\x1b[1m", "").replace("\x1b[0m", "").splitlines()


def wide(rows: int) -> pl.DataFrame:
    """Rows with a text of several words, a digest, two times and two numbers; all of one tag without a note."""
    numbers = list(range(rows))
    return pl.DataFrame(
        {
            "tag": ["latest"] * rows,
            "note": [None] * rows,
            "step": [f"RUN make install {n}" for n in numbers],
            "valid_from": [datetime(2026, 1, 1 + n, 8, 30, tzinfo=UTC) for n in numbers],
            "valid_to": [datetime(2026, 1, 2 + n, 8, 30, tzinfo=UTC) for n in numbers],
            "digest": [f"sha256:{n:01}{0:063}" for n in numbers],
            "count": numbers,
            "compressed_bytes": [n * 1_000_000 for n in numbers],
        },
        schema_overrides={"note": pl.String},
    )


def test_a_table_that_fits_a_terminal_is_as_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is told apart, left out or broken."""
    frame = wide(2)
    assert printed(monkeypatch, frame, 200) == output.text(frame, "table").splitlines()


def test_texts_go_on_over_several_lines_before_anything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Word by word, the widest first; numbers and times stay whole."""
    frame = wide(1).select("step", "valid_from", "compressed_bytes")
    assert printed(monkeypatch, frame, 52) == [
        "step              valid_from        compressed_bytes",
        "RUN make install  2026-01-01 08:30                 0",
        "0",
    ]


def test_few_rows_that_are_too_wide_are_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is the same in all of them is told once."""
    assert printed(monkeypatch, wide(2), 60) == [
        "In all 2 rows: tag latest; nothing in note.",
        "",
        "--- 1 of 2",
        "step              RUN make install 0",
        "valid_from        2026-01-01 08:30",
        "valid_to          2026-01-02 08:30",
        "digest            sha256:000000000000…",
        "count             0",
        "compressed_bytes  0",
        "--- 2 of 2",
        "step              RUN make install 1",
        "valid_from        2026-01-02 08:30",
        "valid_to          2026-01-03 08:30",
        "digest            sha256:100000000000…",
        "count             1",
        "compressed_bytes  1,000,000",
    ]


def test_of_many_rows_columns_are_left_out_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Digests, counts and second times before measures; where to see them is said."""
    lines = printed(monkeypatch, wide(9), 61)
    assert lines[0] == "In all 9 rows: tag latest; nothing in note."
    assert lines[2] == "step                valid_from        compressed_bytes"
    assert lines[3] == "RUN make install 0  2026-01-01 08:30                 0"
    assert lines[-1] == "Left out, as 61 characters are few: valid_to, digest, count. `| less -S` shows all."
    assert len(lines) == 2 + 1 + 9 + 2


@pytest.mark.parametrize("width", [1, 10, 20, 40, 79])
@pytest.mark.parametrize("rows", [0, 1, 2, 9])
def test_no_column_is_lost_silently(monkeypatch: pytest.MonkeyPatch, width: int, rows: int) -> None:
    """In a terminal however narrow each is shown or named."""
    whole = "\n".join(printed(monkeypatch, wide(rows), width))
    assert [name for name in wide(1).columns if name not in whole] == []


def test_nothing_is_narrowed_where_nobody_has_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a pipe a table is as wide as it is."""
    pipe = io.StringIO()
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setattr("sys.stdout", pipe)
    output.write(wide(9), "table")
    lines = pipe.getvalue().splitlines()
    assert len(lines) == 10
    assert lines[0].split() == wide(9).columns
