"""
What the sources share that ask a registry's own history API: who speaks which, what is asked for, how it is read, and
how what goes wrong is told.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from imglab import oci
from imglab.errors import InvalidReference, ParseError, SourceError, UsageError
from imglab.http import DOCKER_HUB_TAGS, Client
from imglab.oci import DOCKER_HUB, Reference
from imglab.records import Failure, Record, TagObservation
from imglab.sources.registry import Progress, Target

APIS = {"cgr.dev": "chainguard", "quay.io": "quay", DOCKER_HUB: "docker-hub"}  # by registry
ENTRY_FAULT = "malformed"  # the kind of failure that leaves out entries of a page, and nothing behind them
QUAY_TOKEN_NAME = "$oauthtoken"  # noqa: S105 - the name that its registry knows a token by
# Of these, one failure stands for a whole repository if nothing of it ever answered.
_OF_REPOSITORY = frozenset({"unreachable", "tls", "unauthorized", "denied"})
_CLOCKS = timedelta(days=1)  # by which a registry's clock and ours may differ
_LARGEST = 2**63 - 1

# --- what is asked for -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Window:
    """From when to when moves are asked for, both included; None is no limit."""

    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_whole(self) -> bool:
        """Whether all of a history is asked for."""
        return self.since is None and self.until is None

    def __contains__(self, moment: datetime) -> bool:
        return (self.since is None or moment >= self.since) and (self.until is None or moment <= self.until)

    def __str__(self) -> str:
        """The options that ask for it, as a run's target names them; empty if it is whole."""
        named = (("since", self.since), ("until", self.until))
        return "".join(f" --{name} {moment.isoformat()}" for name, moment in named if moment)


@dataclass(frozen=True, slots=True)
class Move:
    """A tag came to point at a digest."""

    changed_at: datetime
    digest: str


def plan(targets: Iterable[Target], named: str | None, window: Window) -> dict[str, list[Target]]:
    """
    The APIs to ask, with what each is asked: the one that is *named*, else the one of the target's registry.

    Raises UsageError for what no such API can be asked.
    """
    if window.since and window.until and window.since > window.until:
        raise UsageError("--since lies after --until: nothing can be between")
    asked: dict[str, list[Target]] = {}
    for target in targets:
        api = _api(target.reference, named)
        _check(target.reference, api, window)
        asked.setdefault(api, []).append(target)
    return asked


def check_username(asked: Collection[str], username: str | None) -> None:
    """Raise UsageError if *username* means nothing to an API that is *asked*."""
    if "quay" in asked and username and username != QUAY_TOKEN_NAME:
        text = f"Quay's API knows no user names, only OAuth tokens: write --username '{QUAY_TOKEN_NAME}'"
        raise UsageError(f"{text}, and give a token as the password")


def api_host(registry: str) -> str:
    """The host that answers for *registry*, which is another one for Docker Hub."""
    return DOCKER_HUB_TAGS if registry == DOCKER_HUB else registry


def _api(reference: Reference, named: str | None) -> str:
    own = APIS.get(reference.registry)
    if own and named and own != named:
        raise UsageError(f"{reference.registry} speaks {own}, not {named}: leave out --history-api {named}")
    if own or named:
        return str(own or named)
    known = ", ".join(f"{api} ({registry})" for registry, api in APIS.items())
    text = f"{reference.registry} is not known to have a history API; known are {known}"
    raise UsageError(f"{text}: if it speaks one of them, name that with --history-api")


def _check(reference: Reference, api: str, window: Window) -> None:
    parts = reference.path.count("/") + 1
    if reference.digest:
        raise UsageError(f"{reference} is content, which has no history: name a tag or a repository")
    if (api == "docker-hub" and parts != 2) or (api == "quay" and parts < 2):
        raise UsageError(f"{reference} has no namespace and name, as repositories of {api} have: check the name")
    if api == "docker-hub" and not window.is_whole:
        text = f"{reference}: Docker Hub says where tags point now and since when, and nothing about before"
        raise UsageError(f"{text}: leave out --since and --until")


