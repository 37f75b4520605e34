"""
A snapshot of 500 tags with 8 platforms each in 10 repositories of a real registry, cold and warm.

Beside it, in the same run, before and after: a bare aiohttp loop of the same GETs, in which bodies are read but digests
not looked at; and skopeo, which asks for one tag at a time. Every snapshot is a process of its own, as a person would
run it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import aiohttp
from measure import Measured, measured, show

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "integration"))
from population import OCI_INDEX, OCI_MANIFEST, PLATFORMS, index, release
from registry import Registry, running

REPOSITORIES = 10
CONCURRENCY = 16
ACCEPT = {"accept": f"{OCI_INDEX}, {OCI_MANIFEST}"}
SKOPEO_PROCESSES = 8


def main() -> None:
    """Fill a registry, then print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--tags", type=int, default=500)
    options.add_argument("--skopeo-sample", type=int, default=40, metavar="TAGS")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "registry") as registry:
        names = fill(registry, given.tags)
        print(f"{given.tags} tags in {REPOSITORIES} repositories, {len(PLATFORMS)} platforms each")
        data = Path(folder) / "data"
        loops = [alone(["bare", registry.name, *names], "aiohttp loop of the same GETs, before")]
        cold = snapshot("imglab snapshot, cold", data, names)
        warm = snapshot("imglab snapshot, warm", data, names)
        loops.append(alone(["bare", registry.name, *names], "aiohttp loop of the same GETs, after"))
        skopeo = inspected(names, given.tags, given.skopeo_sample)
        beside = min(loops, key=lambda loop: loop.seconds)  # whoever comes first finds the registry's files cold
        show([loops[0], cold, warm, loops[1], *skopeo], "requests", beside=beside)


def fill(registry: Registry, tags: int) -> list[str]:
    """Push the tags by several threads; the names of the repositories."""
    names = [f"bench/app{number}" for number in range(REPOSITORIES)]

    def push(number: int) -> None:
        registry.push(index(names[number % REPOSITORIES], f"{number}.0", release(f"bench-{number}")))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(push, range(tags)))
    return [f"{registry.name}/{name}" for name in names]


def snapshot(name: str, data: Path, repositories: list[str]) -> Measured:
    """One command, with the number of its requests."""
    command = [sys.executable, "-m", "imglab.cli", "--data", str(data), "--quiet", "snapshot", *repositories]
    done = measured(name, command)
    query = "select requests from journal.run order by run_id desc limit 1"
    answer = [*command[:5], "sql", query, "--format", "json"]
    (row,) = json.loads(subprocess.run(answer, check=True, capture_output=True).stdout)
    return done.counting(row["requests"])


def alone(arguments: list[str], name: str) -> Measured:
    """This program again, doing one thing in a process of its own that prints its number of requests."""
    done = measured(name, [sys.executable, __file__, *arguments])
    return done.counting(int(done.out))


def inspected(repositories: list[str], tags: int, sample: int) -> list[Measured]:
    """`skopeo inspect` of some tags, eight processes at a time, and what that makes for all (one platform only)."""
    references = list(tagged(repositories))[:sample]
    began = time.monotonic()
    with ThreadPoolExecutor(SKOPEO_PROCESSES) as pool:
        list(pool.map(inspect, references))
    seconds = time.monotonic() - began
    name = f"skopeo inspect, {SKOPEO_PROCESSES} processes"
    found = Measured(f"{name}, {sample} tags, one platform", seconds, 0, sample)
    whole = seconds / sample * tags * len(PLATFORMS)
    return [found, Measured(f"{name}, all platforms (extrapolated)", whole, 0, tags * len(PLATFORMS))]


def tagged(repositories: list[str]) -> Iterator[str]:
    for repository in repositories:
        command = ["skopeo", "--insecure-policy", "list-tags", "--tls-verify=false", f"docker://{repository}"]
        answer = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout)
        for tag in answer["Tags"]:
            yield f"docker://{repository}:{tag}"


def inspect(reference: str) -> None:
    command = ["skopeo", "--insecure-policy", "inspect", "--no-tags", "--tls-verify=false", reference]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


async def bare(registry: str, repositories: list[str]) -> int:
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

        await asyncio.gather(*(whole(name.partition("/")[2]) for name in repositories))
    return count


if __name__ == "__main__":
    if sys.argv[1:2] == ["bare"]:
        print(asyncio.run(bare(sys.argv[2], sys.argv[3:])))
    else:
        main()
