"""
Documents in files, folders and git histories, version by version; the only home of git.

A history is read from HEAD along first parents: dates are then monotone and each state is one that was really
published. Contents come from one `git cat-file --batch` fed in the order of the log, which is five to fifteen times
faster than the order of their ids.

A repository is somebody else's: git never runs with its configuration. It runs in an empty git directory of our own
that borrows the repository's objects, so that no hook, monitor, filter, helper or promisor remote of it can act, and a
blob that a partial clone lacks is missing rather than downloaded.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Protocol

from imglab.errors import SourceError, UsageError

DOCUMENT_BYTES = 64_000_000  # no document of any known source is a hundredth of it
_CHUNK_BYTES = 1 << 16
_BUNDLE = re.compile(rb"# v\d+ git bundle\n")
_FILE_MODES = {b"100644", b"100755"}
_BRANCHES = ("HEAD", "refs/heads/main", "refs/heads/master")


@dataclass(frozen=True, slots=True)
class Change:
    """A document as a commit left it; `blob` is None where the commit removed it. A plain file has no commit."""

    path: str  # below the repository's root, or below the folder that was given
    commit: str | None
    committed_at: datetime | None  # UTC
    blob: str | None


@dataclass(frozen=True, slots=True)
class Version:
    """A document's bytes at one change: None where it was removed, or where `error` says why they cannot be had."""

    path: str
    commit: str | None
    committed_at: datetime | None
    body: bytes | None
    error: str | None = None


class Documents(Protocol):
    """Documents opened for reading, be they plain files or a history."""

    @property
    def location(self) -> Path:
        """The path that was opened."""

    @property
    def is_history(self) -> bool:
        """Whether the documents have commits."""

    @property
    def is_single(self) -> bool:
        """Whether the path named one document."""

    def changes(self, wanted: Callable[[str], bool]) -> list[Change]:
        """Every change of the documents whose path is *wanted*, oldest first."""

    def read(self, changes: Sequence[Change]) -> Iterator[Version]:
        """The versions that *changes* name, in their order, one in memory at a time."""


@dataclass(frozen=True, slots=True)
class History:
    """Where a path has its git history: a git directory or a bundle, and the path inside it ('' for all of it)."""

    location: Path
    source: Path
    prefix: str = ""
    is_bundle: bool = False
    is_single: bool = False


def find_history(path: Path) -> History | None:
    """
    The git history of *path*: a work tree, a bare repository, a bundle, or a path that a repository tracks.

    None if *path* is plain files. Raises UsageError if there is no such path.
    """
    if not _exists(path):
        raise UsageError(f"there is no {path}: name a file, a folder, a git repository or a bundle")
    if path.is_file() and _is_bundle(path):
        return History(path, path.resolve(), is_bundle=True)
    if _is_git_directory(path):
        return History(path, path.resolve())
    return _tracked_history(path)


@contextlib.contextmanager
def open_documents(path: Path) -> Iterator[Documents]:
    """
    The documents of *path* with their history if it has one, else its plain files.

    Raises UsageError if there is no such path, SourceError if git is missing or cannot read the history.
    """
    history = find_history(path)
    if history is None:
        yield _PlainDocuments(path)
        return
    with _Git.open(history) as git:
        yield _HistoryDocuments(history, git)


def versions(path: Path, *, wanted: Callable[[str], bool], known: Container[tuple[str, str]] = ()) -> Iterator[Version]:
    """
    Every version of every *wanted* document of *path*, oldest first; plain files have one, by name.

    Versions whose (path, commit) is *known* are passed over unread. Raises as `open_documents` does.
    """
    with open_documents(path) as documents:
        yield from documents.read(unread(documents.changes(wanted), known))


def unread(changes: Iterable[Change], known: Container[tuple[str, str]]) -> list[Change]:
    """The *changes* whose (path, commit) is not *known*; plain files are never known."""
    return [change for change in changes if change.commit is None or (change.path, change.commit) not in known]


