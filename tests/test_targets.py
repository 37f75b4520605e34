"""Files of targets: what they ask for, and what is said of mistakes in them, with the line of each."""

from __future__ import annotations

import base64
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from faulty import faulty_server, reply
from hypothesis import given
from hypothesis import strategies as st
from small_registry import Made

from imglab.checked_toml import key_lines
from imglab.cli import main
from imglab.data import open_store
from imglab.errors import InvalidFile, UsageError
from imglab.http import Access
from imglab.oci import Platform, Reference
from imglab.sources.catalog import Namespace
from imglab.sources.registry import Target
from imglab.sources.tag_choice import TagChoice, version
from imglab.targets import Targets, parse_targets, read_targets

ARM, AMD = Platform.parse("linux/arm64"), Platform.parse("linux/amd64")


def parsed(text: str, folder: Path = Path(), **said: Any) -> Targets:
    """What a file with *text* asks for."""
    return parse_targets(dedent(text), source="targets.toml", folder=folder, said=said)


def problems(text: str) -> list[str]:
    """What is wrong with a file, without its name."""
    with pytest.raises(InvalidFile) as raised:
        parsed(text)
    assert all(words.startswith("targets.toml: line ") for words in raised.value.problems)
    assert str(raised.value).splitlines() == list(raised.value.problems)
    return [words.removeprefix("targets.toml: ") for words in raised.value.problems]


def repository(text: str) -> Reference:
    return Reference.parse(text)


# --- what is asked for -----------------------------------------------------------------------------------------------


def test_a_repository_alone_stands_for_all_of_its_tags() -> None:
    """One table is one target; a file may have any number of them, also for one repository."""
    targets = parsed(
        """
        [[target]]
        repository = "python"
        [[target]]
        repository = "ghcr.io/owner/name"
        [[target]]
        repository = "python"
        tags = ["3.*"]
        """
    )
    assert targets.wanted == (
        Target(repository("docker.io/library/python")),
        Target(repository("ghcr.io/owner/name")),
        Target(repository("docker.io/library/python"), TagChoice(("3.*",))),
    )
    assert not targets.access and not targets.usernames


def test_names_of_tags_are_targets_by_themselves() -> None:
    """They are looked up as they are, so that no list is needed; patterns and limits are about listed tags."""
    targets = parsed(
        """
        [[target]]
        repository = "r.example/a"
        tags = ["latest", "3.*", "1.0", "2.?", "[45].0"]
        exclude = ["*-rc*", "3.0"]
        newest = 3
        prereleases = true
        [[target]]
        repository = "r.example/b"
        tags = ["latest"]
        newest = 3
        """
    )
    choice = TagChoice(("3.*", "2.?", "[45].0"), exclude=("*-rc*", "3.0"), newest=3, prereleases=True)
    assert targets.wanted == (
        Target(repository("r.example/a:latest")),
        Target(repository("r.example/a:1.0")),
        Target(repository("r.example/a"), choice),
        Target(repository("r.example/b:latest")),
    )


def test_in_namespaces_names_are_patterns_among_others() -> None:
    """Not every repository has to have them; limits do not take them away."""
    targets = parsed(
        """
        [[target]]
        repository = "r.example/team/*"
        tags = ["latest", "3.*"]
        newest = 1
        """
    )
    assert targets.wanted == (Namespace("r.example", "team/*", TagChoice(("3.*",), ("latest",), newest=1)),)


def test_defaults_count_where_a_target_says_nothing() -> None:
    """A target replaces what they say, key by key; false and lists are said as well."""
    targets = parsed(
        """
        [[target]]
        repository = "r.example/a"
        [[target]]
        repository = "r.example/b:*"
        tags = ["1.*"]
        exclude = ["x"]
        platforms = ["linux/amd64"]
        newest = 9
        prereleases = false
        referrers = false
        [[target]]
        repository = "r.example/team/*"
        [defaults]
        tags = ["latest"]
        exclude = ["*-x"]
        platforms = ["linux/arm64", "linux/amd64"]
        newest = 2
        prereleases = true
        referrers = true
        """.replace("b:*", "b")
    )
    assert targets.wanted == (
        Target(repository("r.example/a:latest"), platforms=(ARM, AMD), referrers=True),
        Target(repository("r.example/b"), TagChoice(("1.*",), (), ("x",), 9), (AMD,)),
        Namespace("r.example", "team/*", TagChoice((), ("latest",), ("*-x",), 2, True), (ARM, AMD), True),
    )


