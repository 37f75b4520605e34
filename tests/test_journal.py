"""The journal: runs count when committed, whole or not at all."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from made import commit, day, digest, image, seen

from imglab import journal as journal_module
from imglab.errors import JournalError
from imglab.journal import Journal, schema
from imglab.records import RECORDS, DocumentVersion, Layer, Record, Rows, Run, TagObservation

WRITE_TOO_MUCH = """
import datetime, os, pathlib, resource, signal, sys
from imglab.journal import Journal
from imglab.records import Blob

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
with Journal(pathlib.Path(sys.argv[1])).begin(now=datetime.datetime.now(datetime.UTC)) as writer:
    writer.add(Blob("sha256:0", None, os.urandom(1_000_000)))
    writer._flush()
"""


def test_a_committed_run_reads_back_row_for_row(tmp_path: Path) -> None:
    """What is added is what is scanned, with the run's name in front."""
    run_id = commit(tmp_path, day(1), [seen("latest", "a1", day(1)), *image("a1", [3, 4])])
    journal = Journal(tmp_path / "journal")
    assert journal.run_ids() == [run_id]
    layers = journal.scan(Layer).collect()
    assert layers["run_id"].to_list() == [run_id, run_id]
    assert layers["compressed_bytes"].to_list() == [3, 4]
    assert journal.scan(TagObservation).collect()["observed_at"].to_list() == [day(1)]


def test_many_rows_at_once(tmp_path: Path) -> None:
    """What is not named is null; runs of rows add up, and go together with single records."""
    columns = {"manifest_digest": ["x", "x", "y"], "position": [0, 1, 0], "digest": ["b", "c", "a"]}
    rows = Rows(Layer, {**columns, "last_modified_at": [day(1), day(1), None]})
    journal = Journal(tmp_path)
    with journal.begin(now=day(1)) as writer:
        writer.add(rows)
        writer.add(Layer("z", 0, "d"))
        writer.add(rows)
        run_id = writer.commit(Run("registry", "made up", day(1), day(1), "complete", 0, 0, 0, 0, 0, 0, "0"))
    names = ("run_id", "manifest_digest", "position", "digest", "last_modified_at", "compressed_bytes")
    half = [(run_id, "x", 0, "b", day(1), None), (run_id, "x", 1, "c", day(1), None), (run_id, "y", 0, "a", None, None)]
    found = journal.scan(Layer).select(names).collect().rows()
    assert sorted(found, key=str) == sorted([*half, *half, (run_id, "z", 0, "d", None, None)], key=str)


def test_read_versions_are_those_kept_and_those_observed(tmp_path: Path) -> None:
    """A version counts as read if it was kept, or if an observation names it."""
    seen_there = seen("latest", "a1", day(1), document="p.md", document_revision="1")
    kept = [DocumentVersion("q", "2", day(1), "x"), DocumentVersion("plain", None, day(1), "x")]
    commit(tmp_path, day(1), [seen_there, *kept])
    assert Journal(tmp_path / "journal").read_versions() == {("p.md", "1"), ("q", "2")}


def test_every_record_has_a_flat_schema() -> None:
    """Every table can be written: each field has one of the allowed types, run_id first."""
    for record in RECORDS:
        columns = schema(record)
        assert next(iter(columns)) == "run_id"
        assert len(columns) > 1


def test_a_run_that_is_left_early_leaves_nothing(tmp_path: Path) -> None:
    """An exception inside the writer removes what was written so far."""
    journal = Journal(tmp_path / "journal")
    with pytest.raises(ZeroDivisionError), journal.begin(now=day(1)) as writer:
        writer.add(seen("latest", "a1", day(1)))
        writer._flush()
        _ = 1 / 0
    assert journal.run_ids() == []
    assert list(journal.root.iterdir()) == []


