"""Files that name images, found and read."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from imglab.errors import UsageError
from imglab.pins.dockerfile import parse_dockerfile
from imglab.pins.mention import Mention, Problem, mentioned
from imglab.pins.yaml_files import parse_yaml

LARGEST = 10_000_000  # bytes; what is larger is none of these
_DOCKERFILE = re.compile(r"^(?:(?:Docker|Container)file(?:[._-].*)?|.*\.(?:docker|container)file)$", re.IGNORECASE)
_YAML = re.compile(r"\.ya?ml$", re.IGNORECASE)


def read_pins(paths: Iterable[Path]) -> tuple[list[Mention], list[Problem]]:
    """
    The images that the files at *paths*, and those in folders among them, name; and what could not be told.

    In the order of the paths, in folders by name, in files by line. Raises UsageError for a path that is not there.
    """
    mentions, problems = list[Mention](), list[Problem]()
    for path in paths:
        if not path.exists():
            raise UsageError(
                f"{path} is not there: name a Dockerfile, compose file, Kubernetes manifest, list or folder"
            )
        for file, is_named in _files(path):
            for found in _read(file, is_named):
                (mentions if isinstance(found, Mention) else problems).append(found)  # type: ignore[arg-type]
    return mentions, problems


def _files(path: Path) -> Iterator[tuple[Path, bool]]:
    """*path*, which somebody named, or what in the folder *path* looks like a file that names images."""
    if not path.is_dir():
        yield path, True
        return
    for folder, below, names in os.walk(path):
        below[:] = sorted(name for name in below if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and (_DOCKERFILE.match(name) or _YAML.search(name)):
                yield Path(folder, name), False


def _read(path: Path, is_named: bool) -> Iterator[Mention | Problem]:
    file = str(path)
    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST + 1)
        if len(content) > LARGEST:
            yield Problem(file, 0, f"has more than {LARGEST // 1_000_000} MB: it is no file that names images")
            return
        text = content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        yield Problem(file, 0, f"cannot be read: {why}")
        return
    found = list(_parse(path, file, text))
    if is_named and not found:
        found = [Problem(file, 0, "names no image")]
    yield from found


def _parse(path: Path, file: str, text: str) -> Iterator[Mention | Problem]:
    if _DOCKERFILE.match(path.name):
        return parse_dockerfile(file, text)
    if _YAML.search(path.name):
        return parse_yaml(file, text)
    return parse_list(file, text)


def parse_list(file: str, text: str) -> Iterator[Mention | Problem]:
    """The references in *text*, one a line; what follows a blank or `#` is a remark."""
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if words:
            yield mentioned(file, number, words[0].replace("$", "$$"), {})