def test_empty_lists_take_defaults_away() -> None:
    """Nothing is left out, and no platform is preferred, where a target says so."""
    targets = parsed(
        """
        [defaults]
        tags = ["1.*"]
        exclude = ["*-x"]
        platforms = ["linux/arm64"]
        [[target]]
        repository = "r.example/a"
        tags = ["*"]
        exclude = []
        platforms = []
        """
    )
    assert targets.wanted == (Target(repository("r.example/a"), TagChoice(("*",))),)


def test_registries_have_their_own_access(tmp_path: Path) -> None:
    """By their canonical names; certificates are looked for beside the file, and no password is anywhere."""
    (tmp_path / "team.pem").touch()
    targets = parsed(
        """
        [registry."index.docker.io"]
        concurrency = 4
        [registry."R.example:5000"]
        plain_http = false
        insecure = true
        ca_cert = "team.pem"
        username = "ci"
        [registry.localhost]
        plain_http = true
        """,
        tmp_path,
    )
    assert targets.access == {
        "docker.io": Access(concurrency=4),
        "r.example:5000": Access(plain_http=False, ca_cert=tmp_path / "team.pem", insecure=True),
        "localhost": Access(plain_http=True),
    }
    assert targets.usernames == {"r.example:5000": "ci"}
    assert targets.wanted == ()


def test_what_the_command_line_says_wins() -> None:
    """Over targets and defaults alike; what it leaves out is as in the file."""
    text = """
        [[target]]
        repository = "r.example/a"
        tags = ["latest"]
        platforms = ["linux/amd64"]
        exclude = ["*-x"]
        [defaults]
        platforms = ["linux/s390x"]
        """
    assert parsed(text, tags=("3.*",), platforms=(ARM,), referrers=True).wanted == (
        Target(repository("r.example/a"), TagChoice(("3.*",), exclude=("*-x",)), (ARM,), True),
    )
    assert parsed(text, tags=("1.0",)).wanted == (Target(repository("r.example/a:1.0"), platforms=(AMD,)),)


@pytest.mark.parametrize("text", ["", "# nothing\n", "[defaults]\nnewest = 1", "target = []"])
def test_a_file_may_ask_for_nothing(text: str) -> None:
    """Whether that is what was meant is for others to say."""
    assert parsed(text).wanted == ()


