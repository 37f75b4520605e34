"""
A snapshot of 500 tags with 8 platforms each in 10 repositories of a real registry, cold and warm.

Beside it, in the same run: a bare aiohttp loop of the same GETs, before and after, in which bodies are read but digests
not looked at; and `skopeo inspect --no-tags` of every tag and platform of one of the repositories (or of all), eight
processes at a time, each with `--override-os`, `--override-arch` and `--override-variant`. Every snapshot is a process
of its own, as a person would run it, and each of them, the loops and skopeo find a registry that was just started.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import aiohttp
from measure import Measured, imglab, measured, processor_seconds, show

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "integration"))
from population import OCI_INDEX, OCI_MANIFEST, PLATFORMS, Platform, index, release
from registry import Registry, running

REPOSITORIES = 10
CONCURRENCY = 16
ACCEPT = {"accept": f"{OCI_INDEX}, {OCI_MANIFEST}"}
SKOPEO_PROCESSES = 8
SKOPEO = ("skopeo", "--insecure-policy")


def main() -> None:
    """Fill a registry, then print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--tags", type=int, default=500)
    options.add_argument("--all-with-skopeo", action="store_true", help="all repositories, not one: ten times as long")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        content, data = Path(folder) / "registry", Path(folder) / "data"
        with running(content) as registry:
            fill(registry, given.tags)
        print(f"{given.tags} tags in {REPOSITORIES} repositories, {len(PLATFORMS)} platforms each")
        loops = [bare_loop(content, "before")]
        cold, warm = snapshots(content, data)
        with running(content) as registry:
            names = repositories(registry)
            skopeo = inspected(registry, names if given.all_with_skopeo else names[:1])
        loops.append(bare_loop(content, "after"))
        beside = min(loops, key=lambda loop: loop.seconds)  # whoever comes first finds the registry's files cold
        show([loops[0], cold, warm, loops[1], skopeo], "requests", beside=beside)
    print_comparison(given.tags, cold, warm, beside, skopeo)


def fill(registry: Registry, tags: int) -> list[str]:
    """Push the tags by several threads; the names of the repositories."""
    names = repositories(registry)

    def push(number: int) -> None:
        repository = names[number % REPOSITORIES].partition("/")[2]
        registry.push(index(repository, f"{number}.0", release(f"bench-{number}")))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(push, range(tags)))
    return names


def repositories(registry: Registry) -> list[str]:
    return [f"{registry.name}/bench/app{number}" for number in range(REPOSITORIES)]


def beside_server(registry: Registry, measure: Callable[[], Measured]) -> Measured:
    """What *measure* gives, with the processor time that the registry took for it."""
    before = processor_seconds(registry.process.pid)
    done = measure()
    return dataclasses.replace(done, server_seconds=processor_seconds(registry.process.pid) - before)


# --- snapshots -------------------------------------------------------------------------------------------------------


def snapshots(content: Path, data: Path) -> list[Measured]:
    """A cold and a warm one."""
    with running(content) as registry:
        return [snapshot(f"imglab snapshot, {state}", data, registry) for state in ("cold", "warm")]


def snapshot(name: str, data: Path, registry: Registry) -> Measured:
    """One command, with the number of its requests."""
    command = imglab(data, "snapshot", *repositories(registry))
    done = beside_server(registry, lambda: measured(name, command))
    return done.counting(int(newest_run(data)["requests"]))


def newest_run(data: Path) -> dict[str, Any]:
    """What the newest run says of itself."""
    query = "select requests, started_at, finished_at from journal.run order by run_id desc limit 1"
    answer = subprocess.run(imglab(data, "sql", query, "--format", "json"), check=True, capture_output=True).stdout
    return dict(json.loads(answer)[0])


