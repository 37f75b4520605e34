"""Manifest files of official-images become definitions of tags: every form, broken or whole, and real history."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made import commit
from repository import NOON, Clone, git

from imglab import imports
from imglab.cli import main
from imglab.data import open_store
from imglab.errors import ParseError, UsageError
from imglab.journal import Journal
from imglab.records import TagObservation
from imglab.sources import official_images
from imglab.sources.definitions import Build, Library, definitions
from imglab.sources.official_images import parse_manifest_file
from imglab.store import CHECKS, Paths, Store

A, B, C, D = (letter * 40 for letter in "abcd")

COLUMNS = b"""\
old\tgit://example.org/lantern
older git://example.org/lantern\t\t\tB:older
latest\t\tgit://example.org/lantern\tC:%s
""" % A.encode()

LINES = f"""\
# maintainer: Somebody <somebody@example.org> (@somebody)

1.0: git://example.org/lantern@{A} 1.0
latest:    git://example.org/lantern@{A} 1.0/\x20
next: git://example.org/lantern@v2.0-rc1
# gone: git://example.org/lantern@{B} 0.9
""".encode()

STANZAS = f"""\
# made by a script
# of two lines

Maintainers: Some Body <some@example.org> (@some),
             Any Body <any@example.org> (@any)
# between fields
GitRepo: https://example.org/lantern.git
GitCommit: {A}
arm64v8-GitCommit: {B}

# 2.0
Tags: 2.0-linux, 2-linux
SharedTags: 2.0, 2,
 latest
Architectures: arm64v8, amd64
# a reason
Directory: 2.0/linux/
arm64v8-File: Dockerfile.arm
Builder: buildkit

Tags: 2.0-windows
SharedTags: 2.0, latest
Architectures: windows-amd64
GitCommit: {C}
Directory: 2.0/windows
Constraints: windowsservercore-1, nanoserver-1

# the end of it
""".encode()


def parsed(body: bytes) -> Library:
    return parse_manifest_file(body, source="library/lantern")


def built(body: bytes, *tags: str) -> dict[str, list[tuple[object, ...]]]:
    """For each of *tags*: is it shared, architecture, commit, directory."""
    found = definitions(parsed(body).stanzas, tags)
    return {
        tag: sorted(
            (shared, architecture, build.git_commit, build.directory)
            for shared, build in found[tag]
            for architecture in build.architectures
        )
        for tag in tags
    }


# --- forms -----------------------------------------------------------------------------------------------------------


def test_three_columns() -> None:
    """A tag without a reference, one of a branch, one of a commit; tabs and blanks alike."""
    library = parsed(COLUMNS)
    assert (library.form, library.defects) == ("columns", ())
    assert [(stanza.tags, stanza.builds[0].git_commit) for stanza in library.stanzas] == [
        (("old",), None),
        (("older",), "older"),
        (("latest",), A),
    ]


def test_lines() -> None:
    """Comments are no tags, padding and final blanks and slashes mean nothing, the directory may be missing."""
    library = parsed(LINES)
    assert (library.form, library.defects) == ("lines", ())
    assert built(LINES, "1.0", "latest", "next") == {
        "1.0": [(False, "amd64", A, "1.0")],
        "latest": [(False, "amd64", A, "1.0")],
        "next": [(False, "amd64", "v2.0-rc1", ".")],
    }


def test_a_tag_twice_in_an_old_file() -> None:
    """Both lines count, as a set."""
    body = f"a: git://example.org/x@{B} 1\na: git://example.org/x@{A} 2\n".encode()
    assert built(body, "a") == {"a": [(False, "amd64", A, "2"), (False, "amd64", B, "1")]}


def test_stanzas() -> None:
    """Defaults come from the first paragraph; what it says for one architecture wins over a stanza's general word."""
    library = parsed(STANZAS)
    assert (library.form, library.defects) == ("stanzas", ())
    linux, windows = library.stanzas
    assert (linux.tags, linux.shared_tags) == (("2.0-linux", "2-linux"), ("2.0", "2", "latest"))
    repository = "https://example.org/lantern.git"
    assert linux.builds == (
        Build(("amd64",), repository, A, "2.0/linux", "Dockerfile", "buildkit", None),
        Build(("arm64v8",), repository, B, "2.0/linux", "Dockerfile.arm", "buildkit", None),
    )
    constraints = "windowsservercore-1, nanoserver-1"
    assert windows.builds == (Build(("windows-amd64",), repository, C, "2.0/windows", "Dockerfile", None, constraints),)