# --- what is wrong ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('tags = "3.*"', "`tags` should be a list of text"),
        ("tags = [3]", "`tags` should be a list of text"),
        ("tags = []", '`tags` is empty: write ["*"] for all tags'),
        ('tags = ["a b"]', "`tags` holds 'a b', which is no tag and no pattern of tags"),
        ('tags = ["-x"]', "`tags` holds '-x', which is no tag"),
        ('tags = ["3.*", ""]', "`tags` holds '', which is no tag"),
        ('exclude = "x"', "`exclude` should be a list of text"),
        ('exclude = ["x@y"]', "`exclude` holds 'x@y', which is no tag"),
        ('platforms = ["amd64"]', "`platforms` is wrong: 'amd64' is no platform: write os/architecture"),
        ('platforms = "linux/amd64"', "`platforms` should be a list of text"),
        ("newest = 0", "`newest` should be a whole number above 0"),
        ("newest = true", "`newest` should be a whole number above 0"),
        ('newest = "3"', "`newest` should be a whole number above 0"),
        ("newest = 1.5", "`newest` should be a whole number above 0"),
        ("prereleases = 1", "`prereleases` should be true or false"),
        ('referrers = "yes"', "`referrers` should be true or false"),
        ("exlude = []", "`exlude` is not known: did you mean `exclude`?"),
        ("tag = []", "`tag` is not known: did you mean `tags`?"),
        ("Newest = 3", "`Newest` is not known: did you mean `newest`?"),
        ("zzz = 1", "`zzz` is not known: known are `repository`, `tags`, "),
        ("insecure = true", '`insecure` belongs below [registry."registry.example"]'),
        ('password = "s3cret"', "`password` does not belong into this file: log in with docker"),
    ],
)
def test_wrong_values_of_a_target(line: str, words: str) -> None:
    """Each is told with its line, the number of the target and its key."""
    text = f'# a comment\n\n[[target]]\nrepository = "a"\n\n[[target]]\nrepository = "b"\n  {line}\nnewest=3\n'
    text = text.removesuffix("newest=3\n") if "newest" in line else text
    (problem,) = problems(text)
    assert problem.startswith(f"line 8: target 2: {words}")
    assert "s3cret" not in problem


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("3", "should be text, such as"),
        ('""', "is wrong: an empty text names no repository"),
        ('"Python"', "capitals"),
        ('"https://r.example/a"', "is a URL"),
        ('"python:3.13"', "is a repository here, without a tag: put '3.13' into `tags`"),
        ('"python:3.*"', "is a repository here, without a tag: put '3.*' into `tags`"),
        ('"r.example/*:latest"', "is a repository here, without a tag: put 'latest' into `tags`"),
        (f'"python@sha256:{"0" * 64}"', "without a digest"),
        ('"docker.io/*"', "lists namespaces only"),
        ('"*/team"', "lists namespaces only"),
    ],
)
def test_wrong_repositories(value: str, words: str) -> None:
    """A repository is named as on the command line, and its tags stand apart."""
    (problem,) = problems(f"[[target]]\nrepository = {value}")
    assert problem.startswith("line 2: target 1: `repository` ")
    assert words in problem


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[[target]]\n\n[[target]]\nrepository = 'a'", ["line 1: target 1: `repository` is missing"]),
        (
            "[target]\nrepository = 'a'",
            ["line 1: `target` stands in two brackets: write [[target]] above each of them"],
        ),
        ("target = 3", ["line 1: `target` stands in two brackets: write [[target]] above each of them"]),
        ("\n[[targets]]\nrepository = 'a'", ["line 2: `targets` is not known: did you mean `target`?"]),
        ("zzz = 3", ["line 1: `zzz` is not known: known are `target`, `defaults`, `registry`"]),
        ("newest = 3", ["line 1: `newest` belongs below [[target]] or [defaults]"]),
        ("repository = 'a'", ["line 1: `repository` belongs below [[target]]"]),
        ("defaults = 1", ["line 1: `defaults` is a table: write [defaults]"]),
        ("[defaults]\n\nrepository = 'a'", ["line 3: defaults: `repository` belongs below [[target]]"]),
        ("[defaults]\nnewest = 'x'", ["line 2: defaults: `newest` should be a whole number above 0"]),
        ("[defaults.more]\nx = 1", ["line 1: defaults: `more` is not known: known are "]),
        ("[[target]]\nrepository = 'a'\n[target.tags]\nx = 1", ["line 3: target 1: `tags` should be a list of text"]),
        ("registry = 'x'", ["line 1: `registry` is a table for each registry: write [registry."]),
        ("[registry]\nplain_http = true", ["line 2: registry 'plain_http': write [registry."]),
        ("[registry.r.example]\nplain_http = true", ["line 1: registry 'r': write [registry."]),
        (
            "[registry.library]\ninsecure = true",
            ["line 1: registry 'library' is no host name: write host or host:port"],
        ),
        ("[registry.'r.example/a']\n", ["line 1: registry 'r.example/a' is no host name"]),
        ("[registry.'https://r.example']\n", ["line 1: registry 'https://r.example' is no host name"]),
        (
            "[registry.'docker.io']\n[registry.'index.docker.io']\n",
            ["line 2: registry index.docker.io is docker.io, of which a table says something already"],
        ),
        (
            "[registry.'r.example']\nplain_http = 1",
            ["line 2: registry r.example: `plain_http` should be true or false"],
        ),
        ("[registry.'r.example']\ninsecure = 'no'", ["line 2: registry r.example: `insecure` should be true or false"]),
        ("[registry.'r.example']\nconcurrency = 0", ["line 2: registry r.example: `concurrency` should be a whole "]),
        ("[registry.'r.example']\nusername = 3", ["line 2: registry r.example: `username` should be text"]),
        ("[registry.'r.example']\nca_cert = true", ["line 2: registry r.example: `ca_cert` should be text"]),
        ("[registry.'r.example']\nca_cert = 'no.pem'", ["line 2: registry r.example: `ca_cert` names no file: "]),
        ("[registry.'r.example']\npasswort = 'x'", ["line 2: registry r.example: `passwort` is not known: known are "]),
        ("[registry.'r.example']\nTOKEN = 'x'", ["line 2: registry r.example: `TOKEN` does not belong into this file"]),
    ],
)
def test_wrong_tables(text: str, expected: list[str]) -> None:
    """Tables that are missing, misspelt or of the wrong kind are told with what to write."""
    found = problems(text)
    assert len(found) == len(expected)
    assert all(problem.startswith(words) for problem, words in zip(found, expected, strict=True)), found


