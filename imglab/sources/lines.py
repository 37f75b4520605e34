"""
Markdown that programs write, read line by line: what the pages of repo-info have in common.

Sizes are in units of 1,000; up to 1,000 bytes they have no parenthesis: `977.0 B`. Dates are those of HTTP.
"""

from __future__ import annotations

import functools
import re
from datetime import UTC, datetime

DIGEST_TEXT = r"(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})"
SIZE_TEXT = r"(?:\d+\.\d [KMGT]B \((\d{1,18}) bytes\)|(\d{1,3}|1000)\.0 B)"
DATE_TEXT = r"([A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT)"

_NOT_UTF8 = re.compile("[\udc80-\udcff]")
_MONTHS = {name: number for number, name in enumerate("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)}


class Broken(Exception):
    """A line that is not what it should be: a ParseError or a Defect once its place in the document is known."""

    def __init__(self, line: int, expectation: str, kind: str = "unreadable") -> None:
        super().__init__(expectation)
        self.line = line  # from 0, in the part being read
        self.expectation = expectation
        self.kind = kind


class Lines:
    """Lines read one after the other."""

    def __init__(self, text: str) -> None:
        self.lines = text.split("\n")
        self.at = 0

    def maybe(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """The match of the next line, which is then behind us; None if it does not match."""
        match = pattern.fullmatch(self.lines[self.at]) if self.at < len(self.lines) else None
        self.at += match is not None
        return match

    def expect(self, pattern: re.Pattern[str], what: str) -> re.Match[str]:
        """The match of the next line; raises Broken with *what* should stand there."""
        match = self.maybe(pattern)
        if match is None:
            raise self.broken(what)
        return match

    def literal(self, *expected: str) -> None:
        """Pass over exactly these lines."""
        for line in expected:
            if self.at >= len(self.lines) or self.lines[self.at] != line:
                raise self.broken(repr(line) if line else "an empty line")
            self.at += 1

    def starts(self, *expected: str) -> bool:
        """Whether these lines come next; they stay ahead."""
        return tuple(self.lines[self.at : self.at + len(expected)]) == expected

    def is_over(self) -> bool:
        """Whether all lines are behind us."""
        return self.at >= len(self.lines)

    def size(self, pattern: re.Pattern[str], what: str) -> int:
        """The bytes that the next line tells where *pattern* has SIZE_TEXT."""
        return size_of(self.expect(pattern, what))

    def date(self, pattern: re.Pattern[str], what: str) -> datetime:
        """The instant that the next line tells where *pattern* has DATE_TEXT."""
        return self._existing(self.expect(pattern, what))

    def maybe_date(self, pattern: re.Pattern[str]) -> datetime | None:
        """The same; None if the next line does not match."""
        match = self.maybe(pattern)
        return self._existing(match) if match else None

    def _existing(self, match: re.Match[str]) -> datetime:
        instant = _instant(match[1])
        if instant is None:
            self.at -= 1
            raise self.broken("a date that exists")
        return instant

    def broken(self, what: str) -> Broken:
        """The next line is not *what* it should be."""
        if self.is_over():
            return Broken(max(self.at - 1, 0), f"ends where it should have {what}", "truncated")
        return Broken(self.at, f"should be {what}")


def size_of(match: re.Match[str]) -> int:
    """The bytes that *match* tells, of a pattern that begins its groups with SIZE_TEXT."""
    return int(match[1] or match[2])


def decoded(body: bytes) -> str:
    """The text of *body*; bytes that are not UTF-8 are marked, so that only their part is lost."""
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return body.decode("utf-8", "surrogateescape")


def check_utf8(text: str) -> None:
    """Raise Broken at the first line that is not UTF-8."""
    foreign = _NOT_UTF8.search(text)
    if foreign:
        raise Broken(text.count("\n", 0, foreign.start()), "is not UTF-8")


@functools.lru_cache(maxsize=8192)
def _instant(text: str) -> datetime | None:
    """The instant that `Wed, 09 Sep 2026 22:32:02 GMT` names; None if there is none such."""
    day, month, year, clock = text[5:].removesuffix(" GMT").split(" ")
    try:
        hour, minute, second = map(int, clock.split(":"))
        return datetime(int(year), _MONTHS[month], int(day), hour, minute, second, tzinfo=UTC)
    except (KeyError, ValueError):
        return None
