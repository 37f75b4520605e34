"""Bad input through the command: one clear line, nothing half done, and the next run works."""

from __future__ import annotations

import contextlib
import resource
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from command import Finished, arguments, environment, imglab, lines, marts, quickly, rows
from killing import resumable, wait_for_run
from population import Push, image, index, release
from registry import Registry, free_port, running

from imglab.journal import Journal
from imglab.records import Blob, Layer

pytestmark = pytest.mark.registry
APP = "team/app"


@pytest.fixture(scope="module")
def app(registry: Registry) -> str:
    """A repository with two tags of eight platforms."""
    for number in (1, 2):
        registry.push(index(APP, f"{number}.0", release(f"{number}"), attested=True))
    return f"{registry.name}/{APP}"


def only_line(done: Finished) -> str:
    """The one line on standard error."""
    (line,) = lines(done.err)
    return str(line)


def runs(data: Path) -> list[str]:
    return Journal(data / "journal").run_ids()


def leftovers(data: Path) -> list[str]:
    """What lies in the journal beside committed runs."""
    folder = data / "journal"
    return sorted(entry.name for entry in folder.iterdir() if entry.name not in runs(data)) if folder.exists() else []


def test_an_unreachable_registry(app: str, data: Path) -> None:
    """A closed port: one line, exit code 3, a failure row; what was known before stays as it was."""
    quickly(data, "snapshot", app)
    before = marts(data)
    closed = f"127.0.0.1:{free_port()}/{APP}"
    done = imglab(data, "--quiet", "snapshot", closed)
    assert (done.code, done.out) == (3, "")
    assert "unreachable" in only_line(done) and closed in only_line(done)
    failures = rows(data, "select locator, kind, status, is_temporary from journal.failure")
    assert failures == [(closed, "unreachable", None, True)]
    assert marts(data) == before
    assert "unreachable" in quickly(data, "failures", "--format", "csv")


def test_a_registry_that_dies_between_two_runs(data: Path, tmp_path: Path) -> None:
    """Its tags do not end when it cannot be asked; when it is back, the run works."""
    with running(tmp_path / "served") as server:
        server.push(image(["one"]).push(APP, "1.0"))
        name = f"{server.name}/{APP}"
        quickly(data, "snapshot", name)
    before = marts(data)
    assert imglab(data, "snapshot", name).code == 3
    assert marts(data) == before
    assert before["tag_interval"]


def test_an_unknown_repository(app: str, data: Path) -> None:
    """404 for the list: a failure row, exit code 3 alone and 1 beside another that works."""
    missing = app.replace(APP, "team/missing")
    done = imglab(data, "--quiet", "snapshot", missing)
    assert done.code == 3
    assert "404" in only_line(done) and "team/missing" in only_line(done)
    done = imglab(data, "--quiet", "snapshot", missing, app)
    assert done.code == 1
    assert "team/missing" in only_line(done)
    assert rows(data, "select count(distinct tag) from tag_interval") == [(2,)]
    assert rows(data, "select outcome, failures from journal.run order by run_id") == [("failed", 1), ("partial", 1)]


def test_an_unknown_tag(app: str, data: Path) -> None:
    """A tag asked for by name that is not there says so, and makes no interval and no image."""
    done = imglab(data, "--quiet", "snapshot", f"{app}:9.9")
    assert done.code == 3
    assert f"{app}:9.9" in only_line(done)
    assert rows(data, "select count(*) from tag_interval") == [(0,)]
    quickly(data, "snapshot", f"{app}:1.0")
    assert rows(data, "select tag from tag_interval") == [("1.0",)]


@pytest.mark.parametrize("reference", ["team/UPPER", "http://registry/app", ""])
def test_a_reference_that_is_none(data: Path, reference: str) -> None:
    """Misuse: exit code 2, one line, and no run."""
    done = imglab(data, "snapshot", reference)
    assert (done.code, done.out) == (2, "")
    assert only_line(done).startswith("imglab: ")
    assert not data.exists()