def test_everything_that_is_wrong_is_told_at_once() -> None:
    """By line; lists over several lines are named by their first."""
    text = """\
        [[target]]
        repository = "r.example/a"
        tags = [
            "1.*",   # the first
            "a b",
        ]
        newest = "x"

        [registry."r.example"]
        consurrency = 3

        [[target]]
        tags = 3
        """
    assert problems(text) == [
        "line 3: target 1: `tags` holds 'a b', which is no tag and no pattern of tags",
        "line 7: target 1: `newest` should be a whole number above 0",
        "line 10: registry r.example: `consurrency` is not known: did you mean `concurrency`?",
        "line 12: target 2: `repository` is missing",
        "line 13: target 2: `tags` should be a list of text",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[[target]]\nrepository python\n", "line 2, column 12: is no TOML: Expected '='"),
        ("[[target]]\ntags = ['a'\n", "line 2: is no TOML: "),
        ("newest = 1\nnewest = 2\n", "line 2, column 11: is no TOML: Cannot overwrite a value"),
        ("[registry.localhost:5000]\n", "line 1, column 20: is no TOML: Expected ']'"),
    ],
)
def test_what_is_no_toml(text: str, expected: str) -> None:
    """The place is told as far as it is known."""
    (problem,) = problems(text)
    assert problem.startswith(expected)


def test_files_are_read_as_editors_write_them(tmp_path: Path) -> None:
    """With a byte order mark and Windows' line ends; lines are counted alike."""
    path = tmp_path / "targets.toml"
    path.write_bytes("\ufeff[[target]]\r\nrepository = 'python'\r\ntags = [\r\n'1.*',\r\n]\r\n".encode())
    assert read_targets(path).wanted == (Target(repository("python"), TagChoice(("1.*",))),)
    path.write_bytes("\ufeff[[target]]\r\nrepository = 'python'\r\n\r\ntags = 3".encode())
    with pytest.raises(InvalidFile, match=r"targets\.toml: line 4: target 1: `tags`"):
        read_targets(path)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """Missing, a folder, or no text: one line that says so."""
    (tmp_path / "latin.toml").write_bytes(b"# caf\xe9\n")
    for name, words in (("nowhere.toml", "cannot read .*nowhere.toml"), ("", "cannot read"), ("latin.toml", "UTF-8")):
        with pytest.raises(UsageError, match=words):
            read_targets(tmp_path / name)


# --- lines -----------------------------------------------------------------------------------------------------------


