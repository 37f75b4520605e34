"""
A snapshot of 2,000 tags at 200 images through a proxy that does nothing, and through one that fails one request in
eight: 5 % resets, 5 % 503, 2 % 429 with Retry-After of a second, 1 % wrong bytes, seeded.

Beside the time: how often the registry was asked and how long it asked to wait. A wait holds for all requests to it,
so waits that overlap count once, from the moment at which the proxy told of them. The goal is twice the clean run and
these waits; the benchmark fails beyond it, or if the two runs do not leave the same tags and documents.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from measure import Measured, imglab, measured, show

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "integration"))
from population import image
from proxy import Faults, proxied
from registry import Registry, running

REPOSITORY, IMAGES = "bench/many", 200
ROUGH = Faults(seed=2026, resets=0.05, unavailable=0.05, busy=0.02, wrong_bytes=0.01)


def main() -> None:
    """Fill a registry, then print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--tags", type=int, default=2_000)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "registry") as registry:
        fill(registry, given.tags)
        clean_data, rough_data = Path(folder) / "clean", Path(folder) / "rough"
        clean, _ = snapshot("through a proxy that does nothing", clean_data, registry, Faults())
        rough, waits = snapshot("through one that fails one request in eight", rough_data, registry, ROUGH)
        show([clean, rough], "requests", beside=clean)
        is_same = left(clean_data) == left(rough_data)
    most = 2 * clean.seconds + waits
    times = (rough.seconds - waits) / clean.seconds
    print(f"told to wait {waits:.1f} s in all; without that {times:.2f} times the clean run")
    same = "the same" if is_same else "NOT the same"
    print(f"at most {most:.1f} s, taken {rough.seconds:.1f} s; what is left is {same}")
    sys.exit(0 if is_same and rough.seconds <= most else 1)


def fill(registry: Registry, tags: int) -> None:
    """Push the images, then the tags."""
    images = [image([f"many-{number}"], size=16) for number in range(IMAGES)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda item: registry.push(item.push(REPOSITORY, None)), images))
        list(pool.map(lambda n: registry.tag(REPOSITORY, images[n % IMAGES].manifest, f"build-{n:04}"), range(tags)))


def snapshot(name: str, data: Path, registry: Registry, faults: Faults) -> tuple[Measured, float]:
    """One command, and the seconds that it was told to wait; the proxy works in this process beside it."""
    with proxied(registry.port, faults) as proxy:
        done = measured(name, imglab(data, "snapshot", f"{proxy.name}/{REPOSITORY}"))
        print(f"{name}: {dict(proxy.faults_met())}")
        return done.counting(len(proxy.served)), proxy.told_to_wait()


def left(data: Path) -> list[str]:
    """Where tags point and the digests of documents, as the store has them."""
    queries = ("select tag, digest from tag_interval order by all", "select digest from journal.blob order by all")
    asked = [imglab(data, "sql", query, "--format", "csv") for query in queries]
    return [subprocess.run(command, check=True, capture_output=True, text=True).stdout for command in asked]


if __name__ == "__main__":
    main()
