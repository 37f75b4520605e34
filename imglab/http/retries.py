"""Second tries: for what may pass, after a pause, and as far as the pace of a server allows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from imglab.errors import Postponed, SourceError
from imglab.http.errors import Final
from imglab.http.hosts import Origin
from imglab.http.values import Reply
from imglab.http.wire import Wire
from imglab.pace import Pace, asked_wait

Attempt = Callable[[], Awaitable[Reply]]
Judge = Callable[[Reply], SourceError | None]  # what is wrong with a reply


async def persist(
    wire: Wire, origin: Origin, attempt: Attempt, judge: Judge, *, is_pull: bool = False
) -> tuple[Reply | None, SourceError | None]:
    """What *attempt* gets from *origin* in the end: tried again while that may help and its pace allows it."""
    pace, mismatches = wire.pace(origin), 0
    reply, error = await _tried(attempt, judge)
    for count in range(1, wire.limits.tries):
        if error is None:
            break
        mismatches += error.kind == "digest-mismatch"
        if not _may_pass(error, mismatches) or not pace.may_retry or pace.end(is_pull=is_pull):
            break
        await wire.clock.sleep(_pause(wire, count, reply))
        reply, error = await _tried(attempt, judge)
    return reply, _ended(pace, error, is_pull)


async def persist_for(wire: Wire, origin: Origin, attempt: Attempt, judge: Judge) -> Reply:
    """
    What *attempt* gets in the end, where something else waits for it.

    Raises an error that is not tried again for the sake of what waits, since it was here.
    """
    reply, error = await persist(wire, origin, attempt, judge)
    if error is None and reply is not None:
        return reply
    error = error or SourceError("no reply", kind="unreachable")
    if isinstance(error, Postponed):
        raise error
    code, is_temporary = error.code, error.is_temporary
    raise Final(str(error), kind=error.kind, status=error.status, code=code, is_temporary=is_temporary) from error


async def _tried(attempt: Attempt, judge: Judge) -> tuple[Reply | None, SourceError | None]:
    """The reply that *attempt* gets, and what is wrong."""
    try:
        reply = await attempt()
    except SourceError as error:
        return None, error
    return reply, judge(reply)


def _may_pass(error: SourceError, mismatches: int) -> bool:
    """Whether another try may help; of wrong bytes, which may be damaged on the way, after the first of them."""
    if error.kind == "digest-mismatch":
        return mismatches == 1
    return error.is_temporary and not isinstance(error, Final | Postponed)


def _pause(wire: Wire, count: int, reply: Reply | None) -> float:
    """The seconds before another try, after so many."""
    limits, clock = wire.limits, wire.clock
    asked = asked_wait(reply.status, reply.told, clock.now()) if reply else None
    most = min(limits.longest_backoff_seconds, limits.backoff_seconds * 2.0 ** (count - 1))
    spread: float = 0.5 + clock.jitter() / 2
    return min(asked or 0.0, limits.longest_wait_seconds) + most * spread


def _ended(pace: Pace, error: SourceError | None, is_pull: bool) -> SourceError | None:
    """*error*, or in its place that what was asked for is left to a later run."""
    if error is None or isinstance(error, Postponed) or not error.is_temporary:
        return error
    is_limited = error.kind == "rate-limited"
    if end := pace.end(is_pull=is_pull or (is_limited and isinstance(error, Final))):
        return end
    return Postponed(str(error), kind=error.kind, status=error.status) if is_limited else error