# --- plain files -----------------------------------------------------------------------------------------------------


class _PlainDocuments:
    is_history = False

    def __init__(self, location: Path) -> None:
        self.location = location
        self.is_single = not location.is_dir()

    def changes(self, wanted: Callable[[str], bool]) -> list[Change]:
        names = [self.location.name] if self.is_single else sorted(self._names())
        return [Change(name, None, None, None) for name in names if wanted(name)]

    def read(self, changes: Sequence[Change]) -> Iterator[Version]:
        folder = self.location.parent if self.is_single else self.location
        for change in changes:
            body, error = _read_file(folder / change.path)
            yield Version(change.path, None, None, body, error)

    def _names(self) -> Iterator[str]:
        for folder, folders, files in os.walk(self.location):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in files:
                yield (Path(folder) / name).relative_to(self.location).as_posix()


def _read_file(path: Path) -> tuple[bytes | None, str | None]:
    try:
        if not path.is_file():
            return None, "it is no regular file"
        with path.open("rb") as file:
            body = file.read(DOCUMENT_BYTES + 1)
    except OSError as error:
        return None, f"it cannot be read: {error.strerror}"
    return (body, None) if len(body) <= DOCUMENT_BYTES else (None, _too_long())


def _too_long() -> str:
    return f"it is longer than {DOCUMENT_BYTES:,} bytes"


# --- histories -------------------------------------------------------------------------------------------------------


class _HistoryDocuments:
    is_history = True

    def __init__(self, history: History, git: _Git) -> None:
        self.location = history.location
        self.is_single = history.is_single
        self._history = history
        self._git = git

    def changes(self, wanted: Callable[[str], bool]) -> list[Change]:
        options = "--first-parent -m --reverse --raw --no-abbrev --no-renames -z --format=%H%x20%ct".split()
        scope = ["--", self._history.prefix] if self._history.prefix else ["--"]
        with self._git.run("log", *options, self._git.head, *scope) as output:
            return [change for change in _parse_log(_fields(output)) if wanted(change.path)]

    def read(self, changes: Sequence[Change]) -> Iterator[Version]:
        blobs = [change.blob for change in changes if change.blob]
        # Ids come from a file: git reads them at its own pace, and no two pipes can wait for each other.
        with tempfile.TemporaryFile(dir=self._git.directory) as ids:
            ids.writelines(f"{blob}\n".encode() for blob in blobs)
            ids.seek(0)
            with self._git.run("cat-file", "--batch", "--buffer", stdin=ids) as output:
                for change in changes:
                    body, error = _read_blob(output) if change.blob else (None, None)
                    yield Version(change.path, change.commit, change.committed_at, body, error)


def _parse_log(fields: Iterator[bytes]) -> Iterator[Change]:
    """The changes in the NUL-separated fields of `git log --raw -z`: a commit line, then pairs of facts and path."""
    commit, committed_at = "", datetime.min.replace(tzinfo=UTC)
    for field in fields:
        line = field.lstrip(b"\n")
        if not line.startswith(b":"):
            commit, committed_at = _parse_commit(line)
            continue
        path = next(fields, b"").decode("utf-8", "backslashreplace")
        _, new_mode, _, blob, status = line.split(b" ")
        if status == b"D":
            yield Change(path, commit, committed_at, None)
        elif new_mode in _FILE_MODES:
            yield Change(path, commit, committed_at, blob.decode("ascii"))


def _parse_commit(line: bytes) -> tuple[str, datetime]:
    commit, _, seconds = line.decode("ascii").partition(" ")
    try:
        return commit, datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, OverflowError, OSError):
        raise SourceError(f"commit {commit} has an impossible date ({seconds})", kind="bad-history") from None


def _fields(output: IO[bytes]) -> Iterator[bytes]:
    rest = b""
    while chunk := output.read(_CHUNK_BYTES):
        *complete, rest = (rest + chunk).split(b"\0")
        yield from complete


