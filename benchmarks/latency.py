"""
A cold snapshot of 500 tags with 8 platforms each through a proxy that holds every answer back for 40 ms, as a registry
that is far away does.

So long an answer bounds the requests a second by the number at a time divided by the delay (16 / 0.04 s = 400); the
table is followed by how much of that was reached, while the run was at work and by the whole process.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from measure import Measured, imglab, measured, show
from snapshot import CONCURRENCY, REPOSITORIES, fill, newest_run

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "integration"))
from population import PLATFORMS
from registry import running

DELAY = 0.04


def main() -> None:
    """Fill a registry, then print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--tags", type=int, default=500)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "registry") as registry:
        paths = [name.partition("/")[2] for name in fill(registry, given.tags)]
        print(f"{given.tags} tags in {REPOSITORIES} repositories, {len(PLATFORMS)} platforms each")
        near, working = snapshot("straight", Path(folder) / "near", [f"{registry.name}/{path}" for path in paths])
        with delaying(registry.port) as port:
            names = [f"127.0.0.1:{port}/{path}" for path in paths]
            far, working = snapshot(f"answers {DELAY * 1000:.0f} ms later", Path(folder) / "far", names)
        show([near, far], "requests", beside=near)
    most = CONCURRENCY / DELAY
    for name, seconds in (("at work", working), ("whole process", far.seconds)):
        rate = far.count / seconds
        print(f"{name}: {rate:.0f} requests a second, {rate / most:.0%} of {most:.0f}")


def snapshot(name: str, data: Path, names: list[str]) -> tuple[Measured, float]:
    """One command, and the seconds between the beginning of its run and the end of its last request."""
    done = measured(name, imglab(data, "snapshot", *names))
    run = newest_run(data)
    times = (datetime.fromisoformat(str(run[column])) for column in ("started_at", "finished_at"))
    began, ended = times
    return done.counting(int(run["requests"])), (ended - began).total_seconds()


# --- the proxy -------------------------------------------------------------------------------------------------------


@contextmanager
def delaying(upstream: int) -> Iterator[int]:
    """The port of a proxy in front of the loopback port *upstream*, in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def serve() -> asyncio.Server:
        return await loop.create_server(lambda: _Near(upstream), "127.0.0.1")

    server = asyncio.run_coroutine_threadsafe(serve(), loop).result()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class _Near(asyncio.Protocol):
    """What a client is connected to: it passes on requests at once."""

    def __init__(self, upstream: int) -> None:
        self._upstream = upstream
        self._early: list[bytes] = []  # what came before there was a connection to pass it on
        self._far: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connect to the server as well."""
        assert isinstance(transport, asyncio.Transport)
        self._task = asyncio.get_running_loop().create_task(self._connect(transport))

    async def _connect(self, near: asyncio.Transport) -> None:
        loop = asyncio.get_running_loop()
        self._far, _ = await loop.create_connection(lambda: _Far(near), "127.0.0.1", self._upstream)
        self._far.writelines(self._early)

    def data_received(self, data: bytes) -> None:
        """Pass it on."""
        if self._far:
            self._far.write(data)
        else:
            self._early.append(data)

    def connection_lost(self, error: Exception | None) -> None:
        """End the other side too."""
        if self._far:
            self._far.close()


class _Far(asyncio.Protocol):
    """What a server is connected to: its answers are passed on after the delay, in their order."""

    def __init__(self, near: asyncio.Transport) -> None:
        self._near = near

    def data_received(self, data: bytes) -> None:
        """Pass it on later."""
        asyncio.get_running_loop().call_later(DELAY, self._near.write, data)

    def connection_lost(self, error: Exception | None) -> None:
        """End the other side too, after what it is still to get."""
        asyncio.get_running_loop().call_later(DELAY, self._near.close)


if __name__ == "__main__":
    main()
