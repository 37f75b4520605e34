"""What configs set, made comparable: environment, labels, commands, user, directory."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Settings = dict[str, str | None]  # a setting that is not there is not known; None: it is known not to be set

_SINGLE = {"entrypoint": "entrypoint", "cmd": "cmd", "shell": "shell", "working_dir": "working directory"}
_SINGLE |= {"user": "user", "docker_version": "docker version"}
_LISTS = {"env": "env", "labels": "label"}
_BY_STEP = {"ENV": "env", "LABEL": "label"}
_NEXT_NAME = re.compile(r"\s+(?=[\w.-]+=)")


class Known:
    """The settings of one image, as far as a source tells them."""

    def __init__(self, image: Mapping[str, Any], steps: Iterable[Mapping[str, Any]]) -> None:
        steps = list(steps)
        self._values: dict[str, str] = dict(_stated(image))
        self._whole = {*_LISTS.values(), *_SINGLE.values()} if image["is_whole_config"] else set()
        texts = [(step["instruction"], step["text"]) for step in steps]
        if not image["is_whole_config"] and texts and all(text is not None for _, text in texts):
            self._values = {**dict(_told(texts)), **self._values}
            self._whole |= {*_BY_STEP.values(), "user", "working directory"}
        self._whole |= {kind for name, kind in _LISTS.items() if image[name] is not None}

    def names(self) -> set[str]:
        """What is set."""
        return set(self._values)

    def value(self, name: str) -> str | None:
        """What *name* is set to; None if it is not, or if that is not known."""
        return self._values.get(name)

    def knows(self, name: str) -> bool:
        """Whether it is known what *name* is set to, or that it is not set."""
        return name in self._values or name.partition(" ")[0] in self._whole or name in self._whole

    def kinds(self) -> set[str]:
        """The kinds of settings that are known whole."""
        return self._whole


def _stated(image: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The settings that a config states."""
    for name, shown in _SINGLE.items():
        value = image[name]
        if value:
            yield shown, " ".join(value) if isinstance(value, list) else str(value)
    for name, kind in _LISTS.items():
        for text in image[name] or ():
            key, _, value = text.partition("=")
            yield f"{kind} {key}", value


def _told(texts: Iterable[tuple[str | None, str]]) -> Iterator[tuple[str, str]]:
    """The settings that build steps make, later ones after earlier ones."""
    directory = "/"
    for instruction, text in texts:
        rest = text.partition(" ")[2]
        if instruction in _BY_STEP:
            for pair in _NEXT_NAME.split(rest) if "=" in rest.split(" ", 1)[0] else [rest.replace(" ", "=", 1)]:
                name, _, value = pair.partition("=")
                yield f"{_BY_STEP[instruction]} {name}", value.strip("\"'")
        elif instruction == "USER":
            yield "user", rest
        elif instruction == "WORKDIR":
            directory = posixpath.join(directory, rest)
            yield "working directory", directory


def differences(before: Known, after: Known) -> Iterator[tuple[str, str, str | None, str | None]]:
    """Setting, change (added, removed, changed), and its value before and after; by setting."""
    for name in sorted(before.names() | after.names()):
        if not (before.knows(name) and after.knows(name)) or before.value(name) == after.value(name):
            continue
        change = "added" if before.value(name) is None else "removed" if after.value(name) is None else "changed"
        yield name, change, before.value(name), after.value(name)
