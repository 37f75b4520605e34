"""
Files in TOML that people write, checked word by word: what is wrong is told with its line, all of it at once.

`tomllib` (Python 3.11) keeps no lines: these are found by reading the file a second time, statement by statement.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from imglab.errors import InvalidFile, UsageError

Key = tuple[str | int, ...]  # where something stands: ("target", 0, "tags")
Check = Callable[[object], Any]


class Wrong(Exception):
    """A value that cannot be; its text stands behind the key."""


def read_text(path: Path) -> str:
    """The text of the file at *path*. Raises UsageError if it cannot be read."""
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8, as TOML is") from None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error


def parse_toml(text: str, source: str) -> dict[str, Any]:
    """The document that *text* is. Raises InvalidFile, which names the place, if it is none."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits, and brackets in brackets
        raise InvalidFile([f"{source}: {_not_toml(str(error), text)}"]) from None


def _not_toml(words: str, text: str) -> str:
    match = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", words, re.DOTALL)
    if not match:
        return f"is no TOML: {words}"
    place = f"line {match[2]}, column {match[3]}" if match[2] else f"line {len(text.splitlines())}"
    return f"{place}: is no TOML: {match[1]}"


def key_lines(text: str) -> dict[Key, int]:
    """
    The line on which each table and key of *text*, which is TOML, begins.

    A statement is over as soon as it is TOML by itself: no part of a value is, nor is a value cut off inside.
    """
    found: dict[Key, int] = {}
    counts: dict[Key, int] = {}
    table: Key = ()
    statement, first = "", 1
    for number, line in enumerate(text.split("\n"), 1):
        statement, first = (f"{statement}\n{line}", first) if statement else (line, number)
        try:
            content = tomllib.loads(statement)
        except ValueError:
            continue
        if content and statement.lstrip().startswith("["):
            table = _table(content, counts)
            for length in range(1, len(table) + 1):
                found.setdefault(table[:length], first)
        else:
            for key in _keys(content):
                found.setdefault((*table, *key), first)
        statement = ""
    return found


def _table(header: Any, counts: dict[Key, int]) -> Key:
    """The table that *header* begins; *counts* has how many each array of tables has."""
    table: Key = ()
    node = header
    while node:
        if isinstance(node, list):
            counts[table] = counts.get(table, 0) + 1
            (node,) = node
        else:
            ((key, node),) = node.items()
            table = (*table, key)
        if table in counts and not isinstance(node, list):
            table = (*table, counts[table] - 1)
    return table


def _keys(content: Any) -> Iterator[Key]:
    """Every place inside *content*."""
    items: Any = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in items:
        yield (key,)
        if isinstance(value, dict | list):
            yield from ((key, *inner) for inner in _keys(value))


def line_of(lines: Mapping[Key, int], place: Key) -> int:
    """The line of *place*, or of the nearest one around it."""
    while place and place not in lines:
        place = place[:-1]
    return lines.get(place, 1)


def flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise Wrong("should be true or false")
    return value


def count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise Wrong("should be a whole number above 0")
    return value


def texts(value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise Wrong("should be a list of text")
    return value


@dataclass
class Reading:
    """A document as it is read, and what was found to be wrong in it."""

    problems: list[tuple[Key, str]] = field(default_factory=list)

    def refuse(self, text: str, source: str) -> None:
        """Raise InvalidFile with every problem and its line, if there is one."""
        if not self.problems:
            return
        lines = key_lines(text)
        problems = sorted(((line_of(lines, place), words) for place, words in self.problems), key=lambda one: one[0])
        raise InvalidFile([f"{source}: line {line}: {words}" for line, words in problems])

    def tables(self, value: object, name: str) -> list[dict[str, Any]]:
        """The tables in an array called *name*, as far as it is one."""
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self.problem((name,), f"`{name}` stands in two brackets: write [[{name}]] above each of them")
            return []
        return value

    def table(self, table: Mapping[str, Any], checks: Mapping[str, Check], place: Key, name: str) -> dict[str, Any]:
        """The values of *table* that are right."""
        self.refuse_unknown(table, checks, place, name)
        found = {}
        for key, check in checks.items():
            if key in table:
                try:
                    found[key] = check(table[key])
                except Wrong as wrong:
                    self.problem((*place, key), f"{name}`{key}` {wrong}")
        return found

    def refuse_unknown(self, table: Mapping[str, Any], known: Iterable[str], place: Key, name: str) -> None:
        """Note each key of *table* that is none of those *known*."""
        for key in [key for key in table if key not in known]:
            self.problem((*place, key), f"{name}`{key[:100]}` {self.advice(key, known)}")

    def advice(self, key: str, known: Iterable[str]) -> str:
        """What to do about a *key* that is none of those *known* where it stands."""
        near = get_close_matches(key, known, 1)
        return f"is not known: did you mean `{near[0]}`?" if near else f"is not known: known are {quoted(known)}"

    def problem(self, place: Key, words: str) -> None:
        """Note what is wrong at *place*."""
        self.problems.append((place, words))


def quoted(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)
