"""
How hard one server is asked: how many requests at a time, when to wait, and when to stop for this run.

A server that says 429 or 503 is asked by half as many requests at a time, and by one more whenever so many were
answered well (as TCP does, RFC 5681). Whom it tells to wait (Retry-After, RFC 9110 section 10.2.3; or the second at
which a limit is new) all wait. One that fails more often than it answers is first not asked again for what failed, then
not at all.

Docker Hub counts GET of manifests, not HEAD, and tells on both how many are left: `ratelimit-remaining: 20;w=21600` of
`ratelimit-limit: 100;w=21600`, for the address or account in `docker-ratelimit-source` (its documentation of November
2026). Some of these are left to others. Windows so short that they are over within a wait are no reason to stop.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from imglab.errors import Postponed, SourceError

SPENT = b"pull rate limit"  # what Docker Hub says at the end of six hours' pulls: no wait within a run helps
_EARLIEST_RESET = 1_000_000_000  # what is below counts seconds from now: as IETF's draft says, others mean anything
_REFILL = 0.2  # of a failure that an answer makes up for
_SPREAD = 0.05  # of a wait, over which those that waited come back
_WORTH_SAYING = 5.0  # seconds
_SLOW_DOWN = frozenset({429, 503})
_FINAL_TROUBLE = frozenset({501, 505})
_COUNTED = re.compile(r"(\d{1,9})\s*;\s*w=(\d{1,9})")
_SOURCE = re.compile(r"[\w.:-]{1,64}", re.ASCII)

_logger = logging.getLogger("imglab")


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how often to try, and how much to take."""

    tries: int = 4
    backoff_seconds: float = 0.5  # before the second try; doubled for each one after
    longest_backoff_seconds: float = 8.0
    longest_wait_seconds: float = 60.0  # that a server may ask for; beyond it we give up and say so
    connect_seconds: float = 10.0
    silence_seconds: float = 30.0
    request_seconds: float = 120.0  # for one try, body included
    answer_seconds: float | None = None  # with all that an answer takes: tokens, redirects, tries
    redirects: int = 5
    pages: int = 10_000
    tags: int = 1_000_000  # of a repository; no registry was ever seen to list more
    patience: int = (
        20  # failures of a server, less a fifth of its answers: then no more second tries; at twice, the end
    )
    requests: int | None = None  # of a whole run; what is left then is for the next one
    reserve: int = 10  # pulls that are left to others where a server counts them


@dataclass(frozen=True, slots=True)
class Clock:
    """What passes, is waited for and is left to chance; all there to be replaced in tests."""

    sleep: Callable[[float], Awaitable[None]]
    seconds: Callable[[], float]
    now: Callable[[], datetime]  # for dates in headers
    jitter: Callable[[], float]  # 0 to 1


