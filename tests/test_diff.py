"""What is known of the difference between two references, as one page."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from built import Made, built
from made import REPOSITORY, commit, day, digest, index, seen

from imglab import diff as diffs
from imglab.cli import main
from imglab.data import open_sample
from imglab.errors import InvalidReference, UsageError
from imglab.journal import Journal
from imglab.records import Config, Record
from imglab.store import Store

ROOT = "ADD file:12ab34cd56ef in / "
NAME = f"{REPOSITORY}:latest"


def configured(records: list[Record], **settings: Any) -> list[Record]:
    """*records* with these settings in their config."""
    return [dataclasses.replace(row, **settings) if isinstance(row, Config) else row for row in records]


def records() -> list[Record]:
    """A tag that moved on day 5: amd64 stayed and changed, s390x went, arm64 came, and a signature is attached."""
    before = [Made("1", 50, ROOT), Made("2", 8, "RUN make all"), Made("2", 8, "RUN make more")]
    after = [
        Made("1", 50, ROOT),
        Made("3", 9, "RUN make all"),
        Made("4", 7, "COPY app /app"),
        Made("4", 7, "COPY b /b"),
    ]
    settings = {"env": ["PATH=/bin", "V=1"], "cmd": ["sh"], "user": "root", "labels": ["a=1"]}
    later = {"env": ["PATH=/bin", "V=2"], "cmd": ["sh", "-l"], "user": "app", "working_dir": "/app"}
    return [
        *(seen("latest", "e1", day(1)), seen("latest", "e2", day(5))),
        *index("e1", [("a1", "linux/amd64"), ("b1", "linux/s390x")]),
        *index("e2", [("a2", "linux/amd64"), ("c2", "linux/arm64"), ("f2", None)]),
        *configured(built("a1", before), **settings),
        *configured(built("a2", after), **later),
        *built("b1", [Made("5", 60, ROOT)], platform="linux/s390x"),
        *built("c2", [Made("6", 40, ROOT)], platform="linux/arm64"),
    ]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store of `records`."""
    commit(tmp_path, day(20), records())
    return Store.in_memory(Journal(tmp_path / "journal"))


def told(store: Store, first: str, second: str, **options: Any) -> dict[str, Any]:
    """The difference as JSON has it."""
    found: dict[str, Any] = json.loads(diffs.as_json(*diffs.diff(store, first, second, **options)))
    return found


def rows(found: dict[str, Any], section: str, *columns: str) -> list[tuple[Any, ...]]:
    """These columns of a section."""
    return [tuple(row[column] for column in columns) for row in found["sections"][section]["rows"]]


@pytest.mark.parametrize(
    ("first", "second", "names"),
    [
        (f"{NAME}@2026-01-02", "now", ("e1", "e2")),
        (f"{NAME}@2026-01-05", "now", ("e2", "e2")),
        (f"{NAME}@2026-01-04T23:59:59Z", "@now", ("e1", "e2")),
        (f"{NAME}@2026-01-05T00:00:00Z", "now", ("e2", "e2")),
        (f"{NAME}@2026-01-05T00:30:00+01:00", NAME, ("e1", "e2")),
        (NAME, "@2026-01-03", ("e2", "e1")),
        (f"{REPOSITORY}@{digest('e1')}", NAME, ("e1", "e2")),
        (f"{NAME}@{digest('e1')}", "now", ("e1", "e2")),
        (f"{REPOSITORY}@{digest('a1')}", f"{REPOSITORY}@{digest('a2')}", ("a1", "a2")),
    ],
)
def test_a_side_is_a_tag_at_a_time_or_a_digest(store: Store, first: str, second: str, names: tuple[str, str]) -> None:
    """A day means its end; a time alone is one of the first reference."""
    found = told(store, first, second)
    assert (found["from"]["digest"], found["to"]["digest"]) == (digest(names[0]), digest(names[1]))


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (REPOSITORY, "now", "names no tag"),
        (f"{NAME}@yesterday", "now", "yesterday is neither a digest nor a time"),
        (f"{NAME}@2025-12-31", "now", "nothing is known of .* at 2025-12-31.*first seen at 2026-01-01T00:00:00Z"),
        (NAME, f"{REPOSITORY}:newest", "no tag newest in the store; it has 1, among them latest"),
        ("@2026-01-01", NAME, "@2026-01-01 names no repository: write one in front"),
        (f"{REPOSITORY}@{digest('e1')}", "@2026-01-01", "the same at all times: write a tag"),
        (NAME, f"{REPOSITORY}@{digest('ff')}", "no manifest sha256:ff0.* in the store"),
        ("other:latest", "now", "no repository docker.io/library/other"),
    ],
)
def test_what_is_not_known_says_why(store: Store, first: str, second: str, message: str) -> None:
    """With what is known instead."""
    with pytest.raises(UsageError, match=message):
        diffs.diff(store, first, second)