def test_many_rows_are_written_in_parts_and_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows beyond the buffer go to the disk on the way and end in one file, in order."""
    monkeypatch.setattr(journal_module, "_FLUSH_ROWS", 10)
    commit(tmp_path, day(1), [Layer(digest("a"), position, digest("b")) for position in range(95)])
    journal = Journal(tmp_path / "journal")
    assert journal.scan(Layer).collect()["position"].to_list() == list(range(95))
    assert [path.name for path in journal.files(Layer)] == ["layer.parquet"]
    assert len(list(journal.files(Layer)[0].parent.iterdir())) == 2


def test_a_folder_without_its_run_file_does_not_count(tmp_path: Path) -> None:
    """On storage without atomic renames the run file is the commit."""
    run_id = commit(tmp_path, day(1), image("a1", [3]))
    (tmp_path / "journal" / run_id / "run.parquet").unlink()
    assert Journal(tmp_path / "journal").run_ids() == []


def test_columns_that_an_old_run_lacks_are_null(tmp_path: Path) -> None:
    """A column added later reads as null in runs from before."""
    run_id = commit(tmp_path, day(1), image("a1", [3]))
    path = tmp_path / "journal" / run_id / "layer.parquet"
    pl.read_parquet(path).drop("is_foreign").write_parquet(path)
    assert Journal(tmp_path / "journal").scan(Layer).collect()["is_foreign"].to_list() == [None]


def test_files_that_are_no_parquet_are_passed_over(tmp_path: Path) -> None:
    """One broken file does not hide the other runs."""
    broken = commit(tmp_path, day(1), image("a1", [3]))
    commit(tmp_path, day(2), image("a2", [5]))
    (tmp_path / "journal" / broken / "layer.parquet").write_bytes(b"not Parquet")
    assert Journal(tmp_path / "journal").scan(Layer).collect()["compressed_bytes"].to_list() == [5]


def test_an_unwritable_place_is_one_clear_error(tmp_path: Path) -> None:
    """A data folder that is a file gives a JournalError that names it."""
    (tmp_path / "journal").write_text("in the way")
    with (
        pytest.raises(JournalError, match=r"cannot write the journal in .*journal"),
        Journal(tmp_path / "journal").begin(now=day(1)),
    ):
        pass


def test_a_full_disk_leaves_earlier_runs_as_they_were(tmp_path: Path) -> None:
    """Where the system refuses to write, the run is gone and the former one stays."""
    first = commit(tmp_path, day(1), image("a1", [3]))
    journal = Journal(tmp_path / "journal")

    child = subprocess.run([sys.executable, "-c", WRITE_TOO_MUCH, str(journal.root)], timeout=60, capture_output=True)
    assert b"cannot write the journal" in child.stderr
    assert journal.run_ids() == [first]
    assert [path.name for path in journal.root.iterdir()] == [first]


def test_folders_of_dead_writers_are_removed_and_living_ones_kept(tmp_path: Path) -> None:
    """A writer's lock tells whether it is alive."""
    journal = Journal(tmp_path / "journal")
    with journal.begin(now=day(1)) as alive:
        (journal.root / ".dead.tmp").mkdir()
        (journal.root / ".dead.lock").touch()
        (journal.root / ".never-begun.lock").touch()
        assert list(journal.abandoned()) == []
        left = {path.name for path in journal.root.iterdir()}
        assert left == {f".{alive.run_id}.tmp", f".{alive.run_id}.lock"}
    assert list(journal.root.iterdir()) == []


def test_digests_known_from_other_sources(tmp_path: Path) -> None:
    """What only one source described can be left out of what is known."""
    commit(tmp_path, day(1), image("a1", [3]), source="docker-hub")
    commit(tmp_path, day(2), image("a2", [5]), source="registry")
    journal = Journal(tmp_path / "journal")
    assert journal.known_digests() == {digest("a1"), digest("a2")}
    assert journal.known_digests(besides="docker-hub") == {digest("a2")}


def typed(rows: list[Record]) -> list[Record]:
    """*rows* with a media type for each layer."""
    return [replace(row, media_type="x") if isinstance(row, Layer) else row for row in rows]


def test_digests_known_from_pages_that_tell_all(tmp_path: Path) -> None:
    """What pages told without the types of layers, or with types that schema 1 has not, may be told again."""
    old, other_old = image("a3", [6], kind="schema1"), image("a4", [7], kind="schema1")
    for number, rows in enumerate([image("a1", [3]), typed(image("a2", [5])), typed(old), other_old], 1):
        commit(tmp_path, day(number), rows, source="repo-info")
    commit(tmp_path, day(5), image("a5", [8]), source="registry")
    journal = Journal(tmp_path / "journal")
    assert journal.known_digests() == {digest("a2"), digest("a4"), digest("a5")}
    commit(tmp_path, day(6), image("a1", [3]), source="registry")
    assert digest("a1") in journal.known_digests()


@pytest.mark.parametrize("damage", [slice(4, 400), slice(-60, -8), slice(-100, None), slice(0, None)])
def test_a_damaged_run_is_passed_over_as_a_whole(tmp_path: Path, damage: slice) -> None:
    """What a damaged run described does not count as known, wherever the damage is: it is fetched again."""
    damaged = commit(tmp_path, day(1), image("a1", [3, 4]))
    commit(tmp_path, day(2), image("a2", [5]))
    path = tmp_path / "journal" / damaged / "manifest.parquet"
    body = bytearray(path.read_bytes())
    body[damage] = b"\x5a" * len(body[damage])
    path.write_bytes(body)
    journal = Journal(tmp_path / "journal")
    assert journal.known_digests() == {digest("a2")}
    assert journal.collect(lambda: journal.scan(Layer))["compressed_bytes"].to_list() == [5]
    assert journal.damaged_files() == [path]
