"""
Images named in compose files and Kubernetes manifests.

Of a compose file the `image` of each service, and of fragments kept for reuse (`x-…`), after the compose specification
(compose-spec.io, seen November 2026); variables take their defaults, since what the environment gives is not in the
file. Of documents with `apiVersion` and `kind` every `image`, wherever it stands, so that resources of operators count
too. The parser's events are followed, nothing is built: a document can neither grow by its aliases nor run anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

from imglab.pins.mention import Mention, Problem, mentioned

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml, where the wheel has it


@dataclass
class _Level:
    """A mapping or list that is open: under which key it stands, and the key whose value comes next."""

    path: tuple[str, ...]
    is_mapping: bool
    key: str | None = None

    def below(self) -> tuple[str, ...]:
        return (*self.path, self.key or "") if self.is_mapping else self.path


@dataclass
class _Document:
    """What one document was seen to hold: its keys on top, and every `image` with its place."""

    keys: set[str] = field(default_factory=set)
    images: list[tuple[tuple[str, ...], int, str]] = field(default_factory=list)


def parse_yaml(file: str, text: str) -> Iterator[Mention | Problem]:
    """The images that the documents in *text* name."""
    try:
        for document in _documents(text):
            is_kubernetes = {"apiVersion", "kind"} <= document.keys
            for path, line, value in document.images:
                if is_kubernetes:
                    yield mentioned(file, line, value.replace("$", "$$"), {})
                elif _is_service(path):
                    yield mentioned(file, line, value, {})
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        yield Problem(file, line, f"is no YAML: {error.problem}")
    except yaml.YAMLError as error:  # a character that YAML does not allow
        yield Problem(file, 0, f"is no YAML: {str(error).splitlines()[0]}")


def _is_service(path: tuple[str, ...]) -> bool:
    return (len(path) == 2 and path[0] == "services") or bool(path and path[0].startswith("x-"))


def _documents(text: str) -> Iterator[_Document]:
    document, levels, anchors = _Document(), list[_Level](), dict[str, str]()
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.DocumentStartEvent):
            document, levels, anchors = _Document(), [], {}
        elif isinstance(event, yaml.DocumentEndEvent):
            yield document
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            path = levels[-1].below() if levels else ()
            levels.append(_Level(path, isinstance(event, yaml.MappingStartEvent)))
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            levels.pop()
            _value_ended(levels)
        elif isinstance(event, (yaml.ScalarEvent, yaml.AliasEvent)):
            _take(event, document, levels, anchors)


def _take(
    event: yaml.ScalarEvent | yaml.AliasEvent, document: _Document, levels: list[_Level], anchors: dict[str, str]
) -> None:
    """A scalar, or a name that stands for one: a key, or the value of one."""
    if isinstance(event, yaml.AliasEvent):
        text = anchors.get(event.anchor or "")
    else:
        text = event.value
        if event.anchor:
            anchors[event.anchor] = event.value
    if not levels or not levels[-1].is_mapping:
        return
    level = levels[-1]
    if level.key is None:
        level.key = text or ""
        if len(levels) == 1:
            document.keys.add(level.key)
        return
    if level.key == "image" and text:
        line = event.start_mark.line + 1 if event.start_mark else 0
        document.images.append((level.path, line, text))
    level.key = None


def _value_ended(levels: list[_Level]) -> None:
    if levels and levels[-1].is_mapping:
        levels[-1].key = None if levels[-1].key is not None else ""