def test_no_repository_is_no_reference(store: Store) -> None:
    """As everywhere."""
    with pytest.raises(InvalidReference):
        diffs.diff(store, "Python:latest", "now")


def test_a_tag_that_was_gone_says_since_when(tmp_path: Path) -> None:
    """It was there before."""
    commit(
        tmp_path,
        day(20),
        [
            *(seen("a", "a1", day(1)), seen("a", None, day(3), is_absent=True), seen("a", "a1", day(7))),
            *built("a1", [Made("1", 50, ROOT)]),
        ],
    )
    store = Store.in_memory(Journal(tmp_path / "journal"))
    with pytest.raises(
        UsageError, match="not there at 2026-01-04: it was first seen at 2026-01-01, and gone at 2026-01-03"
    ):
        diffs.diff(store, f"{REPOSITORY}:a@2026-01-04", "now")


def test_sides_tell_since_when_and_by_whom(store: Store) -> None:
    """As the tag's intervals have it."""
    side = told(store, f"{NAME}@2026-01-02", "now")["from"]
    times = [side[name] for name in ("at", "valid_from", "valid_to", "last_observed_at")]
    assert times == [
        "2026-01-02T23:59:59.999999Z",
        "2026-01-01T00:00:00Z",
        "2026-01-05T00:00:00Z",
        "2026-01-01T00:00:00Z",
    ]
    assert (side["repository"], side["tag"], side["source"]) == (REPOSITORY, "latest", "registry")


def test_platforms_come_go_and_change(store: Store) -> None:
    """Sizes of each, also of those that one side has alone; attestations are none."""
    found = told(store, f"{NAME}@2026-01-02", "now")
    columns = ("platform", "change", "from_bytes", "to_bytes", "delta_bytes", "from_layer_count", "to_layer_count")
    assert rows(found, "platforms", *columns) == [
        ("linux/amd64", "other image", 66, 73, 7, 3, 4),
        ("linux/arm64", "new", None, 40, None, None, 1),
        ("linux/s390x", "gone", 60, None, None, 1, None),
    ]
    digests = ("from_manifest_digest", "to_manifest_digest")
    assert rows(found, "platforms", *digests)[0] == (digest("a1"), digest("a2"))
    same = told(store, f"{REPOSITORY}@{digest('e1')}", f"{NAME}@2026-01-02")
    assert {change for (change,) in rows(same, "platforms", "change")} == {"same image"}


def test_steps_are_those_of_growth_by_step(store: Store) -> None:
    """Of linux/amd64, which both have; what stayed is counted below the table."""
    compared, sections = diffs.diff(store, f"{NAME}@2026-01-02", "now")
    steps = next(section for section in sections if section.name == "steps")
    assert steps.title == "Steps of linux/amd64 that differ"
    assert steps.shown.select("step", "change", "before", "after", "difference", "of whole").rows() == [
        ("RUN make install", "grew", 8, 9, 1, 1 / 7),
        ("RUN make install", "gone", 8, None, -8, -8 / 7),
        ("COPY app to /app", "new", None, 7, 7, 1.0),
        ("COPY b to /b", "new", None, 7, 7, 1.0),
    ]
    assert steps.notes == ("Together +7 bytes: 66 became 73.", "Beside these: 1 with the same layer.")
    assert steps.frame["delta_bytes"].sum() == 7
    assert compared.pairs.height == 1


def test_a_host_pulls_each_missing_layer_once(store: Store) -> None:
    """A layer that an image has twice is fetched once; what is shared is not."""
    found = told(store, f"{NAME}@2026-01-02", "now")
    counts = ("shared_count", "shared_bytes", "fetched_count", "fetched_bytes", "dropped_count", "dropped_bytes")
    assert rows(found, "layers", *counts) == [(1, 50, 2, 16, 1, 8)]


def test_foreign_layers_are_pulled_from_elsewhere(tmp_path: Path) -> None:
    """They are told apart where there are any; sizes that are not known are not added up."""
    base = Made("1", 4_000, "Apply image 10.0.1", is_foreign=True)
    windows = {"platform": "windows/amd64"}
    commit(
        tmp_path,
        day(20),
        [
            *built("a1", [Made("2", 5, "RUN a b")], **windows),  # type: ignore[arg-type]
            *built("a2", [base, Made("3", None, "RUN a b")], **windows),  # type: ignore[arg-type]
        ],
    )
    store = Store.in_memory(Journal(tmp_path / "journal"))
    _, sections = diffs.diff(store, f"{REPOSITORY}@{digest('a1')}", f"{REPOSITORY}@{digest('a2')}")
    layers = next(section for section in sections if section.name == "layers")
    assert layers.shown.rows() == [
        ("shared", 0, 0),
        ("to pull", 1, None),
        ("to pull from elsewhere", 1, 4_000),
        ("no longer needed", 1, 5),
    ]
    assert layers.title == "Layers of windows/amd64, for a host that has A"
    assert layers.notes == ("Of a layer or more the size is not known.",)


