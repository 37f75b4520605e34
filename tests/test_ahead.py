"""What a run brings is written ahead: a run whose process dies is resumed, and nothing of it is lost or doubled."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from made import REPOSITORY, commit, config, day, digest, image, index, seen

from imglab.ahead import Abandoned, Ahead, Origin, abandoned
from imglab.cli import main
from imglab.data import open_store
from imglab.errors import JournalError
from imglab.journal import Journal, schema
from imglab.records import RECORDS, Blob, Failure, Layer, Listing, Record, TagObservation
from imglab.runs import Traffic, recover, take
from imglab.store import Paths

ORIGIN = Origin("registry", "example.org/x", datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC))
DOCUMENT = [Blob(digest("a1"), "x/y", b"\x00\xff{}\n"), *image("a1", [3, 4])]


def whole(record: type[Record]) -> Record:
    """A record of this class with a value of its type in each column."""
    values = {
        pl.String(): 'ä"\n\u2028',
        pl.Int64(): 1 << 60,
        pl.Boolean(): True,
        pl.Binary(): bytes(range(256)),
        pl.Datetime("us", "UTC"): datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
        pl.List(pl.String()): ["a", "ä\n"],
    }
    return record(*(values[kind] for name, kind in schema(record).items() if name != "run_id"))


def written(path: Path, records: list[Record]) -> Abandoned:
    """What is found of a run that brought *records* and one more, and died."""
    ahead = Ahead(path, ORIGIN)
    for record in [*records, Failure("next", "x", None, "x", False)]:
        ahead.add(record)
    ahead.close()
    left = abandoned("run", path)
    assert left
    return left


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.table)
def test_every_record_survives(tmp_path: Path, record: type[Record]) -> None:
    """With every type of value, and with nulls."""
    nulls = dataclasses.replace(whole(record), **{field.name: None for field in dataclasses.fields(record)})
    told = [seen("a", "a1", day(1)), whole(record), nulls]
    left = written(tmp_path / "ahead", told)
    assert list(left.records()) == told
    assert left.origin == ORIGIN


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_line_that_is_cut_off_does_not_count(tmp_path: Path, cut: int) -> None:
    """A group is there whole or not at all."""
    path = tmp_path / "ahead"
    written(path, [seen("a", "a1", day(1)), *DOCUMENT])
    path.write_bytes(path.read_bytes()[:-cut])
    left = abandoned("run", path)
    assert left and list(left.records()) == [seen("a", "a1", day(1))]


def test_the_last_group_counts_once_it_is_complete(tmp_path: Path) -> None:
    """A process that dies while it commits has written down everything that it brought."""
    ahead = Ahead(tmp_path / "ahead", ORIGIN)
    for record in DOCUMENT:
        ahead.add(record)
    assert abandoned("run", tmp_path / "ahead") is None
    ahead.complete()
    ahead.close()
    left = abandoned("run", tmp_path / "ahead")
    assert left and list(left.records()) == DOCUMENT


@pytest.mark.parametrize("text", ["", "[", '["registry","x","2026-01-01T00:00:00+00:00"]\n', "{}\n[]\n", "[1,2]\n[]\n"])
def test_what_brought_nothing_is_nothing(tmp_path: Path, text: str) -> None:
    """A process that died before its first group, or a file that is something else."""
    (tmp_path / "ahead").write_text(text)
    assert abandoned("run", tmp_path / "ahead") is None
    assert abandoned("run", tmp_path / "missing") is None


def broken_off(data: Path, records: list[Record], error: BaseException) -> None:
    """A run that brings *records* and then ends in *error*."""

    def told() -> Iterator[Record]:
        yield from records
        raise error

    with pytest.raises(type(error)):
        take(data, source="registry", target="x", records=told(), traffic=Traffic, now=lambda: day(1))


def rows(data: Path) -> dict[str, list[tuple[object, ...]]]:
    """All rows of the journal but runs and failures, without the names of runs."""
    journal = Journal(Paths(data).journal)
    tables = [record for record in RECORDS if record.table not in ("run", "failure")]
    return {record.table: sorted(journal.scan(record).drop("run_id").collect().rows(), key=str) for record in tables}


def test_a_stopped_run_is_kept_by_the_next(tmp_path: Path) -> None:
    """Its complete groups become a partial run under its own name; the last group is fetched again."""
    told = [Listing("r", day(1), True), seen("a", "a1", day(1)), *DOCUMENT, Blob(digest("c1"), None, b"{}")]
    broken_off(tmp_path, told, KeyboardInterrupt())
    journal = Journal(Paths(tmp_path).journal)
    assert journal.run_ids() == []
    (left,) = (path.name for path in journal.root.glob(".*.tmp"))
    recover(tmp_path)
    assert journal.run_ids() == [left.strip(".").removesuffix(".tmp")]
    assert [path.name for path in journal.root.iterdir()] == journal.run_ids()
    assert not list(journal.root.rglob("ahead*"))
    (run,) = journal.scan(RECORDS[0]).collect().rows(named=True)
    assert (run["outcome"], run["tags"], run["manifests"], run["failures"]) == ("partial", 1, 1, 1)
    assert (run["requests"], run["received_bytes"]) == (None, None)  # nobody knows any more
    assert journal.scan(Blob).collect()["digest"].to_list() == [digest("a1")]
    assert journal.scan(Layer).collect().height == 2
    recover(tmp_path)
    assert len(journal.run_ids()) == 1


def test_what_a_stopped_run_kept_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before there is a store one learns how to get at it; who goes on says from where, unless told to be quiet."""
    told = [seen("a", "a1", day(1)), *DOCUMENT, seen("b", "a1", day(1))]
    for quiet in ((), ("--quiet",)):
        data = tmp_path / f"data{len(quiet)}"
        broken_off(data, told, KeyboardInterrupt())
        assert main(["--data", str(data), "status"]) == 2
        assert "was stopped and has left something: `imglab load` takes that in" in capsys.readouterr().err
        assert main(["--data", str(data), *quiet, "load"]) == 0
        said = capsys.readouterr().err
        assert said == "" if quiet else ": 1 tags and 1 documents are kept" in said
        assert main(["--data", str(data), "runs", "--format", "csv"]) == 0
        assert ",partial,1,0,1,,,1," in capsys.readouterr().out


