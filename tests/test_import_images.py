"""`imglab import oci-layout` and `docker-archive`: what is stored, shown and refused."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from archives import (
    APP,
    changed,
    crane,
    docker_24,
    local,
    one,
    saved,
    tar,
)
from command import quickly, rows
from population import (
    PLATFORMS,
    image,
)

from imglab.cli import main


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def stored(data: Path) -> list[tuple[object, ...]]:
    """How many rows of content there are, and of observations."""
    tables = ("blob", "manifest", "layer", "index_entry", "config", "history", "tag_observation")
    return [rows(data, f"select '{name}', count(*) from journal.{name}")[0] for name in tables]


@pytest.mark.parametrize("command", ["oci-layout", "docker-archive"])
def test_importing_again_adds_the_observation_alone(command: str, data: Path, tmp_path: Path) -> None:
    """Content is learnt once; the tag was seen once more, at the time that was given."""
    item = local(image(["base", "tool"]))
    files = {"oci-layout": one(f"{APP}:1.0", item), "docker-archive": docker_24(item, f"{APP}:1.0")}[command]
    path = saved(tmp_path, files)
    quickly(data, "import", command, path, "--observed-at", "2026-01-01")
    before = stored(data)
    said = quickly(data, "import", command, path, "--observed-at", "2026-01-09T12:00:00Z")
    assert "complete: 1 tag observation, 0 moves, 0 new documents" in said
    assert stored(data)[:-1] == before[:-1] and stored(data)[-1] == ("tag_observation", 2)
    query = "select tag, source, document, observation_count, valid_from::date::varchar, valid_to from tag_interval"
    assert rows(data, query) == [("1.0", command, str(path), 2, "2026-01-01", None)]
    assert quickly(data, "check").endswith(" checks found nothing\n")


def test_steps_of_an_image_of_docker_are_shown(data: Path, tmp_path: Path) -> None:
    """Layer by layer with the step that made it; the platform by the config; sizes are not known."""
    item = local(image(["base", "tool"], PLATFORMS[3]))
    quickly(data, "import", "docker-archive", saved(tmp_path, docker_24(item, "team/app:1.0")))
    question = ("--repository", "team/app", "--tag", "1.0", "--platform", "linux/arm64", "--format", "json")
    shown = json.loads(quickly(data, "ask", "layers", *question))
    assert [(layer["step_label"], layer["compressed_bytes"]) for layer in shown] == [
        ("RUN install base", None),
        ("RUN install tool", None),
    ]
    assert rows(data, "select compressed_bytes, layer_count, step_source from image") == [(None, 2, "stated")]
    assert rows(data, "select tag, compressed_bytes, layer_count from tag_image") == [("1.0", None, 2)]
    for name in ("layer_growth", "layers", "size_over_time", "architecture_sizes", "tags"):
        needed = {"layer_growth": 6, "layers": 6, "size_over_time": 4, "architecture_sizes": 4, "tags": 2}[name]
        quickly(data, "ask", name, *question[:needed], "--chart", tmp_path / f"{name}.json")
    page = quickly(data, "render", "repo-info", "team/app:1.0")
    assert "RUN install tool" in page and "docker pull" not in page
    assert quickly(data, "check").endswith(" checks found nothing\n")


def test_sizes_once_known_stay_known(data: Path, tmp_path: Path) -> None:
    """The same image saved by Docker, by crane, and by Docker again: in whatever order, its sizes are crane's."""
    item = local(image(["base", "tool"]))
    docker = saved(tmp_path, docker_24(item, f"{APP}:1.0"), "docker.tar")
    packed = saved(tmp_path, crane(item, f"{APP}:1.0"), "crane.tar")
    size = sum(len(part.body) for part in item.blobs[1:])
    for path, expected in ((docker, None), (packed, size), (docker, size), (packed, size)):
        quickly(data, "import", "docker-archive", path)
        assert rows(data, "select compressed_bytes from image") == [(expected,)]
    assert rows(data, "select count(*) from journal.manifest") == [(2,)]
    assert quickly(data, "check").endswith(" checks found nothing\n")


def refused(data: Path, capsys: pytest.CaptureFixture[str], *command: str | Path) -> tuple[int, str]:
    """The exit code and the one line of a command that does nothing."""
    capsys.readouterr()
    code = main(["--data", str(data), "--quiet", *map(str, command)])
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    return code, line


def test_what_cannot_be_imported_makes_no_run(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and one line: no such file, no archive, cut off, nothing named."""
    whole = saved(tmp_path, one("1.0"))
    cut = saved(tmp_path, gzip.compress(tar(one()))[:-200], "cut.tar.gz")
    text = saved(tmp_path, b"no archive", "notes.txt")
    unreadable = ((tmp_path / "none", "No such file"), (text, "must be a tar archive"), (cut, "cut off"))
    for command in ("oci-layout", "docker-archive"):
        for path, said in unreadable:
            code, line = refused(data, capsys, "import", command, path)
            assert code == 2 and said in line
    code, line = refused(data, capsys, "import", "oci-layout", whole)
    assert code == 2 and "give its repository with --repository" in line
    code, line = refused(data, capsys, "import", "oci-layout", whole, "--repository", "Team/App")
    assert code == 2 and "capitals" in line
    assert not (data / "journal").exists()


def test_what_is_partly_bad_is_partly_imported(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1 and a row for each failure; nothing good and something bad is exit code 3."""
    item = image(["base"])
    files = changed(one(item=item), item.blobs[0], None)
    assert refused(data, capsys, "import", "oci-layout", saved(tmp_path, files))[0] == 1
    assert rows(data, "select locator, kind from journal.failure") == [(f"{APP}@{item.blobs[0].digest}", "not-found")]
    lost = docker_24(local(item), f"{APP}:1.0")
    lost = {name: body for name, body in lost.items() if not name.endswith(".json") or name == "manifest.json"}
    assert refused(data, capsys, "import", "docker-archive", saved(tmp_path, lost, "lost.tar"))[0] == 3