def test_lines_of_every_kind_of_statement() -> None:
    """Headers, arrays of tables, dotted keys, inline tables, and values over several lines that look like others."""
    text = '''\
a = 1 # comment
[[target]]
repository = """
[[target]]
tags = 3
"""
tags = [

  "x", # newest = 3
  "y",
]
[target.below]
b.c = {d = [1], e = 2}
[[target]]
"quoted.key" = 1
[registry."r.example"]
c = [{x = 1}, {x = 2}]
[[target]]
'''
    lines = key_lines(text)
    assert lines["a",] == 1
    assert lines["target", 0] == 2
    assert lines["target", 0, "repository"] == 3
    assert lines["target", 0, "tags"] == 7
    assert lines["target", 0, "below"] == 12
    assert lines["target", 0, "below", "b", "c", "d"] == lines["target", 0, "below", "b"] == 13
    assert lines["target", 1] == 14
    assert lines["target", 1, "quoted.key"] == 15
    assert lines["registry", "r.example"] == 16
    assert lines["registry", "r.example", "c", 1, "x"] == 17
    assert lines["target", 2] == 18
    assert ("target", 0, "newest") not in lines


GOOD = """
    [defaults]
    newest = 3
    [[target]]
    repository = "r.example/a"
    tags = [
        "1.*", # one
        'x',
    ]
    [registry."r.example"]
    insecure = true
    username = \'\'\'me\'\'\'
    [[target]]
    repository = "r.example/team/*"
    """
PARTS = st.sampled_from(["[", "]", "[[target]]", "=", '"', "'''", "tags", "\n", "{}", "#", "\\", "1", ".", "é", "\0"])


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 4), PARTS), max_size=4))
def test_damaged_files_are_read_or_refused(changes: list[tuple[int, int, str]]) -> None:
    """Whatever becomes of a file, it is either right or told what is wrong, on lines that it has."""
    text = dedent(GOOD)
    for at, length, part in changes:
        text = text[:at] + part + text[at + length :]
    try:
        parsed(text)
    except InvalidFile as error:
        assert all(words.startswith("targets.toml: line ") for words in error.problems)
        lines = [int(re.findall(r": line (\d+)", words)[0]) for words in error.problems]
        assert lines and all(1 <= line <= text.count("\n") + 1 for line in lines)
        assert lines == sorted(lines)


@pytest.mark.parametrize("text", ["a = " + "[" * 100_000, "a = " + "9" * 5_000, "[[target]]\nnewest = " + "9" * 5_000])
def test_files_that_nobody_would_write(text: str) -> None:
    """What Python itself refuses to read is no TOML either."""
    with pytest.raises(InvalidFile, match=r"targets\.toml: is no TOML: "):
        parsed(text)


FILLINGS = st.lists(st.sampled_from(["", "# [[target]]", "  # tags = 3", "\t"]), max_size=3)
VALUES = st.sampled_from(
    [
        "exclude = ['x']",
        "exclude = [\n 'x', # y\n\n 'z'\n]",
        "platforms = [\n'linux/amd64']",
        "newest = 3",
        "",
        "# tags",
    ]
)
TABLES = st.sampled_from(["[[target]]\nrepository = 'a'", "[registry.'r.example']\nconcurrency = 3", ""])


@given(st.lists(st.tuples(FILLINGS, TABLES), max_size=4), FILLINGS, VALUES, FILLINGS)
def test_lines_of_mistakes_are_counted_right(
    before: list[tuple[list[str], str]], first: list[str], value: str, second: list[str]
) -> None:
    """Wherever a mistake stands, its line is the one that an editor shows."""
    seen_registry = False
    parts: list[str] = []
    for filling, table in before:
        parts += filling
        if table and not (table.startswith("[registry") and seen_registry):
            seen_registry |= table.startswith("[registry")
            parts.append(table)
    text = "\n".join([*parts, "[[target]]", *first, "repository = 'b'", value, *second, "tags = 'x'", "# end"])
    number = text.count("\n", 0, text.index("tags = 'x'")) + 1
    index = text.count("repository = ")
    assert problems(text) == [f"line {number}: target {index}: `tags` should be a list of text"]


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.fixture
def made() -> Iterator[Made]:
    """A repository with two tags of two platforms."""
    with faulty_server() as server:
        made = Made(server)
        made.index([made.image("amd64"), made.image("arm64")], "1.0", "2.0")
        made.list_tags()
        yield made


def imglab(data: Path, *arguments: str) -> int:
    """The exit code of one command."""
    return main(["--data", str(data), "--quiet", *arguments])