def test_a_stopped_run_ends_no_tag(tmp_path: Path) -> None:
    """It had listed the tags, and looked up one of them: the other is not gone for that."""
    both = [seen("a", "a1", day(1)), seen("b", "a1", day(1))]
    commit(tmp_path, day(1), [Listing(REPOSITORY, day(1), True), *both])
    told = [Listing(REPOSITORY, day(2), True), seen("a", "a1", day(2)), seen("b", "a1", day(2))]
    broken_off(tmp_path, told, KeyboardInterrupt())
    recover(tmp_path)
    listings = Journal(Paths(tmp_path).journal).scan(Listing).sort("observed_at").collect()
    assert listings["is_complete"].to_list() == [True, False]
    with open_store(tmp_path) as store:
        assert store.sql("select tag, valid_to from tag_interval order by tag").rows() == [("a", None), ("b", None)]


def test_a_recovery_that_dies_is_done_again(tmp_path: Path) -> None:
    """Until it has committed, what it recovers from stays; and what it left behind goes."""
    broken_off(tmp_path, [seen("a", "a1", day(1)), *DOCUMENT, seen("b", "a1", day(1))], KeyboardInterrupt())
    journal = Journal(Paths(tmp_path).journal)
    for left in journal.abandoned():
        with pytest.raises(ZeroDivisionError), journal.resume(left) as writer:
            for record in left.records():
                writer.add(record)
            raise ZeroDivisionError
        break
    assert journal.run_ids() == []
    recover(tmp_path)
    assert journal.scan(TagObservation).collect().height == 1
    assert [path.name for path in journal.root.iterdir()] == journal.run_ids()


def test_what_was_committed_is_not_resumed(tmp_path: Path) -> None:
    """A process that died between its commit and the end left nothing to do."""
    take(tmp_path, source="registry", target="x", records=[seen("a", "a1", day(1)), *DOCUMENT], traffic=Traffic)
    journal = Journal(Paths(tmp_path).journal)
    (run_id,) = journal.run_ids()
    folder = journal.root / f".{run_id}.tmp"
    folder.mkdir()
    written(folder / "ahead.jsonl", DOCUMENT)
    folder.with_suffix(".lock").touch()
    recover(tmp_path)
    assert journal.run_ids() == [run_id]
    assert journal.scan(Blob).collect().height == 1
    assert not folder.exists()


def test_a_full_disk_gets_its_room_back(tmp_path: Path) -> None:
    """A run that cannot be written leaves nothing, whatever it had brought."""
    broken_off(tmp_path, [seen("a", "a1", day(1)), seen("b", "a1", day(1))], JournalError("no room"))
    assert list(Paths(tmp_path).journal.iterdir()) == []


def test_runs_without_requests_are_not_written_ahead(tmp_path: Path) -> None:
    """Documents are read again in seconds; half a history would be a wrong one."""

    def told() -> Iterator[Record]:
        yield seen("a", "a1", day(1))
        yield seen("b", "a1", day(1))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take(tmp_path, source="repo-info", target="x", records=told())
    assert list(Paths(tmp_path).journal.iterdir()) == []


def test_resuming_gives_what_an_undisturbed_run_gives(tmp_path: Path) -> None:
    """Stopped after any record and taken up again: the same content, each digest once."""
    content = [index("e1", [("a1", "linux/amd64")]), image("a1", [3]), config("a1", [("RUN x", False)])]
    names = ["e1", "a1", "ca1"]
    groups = [[Blob(digest(name), "x", b"{}"), *part] for name, part in zip(names, content, strict=True)]
    everything: list[Record] = [seen("a", "e1", day(1)), *(record for group in groups for record in group)]
    take(tmp_path / "whole", source="registry", target="x", records=everything, traffic=Traffic, now=lambda: day(1))
    for stop in range(1, len(everything)):
        data = tmp_path / str(stop)
        broken_off(data, everything[:stop], KeyboardInterrupt())
        recover(data)
        held = set(Journal(Paths(data).journal).scan(Blob).collect()["digest"])
        rest = [group for group in groups if isinstance(group[0], Blob) and group[0].digest not in held]
        commit(data, day(1), [record for group in rest for record in group])
        expected = rows(tmp_path / "whole")
        found = rows(data)
        assert {**found, "tag_observation": []} == {**expected, "tag_observation": []}, stop