def test_shared_tags_are_sets_over_stanzas() -> None:
    """A tag that several stanzas share has the builds of all of them, in an order of their own."""
    linux = [(True, "amd64", A, "2.0/linux"), (True, "arm64v8", B, "2.0/linux")]
    windows = (True, "windows-amd64", C, "2.0/windows")
    assert built(STANZAS, "2", "2.0", "2.0-windows") == {
        "2": linux,
        "2.0": [*linux, windows],
        "2.0-windows": [(False, *windows[1:])],
    }
    *head, first, second, end = STANZAS.split(b"\n\n")
    turned = b"\n\n".join([*head, second, first, end])
    assert parsed(turned).stanzas[0].tags == ("2.0-windows",)
    assert built(turned, "2.0", "2") == built(STANZAS, "2.0", "2")


def test_defaults() -> None:
    """Architecture amd64, directory `.`, file Dockerfile; a file may end without a line end."""
    (stanza,) = parsed(f"GitRepo: x\n\nTags: a\nGitCommit: {A}".encode()).stanzas
    assert stanza.builds == (Build(("amd64",), "x", A, ".", "Dockerfile", None, None),)


def test_a_manifest_without_tags() -> None:
    """A file of defaults only is a manifest that defines nothing."""
    assert parsed(b"Maintainers: nobody\nGitRepo: x\n") == Library("stanzas", ())


def test_line_ends_of_windows() -> None:
    """They make no difference."""
    assert parsed(STANZAS.replace(b"\n", b"\r\n")).stanzas[0].builds == parsed(STANZAS).stanzas[0].builds


# --- broken files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "line", "word"),
    [
        (b"GitRepo:", b" \t\nGitRepo:", 7, "blanks"),
        (b"# made by", b" made by", 1, "continues"),
        (f"GitCommit: {C}".encode(), f"GitCommit:{C}".encode(), 24, "blank"),
        (f"GitCommit: {C}".encode(), f"GitCommit : {C}".encode(), 24, "blank"),
        (b"Builder: buildkit", b"Builder: x\nBuilder: buildkit", 20, "second time"),
        (b"Builder: buildkit", b"Builder: buildkit\nArchitecture: s390x", 20, "no field Architecture"),
        (b"Builder: buildkit", b"Builder: buildkit\nnonsense", 20, "Field: value"),
        (b"Directory: 2.0/windows", b"Directory: 2.0/windows and more", 21, "one word"),
        (b"SharedTags: 2.0, latest", b"SharedTags: 2.0, latest, -no", 21, "cannot be one"),
        (b"Builder: buildkit", b"Builder: buildkit\nConstraints\xff: x", 20, "UTF-8"),
    ],
)
def test_malformed_lines_are_named_and_what_they_mean_counts(old: bytes, new: bytes, line: int, word: str) -> None:
    """Every malformed line is a defect with its number, and the rest of the file says what it says."""
    assert STANZAS.count(old) == 1
    library = parsed(STANZAS.replace(old, new))
    assert [defect.line for defect in library.defects] == [line]
    assert word in library.defects[0].message
    assert [(one.tags, one.shared_tags, one.builds) for one in library.stanzas] == [
        (one.tags, one.shared_tags, one.builds) for one in parsed(STANZAS).stanzas
    ]


