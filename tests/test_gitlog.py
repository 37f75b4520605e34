"""Documents are read version by version from files, folders, repositories and bundles, and git is kept harmless."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from imglab import gitlog
from imglab.errors import SourceError, UsageError


def git(folder: Path, *words: str, at: str = "2020-01-01T00:00:00+00:00") -> str:
    """What git says in *folder*, with the clock at *at* and without anybody's settings."""
    who = {f"GIT_{role}_{what}": "x@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    when = {"GIT_AUTHOR_DATE": at, "GIT_COMMITTER_DATE": at}
    quiet = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    command = ["git", "-c", "init.defaultBranch=main", "-c", "protocol.file.allow=always", *words]
    environment = os.environ | who | when | quiet
    return subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout


def commit(folder: Path, at: str, **files: str | None) -> str:
    """A commit at *at* of *files* (`_` stands for `.`, None removes); its id."""
    for name, text in files.items():
        path = folder / name.replace("_", ".")
        if text is None:
            path.unlink()
        else:
            path.write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", "x", at=at)
    return git(folder, "rev-parse", "HEAD").strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository in which a.md changes twice and b.md comes and goes."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q")
    commit(folder, "2020-01-01T12:00:00+02:00", a_md="one", b_md="first")
    commit(folder, "2020-01-02T12:00:00-07:00", a_md="two", c_txt="other")
    commit(folder, "2020-01-03T12:00:00+00:00", b_md=None)
    return folder


def read(path: Path) -> list[tuple[str, bytes | None]]:
    return [(version.path, version.body) for version in gitlog.versions(path, wanted=is_page)]


def is_page(path: str) -> bool:
    return path.endswith(".md")


EXPECTED = [("a.md", b"one"), ("b.md", b"first"), ("a.md", b"two"), ("b.md", None)]


def test_history_of_a_work_tree_oldest_first(repository: Path) -> None:
    """Every version of every wanted document comes in the order of the log; a removal has no body."""
    assert read(repository) == EXPECTED


def test_times_are_utc(repository: Path) -> None:
    """Commit times of several zones are given in UTC."""
    times = [version.committed_at for version in gitlog.versions(repository, wanted=lambda path: path == "a.md")]
    assert times == [datetime(2020, 1, 1, 10, tzinfo=UTC), datetime(2020, 1, 2, 19, tzinfo=UTC)]


def test_bare_repositories_clones_and_bundles_read_alike(repository: Path, tmp_path: Path) -> None:
    """The same history comes from a bare clone, its bundle, and a bundle without HEAD."""
    git(tmp_path, "clone", "-q", "--bare", str(repository), "bare.git")
    git(repository, "bundle", "create", "-q", str(tmp_path / "all.bundle"), "HEAD", "main")
    git(repository, "bundle", "create", "-q", str(tmp_path / "headless.bundle"), "main")
    for name in ("bare.git", "all.bundle", "headless.bundle"):
        assert read(tmp_path / name) == EXPECTED, name


def test_linked_work_tree(repository: Path, tmp_path: Path) -> None:
    """A work tree whose `.git` is a file has the history of its own branch."""
    git(repository, "worktree", "add", "-q", str(tmp_path / "linked"), "HEAD~1")
    assert read(tmp_path / "linked") == EXPECTED[:3]


def test_path_inside_a_repository_has_its_own_history(repository: Path) -> None:
    """A tracked file or folder gives its versions only, named from the root of the repository."""
    (repository / "deep").mkdir()
    (repository / "deep" / "d.md").write_text("deep")
    commit(repository, "2020-01-04T00:00:00+00:00")
    assert read(repository / "a.md") == [("a.md", b"one"), ("a.md", b"two")]
    assert read(repository / "deep") == [("deep/d.md", b"deep")]


def test_untracked_files_in_a_repository_are_plain(repository: Path) -> None:
    """What git does not track has no history: one version without commit or time."""
    (repository / "new.md").write_text("new")
    assert gitlog.find_history(repository / "new.md") is None
    assert list(gitlog.versions(repository / "new.md", wanted=is_page)) == [
        gitlog.Version("new.md", None, None, b"new")
    ]


def test_plain_folder(tmp_path: Path) -> None:
    """The files of a folder come by name, hidden folders left out."""
    (tmp_path / "x").mkdir()
    (tmp_path / ".hidden").mkdir()
    for name in ("x/b.md", "a.md", ".hidden/c.md", "d.txt"):
        (tmp_path / name).write_text(name)
    assert read(tmp_path) == [("a.md", b"a.md"), ("x/b.md", b"x/b.md")]


def test_unusual_paths(tmp_path: Path) -> None:
    """Tabs, quotes, line feeds, letters and foreign bytes in paths survive or are made visible."""
    git(tmp_path, "init", "-q")
    names = ["tab\t.md", 'quote".md', "line\nfeed.md", ":colon.md", "ä.md", " blank .md"]
    for name in names:
        (tmp_path / name).write_text(name)
    (tmp_path / os.fsdecode(b"latin\xe4.md")).write_text("latin")
    commit(tmp_path, "2020-01-01T00:00:00+00:00")
    assert sorted(read(tmp_path)) == sorted([(name, name.encode()) for name in names] + [("latin\\xe4.md", b"latin")])