def by_repository(targets: Iterable[Target]) -> Iterator[tuple[Reference, list[Target]]]:
    """
    The repositories of *targets* with what is wanted of each, for APIs that give a whole repository or one tag.

    One for the repository if any target is about more than a tag, else one for each tag; its reference names that.
    """
    found: dict[Reference, list[Target]] = {}
    for target in targets:
        found.setdefault(replace(target.reference, tag=None), []).append(target)
    for repository, wanted in found.items():
        if any(target.reference.tag is None for target in wanted):
            yield repository, wanted
        else:
            yield from ((target.reference, [target]) for target in dict.fromkeys(wanted))


def is_wanted(tag: str, targets: Iterable[Target]) -> bool:
    """Whether any of *targets*, all of one repository, is about *tag*."""
    return any(
        target.reference.tag == tag if target.reference.tag else target.choice.matches(tag) for target in targets
    )


def missing(targets: Iterable[Target], found: Collection[str], asked_at: datetime) -> Iterator[Record]:
    """That tags asked for by name are not there: a fact to keep, and for whoever asked an error as well."""
    for reference in dict.fromkeys(target.reference for target in targets):
        if reference.tag and reference.tag not in found:
            yield TagObservation(reference.repository, reference.tag, asked_at, is_absent=True)
            text = f"{reference} is not there: check the name, or leave out the tag to see all of them"
            yield Failure(str(reference), "not-found", None, text, False)


@dataclass(slots=True)
class Pass:
    """One pass over all targets of one API: its edges, what is known already, and who answered so far."""

    client: Client
    now: Callable[[], datetime]
    window: Window = field(default_factory=Window)
    progress: Progress = lambda what, done, total: None
    newest: Mapping[tuple[str, str], Move] = field(default_factory=dict)  # by tag: known is it and all before it
    described: Collection[str] = frozenset()  # digests that the journal describes
    _reached: set[str] = field(default_factory=set)
    _down: set[str] = field(default_factory=set)

    def reached(self, repository: str) -> None:
        """*repository* answered: from now on each failure stands for itself."""
        self._reached.add(repository)

    def failure(self, repository: str, locator: str, error: SourceError | ParseError) -> Iterator[Failure]:
        """The row for *error*; for a repository of which nothing ever answered, one row stands for all."""
        if isinstance(error, ParseError):
            yield Failure(locator, "bad-document", None, str(error), False)
            return
        if error.kind in _OF_REPOSITORY and repository not in self._reached:
            if repository in self._down:
                return
            self._down.add(repository)
            locator = repository
        yield Failure(locator, error.kind, error.status, str(error), error.is_temporary)


# --- reading ---------------------------------------------------------------------------------------------------------

_WORD = re.compile(r"[\w.+-]{1,100}", re.ASCII)
_MEDIA_TYPE = re.compile(r"[\w.+-]{1,100}/[\w.+-]{1,100}", re.ASCII)
_NEVER = "0001-01-01"  # Go's zero time

Entry = TypeVar("Entry")


@dataclass(frozen=True, slots=True)
class Entries(Generic[Entry]):
    """The entries of a page; what could not be read of its *count* is in `defects`."""

    rows: tuple[Entry, ...]
    defects: tuple[ParseError, ...]

    @property
    def count(self) -> int:
        """How many entries the page has."""
        return len(self.rows) + len(self.defects)

    def failures(self, locator: str) -> Iterator[Failure]:
        """One row for all that could not be read."""
        if self.defects:
            text = f"{self.defects[0]}; left out, as one of {len(self.defects):,} of {self.count:,} entries"
            yield Failure(locator, ENTRY_FAULT, None, text, False)


