"""Bad input to every source of documents: a failure that names document, commit and line, and the rest is imported."""

from __future__ import annotations

from pathlib import Path

import pytest
from repository import git

from imglab.cli import main
from imglab.data import open_store
from imglab.journal import Journal

A = "a" * 40
DIGEST = "sha256:" + "b" * 64
DAMAGED = b"\xff\xfe\n"

PAGE = b"## `lantern:1.0`\n\n**does not exist** (yet?)\n"
LINES = f"1.0: git://example.org/lantern@{A} 1.0\n".encode()
README = f"""\
# Supported tags and respective `Dockerfile` links

-\t[`1.0`, `latest`](https://github.com/example/lantern/blob/{A}/1.0/Dockerfile)

# What it is

Light.
""".encode()
HISTORY = f"""\
---
title: "lantern Image Tags History"
lastmod: 2024-06-10 00:50:47
---

| Tag (s)   | Last Changed | Digest |
|-----------|--------------|--------|
|  `latest` | June 9th     | `{DIGEST}` |
""".encode()

GOOD = {
    "repo-info": ("repos/lantern/remote/1.0.md", PAGE),
    "official-images": ("library/lantern", LINES),
    "docs-readme": ("lantern/README.md", README),
    "tags-history": ("reference/lantern/tags_history.md", HISTORY),
}
SOURCES = sorted(GOOD)
# A line that should not be there, in the middle of each kind of document, and where it stands.
MALFORMED = {
    "repo-info": (PAGE + b"more\n", 4),
    "official-images": (LINES + b"nonsense\n", 2),
    "docs-readme": (README.replace(b"`latest`]", b"`no tag`]"), 3),
    "tags-history": (HISTORY + f"|  `next` | June 31st    | `{DIGEST}` |\n".encode(), 9),
}


def other(path: str) -> str:
    """The place of another document of the same kind."""
    return path.replace("lantern", "other")


def two_documents(folder: Path, source: str, body: bytes) -> tuple[str, str]:
    """A repository with a good document and beside it *body*; the commit, and the path of *body*."""
    path, good = GOOD[source]
    for name, text in ((path, good), (other(path), body)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text)
    git(folder, "init", "-q")
    git(folder, "config", "uploadpack.allowFilter", "true")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "x")
    return git(folder, "rev-parse", "HEAD").strip(), other(path)


def run(data: Path, source: str, path: Path) -> int:
    return main(["--data", str(data), "--quiet", "import", source, str(path)])


def failures(data: Path) -> list[tuple[str, str, str]]:
    with open_store(data) as store:
        return store.sql("select locator, kind, message from stg_failure order by locator").rows()


def good_rows(data: Path) -> int:
    """What the good document left."""
    with open_store(data) as store:
        observed = "select count(*) from stg_tag_observation where repository like '%lantern%'"
        defined = "select count(distinct tag) from stg_tag_definition where repository like '%lantern%'"
        return int(store.sql(observed).item()) + int(store.sql(defined).item())


@pytest.mark.parametrize("source", SOURCES)
def test_a_malformed_line(tmp_path: Path, source: str) -> None:
    """Document, commit and line are named; the document beside it is there."""
    body, line = MALFORMED[source]
    commit, path = two_documents(tmp_path / "clone", source, body)
    assert run(tmp_path / "data", source, tmp_path / "clone") == 1
    ((locator, _, message),) = failures(tmp_path / "data")
    assert locator.startswith(f"{path}@{commit}") and f"line {line}" in message
    assert good_rows(tmp_path / "data") >= 1


