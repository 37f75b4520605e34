"""Budgets: files that state limits, and how images keep them."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import DAY, REPOSITORY, commit, config, day, digest, image, index, seen

import imglab
from imglab import verdicts
from imglab.budgets import Budget, check_budgets, parse_budgets
from imglab.cli import main
from imglab.errors import InvalidFile
from imglab.journal import Journal
from imglab.records import Record
from imglab.store import Store

MB = 1_000_000


# --- files -----------------------------------------------------------------------------------------------------------


def test_a_file_states_budgets() -> None:
    """Sizes in decimal and binary units, shares, dates, days; defaults where a budget says nothing."""
    text = """
[defaults]
platforms = ["linux/arm64/v8"]
max_layers = 9

[[budget]]
repository = "python"
tags = ["latest", "3.*"]
max_size = "400 MB"
max_growth = "2.5 %"
since = 2026-01-01

[[budget]]
repository = "ghcr.io/team/*"
platforms = []
max_size = 1000
max_growth = "1.5 MiB"
since = "90 days"
alarms = true
[budget.steps]
"RUN apt-get *" = "260 MB"
"""
    python, team = parse_budgets(text, source="budgets.toml")
    tags = ("latest", "3.*")
    assert python == Budget(
        "docker.io/library/python", tags, ("linux/arm64",), 400 * MB, 9, 0.025, day(1), False, {}, line=6
    )
    assert team == Budget("ghcr.io/team/*", ("*",), (), 1000, 9, 1_572_864, 90, True, {"RUN apt-get *": 260 * MB}, 13)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "line 1: there is no budget"),
        ("[[budget]]\nmax_size = 1", "line 1: budget 1: `repository` is missing"),
        ('[[budget]]\nrepository = "a"', "line 1: budget 1: limits nothing"),
        ('[[budget]]\nrepository = "a"\nmax_size = "4 mb"', "line 3: budget 1: `max_size` should be a size such as"),
        ('[[budget]]\nrepository = "a"\nmax_size = -1', "line 3: budget 1: `max_size` should be a size"),
        ('[[budget]]\nrepository = "A"\nmax_size = 1', "line 2: budget 1: `repository` is wrong"),
        ('[[budget]]\nrepository = "a"\nmax_growth = "5 %"', "line 1: budget 1: `max_growth` needs `since`"),
        ('[[budget]]\nrepository = "a"\nmax_growth = "x"\nsince = "1 day"', "line 3: budget 1: `max_growth` should"),
        ('[[budget]]\nrepository = "a"\nalarms = 1', "line 3: budget 1: `alarms` should be true or false"),
        ('[[budget]]\nrepository = "a"\nalarms = true\nsince = "soon"', "line 4: budget 1: `since` should be a date"),
        ('[[budget]]\nrepository = "a"\nmax_sise = 1', "did you mean `max_size`?"),
        ('[[budget]]\nrepository = "a"\nsteps = {}', "line 3: budget 1: `steps` should be a table"),
        ('[[budget]]\nrepository = "a"\ntags = []\nmax_size = 1', "line 3: budget 1: `tags` is empty"),
        ('[[budget]]\nrepository = "a"\nplatforms = ["x"]\nmax_size = 1', "line 3: budget 1: `platforms` is wrong"),
        ("defaults = 1\n[[budget]]\nrepository = 'a'\nmax_size = 1", "line 1: `defaults` is a table"),
        ("budget = 1", "line 1: `budget` stands in two brackets"),
        ("[[budget]", "line 1"),
    ],
)
def test_mistakes_are_told_with_their_lines(text: str, problem: str) -> None:
    """What is wrong, where, and what to write."""
    with pytest.raises(InvalidFile) as raised:
        parse_budgets(text, source="budgets.toml")
    assert any(line.startswith("budgets.toml: ") and problem in line for line in raised.value.problems)


@settings(max_examples=200)
@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing else is raised."""
    try:
        assert parse_budgets(text, source="file")
    except InvalidFile as error:
        assert all(problem.startswith("file: ") for problem in error.problems)


# --- checks ----------------------------------------------------------------------------------------------------------