def print_comparison(tags: int, cold: Measured, warm: Measured, loop: Measured, skopeo: Measured) -> None:
    """How many requests a tag cost, and how the snapshots stand to the loop and to skopeo, scaled to all images."""
    fewest = {"cold": 2 + 2 * len(PLATFORMS), "warm": 1}  # HEAD, and for what is new an index, manifests and configs
    for state, done in (("cold", cold), ("warm", warm)):
        each = (done.count - REPOSITORIES - 1) / tags  # without a list for each repository, and a ping
        print(f"{state}: {each:g} requests for each tag; {fewest[state]} is the least")
    images = tags * len(PLATFORMS)
    for name, one in (("bare loop", loop), ("cold", cold), ("warm", warm)):
        seconds = skopeo.seconds / skopeo.count * images / one.seconds
        spent = skopeo.processor_seconds / skopeo.count * images / one.processor_seconds
        print(f"{name}: {seconds:.1f} times as fast as skopeo, {spent:.1f} times less processor time")


# --- skopeo ----------------------------------------------------------------------------------------------------------


def inspected(registry: Registry, names: Sequence[str]) -> Measured:
    """`skopeo inspect` of all tags of *names* on all platforms, eight processes at a time; it counts images."""
    images = [(tag, platform) for name in names for tag in tagged(name) for platform in PLATFORMS]

    def run() -> Measured:
        began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        with ThreadPoolExecutor(SKOPEO_PROCESSES) as pool:
            list(pool.map(lambda image: inspect(*image), images))
        seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        name = f"skopeo inspect, {SKOPEO_PROCESSES} processes, {len(images):,} images"
        return Measured(name, seconds, 0, len(images), "", spent)

    return beside_server(registry, run)


def tagged(repository: str) -> Iterator[str]:
    command = [*SKOPEO, "list-tags", "--tls-verify=false", f"docker://{repository}"]
    answer = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout)
    for tag in answer["Tags"]:
        yield f"docker://{repository}:{tag}"


def inspect(reference: str, wanted: Platform) -> None:
    """One image; fails if another one than *wanted* is told of."""
    os_name, architecture, variant = wanted
    platform = [f"--override-os={os_name}", f"--override-arch={architecture}"]
    platform += [f"--override-variant={variant}"] if variant else []
    command = [*SKOPEO, *platform, "inspect", "--no-tags", "--tls-verify=false", reference]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout)
    assert (told["Os"], told["Architecture"]) == (os_name, architecture), told


# --- the bare loop ---------------------------------------------------------------------------------------------------


def bare_loop(content: Path, when: str) -> Measured:
    """This program again, in a process of its own that prints its number of requests."""
    with running(content) as registry:
        command = [sys.executable, __file__, "bare", registry.name, *repositories(registry)]
        name = f"aiohttp loop of the same GETs, {when}"
        done = beside_server(registry, lambda: measured(name, command))
    return done.counting(int(done.out))


async def bare(registry: str, names: Sequence[str]) -> int:
    """GET every list, index, manifest and config once; the number of requests."""
    count = 0
    gate = asyncio.Semaphore(CONCURRENCY)
    connector = aiohttp.TCPConnector(limit=CONCURRENCY)
    async with aiohttp.ClientSession(f"http://{registry}", connector=connector, headers=ACCEPT) as session:

        async def get(path: str) -> dict[str, object]:
            nonlocal count
            async with gate:
                count += 1
                async with session.get(path) as answer:
                    return dict(json.loads(await answer.read()))

        async def tag(repository: str, name: str) -> None:
            top = await get(f"/v2/{repository}/manifests/{name}")
            entries = [str(entry["digest"]) for entry in top["manifests"]]  # type: ignore[attr-defined]
            await asyncio.gather(*(image(repository, digest) for digest in entries))

        async def image(repository: str, digest: str) -> None:
            manifest = await get(f"/v2/{repository}/manifests/{digest}")
            await get(f"/v2/{repository}/blobs/{manifest['config']['digest']}")  # type: ignore[index]

        async def whole(repository: str) -> None:
            tags = (await get(f"/v2/{repository}/tags/list"))["tags"]
            await asyncio.gather(*(tag(repository, name) for name in tags))  # type: ignore[attr-defined]

        await asyncio.gather(*(whole(name.partition("/")[2]) for name in names))
    return count


if __name__ == "__main__":
    if sys.argv[1:2] == ["bare"]:
        print(asyncio.run(bare(sys.argv[2], sys.argv[3:])))
    else:
        main()