def test_broken_stanzas() -> None:
    """A stanza without tags is left out; one without a commit keeps its tags, of unknown commit."""
    library = parsed(f"GitRepo: x\n\nDirectory: a\nGitCommit: {A}\n\nTags: b\n".encode())
    assert [(defect.line, "tags" in defect.message) for defect in library.defects] == [(3, True), (6, False)]
    assert [(stanza.tags, stanza.builds[0].git_commit) for stanza in library.stanzas] == [(("b",), None)]


def test_broken_lines() -> None:
    """Of an old file the lines that can be read count."""
    library = parsed(LINES + b"latest git example.org\n")
    assert [defect.line for defect in library.defects] == [7]
    assert len(library.stanzas) == 3


@pytest.mark.parametrize("body", [b"", b"\n\n", b"# nothing\n", b"# Title\n\nprose: of a kind\n", b"\xff\xfe\x00"])
def test_what_is_no_manifest(body: bytes) -> None:
    """A document in which nothing is a manifest is a ParseError that names it."""
    with pytest.raises(ParseError) as caught:
        parsed(body)
    assert (caught.value.source, caught.value.place[:5]) == ("library/lantern", "line ")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    body=st.sampled_from([COLUMNS, LINES, STANZAS]),
    start=st.floats(0, 1),
    removed=st.integers(0, 80),
    put=st.one_of(st.binary(max_size=20), st.sampled_from([b"\n", b"\n\n", b"Tags: ", b": ", b" \n", b"\r\n", b"#"])),
)
def test_damage_raises_only_parse_errors(body: bytes, start: float, removed: int, put: bytes) -> None:
    """However a file is cut or changed, it parses or raises ParseError, and what parses can be kept."""
    at = int(start * len(body))
    try:
        library = parsed(body[:at] + put + body[at + removed :])
    except ParseError as error:
        assert error.place.startswith("line ")
        return
    for stanza in library.stanzas:
        assert stanza.builds and (stanza.tags or stanza.shared_tags)
        assert str((stanza.tags, stanza.builds)).encode()
    assert all(defect.line >= 1 for defect in library.defects)


# --- imports ---------------------------------------------------------------------------------------------------------


class Images(Clone):
    """A repository in the shape of official-images."""

    def commit(self, *, at: datetime | None = None, **files: bytes | None) -> str:  # type: ignore[override]
        return super().commit({f"library/{name}": body for name, body in files.items()}, at)


@pytest.fixture
def clone(tmp_path: Path) -> Images:
    return Images(tmp_path / "clone")


def imported(data: Path, path: Path, *more: Path) -> Store:
    """The store after these imports."""
    for one in (path, *more):
        imports.import_documents(data, "official-images", one)
    return open_store(data)


def stretches(store: Store, tag: str) -> list[tuple[object, ...]]:
    """From, to (days since noon of the first), architecture, commit of a tag's builds."""
    frame = store.sql(
        """
        select
            date_diff('day', $noon::timestamptz, valid_from),
            date_diff('day', $noon::timestamptz, valid_to),
            architecture,
            left(git_commit, 1),
        from tag_definition_interval
        where tag = $tag
        order by valid_from, position
        """,
        {"noon": NOON, "tag": tag},
    )
    return frame.rows()


def interval_rows(store: Store) -> pl.DataFrame:
    return store.sql("select * from tag_definition_interval order by all")


def line(tag: str, revision: str, directory: str = ".") -> bytes:
    return f"{tag}: git://example.org/lantern@{revision} {directory}\n".encode()


def test_a_definition_lasts_until_a_version_says_otherwise(tmp_path: Path, clone: Images) -> None:
    """A stretch for each definition; a tag that is no longer named ends, and may begin again."""
    clone.commit(lantern=line("a", A) + line("b", A))
    second = clone.commit(lantern=line("a", A) + line("b", B))
    clone.commit(lantern=line("a", A))
    clone.commit(lantern=line("a", A) + line("b", B))
    with imported(tmp_path / "data", clone.folder) as store:
        assert stretches(store, "a") == [(0, None, "amd64", "a")]
        assert stretches(store, "b") == [(0, 1, "amd64", "a"), (1, 2, "amd64", "b"), (3, None, "amd64", "b")]
        rows = store.sql(
            "select repository, document, document_revision, source from tag_definition_interval "
            "where tag = 'b' order by valid_from"
        ).rows()
        assert rows[1] == ("docker.io/library/lantern", "library/lantern", second, "official-images")
        assert store.sql("select count(*) from stg_document_version").item() == 4
        assert store.sql("select count(*) from stg_tag_definition where tag = 'a'").item() == 1