def stepped(name: str, *steps: tuple[str, int]) -> list[Record]:
    """An image with a layer of so many bytes for each step; its label is `label of <step>`."""
    return [*image(name, [size for _, size in steps]), *config(name, [(text, False) for text, _ in steps])]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """
    Tag 1.0: on day 1 a1 (ADD 100, RUN 50), since day 5 a2 (ADD 100, RUN 80, COPY 20) with b1 (ADD 7) for arm64.

    Tag 2.0: since day 6 c1, whose steps nobody told; tag 3.0: since day 6 e9, of which nobody told anything.
    """
    records = [
        *stepped("a1", ("ADD x", 100), ("RUN y", 50)),
        *stepped("a2", ("ADD x", 100), ("RUN y", 80), ("COPY z", 20)),
        *(*image("b1", [7]), *config("b1", [("ADD x", False)], platform="linux/arm64")),
        *(*image("c1", [30, 31]), *config("c1", [("ADD x", False)])),
        *index("1", [("a1", "linux/amd64")]),
        *index("2", [("a2", "linux/amd64"), ("b1", "linux/arm64"), ("e1", None)]),
        *index("3", [("e9", "linux/amd64")]),
        *(seen("1.0", "1", day(1)), seen("1.0", "2", day(5)), seen("1.0", "2", day(9))),
        *(seen("2.0", "c1", day(6)), seen("3.0", "3", day(6)), seen("old", "a2", day(1))),
        seen("old", None, day(2), is_absent=True),
    ]
    commit(tmp_path, day(10), records)
    return Store.in_memory(Journal(tmp_path / "journal"))


def found(store: Store, *columns: str, **limits: object) -> list[tuple[object, ...]]:
    budget = Budget(REPOSITORY, **{"tags": ("1.0",), "platforms": ("linux/amd64",)} | limits)  # type: ignore[arg-type]
    return check_budgets(store, [budget]).select(columns or ("value", "limit", "verdict")).rows()


def test_sizes_and_layers(store: Store) -> None:
    """At the limit is within it."""
    assert found(store, max_size=200) == [(200, 200, "within")]
    assert found(store, max_size=199) == [(200, 199, "over")]
    assert found(store, max_layers=2) == [(3, 2, "over")]
    both = found(store, "platform", "value", "verdict", max_size=100, platforms=())
    assert both == [("linux/amd64", 200, "over"), ("linux/arm64", 7, "within")]


def test_growth_since_a_time(store: Store) -> None:
    """150 bytes became 200: a third more. Four days before the last look the tag pointed at a2 already."""
    assert found(store, max_growth=50, since=day(2)) == [(50, 50, "within")]
    assert found(store, max_growth=0.3, since=day(2)) == [(50, 45, "over")]
    assert found(store, max_growth=0, since=4) == [(0, 0, "within")]
    assert found(store, max_growth=49, since=5) == [(50, 49, "over")]
    assert found(store, max_growth=0, since=day(1) - DAY) == [(None, None, "new")]
    assert found(store, "platform", "verdict", max_growth=0, since=day(2), platforms=("linux/arm64",)) == [
        ("linux/arm64", "new")
    ]


def test_steps(store: Store) -> None:
    """The largest layer of the steps that a pattern of labels matches; a step that is not there makes no layer."""
    steps = {"label of RUN *": 79, "label of *": 100, "label of USER": 0}
    columns = ("step_label", "value", "limit", "verdict")
    assert found(store, *columns, steps=steps) == [
        ("label of RUN y", 80, 79, "over"),
        ("label of ADD x", 100, 100, "within"),
        ("label of USER", 0, 0, "within"),
    ]
    assert found(store, *columns, steps={"*": 5}, tags=("2.0",)) == [("*", None, 5, "unknown")]


def test_what_is_unknown_is_not_within(store: Store) -> None:
    """A size nobody told, a repository or tag nobody saw: the check says so instead of passing."""
    assert found(store, max_size=1, tags=("3.0",)) == [(None, 1, "unknown")]
    assert found(store, max_growth=1, since=day(7), tags=("3.0",)) == [(None, None, "unknown")]
    assert found(store, "check", "verdict", max_size=1, tags=("9.*", "old")) == [("budget", "unknown")]


def test_alarms(tmp_path: Path) -> None:
    """The newest build jumps; a jump before is told only with a time before it."""
    sizes = [*(100 * MB + number for number in range(9)), 110 * MB]
    records: list[Record] = []
    for at, size in enumerate(sizes):
        records += [*stepped(f"{at:x}f", ("ADD x", size)), seen("a", f"{at:x}f", day(1 + at))]
    commit(tmp_path / "one", day(30), records)
    store = Store.in_memory(Journal(tmp_path / "one" / "journal"))
    ((value, verdict, message),) = found(store, "value", "verdict", "message", tags=("a",), alarms=True)
    assert (value, verdict) == (110 * MB - sizes[8], "over")
    assert message == "jump of +10.0 MB on 2026-01-10; 1 B a build are usual"
    later = [*stepped("ff", ("ADD x", 110 * MB + 1)), seen("a", "ff", day(11))]
    commit(tmp_path / "two", day(30), [*records, *later])
    store = Store.in_memory(Journal(tmp_path / "two" / "journal"))
    assert found(store, "verdict", tags=("a",), alarms=True) == [("within",)]
    assert found(store, "verdict", tags=("a",), alarms=True, since=day(10)) == [("over",)]
    assert found(store, "verdict", tags=("a",), alarms=True, since=0) == [("within",)]