def write(data: Path, text: str) -> Path:
    """The file of targets below the data folder."""
    path = data / "targets.toml"
    path.write_text(dedent(text))
    return path


def seen_tags(data: Path) -> list[str]:
    """The tags that the newest run looked up."""
    with open_store(data) as store:
        query = "select tag from journal.tag_observation where digest is not null qualify run_id = max(run_id) over ()"
        return sorted(store.sql(query).to_series())


def sized_platforms(data: Path) -> list[str]:
    """The platforms of which images were fetched."""
    with open_store(data) as store:
        return store.sql("select distinct platform from image order by all").to_series().to_list()


def test_a_timer_needs_no_arguments(made: Made, tmp_path: Path) -> None:
    """Without references the file below the data folder is read; with some it is not, unless it is named."""
    write(tmp_path, f'[[target]]\nrepository = "{made.repository}"\ntags = ["1.*"]\nplatforms = ["linux/arm64"]')
    assert imglab(tmp_path, "snapshot") == 0
    assert (seen_tags(tmp_path), sized_platforms(tmp_path)) == (["1.0"], ["linux/arm64"])
    assert imglab(tmp_path, "snapshot", f"{made.repository}:2.0") == 0
    assert (seen_tags(tmp_path), sized_platforms(tmp_path)) == (["2.0"], ["linux/amd64", "linux/arm64"])
    both = ("snapshot", f"{made.repository}:2.0", "--targets", str(tmp_path / "targets.toml"))
    assert imglab(tmp_path, *both) == 0
    assert seen_tags(tmp_path) == ["1.0", "2.0"]


def test_options_are_in_place_of_what_the_file_says(made: Made, tmp_path: Path) -> None:
    """For every target of it."""
    write(tmp_path, f'[[target]]\nrepository = "{made.repository}"\ntags = ["1.*"]\nplatforms = ["linux/arm64"]')
    assert imglab(tmp_path, "snapshot", "--platform", "linux/amd64", "--tags", "2.*") == 0
    assert (seen_tags(tmp_path), sized_platforms(tmp_path)) == (["2.0"], ["linux/amd64"])


