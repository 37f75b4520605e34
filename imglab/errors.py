"""
Everything imglab raises on purpose.

    ImglabError
    ├── UsageError            the caller asked for something that cannot be (exit code 2)
    │   ├── InvalidReference
    │   ├── InvalidFile       a file of targets or budgets that says what cannot be
    │   └── StoreEmpty        nothing was ever loaded
    ├── ParseError            a document is not what it should be: source, place, expectation
    ├── SourceError           a registry, history or file did not give what was asked for
    │   └── Postponed         a limit was reached: what was asked for is left to a later run
    ├── JournalError          a run could not be written or read
    └── StoreError            the store could not be opened, loaded or queried
        └── StoreBusy         another process is loading

Libraries' own exceptions are translated in the one module that imports the library.
"""

from __future__ import annotations

from collections.abc import Sequence


class ImglabError(Exception):
    """What happened, to what, and what to do, in one line."""


class UsageError(ImglabError):
    """The caller asked for something that cannot be done as asked."""


class InvalidReference(UsageError):
    """A text that names no repository, tag or digest."""


class InvalidFile(UsageError):
    """A file of targets or budgets in which something is wrong: `problems` has a line for each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class StoreEmpty(UsageError):
    """Nothing was ever loaded, so there is nothing to ask."""


class ParseError(ImglabError):
    """A document that does not hold what its kind must hold."""

    def __init__(self, source: str, place: str, expectation: str) -> None:
        """*source* names the document, *place* where in it, *expectation* what should stand there."""
        super().__init__(f"{source}: {place}: {expectation}" if place else f"{source}: {expectation}")
        self.source = source
        self.place = place
        self.expectation = expectation


class SourceError(ImglabError):
    """
    A source that did not answer, or answered something else.

    `kind` is a short stable word (`unreachable`, `unauthorized`, `not-found`, `digest-mismatch`, …), `status` the HTTP
    status where there was one, `code` the registry's own error code, `is_temporary` whether trying again may help.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: str,
        status: int | None = None,
        code: str | None = None,
        is_temporary: bool = False,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.status = status
        self.code = code
        self.is_temporary = is_temporary


class Postponed(SourceError):
    """Something that is left to a later run, because a limit was reached: a server's, or one that the user set."""

    def __init__(self, message: str, *, kind: str, status: int | None = None) -> None:
        super().__init__(message, kind=kind, status=status, is_temporary=True)


class JournalError(ImglabError):
    """A run that could not be written, committed or read back."""


class StoreError(ImglabError):
    """A store that could not be opened, loaded or queried."""


class StoreBusy(StoreError):
    """Another process is loading the store; what is in the journal is loaded at the next chance."""