class Pace:
    """What one server was asked and said, as far as it decides what may be asked next. Lives in one event loop."""

    def __init__(self, name: str, limits: Limits, concurrency: int, clock: Clock) -> None:
        self.name = name
        self._limits = limits
        self._clock = clock
        self._most = self._width = concurrency
        self._busy = 0  # requests under way
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._good = 0  # answers since the width changed
        self._turns = self._slowed_at = 0  # how many there were; and when we slowed down
        self._until = float("-inf")
        self._patience = float(limits.patience)
        self._end: Postponed | None = None  # of all that is asked here
        self._end_of_pulls: Postponed | None = None
        self._pulls_left: int | None = None
        self._pull_headers: Mapping[str, str] = {}
        self._pulling = 0

    @property
    def width(self) -> int:
        """How many requests at a time are sent now."""
        return self._width

    @property
    def may_retry(self) -> bool:
        """Whether what failed may be asked again."""
        return self._patience > 0

    def end(self, *, is_pull: bool) -> Postponed | None:
        """Why nothing more is asked here in this run, or no more pulls; None while it is."""
        found = self._end or (self._end_of_pulls if is_pull else None)
        return Postponed(str(found), kind=found.kind, status=found.status) if found else None

    def turn(self, *, is_pull: bool) -> Turn:
        """A time at which to send one request."""
        return Turn(self, is_pull)

    def heard(self, status: int, headers: Mapping[str, str], body: bytes, *, turn: int, is_pull: bool) -> None:
        """Take notice of the reply to the request of a *turn*, within it."""
        self._count_pulls(headers, is_pull)
        if status == 429 and SPENT in body:
            self._end_pulls(headers, 429, "no pulls are left there")
        if not is_trouble(status):
            self._praise()
            return
        asked = asked_wait(status, headers, self._clock.now())
        if asked is not None:
            self._wait(asked, status)
        if status not in _SLOW_DOWN:
            self._blame(status, f"answered {status} again and again")
        elif turn > self._slowed_at:  # else it was on its way when we slowed down
            self._slow_down()
            self._blame(status, f"answered {status} again and again")

    def failed(self, error: SourceError) -> None:
        """Take notice of a request that got no reply."""
        if error.is_temporary:
            self._blame(None, f"failed again and again, at last so: {error}", error.kind)

    # --- turns ---

    async def take(self, is_pull: bool) -> int:
        """The number of the turn that comes now. Raises Postponed if there will be none in this run."""
        await self._enter()
        try:
            self._claim(is_pull)
        except BaseException:
            self.give_back(is_pull)
            raise
        self._turns += 1
        return self._turns

    def give_back(self, is_pull: bool) -> None:
        """End a turn that was taken."""
        self._pulling -= is_pull
        self._leave()

    async def _enter(self) -> None:
        passed = float("-inf")
        while True:
            await self._acquire()
            passed = max(passed, self._clock.seconds())
            if passed >= self._until:
                return
            self._leave()
            wait, passed = self._until - passed, self._until
            await self._clock.sleep(wait + self._clock.jitter() * min(self._limits.backoff_seconds, wait * _SPREAD))

    async def _acquire(self) -> None:
        while self._busy >= self._width:
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                self._wake()  # the room that it may have been woken for is another's
                raise
        self._busy += 1

    def _leave(self) -> None:
        self._busy -= 1
        self._wake()

    def _wake(self) -> None:
        """Have as many that wait look again as there is room for."""
        room = self._width - self._busy
        while room > 0 and self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                room -= 1

    def _slow_down(self) -> None:
        self._slowed_at, self._good = self._turns, 0
        self._width = max(1, self._width // 2)

    def _praise(self) -> None:
        self._patience = min(float(self._limits.patience), self._patience + _REFILL)
        self._good += 1
        if self._width < self._most and self._good >= self._width:
            self._width, self._good = self._width + 1, 0
            self._wake()

    # --- reasons to wait and to stop ---

    def _wait(self, asked: float, status: int) -> None:
        longest = self._limits.longest_wait_seconds
        if asked > longest:
            text = f"{self.name} asks to wait {asked:.0f} s, longer than the {longest:.0f} s that are waited for"
            self._stop(f"{text}: resume after {moment(self._clock.now(), asked)}", status)
            return
        until = self._clock.seconds() + asked
        if asked >= _WORTH_SAYING and until > self._until + 1:
            _logger.info("%s asks to wait %.0f s", self.name, asked)
        self._until = max(self._until, until)

    def _blame(self, status: int | None, words: str, kind: str | None = None) -> None:
        self._patience -= 1
        if self._patience <= -self._limits.patience:
            self._stop(f"{self.name} {words}: run again later", status, kind)

    def _stop(self, text: str, status: int | None, kind: str | None = None) -> None:
        if self._end is None:
            kind = kind or ("rate-limited" if status == 429 else "timeout" if status == 408 else "server-error")
            self._end = Postponed(text, kind=kind, status=status)

    # --- pulls ---

    def _claim(self, is_pull: bool) -> None:
        """Take a pull from those that are left, if this is one; raises Postponed if it may not be asked for."""
        self._pulling += is_pull
        if is_pull and self._pulls_left is not None and self._end_of_pulls is None:
            if self._pulls_left <= self._limits.reserve:
                self._end_pulls(self._pull_headers, None, f"{self._pulls_left:,} pulls are left there")
            self._pulls_left -= 1
        if error := self.end(is_pull=is_pull):
            raise error

    def _count_pulls(self, headers: Mapping[str, str], is_pull: bool) -> None:
        found = _COUNTED.fullmatch(headers.get("ratelimit-remaining", "").strip())
        if not found or int(found[2]) <= self._limits.longest_wait_seconds:
            return
        self._pull_headers = headers
        left, others = int(found[1]), self._pulling - is_pull
        # With others on their way it is not known whether the server counted them already.
        if not others:
            self._pulls_left = left
        elif self._pulls_left is None:
            self._pulls_left = left - others
        else:
            self._pulls_left = min(self._pulls_left, left)

    def _end_pulls(self, headers: Mapping[str, str], status: int | None, words: str) -> None:
        if self._end_of_pulls:
            return
        limit = _COUNTED.fullmatch(headers.get("ratelimit-limit", "").strip())
        source = headers.get("docker-ratelimit-source", "")
        who = f" for {source}" if _SOURCE.fullmatch(source) else ""
        text = f"{self.name} counts pulls{who}, and {words}"
        if limit:
            text += f" of {int(limit[1]):,} in {int(limit[2]) / 3600:g} hours"
        if status is None:
            text += f", which are kept (--reserve {self._limits.reserve})" if self._limits.reserve else ""
        now = self._clock.now()
        wait = asked_wait(429, headers, now) or (float(limit[2]) if limit else None)
        text += f": resume after {moment(now, wait)}" if wait else ": run again later"
        self._end_of_pulls = Postponed(text, kind="rate-limited", status=status)


class Turn:
    """A turn to send one request, and its number; a context manager, as every request has one no generator."""

    __slots__ = ("_is_pull", "_pace")

    def __init__(self, pace: Pace, is_pull: bool) -> None:
        self._pace = pace
        self._is_pull = is_pull

    async def __aenter__(self) -> int:
        return await self._pace.take(self._is_pull)

    async def __aexit__(self, *_: object) -> None:
        self._pace.give_back(self._is_pull)


# --- what headers say ------------------------------------------------------------------------------------------------


def is_trouble(status: int) -> bool:
    """Whether a server that answers so may do better some other time."""
    return status in {408, 429} or (status >= 500 and status not in _FINAL_TROUBLE)


def asked_wait(status: int, headers: Mapping[str, str], now: datetime) -> float | None:
    """The seconds that a server asks to wait; None if it does not, or not readably."""
    asked = _retry_after(headers.get("retry-after", "").strip(), now)
    if asked is not None or status != 429:
        return asked
    for name, is_draft in (("ratelimit-reset", True), ("x-ratelimit-reset", False)):
        resets = headers.get(name, "").strip()
        if resets.isdecimal() and (int(resets[:12]) > _EARLIEST_RESET or is_draft):
            seconds = int(resets[:12])
            return max(0.0, seconds - now.timestamp()) if seconds > _EARLIEST_RESET else float(seconds)
    return None


def moment(now: datetime, seconds: float) -> str:
    """The time after *seconds* from now, or where that is beyond all calendars, that it is far off."""
    try:
        return f"{now + timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S} UTC"
    except OverflowError:
        return "the end of time"


def _retry_after(value: str, now: datetime) -> float | None:
    """The seconds to wait; None if *value* is missing or unreadable."""
    if value.isdecimal():
        return float(value[:12])
    try:
        until = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (until - now).total_seconds())
