"""
Images named in Dockerfiles: FROM, COPY --from, RUN --mount=from and the syntax directive.

After the Dockerfile reference of BuildKit (docs.docker.com/reference/dockerfile, seen November 2026): directives stand
in front of everything else; comments may stand between continued lines; ARG in front of the first FROM holds for all
FROM lines; names of stages are told apart without case, and a stage may be called by its number; variables are not
substituted in --from. Here-documents hold no instructions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from imglab.errors import InvalidReference
from imglab.pins.mention import Mention, Problem, mentioned, substituted

_DIRECTIVE = re.compile(r"^#\s*([a-z]+)\s*=\s*(\S+)\s*$", re.IGNORECASE)
_HEREDOC = re.compile(r"<<-?(['\"]?)([A-Za-z_][\w.]*)\1")
_FROM = re.compile(r"^(?:--\w+=\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?\s*$", re.IGNORECASE)
_FLAG = re.compile(r"--([a-z]+)=(\S+)")
_ARGUMENT = re.compile(r"(\w+)=(\"[^\"]*\"|'[^']*'|\S*)")
_SCRATCH = "scratch"


@dataclass
class _Reading:
    """What was seen up to a line: the arguments in front of the first FROM, and the stages."""

    file: str
    arguments: dict[str, str] = field(default_factory=dict)
    stages: set[str] = field(default_factory=set)
    stage_count: int = 0

    def image(self, line: int, text: str, *, is_fixed: bool = False) -> Iterator[Mention | Problem]:
        """What *text* names, if it is an image and no stage; in *is_fixed* places variables are not put in."""
        try:
            name = text if is_fixed else substituted(text, self.arguments)
        except InvalidReference as error:
            yield Problem(self.file, line, str(error))
            return
        if name.lower() != _SCRATCH and name.lower() not in self.stages:
            yield (
                mentioned(self.file, line, name, {})
                if not is_fixed or "$" not in name
                else Problem(
                    self.file, line, f"{name} stays as it is: variables are not put in here, name a stage instead"
                )
            )


def parse_dockerfile(file: str, text: str) -> Iterator[Mention | Problem]:
    """The images that the Dockerfile *text* names, line by line."""
    lines = text.splitlines()
    directives = list(_directives(lines))
    escape = next((value for _, name, value in directives if name == "escape"), "\\")
    for number, name, value in directives:
        if name == "syntax":
            yield mentioned(file, number, value, {})
    reading = _Reading(file)
    for number, instruction in _instructions(lines, escape):
        yield from _named(reading, number, instruction)


def _directives(lines: list[str]) -> Iterator[tuple[int, str, str]]:
    for number, line in enumerate(lines, 1):
        match = _DIRECTIVE.match(line)
        if not match:
            return
        yield number, match[1].lower(), match[2]


def _instructions(lines: list[str], escape: str) -> Iterator[tuple[int, str]]:
    """Each instruction on one line, with the number of its first line."""
    rest = iter(enumerate(lines, 1))
    for number, line in rest:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        text = line.rstrip()
        while text.endswith(escape):
            text = text[: -len(escape)]
            more = next((after for _, after in rest if not after.lstrip().startswith("#")), None)
            if more is None:
                break
            text += " " + more.strip()
        text = text.strip()
        _skip_heredocs(text, rest)
        yield number, text


def _skip_heredocs(text: str, rest: Iterable[tuple[int, str]]) -> None:
    if text.partition(" ")[0].upper() not in ("RUN", "COPY", "ADD"):
        return
    for _, end in _HEREDOC.findall(text):
        for _, line in rest:
            if line.lstrip("\t").rstrip() == end:
                break


def _named(reading: _Reading, number: int, text: str) -> Iterator[Mention | Problem]:
    word, _, rest = text.partition(" ")
    word, rest = word.upper(), rest.strip()
    if word == "ONBUILD":
        yield from _named(reading, number, rest)
    elif word == "ARG" and not reading.stage_count:
        _remember_arguments(reading, rest)
    elif word == "FROM":
        yield from _base(reading, number, rest)
    elif word in ("COPY", "ADD", "RUN"):
        yield from _used(reading, number, rest)


def _remember_arguments(reading: _Reading, text: str) -> None:
    for name, value in _ARGUMENT.findall(text):
        try:
            reading.arguments[name] = substituted(value.strip("\"'"), reading.arguments)
        except InvalidReference:
            reading.arguments.pop(name, None)


def _base(reading: _Reading, number: int, text: str) -> Iterator[Mention | Problem]:
    match = _FROM.match(text)
    if not match:
        yield Problem(reading.file, number, f"FROM {text} is not understood: write FROM image [AS name]")
        return
    yield from reading.image(number, match[1])
    reading.stages |= {str(reading.stage_count), (match[2] or str(reading.stage_count)).lower()}
    reading.stage_count += 1


def _used(reading: _Reading, number: int, text: str) -> Iterator[Mention | Problem]:
    """Images that files are taken from: --from=, and from= in --mount."""
    for flag, value in _flags(text):
        if flag == "from":
            yield from reading.image(number, value, is_fixed=True)
        elif flag == "mount":
            options = dict(option.partition("=")[::2] for option in value.split(","))
            if options.get("from"):
                yield from reading.image(number, options["from"], is_fixed=True)


def _flags(text: str) -> Iterator[tuple[str, str]]:
    """The flags in front of everything else."""
    for word in text.split():
        match = _FLAG.fullmatch(word)
        if not match and not word.startswith("--"):
            return
        if match:
            yield match[1], match[2]
