"""What doctor says: steps, each with what was seen and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["ok", "warning", "problem", "skipped"]
NAME_LENGTH = len("credentials")
_MARKS: dict[Outcome, str] = {"ok": "ok", "warning": "!", "problem": "x", "skipped": "-"}


@dataclass(frozen=True, slots=True)
class Step:
    """One step between this machine and a registry: how it went, what was seen, what to do."""

    name: str
    outcome: Outcome
    seen: str
    advice: str = ""

    @property
    def text(self) -> str:
        """A line for a terminal, and its advice on a line below."""
        line = f"{_MARKS[self.outcome]:2}  {self.name:{NAME_LENGTH}}  {self.seen}"
        return f"{line}\n{'':{4 + NAME_LENGTH + 2}}{self.advice}" if self.advice else line


def said(text: object, most: int = 120) -> str:
    """What somebody else said, not longer than a reader takes."""
    words = " ".join(str(text).split())
    return words if len(words) <= most else words[: most - 1] + "…"


def told(error: Exception) -> tuple[str, str]:
    """The words of one of our errors: what happened, and what it advises."""
    seen, _, advice = said(error, 500).partition("; ")
    return seen, advice


def duration(seconds: float) -> str:
    """A length of time as people say it."""
    for length, name in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {name}"
    return f"{seconds:.0f} s" if seconds >= 1 else f"{max(1, round(seconds * 1000))} ms"
