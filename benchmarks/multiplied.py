"""
A larger history made from a real one: generated data, labelled as such wherever figures of it are shown.

Each commit of the real history becomes one commit that changes the same documents of several made-up images: names and
digests differ from copy to copy, everything else stays.

Usage: python benchmarks/multiplied.py BUNDLE COPIES TARGET
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from imglab.gitlog import Version, versions

_HEX = re.compile(rb"(?<![0-9a-f])([0-9a-f]{2})(?=[0-9a-f]{38})")  # the first digits of a digest or commit
_PATH = re.compile(r"(repos|library)/([^/]+)(.*)")


def main(bundle: Path, copies: int, target: Path) -> None:
    """Write a bare repository."""
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", target], check=True)
    command = ["git", "-C", target, "fast-import", "--quiet", "--done"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin
        for commit in by_commit(versions(bundle, wanted=lambda path: _PATH.fullmatch(path) is not None)):
            write_commit(process.stdin, commit, copies)
        process.stdin.write(b"done\n")
    if process.returncode:
        raise SystemExit("git fast-import failed")


def by_commit(history: Iterator[Version]) -> Iterator[list[Version]]:
    """The versions that one commit made."""
    together: list[Version] = []
    for version in history:
        if together and together[-1].commit != version.commit:
            yield together
            together = []
        together.append(version)
    yield together


def write_commit(stream: IO[bytes], together: list[Version], copies: int) -> None:
    """One commit with all copies of its documents."""
    at = together[0].committed_at
    assert at
    text = f"commit refs/heads/main\ncommitter generated <generated> {at.timestamp():.0f} +0000\ndata 9\ngenerated\n"
    stream.write(text.encode())
    for version in together:
        for copy in range(copies):
            write_document(stream, version, copy)


def write_document(stream: IO[bytes], version: Version, copy: int) -> None:
    """A document of one copy, or its removal."""
    match = _PATH.fullmatch(version.path)
    assert match
    folder, image, rest = match.groups()
    path = f"{folder}/{image}-{copy}{rest}"
    if version.body is None:
        stream.write(f"D {path}\n".encode())
        return
    body = _HEX.sub(lambda digits: b"%02x" % ((int(digits[1], 16) + 17 * copy) % 256), version.body)
    name, other = image.encode(), f"{image}-{copy}".encode()
    for mark, end in ((b"`", b":"), (b"docker pull ", b"@")):
        body = body.replace(mark + name + end, mark + other + end)
    stream.write(f"M 100644 inline {path}\ndata {len(body)}\n".encode() + body + b"\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