def test_settings_of_configs_that_were_read(store: Store) -> None:
    """What a config does not set is not set."""
    found = told(store, f"{NAME}@2026-01-02", "now")
    assert rows(found, "settings", "setting", "change", "before", "after") == [
        ("cmd", "changed", "sh", "sh -l"),
        ("env V", "changed", "1", "2"),
        ("label a", "removed", "1", None),
        ("user", "changed", "root", "app"),
        ("working directory", "added", None, "/app"),
    ]
    assert found["sections"]["settings"]["notes"] == []


def paged(tmp_path: Path, before: list[str], after: list[str]) -> dict[str, Any]:
    """The difference of two images of which pages tell steps, all with a layer."""
    commit(
        tmp_path,
        day(20),
        [
            *built("a1", [Made(f"1{n}", 5, text) for n, text in enumerate(before)]),
            *configured(built("a2", [Made(f"2{n}", 5, text) for n, text in enumerate(after)]), cmd=["x"]),
        ],
        source="repo-info",
    )
    store = Store.in_memory(Journal(tmp_path / "journal"))
    return told(store, f"{REPOSITORY}@{digest('a1')}", f"{REPOSITORY}@{digest('a2')}")


def test_settings_of_pages_are_what_their_steps_set(tmp_path: Path) -> None:
    """The last of each counts; commands that a page does not state are not known, and no difference."""
    before = [ROOT, "ENV V=1", "ENV V=2 W=a b", "ENV OLD old style", 'LABEL x="1"', "WORKDIR /a", "WORKDIR b"]
    after = [ROOT, "ENV V=3 W=a b", "USER app", "WORKDIR /c"]
    found = paged(tmp_path, before, after)
    assert rows(found, "settings", "setting", "change", "before", "after") == [
        ("env OLD", "removed", "old style", None),
        ("env V", "changed", "2", "3"),
        ("label x", "removed", "1", None),
        ("user", "added", None, "app"),
        ("working directory", "changed", "/a/b", "/c"),
    ]


def test_python_from_2019_to_2026_in_the_sample() -> None:
    """65,682,711 bytes in all, as growth_by_step has it, and two thirds of them one step."""
    with open_sample() as store:
        found = told(store, "python:latest@2019-10-18", "now", platform="linux/amd64")
    (whole,) = [row for row in found["sections"]["platforms"]["rows"] if row["platform"] == "linux/amd64"]
    assert (whole["from_bytes"], whole["to_bytes"], whole["delta_bytes"]) == (349_284_332, 414_967_043, 65_682_711)
    steps = found["sections"]["steps"]["rows"]
    assert sum(row["delta_bytes"] for row in steps) == 65_682_711
    largest = max(steps, key=lambda row: row["delta_bytes"])
    assert (largest["step_label"], largest["delta_bytes"], round(largest["delta_share"], 3)) == (
        "RUN apt-get install autoconf automake …",
        44_287_109,
        0.674,
    )


def test_settings_that_nobody_tells_are_not_guessed() -> None:
    """The sample keeps neither configs nor texts of steps."""
    with open_sample() as store:
        found = told(store, "python:latest@2019-10-17", "now")
    assert rows(found, "settings", "setting") == []
    assert found["sections"]["settings"]["notes"] == [
        "Not known of both: environment, labels, user, working directory."
    ]


def test_a_platform_can_be_chosen(store: Store) -> None:
    """One that both have; else what both have is said."""
    with pytest.raises(UsageError, match="do not both have linux/s390x; what both have: linux/amd64"):
        diffs.diff(store, f"{NAME}@2026-01-02", "now", platform="linux/s390x")
    one = told(store, f"{NAME}@2026-01-05", "now", platform="linux/arm64")
    assert {platform for (platform,) in rows(one, "steps", "platform")} == {"linux/arm64"}


def test_without_amd64_all_platforms_are_told(tmp_path: Path) -> None:
    """Each row says which."""
    commit(
        tmp_path,
        day(20),
        [
            *(seen("latest", "e1", day(1)), seen("latest", "e2", day(5))),
            *index("e1", [("a1", "linux/arm64"), ("b1", "linux/s390x")]),
            *index("e2", [("a2", "linux/arm64"), ("b2", "linux/s390x")]),
            *(
                record
                for name, size, platform in (
                    ("a1", 5, "arm64"),
                    ("a2", 6, "arm64"),
                    ("b1", 7, "s390x"),
                    ("b2", 9, "s390x"),
                )
                for record in built(name, [Made(f"{size}", size, ROOT)], platform=f"linux/{platform}")
            ),
        ],
    )
    store = Store.in_memory(Journal(tmp_path / "journal"))
    found = diffs.diff(store, f"{NAME}@2026-01-02", "now")
    sections = found[1]
    shown = {section.name: section.shown for section in sections}
    assert shown["steps"].select("platform", "difference").rows() == [("linux/arm64", 1), ("linux/s390x", 2)]
    assert shown["layers"]["platform"].to_list() == ["linux/arm64"] * 3 + ["linux/s390x"] * 3
    titles = {section.name: section.title for section in sections}
    assert (titles["steps"], titles["layers"]) == ("Steps that differ", "Layers, for a host that has A")
    assert "Steps that differ\nlinux/arm64:\nstep " in diffs.as_text(*found)


