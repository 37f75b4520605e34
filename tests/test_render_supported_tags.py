"""Lists of tags written from the store: those of READMEs byte for byte, those of registries in the same form."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from made import DAY, REPOSITORY, commit, day, digest, image, index, seen

from imglab import gitlog, imports
from imglab.cli import main
from imglab.data import open_store
from imglab.errors import InvalidReference, StoreEmpty, UsageError
from imglab.records import Definition, DocumentVersion, Listing, Record, TagDefinition, TagObservation
from imglab.render import supported_tags
from imglab.render.supported_tags import _newest_first
from imglab.sources.docs_readme import parse_readme
from imglab.store import Store, load

NOON = datetime(2026, 2, 1, 12, tzinfo=UTC)
A, B, C = (letter * 40 for letter in "abc")
GITHUB = "https://github.com/harbour/lantern"

MANIFEST_FILE = f"""\
Maintainers: Some Body <some@example.org> (@some)
GitRepo: {GITHUB}.git

Tags: 2.0-oil, 2-oil
SharedTags: 2.0, latest
Architectures: amd64, arm64v8, mips64le
GitCommit: {A}
arm64v8-GitCommit: {B}
Directory: 2.0/oil

Tags: 2.0-gas
SharedTags: 2.0, latest, bright
Architectures: windows-amd64
GitCommit: {C}
File: Dockerfile.gas

Tags: 1.0, 1
Architectures: s390x, arm32v7
GitCommit: {B}
s390x-Directory: other
Directory: 1.0

Tags: oil
Architectures: mips64le, amd64, arm64v8
GitCommit: {A}
arm64v8-GitCommit: {B}
Directory: 2.0/oil
"""

OIL = f"]({GITHUB}/blob/{A}/2.0/oil/Dockerfile)"
GAS = f"]({GITHUB}/blob/{C}/Dockerfile.gas)"
ONE = f"]({GITHUB}/blob/{B}/1.0/Dockerfile)"
HEADING = "# Supported tags and respective `Dockerfile` links"
MORE = "([more info](https://github.com/docker-library/official-images#architectures-other-than-amd64))"


def hub(architecture: str, namespace: str | None = None) -> str:
    return f"[`{architecture}`](https://hub.docker.com/r/{namespace or architecture}/lantern/)"


LISTS = f"""\
{HEADING}

## Simple Tags

