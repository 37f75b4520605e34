"""Batches: the event loop that nobody else sees, in a thread of its own."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from itertools import islice

from imglab.http.values import Answer, Request

_Answers = queue.SimpleQueue[Answer | BaseException]
_Tasks = set[asyncio.Task[None]]


class Loop:
    """An event loop and its thread, which run until they are closed."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="imglab-http", daemon=True)
        self._thread.start()

    def close(self, end: Callable[[], Awaitable[None]]) -> None:
        """End all that is under way, then what *end* ends, then loop and thread."""
        asyncio.run_coroutine_threadsafe(_close(end), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def answers(
        self, requests: Iterable[Request], answer: Callable[[Request], Awaitable[Answer]], *, ahead: int
    ) -> Iterator[Answer]:
        """What *answer* gives for each of *requests*, as it comes; so many of these are taken *ahead*."""
        waiting = iter(requests)
        answers: _Answers = queue.SimpleQueue()
        tasks: _Tasks = set()
        in_flight = 0
        try:
            while True:
                if in_flight <= ahead // 2:
                    batch = list(islice(waiting, ahead - in_flight))
                    in_flight += len(batch)
                    if batch:
                        self._loop.call_soon_threadsafe(_start, batch, answer, answers, tasks)
                if not in_flight:
                    return
                yield self._next(answers)
                in_flight -= 1
        finally:
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(_cancel, tasks)

    def _next(self, answers: _Answers) -> Answer:
        if self._loop.is_closed():
            raise RuntimeError("the client is closed: what it did not answer will not be")
        answer = answers.get()
        if isinstance(answer, BaseException):
            raise answer
        return answer


def _start(
    batch: list[Request], answer: Callable[[Request], Awaitable[Answer]], answers: _Answers, tasks: _Tasks
) -> None:
    for request in batch:
        task = asyncio.get_running_loop().create_task(_deliver(request, answer, answers))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


async def _deliver(request: Request, answer: Callable[[Request], Awaitable[Answer]], answers: _Answers) -> None:
    try:
        answers.put(await answer(request))
    except Exception as error:  # a fault of ours: it belongs to the caller, not to this thread
        answers.put(error)


def _cancel(tasks: _Tasks) -> None:
    for task in list(tasks):
        task.cancel()


async def _close(end: Callable[[], Awaitable[None]]) -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await end()
