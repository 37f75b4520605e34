"""
A snapshot of 2,000 tags at 200 images through a proxy that does nothing, and through one that fails one request in
eight: 5 % resets, 5 % 503, 2 % 429 with Retry-After of a second, 1 % wrong bytes, seeded.

Beside the time: how often the registry was asked and how many waits it asked for; a wait is one for all requests to it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from measure import Measured, measured, show

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
        clean = snapshot("through a proxy that does nothing", Path(folder) / "clean", registry, Faults())
        rough = snapshot("through one that fails one request in eight", Path(folder) / "rough", registry, ROUGH)
        show([clean, rough], "requests", beside=clean)


def fill(registry: Registry, tags: int) -> None:
    """Push the images, then the tags."""
    images = [image([f"many-{number}"], size=16) for number in range(IMAGES)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda item: registry.push(item.push(REPOSITORY, None)), images))
        list(pool.map(lambda n: registry.tag(REPOSITORY, images[n % IMAGES].manifest, f"build-{n:04}"), range(tags)))


def snapshot(name: str, data: Path, registry: Registry, faults: Faults) -> Measured:
    """One command; the proxy works in this process beside it."""
    with proxied(registry.port, faults) as proxy:
        reference = f"{proxy.name}/{REPOSITORY}"
        command = [sys.executable, "-m", "imglab.cli", "--data", str(data), "snapshot", reference]
        done = measured(name, command)
        print(f"{name}: {done.out.strip()}\n  {dict(proxy.faults_met())}")
    return done.counting(len(proxy.served))


if __name__ == "__main__":
    main()