def test_order_means_nothing(tmp_path: Path, clone: Images) -> None:
    """Stanzas, architectures and comments in another order are the same definition."""
    stanza = f"Tags: a\nArchitectures: amd64, s390x\nGitCommit: {A}\n"
    turned = f"# new\nTags: a\nGitCommit: {A}\nArchitectures: s390x, amd64\n"
    clone.commit(lantern=f"GitRepo: x\n\n{stanza}\nTags: b\nGitCommit: {B}\n".encode())
    clone.commit(lantern=f"GitRepo: x\n\nTags: b\nGitCommit: {B}\n\n{turned}".encode())
    with imported(tmp_path / "data", clone.folder) as store:
        assert stretches(store, "a") == [(0, None, "amd64", "a"), (0, None, "s390x", "a")]


def test_a_removed_document_defines_nothing(tmp_path: Path, clone: Images) -> None:
    """All its tags end; the removal is a version that is not read again."""
    clone.commit(lantern=line("a", A))
    clone.commit(lantern=None, other=line("x", A))
    with imported(tmp_path / "data", clone.folder, clone.folder) as store:
        assert stretches(store, "a") == [(0, 1, "amd64", "a")]
        assert store.sql("select is_removed from stg_document_version order by observed_at, document").rows() == [
            (False,),
            (True,),
            (False,),
        ]
        assert store.sql("select source, tags from stg_run order by started_at").rows()[1] == ("official-images", 0)


def test_a_version_that_cannot_be_read_changes_nothing(tmp_path: Path, clone: Images) -> None:
    """It counts as read and is a failure; the next version is compared with the last one that could be read."""
    clone.commit(lantern=line("a", A) + line("b", A))
    broken = clone.commit(lantern=b"<<<<<<< conflict\n")
    with imported(tmp_path / "data", clone.folder) as store:
        assert stretches(store, "b") == [(0, None, "amd64", "a")]
    clone.commit(lantern=line("a", B) + line("b", A))
    with imported(tmp_path / "data", clone.folder) as store:
        assert stretches(store, "a") == [(0, 2, "amd64", "a"), (2, None, "amd64", "b")]
        assert stretches(store, "b") == [(0, None, "amd64", "a")]
        assert store.sql("select locator, kind from stg_failure").rows() == [
            (f"library/lantern@{broken}", "not-a-manifest")
        ]
        assert store.sql("select form from stg_document_version order by observed_at").rows() == [
            ("lines",),
            (None,),
            ("lines",),
        ]


def test_malformed_lines_become_failures(tmp_path: Path, clone: Images) -> None:
    """Document, commit and line are named, and the rest of the version is kept."""
    revision = clone.commit(lantern=line("a", A) + b"nonsense\n")
    data = tmp_path / "data"
    outcome = imports.import_documents(data, "official-images", clone.folder)
    assert [(failure.locator, failure.kind) for failure in outcome.failures] == [
        (f"library/lantern@{revision}:2", "malformed")
    ]
    assert outcome.run.outcome == "partial"
    with open_store(data) as store:
        assert stretches(store, "a") == [(0, None, "amd64", "a")]