def test_merges_count_once_along_first_parents(repository: Path) -> None:
    """A merge brings what it changed on the main line at its own time; commits of the side do not show."""
    git(repository, "checkout", "-q", "-b", "side", "HEAD~1")
    commit(repository, "2019-01-01T00:00:00+00:00", a_md="side one")
    commit(repository, "2019-01-02T00:00:00+00:00", a_md="side two")
    git(repository, "checkout", "-q", "main")
    git(repository, "merge", "-q", "--no-ff", "-m", "x", "side", at="2020-02-01T00:00:00+00:00")
    last = list(gitlog.versions(repository, wanted=is_page))[4:]
    assert [(version.body, version.committed_at) for version in last] == [
        (b"side two", datetime(2020, 2, 1, tzinfo=UTC))
    ]


def test_known_versions_are_passed_over(repository: Path) -> None:
    """Versions whose path and commit are known are not read again."""
    all_versions = list(gitlog.versions(repository, wanted=is_page))
    known = {(version.path, str(version.commit)) for version in all_versions[:3]}
    assert list(gitlog.versions(repository, wanted=is_page, known=known)) == all_versions[3:]


def test_symbolic_links_and_submodules_are_no_documents(repository: Path) -> None:
    """Only regular files have versions."""
    (repository / "link.md").symlink_to("a.md")
    git(repository, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},module.md")
    git(repository, "add", "link.md")
    git(repository, "commit", "-q", "-m", "x", at="2020-01-05T00:00:00+00:00")
    assert read(repository) == EXPECTED


def test_shallow_clone_begins_at_its_boundary(repository: Path, tmp_path: Path) -> None:
    """A shallow clone gives the state at its oldest commit and what came after."""
    git(tmp_path, "clone", "-q", "--depth", "2", repository.as_uri(), "shallow")
    assert read(tmp_path / "shallow") == [("a.md", b"two"), ("b.md", b"first"), ("b.md", None)]


def test_partial_clone_reports_missing_blobs(repository: Path, tmp_path: Path) -> None:
    """A blob that a partial clone lacks is an error of its version; nothing is fetched, the rest is read."""
    git(repository, "config", "uploadpack.allowFilter", "true")
    git(tmp_path, "clone", "-q", "--filter=blob:none", repository.as_uri(), "partial")
    mark = tmp_path / "mark"
    git(tmp_path / "partial", "config", "remote.origin.uploadpack", f"touch '{mark}'; git-upload-pack")
    found = list(gitlog.versions(tmp_path / "partial", wanted=is_page))
    assert [(version.path, version.body) for version in found][2:] == EXPECTED[2:]
    assert [version.error is not None and "missing" in version.error for version in found] == [True, True, False, False]
    assert not mark.exists()


def test_foreign_configuration_runs_nothing(repository: Path, tmp_path: Path) -> None:
    """Programs that a repository's configuration, hooks and attributes name are never started."""
    mark = tmp_path / "mark"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch '{mark}'\n")
    program.chmod(0o755)
    (repository / ".gitattributes").write_text("*.md diff=evil filter=evil\n")
    for name in ("core.fsmonitor", "diff.external", "diff.evil.textconv", "core.pager", "filter.evil.smudge"):
        git(repository, "config", name, str(program))
    git(repository, "config", "log.showSignature", "true")
    (repository / ".git" / "hooks" / "post-index-change").symlink_to(program)
    assert read(repository) == EXPECTED
    assert read(repository / "a.md") == [("a.md", b"one"), ("a.md", b"two")]
    assert not mark.exists()