def test_mistakes_are_told_before_anything_is_asked_for(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line for each on standard error, exit code 2, and no run."""
    text = f'[[target]]\nrepository = "{made.repository}"\ntags = 3\nplatform = []\npassword = "s3cret\\u001b[2J"\n'
    path = write(tmp_path, text)
    assert imglab(tmp_path, "snapshot") == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == f"imglab: {path}: line 3: target 1: `tags` should be a list of text"
    assert [line.split(": ")[2] for line in lines] == ["line 3", "line 4", "line 5"]
    assert "s3cret" not in "".join(lines)
    assert made.server.seen == [] and not (tmp_path / "journal").exists()


@pytest.mark.parametrize("text", ["", "# [[target]]\n", '[registry."r.example"]\nplain_http = true\n'])
def test_a_file_that_names_nothing_is_misuse(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    """It says where to write what."""
    path = write(tmp_path, text)
    assert imglab(tmp_path, "snapshot") == 2
    assert capsys.readouterr().err == (
        f"imglab: {path} names nothing to observe: add a [[target]] with its `repository`\n"
    )


def with_password(monkeypatch: pytest.MonkeyPatch, password: str) -> tuple[str, str]:
    """What standard input gives, and the option that reads it."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(password))
    return ("snapshot", "--password-stdin")


def test_a_username_in_the_file_says_whose_password_it_is(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The password goes to that registry and to no other that the file names."""
    made.server.on("/v2/", reply(401, www_authenticate='Basic realm="tests"'))
    with faulty_server() as server:
        other = Made(server)
        server.on("/v2/", reply(401, www_authenticate='Basic realm="tests"'))
        other.image("amd64", "1.0")
        write(
            tmp_path,
            f"""
            [[target]]
            repository = "{made.repository}"
            [[target]]
            repository = "{other.repository}"
            tags = ["1.0"]
            [registry."{made.server.registry}"]
            username = "ci"
            """,
        )
        assert imglab(tmp_path, *with_password(monkeypatch, "correct horse\n")) == 0
        sent = base64.b64encode(b"ci:correct horse").decode()
        listings = made.server.paths(f"/v2/{made.path}/tags/list?n=1000")
        assert [seen.headers["authorization"] for seen in listings] == [f"Basic {sent}"]
        assert not any("authorization" in seen.headers for seen in server.seen)


def test_usernames_without_their_password_are_misuse(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A registry with a username needs its password, and one password is for one registry."""
    for_one = '[[target]]\nrepository = "{0}/a"\n[registry."{0}"]\nusername = "ci"\n'
    write(tmp_path, for_one.format("r1.example") + for_one.format("r2.example"))
    assert imglab(tmp_path, "snapshot") == 2
    assert "r1.example and r2.example: a username without a password" in capsys.readouterr().err
    assert imglab(tmp_path, *with_password(monkeypatch, "x")) == 2
    assert "one password is for one registry, and r1.example and r2.example" in capsys.readouterr().err
    assert imglab(tmp_path, "snapshot", "--username", "me") == 2
    assert "--username and --password-stdin belong together" in capsys.readouterr().err


def test_access_in_the_file_reaches_the_registry(made: Made, tmp_path: Path) -> None:
    """TLS where the file says so, although loopback has none without; the command line wins again."""
    text = f'[[target]]\nrepository = "{made.repository}"\n[registry."{made.server.registry}"]\nplain_http = false\n'
    write(tmp_path, text)
    assert imglab(tmp_path, "snapshot") == 3
    assert imglab(tmp_path, "snapshot", "--plain-http") == 0


# --- documents -------------------------------------------------------------------------------------------------------

ROOT = Path(__file__).parent.parent
EXAMPLE = (ROOT / "data" / "targets.toml").read_text("utf-8")
README = (ROOT / "README.md").read_text("utf-8")
KEYS = ("repository", "tags", "exclude", "newest", "prereleases", "platforms", "referrers")
KEYS_OF_REGISTRIES = ("plain_http", "ca_cert", "insecure", "concurrency", "username")


def test_the_file_that_comes_with_imglab_names_nothing() -> None:
    """Nobody's registry is asked for anything that nobody asked for."""
    assert parsed(EXAMPLE) == Targets()


def test_examples_hold_once_they_are_uncommented(tmp_path: Path) -> None:
    """Every key has an example in it, and what it says is right."""
    (tmp_path / "team.pem").touch()
    text = re.sub(r"^#(?! |$)", "", EXAMPLE, flags=re.MULTILINE)
    targets = parsed(text, tmp_path)
    assert len(targets.wanted) == 5 and len(targets.access) == 2
    assert all(f"\n{key} = " in text for key in (*KEYS, *KEYS_OF_REGISTRIES))
    for key in (*KEYS, *KEYS_OF_REGISTRIES):
        assert f"`{key}`" in README


def test_the_example_of_the_readme_is_right() -> None:
    """What a reader copies is what imglab reads."""
    (text,) = re.findall(r"```toml\n(.*?)```", README, flags=re.DOTALL)
    targets = parsed(text)
    latest, versions, namespace = targets.wanted
    assert str(latest) == "docker.io/library/python:latest"
    assert str(versions) == "docker.io/library/python:3.*,!*-windowsservercore*,newest=3"
    assert str(namespace) == "registry.example.com/team/*"
    assert targets.usernames == {"registry.example.com": "ci"}


def test_versions_are_what_the_readme_says() -> None:
    """Its words about versions are rules: each of its examples is one."""
    same = [version(tag) for tag in ("3.14.1-slim", "v3.14.1", "3.14.1-alpine3.22")]
    assert len(set(same)) == 1 and same[0] is not None
    for tag in ("3.15.0rc1", "1.0.0-beta.2", "27-ea-3-jdk"):
        found = version(tag)
        assert f"`{tag}`" in README and found is not None and not found.is_release
    for tag in ("jdk-21.0.5", "trixie-20260803"):
        assert f"`{tag}`" in README and version(tag) is not None
