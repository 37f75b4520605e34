"""The store: derived from the journal, published whole, followed by readers."""

from __future__ import annotations

import fcntl
import shutil
from pathlib import Path

import duckdb
import pytest
from made import REPOSITORY, commit, config, day, defined, definition, image, index, seen

from imglab import queries
from imglab.data import open_store
from imglab.errors import StoreBusy, StoreEmpty, StoreError, UsageError
from imglab.journal import Journal
from imglab.records import Listing
from imglab.store import CHECKS, MARTS, Paths, Store, load


def marts(store: Store) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all marts, sorted."""
    return {mart.name: store.sql(f"select * from {mart.name} order by all").rows() for mart in MARTS}


def fill(data: Path, order: list[int] | None = None) -> None:
    """Four runs: two listings of a registry with a move, an end and a new tag between, and pages about older times."""
    first = [
        Listing(REPOSITORY, day(10), True),
        *(seen("latest", "e1", day(10)), seen("old", "a1", day(10))),
        *index("e1", [("a1", "linux/amd64"), ("a2", "linux/arm64"), ("ab", None)]),
        *image("a1", [3, 4]),
        *config("a1", [("ADD x", False), ("RUN y", False)]),
        *image("a2", [2, 4]),
        *(definition("1"), defined("old", "1", day(10)), defined("latest", "1", day(10))),
    ]
    second = [
        Listing(REPOSITORY, day(12), True),
        *(seen("latest", "e2", day(12)), seen("new", "e2", day(12))),
        *index("e2", [("a3", "linux/amd64"), ("a2", "linux/arm64")]),
        *image("a3", [3, 9]),
        *config("a2", [("ADD x", False), ("CMD z", True), ("RUN y", False)], platform="linux/arm64"),
        *(definition("2"), defined("old", None, day(12)), defined("latest", "2", day(12))),
    ]
    pages = [
        *(seen("latest", "a1", day(5), document="p.md"), seen("latest", "e1", day(11), document="p.md")),
        *image("a1", [3, 4]),
        *image("a3", [3, 9]),
        *config("a3", [("ADD x", None), ("ENV z", None), ("RUN y", None)]),
        *(definition("1"), definition("2"), defined("old", "2", day(11)), defined("latest", "1", day(11))),
    ]
    last = [seen("old", None, day(13), is_absent=True), definition("1"), defined("latest", "1", day(13))]
    runs = [(first, "registry"), (second, "registry"), (pages, "repo-info"), (last, "registry")]
    for number in order or range(4):
        commit(data, day(20 + number), runs[number][0], source=runs[number][1])


def test_a_rebuild_gives_the_same_rows_as_loading_run_by_run(tmp_path: Path) -> None:
    """What is refreshed bit by bit equals what is made from nothing."""
    for number in range(4):
        fill(tmp_path, [number])
        assert load(tmp_path).runs == 1
    with open_store(tmp_path) as store:
        before = marts(store)
        assert load(tmp_path, rebuild=True).runs == 4
        assert marts(store) == before
        assert before["tag_interval"]


@pytest.mark.parametrize("order", [(3, 2, 1, 0), (2, 0, 3, 1), (1, 3, 0, 2), (0, 2, 3, 1)])
def test_the_order_of_arrival_does_not_matter(tmp_path: Path, order: tuple[int, ...]) -> None:
    """Runs loaded one by one in any order give the same marts."""
    fill(tmp_path / "straight")
    load(tmp_path / "straight")
    for number in order:
        fill(tmp_path / "mixed", [number])
        load(tmp_path / "mixed")
    with open_store(tmp_path / "straight") as straight, open_store(tmp_path / "mixed") as mixed:
        for name, rows in marts(straight).items():
            run_ids = ("run_id",)
            columns = [name for name in straight.sql(f"select * from {name} limit 0").columns if name not in run_ids]
            text = f"select {', '.join(columns)} from {name} order by all"
            assert mixed.sql(text).rows() == straight.sql(text).rows()
            assert rows
        assert [mixed.check(name).height for name in CHECKS] == [0] * len(CHECKS)


def test_a_deleted_store_comes_back(tmp_path: Path) -> None:
    """Deleting the link, or everything but the journal, loses nothing."""
    fill(tmp_path)
    load(tmp_path)
    with open_store(tmp_path) as store:
        before = marts(store)
    Paths(tmp_path).link.unlink()
    with open_store(tmp_path) as store:
        assert marts(store) == before
    shutil.rmtree(Paths(tmp_path).store)
    with open_store(tmp_path) as store:
        assert marts(store) == before


def test_a_load_with_too_little_memory_takes_more(tmp_path: Path) -> None:
    """Memory that does not suffice, from nothing or for one more run, costs time and no rows."""
    fill(tmp_path / "free")
    load(tmp_path / "free")
    shutil.copytree(tmp_path / "free" / "journal", tmp_path / "tight" / "journal")
    with Store.in_memory(Journal(tmp_path / "free" / "journal")) as store:
        expected = marts(store)
    last = max((tmp_path / "tight" / "journal").iterdir())
    last.rename(tmp_path / last.name)
    assert load(tmp_path / "tight", memory="1MB").runs == 3
    (tmp_path / last.name).rename(last)
    loaded = load(tmp_path / "tight", memory="1MB")
    assert (loaded.runs, loaded.is_rebuild) == (1, False)
    for data in (tmp_path / "free", tmp_path / "tight"):
        with open_store(data) as store:
            assert marts(store) == expected


def test_a_load_with_little_memory_takes_images_in_parts(tmp_path: Path) -> None:
    """More than fit one part: the same images and layers as at once, from nothing and for some of them again."""
    names = [f"{number:x}f" for number in range(10_500)]
    commit(tmp_path, day(10), [record for name in names for record in image(name, [1, 2])])
    commit(tmp_path, day(11), [seen("latest", names[7], day(11)), *image(names[7], [1, 2])])
    assert load(tmp_path, memory="250MB").runs == 2
    with open_store(tmp_path) as store, Store.in_memory(Journal(tmp_path / "journal")) as expected:
        assert store.sql("select count(*) from image").item() == len(names)
        assert store.sql("select count(*) from image_layer").item() == 2 * len(names)
        assert marts(store) == marts(expected)


def test_what_a_dead_load_left_is_cleared(tmp_path: Path) -> None:
    """A file that is half made and what memory had no room for do not hinder the next load, which removes them."""
    fill(tmp_path)
    left = Paths(tmp_path).store / ".next.duckdb.tmp"
    left.mkdir(parents=True)
    (left / "duckdb_temp_storage-0.tmp").write_bytes(b"spilt")
    (Paths(tmp_path).store / ".next.duckdb").write_bytes(b"half")
    assert load(tmp_path).runs == 4
    assert list(Paths(tmp_path).store.glob(".next*")) == []


def test_a_damaged_store_is_made_again(tmp_path: Path) -> None:
    """A published file that DuckDB cannot open is replaced at the next load."""
    fill(tmp_path)
    load(tmp_path)
    published = Paths(tmp_path).published()
    assert published
    published.write_bytes(b"no database")
    assert load(tmp_path).is_rebuild
    with open_store(tmp_path) as store:
        assert store.sql("select count(*) from image").item() == 3


def test_readers_follow_new_runs(tmp_path: Path) -> None:
    """A store that is open sees the run that was loaded last, and an idle connection does not hinder the load."""
    fill(tmp_path, [0])
    load(tmp_path)
    with open_store(tmp_path) as store:
        assert store.sql("select count(*) from loaded_run").item() == 1
        idle = duckdb.connect(str(Paths(tmp_path).link), read_only=True)
        for number in (1, 2, 3):
            fill(tmp_path, [number])
            load(tmp_path)
            assert store.sql("select count(*) from loaded_run").item() == number + 1
        assert idle.execute("select count(*) from loaded_run").fetchone() == (1,)
        idle.close()
    assert len(list(Paths(tmp_path).store.glob("imglab-*.duckdb"))) == 2


def test_two_loaders_do_not_meet(tmp_path: Path) -> None:
    """While one process loads, another says so, and what it wanted to load waits in the journal."""
    fill(tmp_path)
    Paths(tmp_path).store.mkdir()
    with (Paths(tmp_path).store / "load.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(StoreBusy, match="another process is loading"):
            load(tmp_path, wait_seconds=0.1)
    assert load(tmp_path).runs == 4


def test_a_run_with_a_broken_file_is_left_out_and_named(tmp_path: Path) -> None:
    """One broken Parquet file costs its run, not the load; repaired, the run is loaded next time."""
    fill(tmp_path)
    first = Journal(tmp_path / "journal").run_ids()[0]
    broken = tmp_path / "journal" / first / "layer.parquet"
    good = broken.read_bytes()
    broken.write_bytes(good[: len(good) // 2])
    loaded = load(tmp_path)
    assert loaded.runs == 3
    assert loaded.unreadable == (str(broken),)
    broken.write_bytes(good)
    assert load(tmp_path).runs == 1


def test_damage_within_a_file_costs_its_run_only(tmp_path: Path) -> None:
    """A file that begins and ends well but cannot be read between costs its run, not the load, and is named."""
    fill(tmp_path)
    first = Journal(tmp_path / "journal").run_ids()[0]
    broken = tmp_path / "journal" / first / "layer.parquet"
    good = broken.read_bytes()
    broken.write_bytes(good[:4] + b"\x5a" * (len(good) // 2) + good[4 + len(good) // 2 :])
    for rebuild in (False, True):
        loaded = load(tmp_path, rebuild=rebuild)
        assert loaded.unreadable == (str(broken),)
        with open_store(tmp_path) as store:
            assert store.sql("select count(*) from loaded_run").item() == 3
    broken.write_bytes(good)
    assert load(tmp_path).runs == 1


def test_a_run_that_left_the_journal_leaves_the_store(tmp_path: Path) -> None:
    """The journal is the truth: what is no longer in it is no longer in the store."""
    fill(tmp_path)
    load(tmp_path)
    shutil.rmtree(tmp_path / "journal" / Journal(tmp_path / "journal").run_ids()[-1])
    assert load(tmp_path).is_rebuild
    with open_store(tmp_path) as store:
        assert store.sql("select count(*) from loaded_run").item() == 3


def test_nothing_loaded_is_a_clear_error(tmp_path: Path) -> None:
    """An empty folder says what to do."""
    with pytest.raises(StoreEmpty, match="imglab demo"):
        open_store(tmp_path)


@pytest.mark.parametrize("change", ["update store_definition set definition = 'older'", "drop table store_definition"])
def test_a_store_of_another_version_says_so(tmp_path: Path, change: str) -> None:
    """Not that a question is wrong which it cannot answer; to load makes it anew."""
    fill(tmp_path)
    load(tmp_path)
    with duckdb.connect(str(Paths(tmp_path).published())) as connection:
        connection.execute("drop macro table image_pair")
        connection.execute(change)
    with open_store(tmp_path) as store:
        assert store.sql("select count(*) from image").item() == 3
        with pytest.raises(StoreError, match="another version of imglab: `imglab load`"):
            queries.growth_by_step(store, repository=REPOSITORY, tag="latest")
    assert load(tmp_path).is_rebuild
    with open_store(tmp_path) as store:
        assert queries.growth_by_step(store, repository=REPOSITORY, tag="latest").width > 20


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("delete from image", "read-only"),
        ("select nothing from nowhere", "nowhere does not exist"),
        ("copy image to 'stolen.csv'", "file system operations are disabled"),
        ("select * from read_text('/etc/hostname')", "file system operations are disabled"),
        ("attach 'other.duckdb'", "file system operations are disabled"),
        ("create table x as select 1", "read-only"),
    ],
)
def test_typed_sql_can_only_read_the_store(tmp_path: Path, text: str, reason: str) -> None:
    """SQL from a command line neither writes nor reaches other files."""
    fill(tmp_path)
    load(tmp_path)
    with open_store(tmp_path) as store:
        store.close_to_files()
        with pytest.raises(UsageError, match=reason):
            store.sql(text)
        assert store.sql("select count(*) from image").item() == 3