@dataclass(frozen=True, slots=True)
class Fields:
    """
    An object of a document, read field by field. What is missing, null or empty is None.

    What is there but not what it should be raises ParseError.
    """

    values: Mapping[str, Any]
    source: str
    place: str = ""

    def wrong(self, key: str, expectation: str) -> ParseError:
        """The error about the field *key*."""
        return ParseError(self.source, self._inside(key), expectation)

    def text(self, key: str) -> str | None:
        """Text of any kind."""
        value = self.values.get(key)
        if value is not None and not isinstance(value, str):
            raise self.wrong(key, "must be text")
        return value or None

    def word(self, key: str) -> str | None:
        """Letters, digits and what joins them."""
        return self._matching(key, _WORD, "must be a word")

    def words(self, key: str) -> tuple[str, ...]:
        """Words with commas between."""
        words = tuple(filter(None, map(str.strip, (self.text(key) or "").split(","))))
        if not all(_WORD.fullmatch(word) for word in words):
            raise self.wrong(key, "must be words with commas between")
        return words

    def media_type(self, key: str) -> str | None:
        """A media type without parameters."""
        return self._matching(key, _MEDIA_TYPE, "must be a media type")

    def digest(self, key: str) -> str | None:
        """A digest by its grammar."""
        text = self.text(key)
        try:
            return oci.check_digest(text) if text else None
        except InvalidReference:
            raise self.wrong(key, "must be a digest, such as sha256: and 64 lower-case hex digits") from None

    def tag(self, key: str) -> str:
        """A tag by its grammar; never None."""
        text = self.text(key)
        if text is None or not oci.is_tag(text):
            raise self.wrong(key, "must be a tag")
        return text

    def flag(self, key: str) -> bool:
        """True or false; never None."""
        value = self.values.get(key)
        if not isinstance(value, bool):
            raise self.wrong(key, "must be true or false")
        return value

    def whole(self, key: str) -> int | None:
        """A whole number from 0."""
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _LARGEST:
            raise self.wrong(key, "must be a whole number from 0 to 2^63 - 1")
        return value

    def instant(self, key: str, now: datetime) -> datetime | None:
        """A time in the past, as far as clocks agree; also None for the zero time of Go."""
        text = self.text(key)
        if text is None or text.startswith(_NEVER):
            return None
        moment = oci.parse_time(text)
        if moment is None or moment > now + _CLOCKS:
            raise self.wrong(key, "must be a time of the past, such as 2026-01-01T12:00:00.000Z")
        return moment

    def listed(self, key: str, parse: Callable[[Fields], Entry]) -> Entries[Entry]:
        """What *parse* makes of each object of a list; None is an empty one."""
        items = self.values.get(key)
        if items is not None and not isinstance(items, list):
            raise self.wrong(key, "must be a list")
        rows: list[Entry] = []
        defects: list[ParseError] = []
        for position, item in enumerate(items or ()):
            place = f"{self._inside(key)}[{position}]"
            try:
                if not isinstance(item, dict):
                    raise ParseError(self.source, place, "must be an object")
                rows.append(parse(Fields(item, self.source, place)))
            except ParseError as defect:
                defects.append(defect)
        return Entries(tuple(rows), tuple(defects))

    def _inside(self, key: str) -> str:
        return f"{self.place}.{key}" if self.place else key

    def _matching(self, key: str, pattern: re.Pattern[str], expectation: str) -> str | None:
        text = self.text(key)
        if text is not None and not pattern.fullmatch(text):
            raise self.wrong(key, expectation)
        return text


def read_object(body: bytes, *, source: str) -> Fields:
    """The JSON object *body*. Raises ParseError."""
    try:
        document = json.loads(body.decode())
    except (ValueError, RecursionError):
        raise ParseError(source, "", "must be JSON in UTF-8") from None
    if not isinstance(document, dict):
        raise ParseError(source, "", "must be a JSON object")
    return Fields(document, source)


def is_past(seconds: int, now: datetime) -> bool:
    """Whether a number of seconds since 1970 is a time in the past, as far as clocks agree."""
    return 0 < seconds <= (now + _CLOCKS).timestamp()
