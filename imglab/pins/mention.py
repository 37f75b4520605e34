"""A place in a file that names an image, and one that cannot be read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from imglab.errors import InvalidReference
from imglab.oci import Reference

_VARIABLE = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)(?:(:?[-+])([^${}]*))?\}|)")


@dataclass(frozen=True, slots=True)
class Mention:
    """An image that is named in a line (from 1) of a file."""

    file: str
    line: int
    reference: Reference


@dataclass(frozen=True, slots=True)
class Problem:
    """A line (0: all of it) of a file that names an image which cannot be told, and why."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}" if self.line else f"{self.file}: {self.message}"


def mentioned(file: str, line: int, text: str, variables: Mapping[str, str]) -> Mention | Problem:
    """The image that *text* names once *variables* are put in."""
    try:
        return Mention(file, line, Reference.parse(substituted(text, variables)))
    except InvalidReference as error:
        return Problem(file, line, str(error))


def substituted(text: str, variables: Mapping[str, str]) -> str:
    """
    *text* with `$NAME`, `${NAME}`, `${NAME:-else}` and `${NAME:+instead}` replaced; `$$` is a dollar.

    Raises InvalidReference where a variable has no value here.
    """

    def value(match: re.Match[str]) -> str:
        dollar, plain, braced, operator, word = match.groups()
        name = plain or braced
        if dollar:
            return "$"
        if not name:
            raise InvalidReference(f"{text} holds a substitution that is not understood: write the reference out")
        return _chosen(text, name, variables.get(name), operator or "", word or "")

    return _VARIABLE.sub(value, text)


def _chosen(text: str, name: str, given: str | None, operator: str, word: str) -> str:
    is_set = bool(given) if operator.startswith(":") else given is not None
    if operator.endswith("+"):
        return word if is_set else ""
    if is_set:
        return given or ""
    if operator.endswith("-"):
        return word
    if given is None:
        raise InvalidReference(f"{text} needs {name}, which has no value in this file: give it a default")
    return given