def _read_blob(output: IO[bytes]) -> tuple[bytes | None, str | None]:
    """The next answer of `git cat-file --batch`: contents, or the reason why there are none."""
    header = output.readline().split()
    if not header:
        raise _Ended
    if len(header) != 3:
        return None, "its contents are missing or damaged: in a partial clone fetch them first, else see git fsck"
    size = int(header[2])
    if size > DOCUMENT_BYTES:
        _skip(output, size + 1)
        return None, _too_long()
    body = output.read(size + 1)
    if len(body) != size + 1:
        raise _Ended
    return body[:-1], None


def _skip(output: IO[bytes], size: int) -> None:
    while size > 0:
        chunk = output.read(min(size, _CHUNK_BYTES))
        if not chunk:
            raise _Ended
        size -= len(chunk)


# --- git -------------------------------------------------------------------------------------------------------------


class _Ended(Exception):
    """git stopped in the middle of an answer; what it said on stderr is the reason."""


class _Git:
    """git in a directory of our own with somebody's objects: see the head of this module."""

    def __init__(self, directory: Path, objects: Path, name: Path) -> None:
        self.directory = directory
        self.head = ""
        self._objects = objects
        self._name = name

    @classmethod
    @contextlib.contextmanager
    def open(cls, history: History) -> Iterator[_Git]:
        """git ready to read *history*; its directory is removed in the end."""
        with tempfile.TemporaryDirectory(prefix="imglab-git-") as folder:
            yield cls._of_bundle(history, Path(folder)) if history.is_bundle else cls._of_git(history, Path(folder))

    @classmethod
    def _of_git(cls, history: History, directory: Path) -> _Git:
        asked = "rev-parse", "--git-path", "objects", "--git-path", "shallow", "--show-object-format"
        objects, shallow, object_format = _ask(history.source, history.location, *asked)
        _write_directory(directory, object_format)
        git = cls(directory, history.source.parent / objects, history.location)
        shallow_file = history.source.parent / shallow
        if shallow_file.is_file():
            (directory / "shallow").write_bytes(shallow_file.read_bytes())
        commits = _ask(history.source, history.location, "rev-parse", "--verify", "--quiet", "HEAD", is_optional=True)
        if not commits:
            raise SourceError(f"{history.location} has no commits on its branch yet", kind="empty-history")
        git.head = commits[0]
        return git

    @classmethod
    def _of_bundle(cls, history: History, directory: Path) -> _Git:
        with history.source.open("rb") as file:
            is_sha256 = b"\n@object-format=sha256\n" in file.read(4096)
        _write_directory(directory, "sha256" if is_sha256 else "sha1")
        git = cls(directory, directory / "objects", history.location)
        with git.run("bundle", "unbundle", str(history.source)) as output:
            lines = output.read().decode("utf-8", "backslashreplace").splitlines()
        heads = {name: commit for commit, _, name in (line.partition(" ") for line in lines)}
        git.head = next((heads[name] for name in _BRANCHES if name in heads), "")
        if not git.head and len(heads) == 1:
            (git.head,) = heads.values()
        if not git.head:
            raise SourceError(f"{history.location} names no HEAD, main or master branch to read", kind="bad-history")
        return git

    @contextlib.contextmanager
    def run(self, command: str, *arguments: str, stdin: IO[bytes] | None = None) -> Iterator[IO[bytes]]:
        """The output of a git command, as it comes; raises SourceError if git ends badly."""
        words = ["git", f"--git-dir={self.directory}", "-c", "core.deltaBaseCacheLimit=1g", command, *arguments]
        environment = _environment() | {"GIT_OBJECT_DIRECTORY": str(self._objects)}
        with tempfile.TemporaryFile(dir=self.directory) as complaints:
            process = _start(words, stdin or subprocess.DEVNULL, complaints, environment)
            output = _output(process)
            is_broken, status = False, 0
            try:
                with contextlib.suppress(_Ended):
                    is_broken = True
                    yield output
                    is_broken = False
                status = 0 if output.read(1) else process.wait()
            finally:
                process.kill()
                process.wait()
                output.close()
            if is_broken or status:
                raise self._complaint(complaints)

    def _complaint(self, complaints: IO[bytes]) -> SourceError:
        complaints.seek(0)
        return SourceError(f"git cannot read {self._name}: {_reason(complaints.read(4096))}", kind="bad-history")