-\t[`2.0-oil`, `2-oil`, `oil`{OIL}

-\t[`2.0-gas`{GAS}

-\t[`1.0`, `1`{ONE}

## Shared Tags

-\t`2.0`, `latest`:

\t-\t[`2.0-oil`{OIL}
\t-\t[`2.0-gas`{GAS}

-\t`bright`:

\t-\t[`2.0-gas`{GAS}

# Quick reference

-\t**Supported architectures**: {MORE}  \n\
\t{hub("amd64")}, {hub("arm32v7")}, {hub("arm64v8")}, {hub("mips64le")}, {hub("s390x")}, \
{hub("windows-amd64", "winamd64")}
"""


def manifest_file(data: Path, text: str, *, at: datetime = NOON, repository: str | None = None) -> Path:
    """The data folder *data* after the import of library/lantern as it stood at a time."""
    path = data.parent / "library" / "lantern"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    imports.import_documents(data, "official-images", path, observed_at=at, repository=repository)
    return data


def readme(data: Path, text: str, *, at: datetime = NOON) -> Path:
    """The data folder *data* after the import of lantern/README.md as it stood at a time."""
    path = data.parent / "lantern" / "README.md"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    imports.import_documents(data, "docs-readme", path, observed_at=at)
    return data


def page(data: Path, repository: str = "lantern", *, at: datetime | None = None) -> str:
    with open_store(data) as store:
        return supported_tags(store, repository, at=at)


def run(data: Path, records: Iterable[Record], *, at: datetime | None = None, source: str = "registry") -> Path:
    """The data folder *data* after a run with these records."""
    commit(data, at or day(20), records, source=source)
    load(data)
    return data


def flat(*entries: str) -> str:
    """A README with a flat list of entries, each `tags commit`."""
    lines = []
    for entry in entries:
        tags, revision = entry.split(" ")
        names = ", ".join(f"`{tag}`" for tag in tags.split(","))
        lines.append(f"-\t[{names}]({GITHUB}/blob/{revision}/Dockerfile)")
    return f"{HEADING}\n\n" + "\n\n".join(lines) + "\n"


# --- documents -------------------------------------------------------------------------------------------------------


def test_a_manifest_file(tmp_path: Path) -> None:
    """
    Equal stanzas are one entry, shared tags name their members, links are those of amd64 or the first architecture.

    mips64le has a link in time only; nothing else changes.
    """
    data = manifest_file(tmp_path / "data", MANIFEST_FILE)
    assert page(data, at=NOON) == LISTS
    assert page(data) == LISTS.replace(hub("mips64le"), "`mips64le`")


def test_a_readme(tmp_path: Path) -> None:
    """What a README lists comes back byte for byte, and so does the page that was written from a manifest file."""
    data = readme(tmp_path / "data", LISTS)
    assert page(data, at=NOON) == LISTS
    text = flat(f"3,latest {A}", f"2 {B}")
    assert page(readme(tmp_path / "data", text, at=NOON + DAY), at=NOON + DAY) == text
    assert page(data, at=NOON) == LISTS


def test_lists_in_the_form_of_their_time(tmp_path: Path) -> None:
    """Bullets, paths, order and blank lines are those of docs at the time."""
    data = manifest_file(tmp_path / "data", MANIFEST_FILE, at=datetime(2014, 1, 1, tzinfo=UTC))
    simple = [f"-\t[`2.0-oil`, `2-oil`, `oil`{OIL}", f"-\t[`2.0-gas`{GAS}", f"-\t[`1.0`, `1`{ONE}"]
    shared = ["-\t`2.0`, `latest`:", f"\t-\t[`2.0-oil`{OIL}", f"\t-\t[`2.0-gas`{GAS}"]
    shared += ["-\t`bright`:", f"\t-\t[`2.0-gas`{GAS}"]
    last = page(data, at=datetime(2024, 7, 7, tzinfo=UTC))
    assert last.split("\n\n")[2::2][:2] == ["\n".join(simple), "\n".join(shared)]
    paths = {OIL: " (*2.0/oil/Dockerfile*)", GAS: " (*Dockerfile.gas*)", ONE: " (*1.0/Dockerfile*)"}
    lists = ["## Simple Tags\n\n" + "\n".join(simple), "## Shared Tags\n\n" + "\n".join(shared)]
    for link, path in paths.items():
        lists = [text.replace(link, path + link) for text in lists]
    assert "\n\n".join(lists) in page(data, at=datetime(2019, 6, 12, tzinfo=UTC))
    assert "\n\n".join(lists[::-1]) in page(data, at=datetime(2017, 11, 21, tzinfo=UTC))
    assert lists[1].replace("-\t", "- ") in page(data, at=datetime(2015, 2, 12, tzinfo=UTC))


def test_what_is_written_can_be_imported(tmp_path: Path) -> None:
    """A page is a README without a malformed line, whatever its time."""
    data = manifest_file(tmp_path / "data", MANIFEST_FILE, at=datetime(2014, 1, 1, tzinfo=UTC))
    for year in (2014, 2016, 2018, 2022, 2026):
        library = parse_readme(page(data, at=datetime(year, 12, 31, tzinfo=UTC)).encode(), source="page")
        assert library.defects == ()
        assert set(library.tags()) == {*"2.0-oil 2-oil oil 2.0 latest 2.0-gas bright 1.0 1".split()}
        assert library.architectures and len(library.architectures) == 6


def test_the_best_document_counts(tmp_path: Path) -> None:
    """Manifest files before READMEs, in any order of import; what the document does not name is not listed."""
    text = f"GitRepo: {GITHUB}\n\nTags: 3, latest\nGitCommit: {C}\n"
    list_of_three = f"{flat(f'3,latest {C}')}\n# Quick reference\n\n-\t**Supported architectures**: {MORE}  \n\t"
    for name in ("one", "two"):
        data = tmp_path / name / "data"
        data.mkdir(parents=True)
        for source in (manifest_file, readme) if name == "one" else (readme, manifest_file):
            source(data, text if source is manifest_file else flat(f"2,latest {A}", f"1 {B}"))
        run(data, [TagObservation("docker.io/library/lantern", "0.9", NOON, digest=digest("a1"))])
        assert page(data) == list_of_three + f"{hub('amd64')}\n"


def test_a_document_has_its_own_words(tmp_path: Path) -> None:
    """A README of a time before the first manifest file is not emptied by what that says of the same tags later."""
    data = readme(tmp_path / "data", flat(f"2,latest {A}"))
    manifest_file(data, f"GitRepo: {GITHUB}\n\nTags: 3, latest\nGitCommit: {C}\n", at=NOON + DAY)
    assert page(data, at=NOON) == flat(f"2,latest {A}")
    assert flat(f"3,latest {C}") in page(data, at=NOON + DAY)


def test_a_later_state_of_a_plain_file(tmp_path: Path) -> None:
    """Tags that its next state does not name are no longer listed, though no commit says that they went."""
    data = readme(tmp_path / "data", flat(f"2,latest {A}", f"1 {B}"))
    readme(data, flat(f"2,latest {B}"), at=NOON + DAY)
    assert page(data, at=NOON) == flat(f"2,latest {A}", f"1 {B}")
    assert page(data) == flat(f"2,latest {B}")


def test_prose_and_removed_documents_list_nothing(tmp_path: Path) -> None:
    """Another source comes to word then; where a list says that there are no tags, so does the page."""
    versions = [
        DocumentVersion("library/x", "1", day(1), REPOSITORY, form="lines", tags=["1"]),
        TagDefinition(REPOSITORY, "1", day(1), digest("d1"), document="library/x", document_revision="1"),
        Definition(digest("d1"), 0, False, None, GITHUB, A, ".", "Dockerfile"),
        DocumentVersion("library/x", "2", day(3), REPOSITORY, is_removed=True),
        TagDefinition(REPOSITORY, "1", day(3), is_dropped=True, document="library/x", document_revision="2"),
    ]
    data = tmp_path / "data"
    run(data, versions, at=day(20), source="official-images")
    run(data, [DocumentVersion("x/README.md", "3", day(2), REPOSITORY, form="prose", tags=[])], at=day(21), source="y")
    assert page(data, REPOSITORY, at=day(2)) == flat(f"1 {A}")
    assert page(data, REPOSITORY, at=day(3)) == "# Supported tags\n\n**No supported tags**\n"
    run(data, [seen("0.9", "a1", day(4))])
    assert page(data, REPOSITORY) == "# Supported tags\n\n-\t`0.9`\n"
    empty = DocumentVersion("y/README.md", "4", day(5), REPOSITORY, form="empty", tags=[], architectures=[])
    run(data, [empty], at=day(22), source="docs-readme")
    assert page(data, REPOSITORY) == (
        f"{HEADING}\n\n**No supported tags**\n\n# Quick reference\n\n"
        "-\t**Supported architectures**:  \n\t**No supported architectures**\n"
    )


@pytest.mark.parametrize(
    ("repository", "commit_id", "link"),
    [
        ("git://github.com/o/r", A, f"https://github.com/o/r/blob/{A}/x/Dockerfile"),
        ("https://github.example.org:8443/o/r.git", A, f"https://github.example.org:8443/o/r/blob/{A}/x/Dockerfile"),
        ("https://gitlab.example.org/g/o/r.git", A, f"https://gitlab.example.org/g/o/r/-/blob/{A}/x/Dockerfile"),
        ("https://git.launchpad.net/a/+oci/b", A, f"https://git.launchpad.net/a/+oci/b/tree/x/Dockerfile?id={A}"),
        ("git://github.com/o/r", "release/v1", "https://github.com/o/r/blob/release/v1/x/Dockerfile"),
        ("https://git.example.org/o/r", A, None),
        ("https://user:secret@github.com/o/r", A, None),
        ("javascript:alert(1)//github.com/o/r", A, None),
        (None, A, None),
        ("https://github.com/o/r", None, None),
    ],
)
def test_links(tmp_path: Path, repository: str | None, commit_id: str | None, link: str | None) -> None:
    """Only hosts of which it is known what a link looks like have one."""
    records = [
        DocumentVersion("library/x", None, day(1), REPOSITORY, form="stanzas", tags=["1"]),
        TagDefinition(REPOSITORY, "1", day(1), digest("d1"), document="library/x"),
        Definition(digest("d1"), 0, False, ["amd64"], repository, commit_id, "x", "Dockerfile"),
    ]
    run(tmp_path, records, at=day(20), source="official-images")
    expected = f"-\t[`1`]({link})" if link else "-\t`1`"
    assert page(tmp_path, REPOSITORY).split("\n\n")[1:] == [
        expected,
        "# Quick reference",
        "-\t**Supported architectures**:  \n\t`amd64`\n",
    ]


def test_tags_of_unknown_origin(tmp_path: Path) -> None:
    """Without a definition a tag is an entry of its own; shared tags of nobody knows what have no members."""
    records = [
        DocumentVersion("x/README.md", None, day(1), REPOSITORY, form="flat", tags=["1", "2", "3", "both"]),
        TagDefinition(REPOSITORY, "3", day(1), digest("d3"), document="x/README.md"),
        TagDefinition(REPOSITORY, "both", day(1), digest("d4"), document="x/README.md"),
        Definition(digest("d3"), 0, False),
        Definition(digest("d4"), 0, True),
    ]
    run(tmp_path, records, at=day(20), source="docs-readme")
    assert page(tmp_path, REPOSITORY) == (
        f"{HEADING}\n\n## Simple Tags\n\n-\t`1`\n\n-\t`2`\n\n-\t`3`\n\n## Shared Tags\n\n-\t`both`:\n"
    )


# --- registries ------------------------------------------------------------------------------------------------------


def test_tags_of_a_run(tmp_path: Path) -> None:
    """Tags with one digest are one entry, the newest version first; architectures are those of all images."""
    tags = {"1.9.1": "a9", "latest": "b1", "1.10": "b1", "1.10.2": "b1", "1": "b1", "1.10.2-slim": "c1", "edge": "d1"}
    tags |= {"1.10.2rc1": "e1", f"sha256-{'0' * 64}.sig": "f1"}
    indexes = [
        *index("b1", [("b2", "linux/amd64"), ("b3", "linux/arm64/v8"), ("b4", None)]),
        *index("c1", [("c2", "linux/arm/v7"), ("c3", "windows/amd64"), ("c4", "linux/loong64")]),
        *image("f1", [1]),
    ]
    data = run(tmp_path, [*(seen(tag, name, day(1)) for tag, name in tags.items()), *indexes])
    assert page(data, REPOSITORY) == (
        "# Supported tags\n\n-\t`1.10.2`, `1.10`, `1`, `latest`\n\n-\t`1.10.2-slim`\n\n-\t`1.10.2rc1`\n\n-\t`1.9.1`\n\n"
        "-\t`edge`\n\n# Quick reference\n\n-\t**Supported architectures**:  \n"
        "\t`amd64`, `arm32v7`, `arm64v8`, `linux/loong64`, `windows-amd64`\n"
    )


def test_architectures_of_an_official_image_have_links(tmp_path: Path) -> None:
    """They are those of docker.io/library/<image> and of nothing else."""
    names = {"docker.io/library/lantern": hub("amd64"), "docker.io/harbour/lantern": "`amd64`"}
    sightings = [TagObservation(name, "1", day(1), digest=digest("e1")) for name in names]
    data = run(tmp_path, [*sightings, *index("e1", [("a1", "linux/amd64")])])
    for name, words in names.items():
        assert page(data, name).endswith(f"  \n\t{words}\n")


def test_time_chooses_the_state_of_a_run(tmp_path: Path) -> None:
    """Tags are those that were there; when all had gone there are none."""
    run(tmp_path, [Listing(REPOSITORY, day(9), True)], at=day(9))
    data = run(tmp_path, [seen("1", "a1", day(1)), seen("2", "a1", day(3)), seen("2", "a2", day(5))])
    expected = {1: ["-\t`1`"], 3: ["-\t`2`, `1`"], 5: ["-\t`2`", "-\t`1`"], 9: ["**No supported tags**"]}
    for number, entries in expected.items():
        assert page(data, REPOSITORY, at=day(number)) == "\n\n".join(["# Supported tags", *entries]) + "\n"


def test_order_of_versions() -> None:
    """Newer before older, longer before shorter, releases before what led to them, words last and `latest` behind."""
    ordered = (
        "20260801 v10.0.0 3.11.1 3.11.1-alpine3.16 3.11.1-alpine3.9 3.11.1-slim 3.11.1rc10 3.11.1rc2 3.11.1-beta.1 "
        "3.11.1a7 3.11.0 3.11 3.11-slim 3.9.18 3 3-slim alpine slim latest"
    ).split()
    assert sorted(set(ordered), key=_newest_first) == ordered


# --- text of anybody -------------------------------------------------------------------------------------------------


def test_nothing_can_become_markdown(tmp_path: Path) -> None:
    """Directories, files, tags, repositories and architectures hold no line feed, bracket, backtick or tag."""
    early, repository = datetime(2017, 12, 1, tzinfo=UTC), f"https://github.com/{NASTY}".replace("\n", " ")
    records = [
        DocumentVersion("library/x", None, early, REPOSITORY, form="stanzas", tags=[NASTY, "2"]),
        TagDefinition(REPOSITORY, NASTY, early, digest("d1"), document="library/x"),
        TagDefinition(REPOSITORY, "2", early, digest("d2"), document="library/x"),
        Definition(digest("d1"), 0, False, [NASTY], repository, NASTY, NASTY, NASTY),
        Definition(digest("d2"), 0, True, ["amd64"], repository, NASTY, NASTY, NASTY),
    ]
    run(tmp_path, records, at=day(20), source="official-images")
    text = page(tmp_path, REPOSITORY)
    (line,) = (line for line in text.split("\n") if line.startswith("-\t["))
    link = re.fullmatch(r"-\t\[`([^`\]]+)`\]\(([^\s()<>`\\]+)\)", line)
    assert link and link[1] == NASTY_WRITTEN
    assert link[2].startswith("https://github.com/x%60%5D%28y%29%20%23%20%3Cb%3E%2A%5Bz%5D%28javascript:0%29")
    assert text.endswith(f"  \n\t`amd64`, `{NASTY_WRITTEN}`\n")
    assert "\x1b" not in text and "\u2028" not in text and "<b>" not in text and "&amp" not in text
    assert page(tmp_path, REPOSITORY, at=datetime(2018, 1, 1, tzinfo=UTC)).count(f"(*{NASTY_WRITTEN}/") == 1


NASTY = "x`](y)\n# <b>*[z](javascript:0) \x1b\u2028&amp;\\"
NASTY_WRITTEN = "x\\x60\\x5d(y)\\n# \\x3cb\\x3e\\x2a\\x5bz\\x5d(javascript:0) \\x1b\\u2028\\x26amp;\\\\"


# --- what cannot be rendered -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("repository", "at", "words"),
    [
        ("lanters", None, "no repository docker.io/library/lanters in the store; it has 3, among them docker.io/l"),
        ("lantern", NOON - DAY, "at 2026-01-31T12:00:00Z: they were first listed at 2026-02-01T12:00:00Z"),
        ("registry.test/unseen", None, "no source listed the tags of registry.test/unseen"),
        ("prose", None, "no source listed the tags of docker.io/library/prose"),
    ],
)
def test_what_is_not_known_is_said(tmp_path: Path, repository: str, at: datetime | None, words: str) -> None:
    """The message names what is missing and what is there."""
    data = readme(tmp_path / "data", flat(f"1 {A}"))
    prose = DocumentVersion("prose/README.md", "1", day(1), "docker.io/library/prose", form="prose", tags=[])
    run(data, [TagObservation("registry.test/unseen", "1", day(2)), prose])
    with pytest.raises(UsageError) as error:
        page(data, repository, at=at)
    assert words in str(error.value)


def test_a_tag_is_no_repository(tmp_path: Path) -> None:
    """Nor is a digest; and where nothing was ever loaded there is no page."""
    with Store(tmp_path) as store:
        for name in ("lantern:1", f"lantern@{digest('a')}"):
            with pytest.raises(InvalidReference, match="leave out the tag"):
                supported_tags(store, name)
        with pytest.raises(StoreEmpty):
            supported_tags(store, "lantern")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The page goes to standard output, or to a file with the same bytes; what is not known ends with 2."""
    data = readme(tmp_path / "data", LISTS)
    command = ["--data", str(data), "render", "supported-tags"]
    assert main([*command, "lantern", "--at", "2026-02-01T12:00"]) == 0
    assert capsys.readouterr().out == LISTS
    assert main([*command, "lantern", "--at", "2026-02-02", "--out", str(tmp_path / "page.md")]) == 0
    assert (tmp_path / "page.md").read_bytes() == LISTS.encode()
    assert main([*command, "lantern", "--at", "2026-01-31"]) == 2
    assert main([*command, "lantern:1"]) == 2
    assert [line[:8] for line in capsys.readouterr().err.splitlines()] == ["imglab: "] * 2


# --- real documents --------------------------------------------------------------------------------------------------

EVERY = 5  # of the versions: all of them take a minute
BARE_DAY = "2014-09-09"  # names without marks of code
UNLIKE = {  # where docs wrote otherwise than manifest files of that time say, and why
    ("python", "2015-04-03"): "it was behind by one commit",
    **{("golang", f"2017-06-{number:02}"): "it left out Windows for ten days" for number in (8, 15, 16)},
    **{("python", f"2017-06-{number}"): "it left out Windows for ten days" for number in (17, 19)},
}
SECTION = re.compile(r"^# (?:Supported tags and respective|Tags and) `Dockerfile` links\n(.*?)(?=^# |\Z)", re.M | re.S)
PROSE = re.compile(r"^(?:For |\[!\[|\(See )[^\n]*(?:\n[^\n]+)*\n", re.M)
ARCHITECTURES = re.compile(r"^-\t\*\*Supported architectures.*\n.*$", re.M)


def lists(text: str) -> str | None:
    """The lists of the section, without the prose about them; None where there is no section."""
    section = SECTION.search(text)
    return PROSE.sub("", section[1]).strip("\n") if section else None


def architectures(text: str) -> str | None:
    found = ARCHITECTURES.search(text)
    return found[0] if found else None


@pytest.fixture(scope="module")
def real_versions(real_data: Path) -> list[gitlog.Version]:
    """Every fifth version of the READMEs that has a list, and all between the forms."""
    versions = [
        version
        for version in gitlog.versions(real_data / "docs-readme.bundle", wanted=lambda path: True)
        if SECTION.search((version.body or b"").decode())
    ]
    assert len(versions) == 1428
    chosen = [version for number, version in enumerate(versions) if number % EVERY == 0 or is_special(version)]
    return sorted(chosen, key=lambda version: version.path)


def is_special(version: gitlog.Version) -> bool:
    assert version.committed_at
    changes = ["2015-02-13", "2017-09-21", "2017-11-22", "2019-06-12", "2019-06-13", "2024-07-03", "2024-07-08"]
    day = version.committed_at.date().isoformat()
    return day in {BARE_DAY, *changes} or (version.path.split("/")[0], day) in UNLIKE


@pytest.mark.real_history
def test_real_lists_of_readmes_come_back(real_data: Path, real_versions: list[gitlog.Version], tmp_path: Path) -> None:
    """Lists and architectures of every version, byte for byte; but the first three lists, whose names were bare."""
    imports.import_documents(tmp_path, "docs-readme", real_data / "docs-readme.bundle")
    unlike = differing(tmp_path, real_versions)
    assert [(name, day) for name, day, _ in unlike] == [(name, BARE_DAY) for name in ("golang", "postgres", "python")]
    assert [text.replace("`", "") for *_, text in unlike] == [text for *_, text in unlike]


@pytest.mark.real_history
def test_real_lists_come_out_of_manifest_files(
    real_data: Path, real_versions: list[gitlog.Version], tmp_path: Path
) -> None:
    """The same from official-images alone, of that time: what differs is what docs did not write as they say."""
    imports.import_documents(tmp_path, "official-images", real_data / "official-images.bundle")
    unlike = {(name, day) for name, day, _ in differing(tmp_path, real_versions)}
    assert unlike == {*UNLIKE, *((name, BARE_DAY) for name in ("golang", "postgres", "python"))}


def differing(data: Path, versions: Iterable[gitlog.Version]) -> list[tuple[str, str, str]]:
    """Image, day and lists of each version that is not rendered again; *versions* state architectures or not."""
    found = []
    with open_store(data) as store:
        for version in versions:
            text, at = (version.body or b"").decode(), version.committed_at
            assert at
            name = version.path.split("/")[0]
            rendered = supported_tags(store, name, at=at)
            is_same = architectures(text) in (None, architectures(rendered))
            if lists(rendered) != lists(text) or not is_same:
                found.append((name, at.date().isoformat(), lists(text) or ""))
    return found


@pytest.mark.real_history
def test_real_single_document_comes_back(real_data: Path, tmp_path: Path) -> None:
    """The README of python of September 2022, from itself and from the manifest files of its time."""
    (seed,) = (real_data / "seeds").glob("003_*")
    text, at = seed.read_text(), datetime(2022, 9, 12, 22, 8, 46, tzinfo=UTC)
    imports.import_documents(tmp_path / "one", "docs-readme", seed, observed_at=at)
    imports.import_documents(tmp_path / "two", "official-images", real_data / "official-images.bundle")
    for name in ("one", "two"):
        rendered = page(tmp_path / name, "python", at=at)
        assert lists(rendered) == lists(text)
        assert architectures(rendered) == architectures(text)
        assert len(str(lists(text)).splitlines()) == 59