def test_digests_that_nobody_described_are_told_as_such(tmp_path: Path) -> None:
    """Where the tag pointed is known, and nothing else."""
    commit(tmp_path, day(20), [seen("latest", "e1", day(1)), seen("latest", "e2", day(5))])
    found = told(Store.in_memory(Journal(tmp_path / "journal")), f"{NAME}@2026-01-02", "now")
    assert found["sections"]["platforms"]["rows"] == []
    assert [note.split(" what ")[0] for note in found["sections"]["platforms"]["notes"]] == ["No source described"] * 2
    assert rows(found, "sources", "of", "digest", "kind") == [
        ("A", digest("e1"), "unread"),
        ("B", digest("e2"), "unread"),
    ]


def test_each_number_has_its_source(store: Store) -> None:
    """Both sides, and the images that are told of."""
    found = told(store, f"{NAME}@2026-01-02", "now")
    assert rows(found, "sources", "of", "digest", "kind", "source") == [
        ("A", digest("e1"), "index", "registry"),
        ("A linux/amd64", digest("a1"), "image", "registry"),
        ("B", digest("e2"), "index", "registry"),
        ("B linux/amd64", digest("a2"), "image", "registry"),
    ]


def test_a_page_for_a_terminal_and_one_in_markdown(store: Store) -> None:
    """The same titles and figures; Markdown's own characters in values stand for themselves."""
    found = diffs.diff(store, f"{NAME}@2026-01-02", "now")
    text, page = diffs.as_text(*found), diffs.as_markdown(*found)
    titles = [section.title for section in found[1] if section.shown.height]
    assert [line for line in text.splitlines() if line in titles] == titles
    assert [line.removeprefix("### ") for line in page.splitlines() if line.startswith("### ")] == titles
    when = "since 2026-01-01 UTC, last seen then, until 2026-01-05"
    assert text.startswith(f"A {NAME}@2026-01-02\n  {digest('e1')}\n  {when}\n")
    assert "| RUN make install | gone | 8 B |  | -8 B | -114.3 % |" in page
    assert all("Beside these: 1 with the same layer." in form for form in (text, page))
    same = diffs.as_text(*diffs.diff(store, NAME, "now"))
    assert "Both are the same digest." in same
    assert [title for title in ("Steps", "Packages", "Layers", "Moves", "Settings") if f"\n{title}" in same] == []


def test_no_text_of_an_image_reaches_the_terminal_as_it_is(tmp_path: Path) -> None:
    """Neither escapes nor long values."""
    commit(
        tmp_path,
        day(20),
        [
            *configured(built("a1", [Made("1", 5, ROOT)]), env=["V=1"]),
            *configured(built("a2", [Made("1", 5, ROOT)]), env=["V=\x1b[31m" + "x" * 500]),
        ],
    )
    store = Store.in_memory(Journal(tmp_path / "journal"))
    text = diffs.as_text(*diffs.diff(store, f"{REPOSITORY}@{digest('a1')}", f"{REPOSITORY}@{digest('a2')}"))
    assert "\x1b" not in text and "\\x1b[31m" in text
    assert "x" * 40 in text and "x" * 60 not in text


def test_the_command_prints_a_page(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """In three forms, also into a file; what cannot be answered is misuse."""
    commit(tmp_path, day(20), records())
    assert main(["--data", str(tmp_path), "load", "--quiet"]) == 0
    assert main(["--data", str(tmp_path), "diff", f"{NAME}@2026-01-02", "now"]) == 0
    assert "Steps of linux/amd64 that differ" in capsys.readouterr().out
    assert main(["--data", str(tmp_path), "diff", f"{NAME}@2026-01-02", "now", "--format", "json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"from", "to", "sections"}
    out = tmp_path / "page.md"
    assert main(["--data", str(tmp_path), "diff", NAME, "now", "--format", "markdown", "--out", str(out)]) == 0
    assert out.read_text("utf-8").startswith("- **A** ")
    assert main(["--data", str(tmp_path), "diff", NAME, "nowhere:tag"]) == 2
    assert "no repository docker.io/library/nowhere in the store" in capsys.readouterr().err
