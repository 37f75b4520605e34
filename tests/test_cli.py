"""The command line: exit codes, messages, formats."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from made import commit, day, digest, image, seen

from imglab.cli import QUESTIONS, main, parser

PAGE = Path(__file__).parent / "data" / "repo_info"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with one small run that is not loaded yet."""
    commit(tmp_path, day(1), [seen("latest", "a1", day(1)), *image("a1", [3, 4])])
    return tmp_path


def imglab(data: Path, *arguments: str) -> int:
    """The exit code of one command."""
    return main(["--data", str(data), *arguments])


def test_load_then_ask(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A question answered as JSON."""
    assert imglab(data, "load") == 0
    assert "1 run with 5 rows" in capsys.readouterr().out
    assert (
        imglab(
            data,
            "ask",
            "layers",
            "--repository",
            "registry.test/team/app",
            "--digest",
            digest("a1"),
            "--format",
            "json",
        )
        == 0
    )
    assert [row["compressed_bytes"] for row in json.loads(capsys.readouterr().out)] == [3, 4]


def test_ask_alone_tells_which_questions_there_are(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What each answers and takes; nothing is read for it, and options without a question are a mistake."""
    assert imglab(data, "ask", "--format", "json") == 0
    told = {row["question"]: row for row in json.loads(capsys.readouterr().out)}
    assert tuple(told) == QUESTIONS
    assert told["tags"]["answers"] == "The tags that were there when last looked at."
    assert told["layer_growth"]["options"] == "--repository --tag [--platform] [--since] [--until]"
    assert all(row["answers"].endswith(".") for row in told.values())
    assert imglab(data, "ask", "--tag", "latest") == 2
    assert "which question is tag for?" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["table", "csv", "json", "markdown"])
def test_every_view_has_every_format(data: Path, capsys: pytest.CaptureFixture[str], form: str) -> None:
    """status, runs, failures and sql print in all text formats."""
    for command in (["status"], ["runs"], ["failures"], ["sql", "select tag from tag_interval"]):
        assert imglab(data, *command, "--format", form) == 0
    printed = capsys.readouterr().out
    assert "registry.test/team/app" in printed
    assert "latest" in printed


def test_parquet_goes_to_a_file(data: Path, tmp_path: Path) -> None:
    """--out FILE holds the frame."""
    out = tmp_path / "tags.parquet"
    assert imglab(data, "ask", "tags", "--format", "parquet", "--out", str(out)) == 0
    assert pl.read_parquet(out)["tag"].to_list() == ["latest"]