def test_a_file_in_the_way_of_the_data_folder(app: str, data: Path) -> None:
    """Where the data folder cannot be made: one line that names it, exit code 3; with the file gone the run works."""
    data.write_text("in the way")
    done = imglab(data, "--quiet", "snapshot", app)
    assert (done.code, done.out) == (3, "")
    assert str(data) in only_line(done)
    assert data.read_text() == "in the way"
    data.unlink()
    quickly(data, "snapshot", app)


def test_a_file_in_the_way_of_the_store(app: str, data: Path) -> None:
    """Where only the store cannot be written, the run is safe in the journal and comes with the next load."""
    data.mkdir()
    (data / "store").write_text("in the way")
    done = imglab(data, "--quiet", "snapshot", app)
    assert done.code == 0
    assert "not loaded yet" in only_line(done) and "safe in the journal" in only_line(done)
    assert len(runs(data)) == 1
    failed = imglab(data, "load")
    assert failed.code == 3 and str(data / "store") in only_line(failed)
    (data / "store").unlink()
    assert quickly(data, "load").startswith("1 run")
    assert rows(data, "select count(distinct tag) from tag_interval") == [(2,)]


def file_limit(size: int) -> Callable[[], None]:
    """What makes every file of a process end at *size* bytes, as a full disk does: writing beyond it is an error."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_no_room_for_the_journal(app: str, data: Path) -> None:
    """The run is refused as a whole: one line, exit code 3, nothing left behind, the earlier run intact."""
    quickly(data, "snapshot", f"{app}:1.0")
    before, kept = marts(data), runs(data)
    done = imglab(data, "--quiet", "snapshot", app, before=file_limit(1_000))
    assert (done.code, done.out) == (3, "")
    assert "cannot write the journal" in only_line(done)
    assert (runs(data), leftovers(data), marts(data)) == (kept, [], before)
    quickly(data, "snapshot", app)
    assert rows(data, "select count(distinct tag) from tag_interval") == [(2,)]


def test_no_room_for_the_store(app: str, data: Path) -> None:
    """Room for the journal but not for the store: the run is kept, the old store serves, a load catches up."""
    quickly(data, "snapshot", f"{app}:1.0")
    before = marts(data)
    done = imglab(data, "--quiet", "snapshot", app, before=file_limit(200_000))
    assert done.code == 0
    assert "not loaded yet" in only_line(done)
    assert len(runs(data)) == 2
    assert marts(data) == before
    assert not list((data / "store").glob(".next*"))
    assert quickly(data, "load").startswith("1 run")
    assert rows(data, "select count(distinct tag) from tag_interval") == [(2,)]


@pytest.mark.parametrize("kept", [slice(0), slice(100)])
def test_a_damaged_file_of_the_journal(app: str, data: Path, kept: slice) -> None:
    """Its run is left out and named, others are there, and what it alone described is fetched again."""
    quickly(data, "snapshot", f"{app}:1.0")
    quickly(data, "snapshot", f"{app}:2.0")
    (broken,) = Journal(data / "journal").files(Layer, runs(data)[:1])
    broken.write_bytes(broken.read_bytes()[kept])
    done = imglab(data, "rebuild")
    assert done.code == 1
    assert str(broken) in only_line(done)
    assert rows(data, "select tag from tag_interval") == [("2.0",)]
    done = imglab(data, "--quiet", "snapshot", app)
    assert done.code == 0
    assert str(broken) in only_line(done)
    assert rows(data, "select tag, count(compressed_bytes) from tag_image group by tag order by tag") == [
        ("1.0", 8),
        ("2.0", 8),
    ]


def test_damage_within_a_file_of_the_journal(app: str, data: Path) -> None:
    """A file that looks whole but cannot be read does the same: no trace, its run left out, the rest at work."""
    quickly(data, "snapshot", f"{app}:1.0")
    quickly(data, "snapshot", f"{app}:2.0")
    (broken,) = Journal(data / "journal").files(Blob, runs(data)[:1])
    body = broken.read_bytes()
    half = len(body) // 2
    broken.write_bytes(body[:4] + b"\x5a" * half + body[4 + half :])
    done = imglab(data, "--quiet", "snapshot", f"{app}:1.0")
    assert (done.code, done.err) == (0, "")  # what was loaded before the damage is in the store still
    assert imglab(data, "rebuild").code == 1
    assert {row[0] for row in rows(data, "select tag from tag_image")} == {"1.0", "2.0"}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stop_keeps_what_was_read(app: str, data: Path, number: signal.Signals, code: int) -> None:
    """Control-C or SIGTERM in a run: one line and no run yet; the next run makes one of what was read, and goes on."""
    with subprocess.Popen(
        arguments(data, "--quiet", "snapshot", app), stderr=subprocess.PIPE, text=True, env=environment()
    ) as process:
        wait_for_run(data, process)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    words = "imglab: stopped; what was read is kept, and the next run goes on"
    assert (process.returncode, lines(err), runs(data)) == (code, [words], [])
    were_read = len(resumable(data))
    quickly(data, "snapshot", app)
    assert (len(runs(data)), leftovers(data)) == (1 + were_read, [])
    assert rows(data, "select count(distinct tag) from tag_interval") == [(2,)]


def test_a_damaged_store(app: str, data: Path) -> None:
    """A store file that is none is made again from the journal by the next snapshot."""
    quickly(data, "snapshot", app)
    before = marts(data)
    (data / "imglab.duckdb").resolve().write_bytes(b"no database")
    done = imglab(data, "sql", "select 1")
    assert done.code == 3
    assert "rebuild" in only_line(done)
    quickly(data, "rebuild")
    assert marts(data) == before


def test_nothing_was_ever_loaded(data: Path) -> None:
    """Questions to an empty folder are misuse, and say how to begin."""
    for command in (("status",), ("ask", "tags")):
        done = imglab(data, *command)
        assert done.code == 2
        assert "imglab demo" in only_line(done)


def test_bytes_that_changed_on_the_registrys_disk(data: Path, tmp_path: Path) -> None:
    """A document that no longer matches its digest is refused and named; the rest of the run is kept."""
    with running(tmp_path / "served") as server:
        bad, fine = image(["bad"]), image(["fine"])
        server.push(bad.push(APP, "bad"))
        server.push(fine.push(APP, "fine"))
        spoil(tmp_path / "served", bad.push(APP, None), bad.blobs[0].digest)
        done = imglab(data, "--quiet", "snapshot", f"{server.name}/{APP}")
    assert done.code == 1
    assert bad.blobs[0].digest in only_line(done)
    failures = rows(data, "select locator from journal.failure")
    assert failures == [(f"{server.name}/{APP}@{bad.blobs[0].digest}",)]
    assert rows(data, "select count(*) from journal.blob where digest = $digest", {"digest": bad.blobs[0].digest}) == [
        (0,)
    ]
    assert {row[0] for row in rows(data, "select tag from tag_interval")} == {"bad", "fine"}
    assert quickly(data, "check").endswith(" checks found nothing\n")


def spoil(folder: Path, push: Push, digest: str) -> None:
    """Change one byte of a blob where the registry keeps it."""
    value = digest.partition(":")[2]
    (path,) = (folder / "content").rglob(f"blobs/sha256/{value[:2]}/{value}/data")
    body = path.read_bytes()
    with contextlib.suppress(FileNotFoundError):
        path.write_bytes(body.replace(b"PATH", b"PARH"))
    assert path.read_bytes() != body


def test_files_that_are_no_pages(data: Path, tmp_path: Path) -> None:
    """What cannot be imported is one line: a missing path, an empty folder, a file that is no page."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "page.md").write_bytes(b"\xff\xfe not a page")
    (tmp_path / "history.bundle").write_bytes(b"# v2 git bundle\nnothing")
    for name in ("missing", "empty", "page.md", "history.bundle"):
        done = imglab(data, "--quiet", "import", "repo-info", tmp_path / name)
        assert done.code in {1, 2, 3}, name
        assert len(lines(done.err)) == 1, (name, done.err)