def _exists(path: Path) -> bool:
    """Whether *path* can be looked at; names that no system allows do not exist."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _is_bundle(path: Path) -> bool:
    with contextlib.suppress(OSError), path.open("rb") as file:
        return _BUNDLE.match(file.read(64)) is not None
    return False


def _is_git_directory(path: Path) -> bool:
    return (path / "HEAD").is_file() and (path / "objects").is_dir() and (path / "refs").is_dir()


def _tracked_history(path: Path) -> History | None:
    """The history of *path* in the repository whose work tree holds it; None if it is not tracked in any."""
    full = path.resolve()
    root = next((folder for folder in (full, *full.parents) if (folder / ".git").exists()), None)
    if root is None:
        return None
    prefix = "" if root == full else full.relative_to(root).as_posix()
    history = History(path, root / ".git", prefix, is_single=path.is_file())
    return history if not prefix or _is_tracked(history) else None


def _is_tracked(history: History) -> bool:
    try:
        with (
            _Git.open(history) as git,
            git.run("ls-tree", "-z", "--full-tree", git.head, "--", history.prefix) as output,
        ):
            return bool(output.read())
    except SourceError as error:
        if error.kind == "empty-history":
            return False
        raise


def _write_directory(directory: Path, object_format: str) -> None:
    """The least that git takes for a bare repository, made by hand so that no template adds to it."""
    (directory / "objects").mkdir()
    (directory / "refs").mkdir()
    (directory / "HEAD").write_text("ref: refs/heads/none\n")
    extension = f"[extensions]\n\tobjectFormat = {object_format}\n" if object_format != "sha1" else ""
    version = 1 if extension else 0
    (directory / "config").write_text(f"[core]\n\trepositoryFormatVersion = {version}\n\tbare = true\n{extension}")


def _ask(git_directory: Path, name: Path, *words: str, is_optional: bool = False) -> list[str]:
    """Lines that git answers about a foreign repository, asking only what makes it run nothing."""
    command = ["git", f"--git-dir={git_directory}", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"]
    try:
        answer = subprocess.run(
            [*command, *words], capture_output=True, env=_environment(), cwd=git_directory.parent, check=False
        )
    except OSError as error:
        raise _not_startable(error) from None
    if answer.returncode and not is_optional:
        raise SourceError(f"git cannot read {name}: {_reason(answer.stderr)}", kind="bad-history")
    return os.fsdecode(answer.stdout).splitlines()


def _environment() -> dict[str, str]:
    """Our environment without what steers git, and with what keeps it quiet, local and independent of settings."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return inherited | {
        "LC_ALL": "C",
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
    }


def _start(
    words: list[str], stdin: IO[bytes] | int, complaints: IO[bytes], environment: dict[str, str]
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            words, stdin=stdin, stdout=subprocess.PIPE, stderr=complaints, env=environment, bufsize=1 << 20
        )
    except OSError as error:
        raise _not_startable(error) from None


def _output(process: subprocess.Popen[bytes]) -> IO[bytes]:
    if process.stdout is None:
        raise AssertionError("git was started with a pipe")
    return process.stdout


def _not_startable(error: OSError) -> SourceError:
    if isinstance(error, FileNotFoundError):
        return SourceError("git is not installed: install it, or import plain files", kind="no-git")
    return SourceError(f"git cannot be started: {error.strerror}", kind="no-git")


def _reason(complaints: bytes) -> str:
    """The first line of what git complained, without its own prefix."""
    lines = complaints.decode("utf-8", "replace").strip().splitlines()
    return re.sub(r"^(fatal|error): ", "", lines[0]) if lines else "it ended without a word"
