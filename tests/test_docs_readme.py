"""READMEs of docker-library/docs become definitions of tags: every form, broken or whole, and real history."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from repository import NOON, Clone

from imglab import imports
from imglab.cli import main
from imglab.data import open_store
from imglab.errors import ParseError, UsageError
from imglab.journal import Journal
from imglab.sources import docs_readme
from imglab.sources.definitions import Build, Library, definitions
from imglab.sources.docs_readme import parse_readme
from imglab.store import CHECKS, Paths, Store

A, B, C = (letter * 40 for letter in "abc")
REPOSITORY = "https://github.com/harbour/lantern"

PROSE = b"# What is a lantern?\n\nIt gives light.\n\n-\t`oil` or `gas`\n\n# How to use it\n"

BARE = f"""\
# Tags and `Dockerfile` links

- [1.0, 1]({REPOSITORY}/blob/{A}/1/Dockerfile)
- [2.0, latest]({REPOSITORY}/blob/{B}/Dockerfile)

# What is a lantern?
""".encode()

PATHS = f"""\
# **DEPRECATED**

Use another lantern.

# Supported tags and respective `Dockerfile` links

- [`1.0`, `1` (*1/Dockerfile*)]({REPOSITORY}/blob/{A}/1/Dockerfile)
-\t[`2.0`, `latest` (*2/oil/Dockerfile*)]({REPOSITORY}/blob/release/2/2/oil/Dockerfile)
-\t`2.0-gas` (*Dockerfile.gas*)