@pytest.mark.parametrize("body", [b"", DAMAGED], ids=["empty", "not UTF-8"])
@pytest.mark.parametrize("source", SOURCES)
def test_a_document_that_says_nothing(tmp_path: Path, source: str, body: bytes) -> None:
    """An empty file and bytes that are no text: a failure each, and the document beside it is there."""
    commit, path = two_documents(tmp_path / "clone", source, body)
    assert run(tmp_path / "data", source, tmp_path / "clone") == 1
    ((locator, _, message),) = failures(tmp_path / "data")
    assert locator.startswith(f"{path}@{commit}") and "line 1" in message
    assert good_rows(tmp_path / "data") >= 1


@pytest.mark.parametrize("source", SOURCES)
def test_a_line_that_is_not_utf8(tmp_path: Path, source: str) -> None:
    """What stands around it is not lost, or it is named as lost; nothing breaks."""
    body = GOOD[source][1] + DAMAGED
    commit, path = two_documents(tmp_path / "clone", source, body)
    assert run(tmp_path / "data", source, tmp_path / "clone") in (0, 1)
    assert all(locator.startswith(f"{path}@{commit}") for locator, _, _ in failures(tmp_path / "data"))
    assert good_rows(tmp_path / "data") >= 1


@pytest.mark.parametrize("source", SOURCES)
def test_a_partial_clone(tmp_path: Path, source: str) -> None:
    """Documents whose contents are not there are failures that say what to do; those that are there are read."""
    two_documents(tmp_path / "clone", source, GOOD[source][1].replace(b"lantern", b"other"))
    git(tmp_path, "clone", "-q", "--no-checkout", "--filter=blob:none", (tmp_path / "clone").as_uri(), "partial")
    git(tmp_path / "partial", "cat-file", "-e", f"HEAD:{GOOD[source][0]}")  # fetches this one
    git(tmp_path / "partial", "config", "remote.origin.url", "file:///nowhere")
    assert run(tmp_path / "data", source, tmp_path / "partial") == 1
    ((locator, kind, message),) = failures(tmp_path / "data")
    assert locator.startswith(other(GOOD[source][0])) and kind == "missing-document" and "partial clone" in message
    assert good_rows(tmp_path / "data") >= 1
    git(tmp_path / "partial", "config", "remote.origin.url", (tmp_path / "clone").as_uri())
    git(tmp_path / "partial", "cat-file", "-e", f"HEAD:{other(GOOD[source][0])}")
    assert run(tmp_path / "data", source, tmp_path / "partial") == 0  # it was not taken for read


@pytest.mark.parametrize("foreign", SOURCES)
@pytest.mark.parametrize("source", SOURCES)
def test_a_file_of_another_system(
    tmp_path: Path, source: str, foreign: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Given as the one thing to read it is misuse: exit code 2, one sentence, no run."""
    path = tmp_path / "document.md"
    path.write_bytes(GOOD[foreign][1])
    options = ["--observed-at", "2024-06-11", "--repository", "example.org/x/lantern"]
    code = main(["--data", str(tmp_path / "data"), "--quiet", "import", source, str(path), *options])
    if source == foreign:
        assert code == 0
        return
    assert code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(path) in line or path.name in line
    assert Journal(tmp_path / "data" / "journal").run_ids() == []


@pytest.mark.parametrize("source", SOURCES)
def test_a_path_that_is_none_or_holds_nothing(tmp_path: Path, source: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and a sentence that names the path."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "prose").mkdir()
    (tmp_path / "prose" / "notes.txt").write_text("nothing to see\n")
    for name in ("nowhere", "empty", "prose"):
        assert run(tmp_path / "data", source, tmp_path / name) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert str(tmp_path / name) in line
    assert Journal(tmp_path / "data" / "journal").run_ids() == []


def test_a_repository_of_another_system(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A whole clone of one system given to the importers of the others."""
    for source in SOURCES:
        two_documents(tmp_path / source, source, GOOD[source][1])
    for source in SOURCES:
        for foreign in SOURCES:
            if source != foreign:
                assert run(tmp_path / "data", source, tmp_path / foreign) == 2, (source, foreign)
                assert str(tmp_path / foreign) in capsys.readouterr().err
