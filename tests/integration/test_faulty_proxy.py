"""A snapshot through a network that breaks, delays, refuses and garbles: what is good arrives, nothing else is kept."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from command import imglab, lines, rows
from population import Image, image
from proxy import Faults, Proxy, proxied
from registry import Registry

from imglab.data import open_store
from imglab.http import Client
from imglab.runs import Outcome
from imglab.snapshot import snapshot
from imglab.sources.registry import Target
from imglab.store import CHECKS

pytestmark = pytest.mark.registry
REPOSITORY = "team/many"
TAGS, IMAGES, HURRY = 2_000, 200, 20.0


@dataclass(frozen=True)
class Many:
    """A repository with many tags at a few small images."""

    registry: Registry
    images: tuple[Image, ...]

    @property
    def tags(self) -> dict[str, str]:
        """The digest of each tag."""
        return {f"build-{n:04}": self.images[n % len(self.images)].manifest.digest for n in range(TAGS)}

    @property
    def documents(self) -> set[str]:
        """All manifests and configs."""
        return {found for item in self.images for found in (item.manifest.digest, item.blobs[0].digest)}


@pytest.fixture(scope="module")
def many(registry: Registry) -> Many:
    """2,000 tags at 200 images."""
    images = tuple(image([f"layer-{number}"], size=16) for number in range(IMAGES))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda item: registry.push(item.push(REPOSITORY, None)), images))
        list(pool.map(lambda n: registry.tag(REPOSITORY, images[n % IMAGES].manifest, f"build-{n:04}"), range(TAGS)))
    return Many(registry, images)


async def hurried(seconds: float) -> None:
    """Waits, in a time that passes more quickly."""
    await asyncio.sleep(seconds / HURRY)


def observed(data: Path, proxy: Proxy) -> Outcome:
    """A snapshot of the repository through *proxy*."""
    client = Client(sleep=hurried, clock=lambda: time.monotonic() * HURRY)
    return snapshot(data, [Target.parse(f"{proxy.name}/{REPOSITORY}")], client)


@pytest.fixture
def proxy(many: Many, request: pytest.FixtureRequest) -> Iterator[Proxy]:
    with proxied(many.registry.port, request.param) as running:
        yield running


def sound(data: Path) -> bool:
    """Whether every stored body is what its digest says, and no check finds anything."""
    bodies = rows(data, "select digest, body from journal.blob")
    with open_store(data) as store:
        is_checked = not any(store.check(name).height for name in CHECKS)
    return is_checked and all(digest == f"sha256:{hashlib.sha256(body).hexdigest()}" for digest, body in bodies)  # type: ignore[arg-type]


ROUGH = Faults(seed=2026, resets=0.05, unavailable=0.05, busy=0.02, wrong_bytes=0.01, delays=0.05)


@pytest.mark.parametrize("proxy", [ROUGH], indirect=True)
def test_two_thousand_tags_through_a_rough_network(many: Many, proxy: Proxy, data: Path) -> None:
    """One request in eight fails: every tag and document that can be had is there, every other one is a failure."""
    lost = {"build-0007", "build-1000", "build-1999"}
    spoilt = {many.images[3].manifest.digest, many.images[4].blobs[0].digest}
    proxy.faults = Faults(**{**vars(ROUGH), "always_unavailable": frozenset(lost), "always_wrong": frozenset(spoilt)})
    outcome = observed(data, proxy)
    met = proxy.faults_met()
    assert min(met["reset"], met["unavailable"], met["busy"]) > 20 and met["wrong bytes"] > 4

    good = proxy.good("HEAD") & set(many.tags)
    assert lost & good == set() and len(good) > TAGS - len(lost) - 5  # whoever fails four times in a row is unlucky
    found = dict(rows(data, "select tag, digest from tag_interval where digest is not null and valid_to is null"))
    assert found == {tag: digest for tag, digest in many.tags.items() if tag in good}
    stored = {digest for (digest,) in rows(data, "select digest from journal.blob")}
    assert stored == proxy.good("GET") & many.documents and not stored & spoilt
    assert len(stored) >= 2 * IMAGES - len(spoilt) - 1 - 3
    failed = {failure.locator.removeprefix(f"{proxy.name}/{REPOSITORY}")[1:] for failure in outcome.failures}
    named = {item.blobs[0].digest for item in many.images if item.manifest.digest in stored}
    pointed = {many.tags[tag] for tag in good}
    assert failed == (set(many.tags) - good) | ((pointed | named) - stored)
    assert sound(data)
    assert outcome.run.requests <= len(proxy.served)


@pytest.mark.parametrize("proxy", [Faults(page_length=100)], indirect=True)
def test_pages_are_followed_through_a_proxy(many: Many, proxy: Proxy, data: Path) -> None:
    """Twenty pages make one complete listing."""
    outcome = observed(data, proxy)
    assert (outcome.run.tags, outcome.run.outcome) == (TAGS, "complete")
    assert rows(data, "select is_complete from journal.listing") == [(True,)]


@pytest.mark.parametrize("proxy", [Faults(page_length=7, repeats_pages=True)], indirect=True)
def test_pages_that_repeat_are_left(many: Many, proxy: Proxy, data: Path) -> None:
    """A list that leads to itself for ever is left, says that it is not whole, and its tags are there."""
    outcome = observed(data, proxy)
    assert (outcome.run.tags, outcome.run.outcome) == (7, "partial")
    assert rows(data, "select is_complete from journal.listing") == [(False,)]
    assert ["pages do not end" in failure.message for failure in outcome.failures] == [True]


@pytest.mark.parametrize("proxy", [Faults()], indirect=True)
def test_streams_without_end_are_left(many: Many, proxy: Proxy, data: Path) -> None:
    """An endless document is a failure beside those that are good; an endless list is one alone."""
    endless = many.images[0].manifest.digest
    proxy.faults = Faults(endless=frozenset({endless}))
    outcome = observed(data, proxy)
    assert [(failure.kind, failure.locator[-71:]) for failure in outcome.failures] == [("too-large", endless)]
    assert rows(data, "select count(distinct digest) from journal.blob") == [(2 * IMAGES - 2,)]
    proxy.faults = Faults(endless=frozenset({"list"}))
    outcome = observed(data, proxy)
    assert [failure.kind for failure in outcome.failures] == ["too-large"]
    assert sound(data)


# --- limits, through the command -------------------------------------------------------------------------------------


@pytest.fixture
def small(registry: Registry) -> str:
    """A repository with six tags at images of their own: six pulls and six blobs."""
    for number in range(6):
        registry.push(image([f"small-{number}"], size=16).push("team/small", f"{number}.0"))
    return "team/small"


def test_pulls_that_do_not_suffice(small: str, registry: Registry, data: Path) -> None:
    """Exit code 1, one line with the time to resume at, every tag observed; the next run fetches the rest."""
    with proxied(registry.port) as proxy:
        proxy.pulls = 14
        done = imglab(data, "--quiet", "snapshot", f"{proxy.name}/{small}", "--concurrency", "3")
        (line,) = lines(done.err)
        assert (done.code, proxy.pulls) == (1, 10)
        assert line.startswith(f"imglab: {proxy.name}: 2 documents left to a later run: ") and "resume after 20" in line
        assert rows(data, "select count(digest) from tag_interval") == [(6,)]
        proxy.pulls = 14
        assert imglab(data, "--quiet", "snapshot", f"{proxy.name}/{small}", "--reserve", "12").code == 0
        assert proxy.pulls == 12
    assert rows(data, "select count(*), count(distinct digest) from journal.blob") == [(12, 12)]


def test_runs_of_few_requests_come_to_an_end(small: str, registry: Registry, data: Path) -> None:
    """Each sends no more than it may, says so in one line, and the next goes on: 20 requests in runs of 12."""
    with proxied(registry.port) as proxy:
        command = ("--quiet", "snapshot", f"{proxy.name}/{small}", "--limit-requests", "12")
        codes = []
        while not codes or codes[-1]:
            before = proxy.count
            done = imglab(data, *command)
            codes.append(done.code)
            assert proxy.count - before <= 12
            assert len(lines(done.err)) == (done.code > 0)
    assert codes == [1, 1, 0]
    assert rows(data, "select count(*), count(distinct digest) from journal.blob") == [(12, 12)]
    assert rows(data, "select count(*) from tag_interval where valid_to is null") == [(6,)]