def test_what_is_over_comes_first(store: Store) -> None:
    """Then unknown, new and within; each finding names its budget, line and image."""
    budgets = [
        Budget(REPOSITORY, ("1.0",), ("linux/amd64",), max_size=999, max_growth=0, since=day(1) - DAY),
        Budget("nobody/*", max_size=1, line=4),
        Budget(REPOSITORY, ("1.0",), ("linux/amd64",), max_layers=1, line=7),
    ]
    frame = check_budgets(store, budgets)
    assert frame.select("verdict", "budget", "line", "check").rows() == [
        ("over", 3, 7, "max_layers"),
        ("unknown", 2, 4, "budget"),
        ("new", 1, 1, "max_growth"),
        ("within", 1, 1, "max_size"),
    ]
    assert frame["manifest_digest"].to_list() == [digest("a2"), None, digest("a2"), digest("a2")]
    assert check_budgets(store, []).is_empty()


# --- forms -----------------------------------------------------------------------------------------------------------


def findings(**more: object) -> pl.DataFrame:
    frame = pl.DataFrame(
        {
            "budget": [1, 1, 2, 2],
            "line": [3, 3, 9, 9],
            "repository": ["r/a", "r/a", "r/<b>&", "r/a"],
            "tag": ["1", "1", "x", "1"],
            "platform": ["linux/amd64"] * 4,
            "check": ["max_size", "steps", "max_growth", "max_layers"],
            "step_label": [None, "RUN \x1b[31m<x>\x00", None, None],
            "verdict": ["over", "unknown", "new", "within"],
            "message": ["too much", "nobody told \x07", "no image", "fine"],
        }
    )
    return frame.with_columns(**more)  # type: ignore[arg-type]


def test_sarif() -> None:
    """What is not kept, at the line of its budget; texts from images are data without control characters."""
    log = json.loads(verdicts.sarif(findings(), "ci/budgets.toml"))
    (run,) = log["runs"]
    assert log["version"] == "2.1.0" and run["tool"]["driver"]["name"] == "imglab"
    assert [(result["ruleId"], result["level"]) for result in run["results"]] == [
        ("max_size", "error"),
        ("steps", "warning"),
    ]
    assert {result["ruleId"] for result in run["results"]} <= {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    place = run["results"][0]["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "ci/budgets.toml"}, "region": {"startLine": 3}}
    assert run["results"][0]["message"]["text"] == "r/a:1 linux/amd64 max_size: too much"
    assert all(char.isprintable() for result in run["results"] for char in result["message"]["text"])


def test_junit() -> None:
    """A case for each finding; markup and control characters of images break nothing."""
    suite = ElementTree.fromstring(verdicts.junit(findings()))
    assert {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4",
        "failures": "1",
        "errors": "1",
        "skipped": "1",
    }
    assert [[child.tag for child in case] for case in suite] == [["failure"], ["error"], ["skipped"], []]
    assert suite[2].get("classname") == "r/<b>&"


def test_the_command_answers_ci(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0 where all is kept, 1 where something is not, 2 for a file that is wrong; in every form."""
    imglab.open_store(tmp_path).close()
    file = tmp_path / "budgets.toml"
    text = f'[[budget]]\nrepository = "{REPOSITORY}"\ntags = ["1.0"]\nplatforms = ["linux/amd64"]\nmax_size = '
    file.write_text(text + "200")
    arguments = ["--data", str(tmp_path), "check", "--budget", str(file)]
    assert main(arguments) == 0
    assert "0 of 1 limit not kept" in capsys.readouterr().err
    file.write_text(text + "199")
    for form in ("table", "csv", "json", "markdown", "sarif", "junit"):
        assert main([*arguments, "--format", form]) == 1
        assert "max" in capsys.readouterr().out
    assert main([*arguments, "--format", "junit", "--out", str(tmp_path / "junit.xml")]) == 1
    assert ElementTree.parse(tmp_path / "junit.xml").getroot().get("failures") == "1"
    file.write_text(text + '"much"')
    capsys.readouterr()
    assert main(arguments) == 2
    assert f"{file}: line 5: budget 1: `max_size`" in capsys.readouterr().err
    assert main(["--data", str(tmp_path), "check", "--format", "sarif"]) == 2