def test_a_longer_history_gives_the_same_in_two_steps(tmp_path: Path, clone: Images) -> None:
    """Marts are the same row for row, and the second import reads only what is new."""
    clone.commit(lantern=line("a", A) + line("b", A), ferry=STANZAS)
    clone.commit(lantern=line("a", A) + line("b", B))
    imports.import_documents(tmp_path / "two", "official-images", clone.folder)
    clone.commit(lantern=line("a", A) + line("c", B), ferry=STANZAS.replace(C.encode(), D.encode()))
    clone.commit(ferry=STANZAS)
    outcome = imports.import_documents(tmp_path / "two", "official-images", clone.folder)
    assert outcome.run.tags == 3
    imports.import_documents(tmp_path / "one", "official-images", clone.folder)
    with open_store(tmp_path / "one") as one, open_store(tmp_path / "two") as two:
        assert interval_rows(one).equals(interval_rows(two))
        assert interval_rows(one).height > 20
        rows = "select * exclude (run_id, source, source_rank) from stg_tag_definition order by all"
        assert one.sql(rows).rows() == two.sql(rows).rows()


def test_history_that_is_found_later(tmp_path: Path, clone: Images) -> None:
    """A shallow clone first, the whole one after it: the same as the whole one alone."""
    clone.commit(lantern=line("a", A) + line("gone", A))
    clone.commit(lantern=line("a", B))
    clone.commit(lantern=line("a", B) + line("c", B))
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "-q", "--depth=1", clone.folder.as_uri(), str(shallow))
    with (
        imported(tmp_path / "two", shallow, clone.folder) as two,
        imported(tmp_path / "one", clone.folder) as one,
    ):
        assert interval_rows(one).equals(interval_rows(two))
        assert stretches(two, "a") == [(0, 1, "amd64", "a"), (1, None, "amd64", "b")]
        assert stretches(two, "gone") == [(0, 1, "amd64", "a")]


def test_clocks_that_go_back(tmp_path: Path, clone: Images) -> None:
    """The order of commits counts: a version is never older than the one before it, and a time has one state."""
    clone.commit(lantern=line("a", A))
    clone.commit(lantern=line("a", B), at=NOON - timedelta(days=5))
    clone.commit(lantern=line("a", C), at=NOON + timedelta(days=5))
    with imported(tmp_path / "data", clone.folder, clone.folder) as store:
        assert stretches(store, "a") == [(0, 5, "amd64", "b"), (5, None, "amd64", "c")]


def test_plain_files(tmp_path: Path) -> None:
    """Without a history a file counts at the given time, and is about the repository of its name or the given one."""
    folder = tmp_path / "library"
    folder.mkdir()
    (folder / "lantern").write_bytes(line("a", A))
    (folder / "MAINTAINERS").write_text("Somebody <somebody@example.org>\n")
    data = tmp_path / "data"
    for path in (folder, tmp_path, folder / "lantern"):
        imports.import_documents(data, "official-images", path, observed_at=NOON)
    imports.import_documents(
        data, "official-images", folder / "lantern", observed_at=NOON, repository="example.org/x/lantern"
    )
    with open_store(data) as store:
        rows = store.sql("select distinct repository, valid_from from tag_definition_interval order by all").rows()
        assert rows == [("docker.io/library/lantern", NOON), ("example.org/x/lantern", NOON)]
        assert store.check("orphan").is_empty()