def test_settings_of_the_caller_do_not_matter(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that steer git elsewhere are not passed on."""
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nowhere")
    monkeypatch.setenv("GIT_TRACE", "1")
    assert read(repository) == EXPECTED


def test_repository_of_longer_ids(tmp_path: Path) -> None:
    """Repositories and bundles whose objects are named by SHA-256 are read like others."""
    folder = tmp_path / "long"
    folder.mkdir()
    git(folder, "init", "-q", "--object-format=sha256")
    assert len(commit(folder, "2020-01-01T00:00:00+00:00", a_md="one")) == 64
    git(folder, "bundle", "create", "-q", "--version=3", str(tmp_path / "long.bundle"), "HEAD", "main")
    assert read(folder) == [("a.md", b"one")]
    assert read(tmp_path / "long.bundle") == [("a.md", b"one")]


def test_names_that_need_care(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative paths, links, and folders with blanks, colons and quotes in their names are read like others."""
    odd = tmp_path / 'o\'d : "name" ä'
    repository.rename(odd)
    (tmp_path / "link").symlink_to(odd)
    monkeypatch.chdir(odd)
    for path in (odd, tmp_path / "link", Path()):
        assert read(path) == EXPECTED
    assert read(Path("a.md")) == EXPECTED[:1] + EXPECTED[2:3]


@pytest.mark.parametrize("cut", [40, 200, -30])
def test_damaged_bundle(repository: Path, tmp_path: Path, cut: int) -> None:
    """A bundle that ends too soon is a SourceError of one line that names it."""
    bundle = tmp_path / "cut.bundle"
    git(repository, "bundle", "create", "-q", str(bundle), "HEAD", "main")
    bundle.write_bytes(bundle.read_bytes()[:cut])
    with pytest.raises(SourceError, match=r"cut\.bundle") as caught:
        read(bundle)
    assert "\n" not in str(caught.value)


def test_bundle_of_the_end_of_a_history(repository: Path, tmp_path: Path) -> None:
    """A bundle that needs commits it does not hold is a SourceError."""
    git(repository, "bundle", "create", "-q", str(tmp_path / "part.bundle"), "HEAD~1..main")
    with pytest.raises(SourceError, match=r"part\.bundle"):
        read(tmp_path / "part.bundle")


def test_corrupt_object(repository: Path) -> None:
    """An object that cannot be unpacked is an error of its version; the rest is read."""
    blob = git(repository, "rev-parse", "HEAD:a.md").strip()
    loose = repository / ".git" / "objects" / blob[:2] / blob[2:]
    loose.chmod(0o644)
    loose.write_bytes(b"nothing that zlib knows")
    found = list(gitlog.versions(repository, wanted=is_page))
    assert [version.body for version in found] == [b"one", b"first", None, None]
    assert found[2].error is not None and "damaged" in found[2].error


def test_repository_without_commits(tmp_path: Path) -> None:
    """A repository on an empty branch is a SourceError; files in it are plain."""
    git(tmp_path, "init", "-q")
    (tmp_path / "a.md").write_text("a")
    with pytest.raises(SourceError, match="no commits"):
        read(tmp_path)
    assert read(tmp_path / "a.md") == [("a.md", b"a")]


def test_path_that_is_not_there(tmp_path: Path) -> None:
    """A missing path is the caller's mistake."""
    for name in ("nothing", "x" * 10_000, "nul\0"):
        with pytest.raises(UsageError, match="there is no"):
            gitlog.find_history(tmp_path / name)


def test_without_git(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without git a history says so, and plain files are read all the same."""
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "a.md").write_text("a")
    monkeypatch.setenv("PATH", str(plain))
    with pytest.raises(SourceError, match="git is not installed"):
        read(repository)
    assert read(plain) == [("a.md", b"a")]


def test_too_large_document(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A document beyond the limit is an error of its version; the next one is read."""
    monkeypatch.setattr(gitlog, "DOCUMENT_BYTES", 4)
    found = list(gitlog.versions(repository, wanted=is_page))
    assert [version.body for version in found] == [b"one", None, b"two", None]
    assert found[1].error == "it is longer than 4 bytes"


@pytest.fixture
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of this test's own for temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    yield folder


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="children are listed by Linux only")
def test_leaving_early_ends_git(repository: Path, own_temporary_folder: Path) -> None:
    """An iterator closed in the middle ends its process and removes its folder; so does one that was read whole."""
    before = children()  # such as the tracker that processes of other tests leave behind
    big = "x" * 3_000_000
    for day in range(10, 20):
        commit(repository, f"2020-01-{day}T00:00:00+00:00", a_md=f"{big}{day}")
    stream = gitlog.versions(repository, wanted=is_page)
    assert next(stream).body == b"one"
    assert len(list(own_temporary_folder.iterdir())) == 1
    assert children() != before
    stream.close()  # type: ignore[attr-defined]
    assert children() == before
    assert len(read(repository)) == 14
    assert list(own_temporary_folder.iterdir()) == []


def children() -> list[str]:
    """Processes that this one started and that are still there."""
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


@pytest.mark.real_history
def test_every_change_of_a_real_history(real_data: Path) -> None:
    """The log of the bundle has all 605 commits and 11,745 changes, in the order of their dates."""
    with gitlog.open_documents(real_data / "repo-info.bundle") as documents:
        changes = documents.changes(lambda path: True)
    assert (len(changes), len({change.commit for change in changes})) == (11_745, 605)
    times = [change.committed_at for change in changes if change.committed_at]
    assert times == sorted(times)


@pytest.mark.real_history
@pytest.mark.parametrize(("path", "count"), [("library/python", 402), ("library/openjdk", 602)])
def test_main_line_of_a_history_with_merges(real_data: Path, path: str, count: int) -> None:
    """The main line is read, not the side branches that the bundle holds too."""
    found = gitlog.versions(real_data / "official-images.bundle", wanted=lambda name: name == path)
    assert sum(version.body is not None for version in found) == count