@pytest.mark.parametrize("suffix", ["html", "png", "svg", "json"])
def test_a_question_becomes_a_chart(data: Path, tmp_path: Path, suffix: str) -> None:
    """--chart FILE draws by suffix."""
    chart = tmp_path / f"tags.{suffix}"
    assert imglab(data, "ask", "tags", "--chart", str(chart)) == 0
    assert chart.stat().st_size > 500


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ask", "layer_growth", "--tag", "x"], "needs --repository"),
        (["ask", "tags", "--platform", "linux/amd64"], "takes no --platform"),
        (["ask", "tags", "--repository", "Registry.test/team/APP"], "APP"),
        (["ask", "tag_history", "--repository", "registry.test/team/ap"], "among them registry.test/team/app"),
        (["ask", "size_over_time", "--repository", "registry.test/team/app", "--tag", "lates"], "among them latest"),
        (["ask", "tags", "--chart", "x.pdf"], "x.pdf: a chart is saved as"),
        (["sql", "select x"], "the query cannot be run"),
        (["sql", "drop table image"], "read-only"),
        (["snapshot", "https://registry.test/x"], "https://"),
        (["snapshot", "python", "--username", "me"], "belong together"),
        (["import", "repo-info", "nowhere"], "there is no nowhere"),
        (["snapshot", "python", "--platform", "amd64"], "amd64"),
        (["snapshot", "python", "--ca-cert", "nowhere.pem"], "nowhere.pem"),
        (["snapshot"], "nothing to observe: give a REFERENCE, or name targets in "),
        (["snapshot", "--targets", "nowhere.toml"], "cannot read nowhere.toml"),
        (["snapshot", "docker.io/*"], "Docker Hub lists namespaces only"),
    ],
)
def test_misuse_is_one_line_and_exit_code_2(
    data: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    """What was asked for, and what to do, without a trace."""
    assert imglab(data, *arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert "Traceback" not in error


@pytest.mark.parametrize(
    "arguments",
    [["ask", "which"], ["ask", "tags", "--at", "yesterday"], ["backfill"], ["snapshot", "x", "--concurrency", "0"]],
)
def test_words_that_do_not_parse_are_exit_code_2(arguments: list[str]) -> None:
    """argparse says what it takes."""
    with pytest.raises(SystemExit) as exit:
        parser().parse_args(arguments)
    assert exit.value.code == 2


def test_nothing_loaded_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A new folder points at the first steps."""
    assert imglab(tmp_path, "status") == 2
    assert "imglab demo" in capsys.readouterr().err


def test_a_file_in_the_way_of_the_data_is_exit_code_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An unwritable data folder is one clear line."""
    (tmp_path / "data").write_text("in the way")
    page = tmp_path / "page.md"
    page.write_bytes(next(PAGE.glob("*.md")).read_bytes())
    assert imglab(tmp_path / "data", "import", "repo-info", str(page)) == 3
    error = capsys.readouterr().err
    assert "cannot write the journal" in error
    assert error.count("\n") == 1


def test_import_of_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One file is imported, loaded, and found good by the checks."""
    page = tmp_path / "page.md"
    page.write_bytes((PAGE / "single.md").read_bytes())
    assert imglab(tmp_path, "import", "repo-info", str(page)) == 0
    assert "complete: 1 tag observation," in capsys.readouterr().out
    assert imglab(tmp_path, "check") == 0


def test_an_unreachable_registry_is_exit_code_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing could be done: one line, and a failure row for whoever looks later."""
    assert imglab(tmp_path, "snapshot", "127.0.0.1:1/team/app") == 3
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "127.0.0.1:1" in error
    assert imglab(tmp_path, "failures", "--format", "json") == 0
    assert [row["kind"] for row in json.loads(capsys.readouterr().out)] == ["unreachable"]


def test_checks_that_find_something_are_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Layers that do not add up are named."""
    from imglab.records import Manifest

    commit(tmp_path, day(1), [Manifest(digest("a1"), None, "image", None, None, None, 1, 5)])
    assert imglab(tmp_path, "check") == 1
    assert "layer_sum: 1 row that" in capsys.readouterr().err


def test_the_password_comes_from_standard_input_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It shows in no message and no file."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("s3cret-word\n"))
    imglab(tmp_path, "--verbose", "snapshot", "127.0.0.1:1/x", "--username", "me", "--password-stdin")
    printed = capsys.readouterr()
    assert "s3cret-word" not in printed.out + printed.err
    for path in (path for path in tmp_path.rglob("*") if path.is_file()):
        assert b"s3cret-word" not in path.read_bytes()


def test_doctor_looks_at_one_repository(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A pattern, which snapshot takes, is told so."""
    assert imglab(tmp_path, "doctor", "127.0.0.1:1/team/*") == 2
    assert "is a pattern: name one of its repositories" in capsys.readouterr().err


def test_help_comes_at_once() -> None:
    """--help imports none of the heavy libraries."""
    program = (
        "import sys, imglab.cli as c\ntry: c.main(['--help'])\nexcept SystemExit: pass\nprint(sorted(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    modules = done.stdout.splitlines()[-1]
    assert not {name for name in ("polars", "duckdb", "altair", "httpx", "rich") if f"'{name}'" in modules}


def test_global_options_stand_before_or_behind_the_command(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--data and --quiet are understood in both places."""
    assert main(["load", "--quiet", "--data", str(data)]) == 0
    assert capsys.readouterr().out == ""
    assert main(["--quiet", "--data", str(data), "check"]) == 0
    assert capsys.readouterr().out == ""