def test_a_tag_that_is_no_longer_named_lives_on(tmp_path: Path, clone: Images) -> None:
    """What a manifest file says ends no interval of what a registry showed, before or after it."""
    clone.commit(lantern=line("a", A))
    clone.commit(lantern=line("b", A))
    seen = [TagObservation("docker.io/library/lantern", "a", NOON, digest="sha256:" + "1" * 64)]
    data = tmp_path / "data"
    commit(data, NOON, seen)
    with imported(data, clone.folder) as store:
        assert store.sql("select tag, valid_to from tag_interval").rows() == [("a", None)]
        assert stretches(store, "a") == [(0, 1, "amd64", "a")]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.mkdir(), "holds no manifest files"),
        (lambda path: None, "there is no"),
        (lambda path: path.write_text("# prose\n"), "holds no manifest files"),
    ],
)
def test_nothing_to_import_is_misuse(
    tmp_path: Path, make: Callable[[Path], object], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, a sentence, and no run."""
    path = tmp_path / "place"
    make(path)
    assert main(["--data", str(tmp_path / "data"), "--quiet", "import", "official-images", str(path)]) == 2
    assert words in capsys.readouterr().err
    assert Journal(Paths(tmp_path / "data").journal).run_ids() == []


def test_options_that_do_not_fit(tmp_path: Path, clone: Images) -> None:
    """A time for a history and one repository for several files are mistakes."""
    clone.commit(lantern=line("a", A), ferry=STANZAS)
    with pytest.raises(UsageError, match="leave out the time"):
        imports.import_documents(tmp_path, "official-images", clone.folder, observed_at=NOON)
    with pytest.raises(UsageError, match="name the one"):
        imports.import_documents(tmp_path, "official-images", clone.folder, repository="example.org/x")


def test_the_command_imports(tmp_path: Path, clone: Images, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0 and what was done; 1 where a line was malformed."""
    clone.commit(lantern=line("a", A))
    command = ["--data", str(tmp_path / "data"), "import", "official-images", str(clone.folder)]
    assert main(command) == 0
    assert "complete" in capsys.readouterr().out
    clone.commit(lantern=line("a", A) + b"nonsense\n")
    assert main(command) == 1
    assert "line 2" in capsys.readouterr().err


# --- real documents --------------------------------------------------------------------------------------------------

# Versions, first and last day, old lines, stanzas, tags, in the last, added, removed, updated.
REAL = {
    "alpine": (131, "2015-03-17", "2026-08-06", 28, 103, 220, 12, 220, 208, 507),
    "debian": (217, "2013-10-15", "2026-08-04", 58, 159, 2_977, 63, 2_991, 2_928, 6_374),
    "golang": (419, "2014-08-05", "2026-08-19", 41, 378, 4_984, 84, 5_102, 5_018, 8_775),
    "nginx": (152, "2014-06-05", "2026-08-19", 28, 124, 1_297, 112, 1_297, 1_185, 3_423),
    "node": (579, "2014-06-04", "2026-08-05", 95, 484, 9_037, 155, 9_055, 8_900, 19_418),
    "openjdk": (602, "2016-08-11", "2026-08-21", 0, 602, 18_096, 90, 18_198, 18_108, 34_515),
    "postgres": (263, "2014-06-04", "2026-08-13", 43, 220, 1_422, 72, 1_428, 1_356, 4_945),
    "python": (402, "2014-06-23", "2026-08-13", 47, 355, 3_914, 150, 4_005, 3_855, 18_874),
    "redis": (206, "2014-06-04", "2026-08-18", 34, 172, 1_176, 80, 1_185, 1_105, 2_716),
    "ubuntu": (247, "2013-09-17", "2026-08-18", 66, 181, 743, 15, 763, 748, 2_571),
}
VERSIONS = """
    select
        split_part(document, '/', 2) as name,
        count(*) as versions,
        min(observed_at) as first_at,
        max(observed_at) as last_at,
        count(*) filter (where form != 'stanzas') as old,
        count(*) filter (where form = 'stanzas') as stanzas,
    from stg_document_version
    group by name
    order by name
"""
# A tag's set of commits changed if two stretches of it meet and differ. The numbers of the table also count the one
# change of notation, from `C:commit` to `@commit`, as a change of every tag; here it is none where the commit stayed.
TAGS = """
    with stretch as (
        select
            split_part(repository, '/', 3) as name,
            tag,
            valid_from,
            valid_to,
            list(distinct git_commit order by git_commit) as commits,
        from tag_definition_interval
        group by repository, tag, valid_from, valid_to
    ),

    neighbour as (
        select
            stretch.*,
            lag(valid_to) over by_time is not distinct from valid_from as is_continued,
            lag(commits) over by_time as previous_commits,
            lead(valid_from) over by_time as next_valid_from,
        from stretch
        window by_time as (partition by name, tag order by valid_from)
    ),

    notation as (
        select split_part(document, '/', 2) as name, min(observed_at) as changed_at,
        from stg_document_version
        where form = 'lines'
        group by name
        having name in (select split_part(document, '/', 2) from stg_document_version where form = 'columns')
    )

    select
        name,
        count(distinct tag) as tags,
        count(*) filter (where valid_to is null) as in_the_last,
        count(*) filter (where not is_continued) as added,
        count(*) filter (where valid_to is not null and next_valid_from is distinct from valid_to) as removed,
        count(*) filter (where is_continued and commits is distinct from previous_commits)
        + count(*) filter (where valid_from < changed_at and (valid_to > changed_at or valid_to is null)) as updated,
    from neighbour
    left join notation using (name)
    group by name
    order by name
"""


@pytest.fixture(scope="session")
def real_store(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterable[Store]:
    """The whole bundle, imported at once."""
    with imported(tmp_path_factory.mktemp("official-images"), real_data / "official-images.bundle") as store:
        yield store


@pytest.mark.real_history
def test_real_versions(real_store: Store) -> None:
    """Every version of the ten files is read, in its form, without a failure."""
    rows = {}
    for name, versions, first, last, old, stanzas in real_store.sql(VERSIONS).rows():
        rows[name] = (versions, first, last, old, stanzas)
    for name, (versions, first, last, old, stanzas, *_) in REAL.items():
        assert (rows[name][0], *rows[name][3:]) == (versions, old, stanzas), name
        for at, day in zip(rows[name][1:3], (first, last), strict=True):
            assert abs(at - datetime.fromisoformat(f"{day}T12:00Z")) < timedelta(hours=30)  # days are local there
    assert rows.keys() == REAL.keys()
    assert real_store.sql("select count(*) from stg_failure").item() == 0


@pytest.mark.real_history
def test_real_tags(real_store: Store) -> None:
    """Tags that ever were, are in the last, came, went and moved: the table of the documents, number for number."""
    assert {name: tuple(numbers) for name, *numbers in real_store.sql(TAGS).rows()} == {
        name: numbers[5:] for name, numbers in REAL.items()
    }


@pytest.mark.real_history
def test_real_checks(real_store: Store) -> None:
    """No check finds anything."""
    assert [name for name in CHECKS if real_store.check(name).height] == []


@pytest.mark.real_history
def test_tags_of_a_version_in_its_order(real_store: Store) -> None:
    """Every version keeps the tags that it defines, as it names them first."""
    tags = real_store.sql(
        """
        select tags
        from stg_document_version
        where document = 'library/python'
        order by observed_at desc
        limit 1
        """
    ).row(0)[0]
    assert (len(tags), tags[0]) == (150, "3.15.0rc1-trixie") and tags.index("latest") > tags.index("3-trixie")
    lengths = "select max(len(tags)) from stg_document_version where document = 'library/openjdk'"
    assert real_store.sql(lengths).item() > 90


@pytest.mark.real_history
def test_real_history_in_two_steps(real_data: Path, real_store: Store, tmp_path: Path) -> None:
    """First half, a snapshot of the same repository, all of it, all of it again: the same as at once."""
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(real_data / "official-images.bundle"), str(clone))
    head = git(clone, "rev-parse", "HEAD").strip()
    git(clone, "reset", "-q", "--hard", "HEAD~1500")
    data = tmp_path / "data"
    first = imports.import_documents(data, "official-images", clone)
    python = TagObservation("docker.io/library/python", "3.4", NOON, digest="sha256:" + "1" * 64)
    commit(data, NOON, [python])
    git(clone, "reset", "-q", "--hard", head)
    second = imports.import_documents(data, "official-images", clone)
    assert imports.import_documents(data, "official-images", clone).run.tags == 0
    versions = sum(numbers[0] for numbers in REAL.values())
    assert first.run.tags + second.run.tags == versions and min(first.run.tags, second.run.tags) > 1_000
    with open_store(data) as store:
        assert interval_rows(store).equals(interval_rows(real_store))
        assert store.sql("select tag, valid_to from tag_interval").rows() == [("3.4", None)]


def test_module_names_its_reference() -> None:
    """The module says where its format is described and when it last held."""
    assert "docker-library/official-images" in str(official_images.__doc__)
    assert "2026" in str(official_images.__doc__)