[![](https://badge.test/lantern.svg)](https://layers.test/?images=lantern:1.0)

For more words please see the [relevant
manifest file
(`library/lantern`)](https://github.com/harbour/images/blob/master/library/lantern)
in the [`harbour/images` GitHub
repo](https://github.com/harbour/images).

## What is a lantern?

-\t[Oil](https://oil.test/blob/x)
-\tgas

# How to use it
""".encode()

SHARED = f"""\
<!--
    DO NOT EDIT "lantern/README.md"
-->

# Quick reference

-\t**Maintained by**:  \n\t[harbour](https://github.com/harbour)

# Supported tags and respective `Dockerfile` links

(See ["Shared or simple?" in the FAQ](https://faq.test#shared).)

## Simple Tags

-\t[`2.0-oil`, `2-oil`, `oil`]({REPOSITORY}/blob/{A}/2/oil/Dockerfile)

-\t[`2.0-gas`]({REPOSITORY}/blob/{B}/2/gas/Dockerfile.gas)

## Shared Tags

-\t`2.0`, `2`, `latest`:

\t-\t[`2.0-oil`]({REPOSITORY}/blob/{A}/2/oil/Dockerfile)
\t-\t[`2.0-gas`]({REPOSITORY}/blob/{B}/2/gas/Dockerfile.gas)

-\t`2.0-bright`:

\t-\t[`2.0-gas`]({REPOSITORY}/blob/{B}/2/gas/Dockerfile.gas)

# Quick reference (cont.)

-\t**Supported architectures**: ([more info](https://github.com/harbour/images#architectures))  \n\
\t[`amd64`](https://hub.test/r/amd64/lantern/), [`arm64v8`](https://hub.test/r/arm64v8/lantern/), `mips64le`

# What is a lantern?
""".encode()

OIL = Build((), REPOSITORY, A, "2/oil", "Dockerfile")
GAS = Build((), REPOSITORY, B, "2/gas", "Dockerfile.gas")


def parsed(body: bytes) -> Library:
    return parse_readme(body, source="lantern/README.md")


def told(library: Library) -> list[tuple[tuple[str, ...], tuple[str, ...], tuple[Build, ...]]]:
    return [(stanza.tags, stanza.shared_tags, stanza.builds) for stanza in library.stanzas]


# --- forms -----------------------------------------------------------------------------------------------------------


def test_prose() -> None:
    """A README without a section of tags defines none, whatever lists it has."""
    assert parsed(PROSE) == Library("prose", ())


def test_bare_names() -> None:
    """Names without marks of code, below the first heading that there was; a file at the root is in `.`."""
    library = parsed(BARE)
    assert (library.form, library.defects, library.architectures) == ("bare", (), None)
    assert told(library) == [
        (("1.0", "1"), (), (Build((), REPOSITORY, A, "1", "Dockerfile"),)),
        (("2.0", "latest"), (), (Build((), REPOSITORY, B, ".", "Dockerfile"),)),
    ]


def test_flat_list_with_paths() -> None:
    """Paths tell where a branch ends and what an entry without a link is built from; lists in prose do not count."""
    library = parsed(PATHS)
    assert (library.form, library.defects) == ("flat", ())
    assert told(library) == [
        (("1.0", "1"), (), (Build((), REPOSITORY, A, "1", "Dockerfile"),)),
        (("2.0", "latest"), (), (Build((), REPOSITORY, "release/2", "2/oil", "Dockerfile"),)),
        (("2.0-gas",), (), (Build((), None, None, ".", "Dockerfile.gas"),)),
    ]


def test_shared_and_simple_lists() -> None:
    """A shared tag has the builds of its members; architectures are those of the image, with or without a link."""
    library = parsed(SHARED)
    assert (library.form, library.defects) == ("simple-first", ())
    assert library.architectures == ("amd64", "arm64v8", "mips64le")
    assert told(library) == [
        (("2.0-oil", "2-oil", "oil"), (), (OIL,)),
        (("2.0-gas",), (), (GAS,)),
        ((), ("2.0", "2", "latest"), (OIL, GAS)),
        ((), ("2.0-bright",), (GAS,)),
    ]
    assert library.tags() == ["2.0-oil", "2-oil", "oil", "2.0-gas", "2.0", "2", "latest", "2.0-bright"]
    assert definitions(library.stanzas, ["latest"]) == {"latest": ((True, OIL), (True, GAS))}


def test_blank_lines_and_order_of_lists_mean_nothing_to_tags() -> None:
    """Entries side by side, and shared tags first, define the same."""
    dense = SHARED.replace(b")\n\n-\t", b")\n-\t").replace(b":\n\n\t-", b":\n\t-")
    assert len(dense) < len(SHARED) and told(parsed(dense)) == told(parsed(SHARED))
    head, simple, shared = SHARED.split(b"\n## ")
    shared, rest = shared.split(b"\n# ", 1)
    turned = parsed(b"\n## ".join([head, shared, simple]) + b"\n# " + rest)
    assert turned.form == "shared-first"
    assert definitions(turned.stanzas, turned.tags()) == definitions(parsed(SHARED).stanzas, turned.tags())


def test_equal_entries_are_one_object() -> None:
    """What was parsed is remembered by its text, so that versions are compared at a glance."""
    grown = SHARED.replace(b"## Simple Tags\n", f"## Simple Tags\n\n-\t[`3`]({REPOSITORY}/blob/{C}/3)\n".encode())
    new, *same = parsed(grown).stanzas
    assert new.tags == ("3",)
    assert all(one is other for one, other in zip(same, parsed(SHARED).stanzas, strict=True))


@pytest.mark.parametrize(
    ("link", "build"),
    [
        (f"https://github.com/o/r/blob/{A}/x/y/Dockerfile", ("https://github.com/o/r", A, "x/y", "Dockerfile")),
        (f"https://github.com/o/r/blob/{A}{'a' * 24}/f", ("https://github.com/o/r", A + "a" * 24, ".", "f")),
        (f"https://github.com/o/r/blob/{A}/a%20b/f", ("https://github.com/o/r", A, "a b", "f")),
        ("https://github.com/o/r/blob/v1.2/Dockerfile", ("https://github.com/o/r", "v1.2", ".", "Dockerfile")),
        ("https://github.com/o/r/blob/a/b/Dockerfile", ("https://github.com/o/r", None, None, None)),
        (f"https://gitlab.test/g/o/r/-/blob/{A}/f", ("https://gitlab.test/g/o/r", A, ".", "f")),
        (
            f"https://git.launchpad.net/a/+oci/b/tree/oci/index.json?h=refs/tags/x&id={A}",
            ("https://git.launchpad.net/a/+oci/b", A, "oci", "index.json"),
        ),
        ("https://git.launchpad.net/a/tree/f?h=x", ("https://git.launchpad.net/a", "x", ".", "f")),
        ("https://[git/a/tree/f?h=x#y", ("https://[git/a", "x", ".", "f")),
        ("https://example.org/somewhere", (None, None, None, None)),
        ("#anchor", (None, None, None, None)),
    ],
)
def test_links(link: str, build: tuple[str | None, ...]) -> None:
    """Repository, commit (or branch, or tag), directory and file, as far as a link tells them."""
    library = parsed(f"# Supported tags and respective `Dockerfile` links\n\n-\t[`1`]({link})\n".encode())
    assert library.defects == ()
    assert told(library) == [(("1",), (), (Build((), *build),))]


@pytest.mark.parametrize(
    "words",
    [
        "**No supported tags**",
        "**No supported tags found!**\n\nIt is very likely that it is too dark.",
        "-\t**No supported tags**",
        "**WARNING:** THIS IMAGE *IS NOT SUPPORTED* ON THE `s390x` ARCHITECTURE",
    ],
)
def test_a_section_that_lists_none(words: str) -> None:
    """It says so: that is understood, and the same of architectures."""
    text = f"# Supported tags and respective `Dockerfile` links\n\n{words}\n\n# Quick reference (cont.)\n\n"
    text += "-\t**Supported architectures**: (x)  \n\t**No supported architectures**\n"
    assert parsed(text.encode()) == Library("empty", (), (), ())


def test_the_last_line_may_lack_its_end() -> None:
    """What stands in it counts as a whole."""
    body = readme(f"1 {A}", architectures="`amd64`, `s390x`")
    assert parsed(body.removesuffix(b"\n")).architectures == parsed(body).architectures == ("amd64", "s390x")
    assert parsed(body[: body.index(b"\n\t`amd64`")]).defects[0].line == 7


def test_line_ends_of_windows() -> None:
    """They make no difference."""
    assert told(parsed(SHARED.replace(b"\n", b"\r\n"))) == told(parsed(SHARED))


# --- broken files ----------------------------------------------------------------------------------------------------

GAS_LINK = f"]({REPOSITORY}/blob/{B}/2/gas/Dockerfile.gas)"


@pytest.mark.parametrize(
    ("old", "new", "line", "word", "tags"),
    [
        ("-\t[`2.0-gas`", "[`2.0-gas`", 18, "begin with a dash", 7),
        ("-\t[`2.0-gas`", "  -\t[`2.0-gas`", 18, "only shared tags have members", 7),
        (f"-\t[`2.0-gas`{GAS_LINK}", "-\t2.0-gas", 18, "should be a link", 7),
        (f"-\t[`2.0-gas`{GAS_LINK}", "-\t[`2.0-gas`](x", 18, "should be a link", 7),
        ("[`2.0-oil`, `2-oil`, `oil`]", "[`2.0-oil`, `2 oil`, `oil`]", 16, "cannot be one", 7),
        ("[`2.0-oil`, `2-oil`, `oil`]", "[`2.0-oil`, `2-oil, `oil`]", 16, "cannot be one", 7),
        ("`2.0-bright`:\n", "`2.0-bright`:\n\nprose\n", 27, "no members", 8),
        ("`2.0-bright`:", "`-`:", 27, "cannot be one", 7),
        ("`2.0-bright`:", "`2.0-bright`", 29, "only shared tags have members", 8),
        ("\t[`amd64`]", "\tall of them\n\t[`amd64`]", 34, "should name the supported", 8),
    ],
)
def test_malformed_lines_are_named(old: str, new: str, line: int, word: str, tags: int) -> None:
    """Every malformed line is a defect with its number, and the rest of the lists says what it says."""
    library = parsed(SHARED.decode().replace(old, new, 1).encode())
    assert [defect.line for defect in library.defects][:1] == [line], library.defects
    assert word in library.defects[0].message
    assert len(library.tags()) == tags


def test_a_section_of_nothing() -> None:
    """A section without an entry that does not say why is malformed."""
    library = parsed(b"intro\n\n# Supported tags and respective `Dockerfile` links\n\nsoon\n")
    assert [(defect.line, library.form) for defect in library.defects] == [(3, "empty")]


@pytest.mark.parametrize(("body", "place"), [(b"", "line 1"), (b" \n\n", "line 1"), (SHARED + b"\xff", "line 37")])
def test_what_is_no_readme(body: bytes, place: str) -> None:
    """An empty file and one that is not UTF-8 are a ParseError that names document and line."""
    with pytest.raises(ParseError) as caught:
        parsed(body)
    assert (caught.value.source, caught.value.place) == ("lantern/README.md", place)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    body=st.sampled_from([PROSE, BARE, PATHS, SHARED]),
    start=st.floats(0, 1),
    removed=st.integers(0, 80),
    put=st.one_of(
        st.binary(max_size=20), st.sampled_from([b"\n", b"\n\n", b"-\t", b"`", b"[", b"](", b":\n", b"\r\n"])
    ),
)
def test_damage_raises_only_parse_errors(body: bytes, start: float, removed: int, put: bytes) -> None:
    """However a file is cut or changed, it parses or raises ParseError, and what parses can be kept."""
    at = int(start * len(body))
    changed = body[:at] + put + body[at + removed :]
    try:
        library = parsed(changed)
    except ParseError as error:
        assert error.place.startswith("line ")
        return
    for stanza in library.stanzas:
        assert stanza.builds and (stanza.tags or stanza.shared_tags)
        assert str((stanza.tags, stanza.builds)).encode()
    assert all(1 <= defect.line <= changed.count(b"\n") + 1 for defect in library.defects)


# --- imports ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path / "clone")


def imported(data: Path, path: Path, *more: Path) -> Store:
    """The store after these imports."""
    for one in (path, *more):
        imports.import_documents(data, "docs-readme", one)
    return open_store(data)


def readme(*entries: str, architectures: str = "`amd64`") -> bytes:
    """A README with a flat list of entries, each `tags commit`."""
    lines = []
    for entry in entries:
        tags, commit = entry.split(" ")
        names = ", ".join(f"`{tag}`" for tag in tags.split(","))
        lines.append(f"-\t[{names}]({REPOSITORY}/blob/{commit}/Dockerfile)\n")
    head = "# Supported tags and respective `Dockerfile` links\n\n"
    return (head + "".join(lines) + f"\n# More\n\n-\t**Supported architectures**: (x)  \n\t{architectures}\n").encode()


def stretches(store: Store, tag: str) -> list[tuple[object, ...]]:
    """From, to (days since noon of the first), commit of a tag's builds."""
    frame = store.sql(
        """
        select
            date_diff('day', $noon::timestamptz, valid_from),
            date_diff('day', $noon::timestamptz, valid_to),
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


def test_a_history(tmp_path: Path, clone: Clone) -> None:
    """Versions change and drop tags; only READMEs in the folder of an image count, and prose is a version like any."""
    clone.commit({"lantern/README.md": PROSE, "README.md": SHARED, ".template-helpers/README.md": SHARED})
    second = clone.commit({"lantern/README.md": readme(f"2,latest {A}"), "lantern/deep/README.md": SHARED})
    clone.commit({"lantern/README.md": readme(f"2 {A}", f"3,latest {B}", architectures="`amd64`, `arm64v8`")})
    clone.commit({"lantern/README.md": readme(f"3,latest {B}"), "lantern/content.md": SHARED})
    clone.commit({"lantern/README.md": None})
    with imported(tmp_path / "data", clone.folder) as store:
        assert stretches(store, "latest") == [(1, 2, "a"), (2, 4, "b")]
        assert stretches(store, "2") == [(1, 3, "a")]
        versions = store.sql(
            "select document, repository, form, tags, architectures, is_removed from stg_document_version "
            "order by observed_at"
        )
        assert versions.rows() == [
            ("lantern/README.md", "docker.io/library/lantern", form, tags, architectures, form is None)
            for form, tags, architectures in [
                ("prose", [], None),
                ("flat", ["2", "latest"], ["amd64"]),
                ("flat", ["2", "3", "latest"], ["amd64", "arm64v8"]),
                ("flat", ["3", "latest"], ["amd64"]),
                (None, None, None),
            ]
        ]
        rows = store.sql(
            "select document_revision, source, architecture from tag_definition_interval where tag = '2'"
        ).rows()
        assert rows == [(second, "docs-readme", None)]


def test_a_longer_history_gives_the_same_in_two_steps(tmp_path: Path, clone: Clone) -> None:
    """Marts are the same row for row; a new README of prose alone is no mistake then."""
    clone.commit({"lantern/README.md": SHARED})
    imports.import_documents(tmp_path / "two", "docs-readme", clone.folder)
    clone.commit({"lantern/README.md": SHARED.replace(B.encode(), C.encode())})
    imports.import_documents(tmp_path / "two", "docs-readme", clone.folder)
    clone.commit({"ferry/README.md": PROSE})
    assert imports.import_documents(tmp_path / "two", "docs-readme", clone.folder).run.tags == 1
    assert imports.import_documents(tmp_path / "two", "docs-readme", clone.folder).run.tags == 0
    with open_store(tmp_path / "two") as two, imported(tmp_path / "one", clone.folder) as one:
        assert interval_rows(one).equals(interval_rows(two))
        assert stretches(one, "2") == [(0, 1, "a"), (0, 1, "b"), (1, None, "a"), (1, None, "c")]


def test_failures(tmp_path: Path, clone: Clone) -> None:
    """A version that cannot be read changes nothing; a malformed line is named, and the rest is kept."""
    clone.commit({"lantern/README.md": readme(f"2 {A}")})
    broken = clone.commit({"lantern/README.md": b""})
    malformed = clone.commit({"lantern/README.md": readme(f"2 {A}", f"3,-x {B}")})
    outcome = imports.import_documents(tmp_path / "data", "docs-readme", clone.folder)
    assert [(failure.locator, failure.kind) for failure in outcome.failures] == [
        (f"lantern/README.md@{broken}", "not-a-readme"),
        (f"lantern/README.md@{malformed}:4", "malformed"),
    ]
    with open_store(tmp_path / "data") as store:
        assert stretches(store, "2") == [(0, None, "a")]
        assert stretches(store, "3") == [(2, None, "b")]


def test_plain_files(tmp_path: Path) -> None:
    """Which image a file is about is told by its folder in a folder of them, else by itself, else by its own folder."""
    folder = tmp_path / "docs" / "lantern"
    folder.mkdir(parents=True)
    (folder / "README.md").write_bytes(readme(f"1 {A}"))
    (tmp_path / "docs" / "README.md").write_bytes(SHARED)
    (tmp_path / "seed.txt").write_bytes(SHARED)
    expected = {
        tmp_path / "docs": (["1"], "lantern"),
        folder: (["1"], "lantern"),
        folder / "README.md": (["1"], "lantern"),
        tmp_path / "docs" / "README.md": (parsed(SHARED).tags(), "lantern"),
        tmp_path / "seed.txt": (parsed(SHARED).tags(), "lantern"),
    }
    for number, (path, (tags, image)) in enumerate(expected.items()):
        data = tmp_path / f"data{number}"
        imports.import_documents(data, "docs-readme", path, observed_at=NOON)
        with open_store(data) as store:
            assert store.sql("select repository, tags, observed_at from stg_document_version").rows() == [
                (f"docker.io/library/{image}", tags, NOON)
            ]
    data = tmp_path / "named"
    imports.import_documents(data, "docs-readme", tmp_path / "seed.txt", repository="example.org/x/lantern")
    with open_store(data) as store:
        assert store.sql("select distinct repository from tag_definition_interval").item() == "example.org/x/lantern"


def test_builds_for_one_architecture(tmp_path: Path) -> None:
    """Their README names the image, but lists tags of a repository of their own: that has to be named."""
    note = b'# Note\n\nthis is the "per-architecture" repository for the `s390x` builds of lantern\n\n'
    (tmp_path / "seed.txt").write_bytes(note + SHARED)
    with pytest.raises(UsageError, match="none could be read"):
        imports.import_documents(tmp_path / "data", "docs-readme", tmp_path / "seed.txt")
    imports.import_documents(tmp_path / "data", "docs-readme", tmp_path / "seed.txt", repository="s390x/lantern")
    with open_store(tmp_path / "data") as store:
        assert store.sql("select distinct repository from tag_definition_interval").item() == "docker.io/s390x/lantern"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.mkdir(), "holds no READMEs"),
        (lambda path: None, "there is no"),
        (lambda path: path.write_bytes(readme(f"1 {A}")), "does not say which image"),
        (lambda path: path.write_bytes(b'<!-- DO NOT EDIT "x/README.md" -->\n' + PROSE), "that list tags: none"),
        (lambda path: Clone(path).commit({"x/README.md": PROSE, "y/README.md": b""}), "that list tags: none"),
    ],
)
def test_nothing_to_import_is_misuse(
    tmp_path: Path, make: Callable[[Path], object], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, a sentence, and no run."""
    path = tmp_path / "place"
    make(path)
    assert main(["--data", str(tmp_path / "data"), "--quiet", "import", "docs-readme", str(path)]) == 2
    assert words in capsys.readouterr().err
    assert Journal(Paths(tmp_path / "data").journal).run_ids() == []


def test_options_that_do_not_fit(tmp_path: Path, clone: Clone) -> None:
    """A time for a history and one repository for several READMEs are mistakes."""
    clone.commit({"lantern/README.md": SHARED, "ferry/README.md": SHARED})
    with pytest.raises(UsageError, match="leave out the time"):
        imports.import_documents(tmp_path, "docs-readme", clone.folder, observed_at=NOON)
    with pytest.raises(UsageError, match="name the one"):
        imports.import_documents(tmp_path, "docs-readme", clone.folder, repository="example.org/x")


def test_manifest_files_are_the_better_source(tmp_path: Path, clone: Clone) -> None:
    """In whatever order they come: what both name is told by manifest files, what only a README names by that."""
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "lantern").write_text(f"GitRepo: {REPOSITORY}.git\n\nTags: 2, latest\nGitCommit: {C}\n")
    clone.commit({"lantern/README.md": readme(f"2,latest {A}", f"1 {B}")})
    sources = [("docs-readme", clone.folder, None), ("official-images", tmp_path / "library", NOON)]
    rows = []
    for name, order in (("one", sources), ("two", sources[::-1])):
        for source, path, at in order:
            imports.import_documents(tmp_path / name, source, path, observed_at=at)
        with open_store(tmp_path / name) as store:
            rows.append(store.sql("select tag, source, git_commit from tag_definition_interval order by tag").rows())
            assert [check for check in CHECKS if store.check(check).height] == []
    expected = [("1", "docs-readme", B), ("2", "official-images", C), ("latest", "official-images", C)]
    assert rows == [expected, expected]


# --- real documents --------------------------------------------------------------------------------------------------

# Versions, first and last day, versions with today's heading, tags.
REAL = {
    "golang": (544, "2014-08-14", "2026-08-19", 530, 4_980),
    "postgres": (405, "2014-07-31", "2026-08-18", 397, 1_421),
    "python": (499, "2014-08-14", "2026-08-18", 489, 3_913),
}
HEADING_SINCE = datetime(2014, 9, 15, 20, tzinfo=UTC)  # `# Supported tags and …` instead of `# Tags and …`
VERSIONS = """
    select
        split_part(document, '/', 1) as name,
        count(*) as versions,
        min(observed_at) as first_at,
        max(observed_at) as last_at,
        count(*) filter (where form != 'prose' and observed_at > $heading_since) as headed,
    from stg_document_version
    group by name
    order by name
"""
FORMS = {"prose": 20, "bare": 3, "flat": 731, "shared-first": 20, "simple-first": 674}


@pytest.fixture(scope="session")
def real_store(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterable[Store]:
    """The whole bundle, imported at once."""
    with imported(tmp_path_factory.mktemp("docs-readme"), real_data / "docs-readme.bundle") as store:
        yield store


@pytest.mark.real_history
def test_real_versions(real_store: Store) -> None:
    """Every version of the three READMEs is read, in its form, without a failure."""
    rows = {name: numbers for name, *numbers in real_store.sql(VERSIONS, {"heading_since": HEADING_SINCE}).rows()}
    for name, (versions, first, last, headed, _) in REAL.items():
        assert (rows[name][0], rows[name][3]) == (versions, headed), name
        for at, day in zip(rows[name][1:3], (first, last), strict=True):
            assert abs(at - datetime.fromisoformat(f"{day}T12:00Z")) < timedelta(hours=30)  # days are local there
    assert rows.keys() == REAL.keys()
    assert real_store.sql("select count(*) from stg_failure").item() == 0
    assert dict(real_store.sql("select form, count(*) from stg_document_version group by form").rows()) == FORMS
    assert [name for name in CHECKS if real_store.check(name).height] == []


@pytest.mark.real_history
def test_real_tags(real_store: Store) -> None:
    """As many simple and shared tags ever appear as there are known to; each is built from a commit and a file."""
    rows = real_store.sql(
        "select repository, count(distinct tag) from tag_definition_interval group by repository order by repository"
    ).rows()
    assert rows == [(f"docker.io/library/{name}", numbers[-1]) for name, numbers in REAL.items()]
    assert real_store.sql(
        "select count(*) from stg_definition where not regexp_full_match(git_commit, '[0-9a-f]{40}') "
        "or git_repository is null or directory is null or file != 'Dockerfile' or architecture is not null"
    ).rows() == [(0,)]


@pytest.mark.real_history
def test_real_readmes_and_manifest_files(real_data: Path, tmp_path: Path) -> None:
    """In both orders the marts are those of the manifest files alone, which name every tag that a README ever named."""
    frames = []
    for number, order in enumerate(
        [["official-images"], ["docs-readme", "official-images"], ["official-images", "docs-readme"]]
    ):
        data = tmp_path / str(number)
        for source in order:
            imports.import_documents(data, source, real_data / f"{source}.bundle")
        with open_store(data) as store:
            frames.append(interval_rows(store))
            assert [name for name in CHECKS if store.check(name).height] == []
    assert frames[0].height > 100_000
    assert frames[1].equals(frames[0]) and frames[2].equals(frames[0])


@pytest.mark.real_history
def test_real_single_document(real_data: Path, tmp_path: Path) -> None:
    """The seed says itself which image it is about: python in September 2022."""
    (seed,) = (real_data / "seeds").glob("003_*")
    imports.import_documents(tmp_path, "docs-readme", seed, observed_at=NOON)
    with open_store(tmp_path) as store:
        assert store.sql("select repository, form, len(tags), len(architectures) from stg_document_version").rows() == [
            ("docker.io/library/python", "simple-first", 126, 10)
        ]


def test_module_names_its_reference() -> None:
    """The module says where its format is described and when it last held."""
    assert "docker-library/docs" in str(docs_readme.__doc__)
    assert "2026" in str(docs_readme.__doc__)
