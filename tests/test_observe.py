"""Docker Hub by its registry, by its tags API, and by both where pulls do not suffice."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
from faulty import sha256
from made import day

from imglab import oci
from imglab.data import open_store
from imglab.errors import UsageError
from imglab.http import Client
from imglab.runs import Outcome
from imglab.snapshot import Way, observe
from imglab.sources.catalog import parse_target

CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
REGISTRY, API = "registry-1.docker.io", "hub.docker.com"


class Hub:
    """Docker Hub in small: two tags, each an index of one image, as registry and as tags API; and another registry."""

    def __init__(self, pulls: int) -> None:
        self.pulls = pulls
        self.documents: dict[str, tuple[str, bytes]] = {}
        self.tags = {name: self._tag(size) for name, size in (("1", 1_000), ("2", 2_000))}
        self.asked: Counter[str] = Counter()

    def _add(self, media_type: str, content: object) -> dict[str, Any]:
        body = json.dumps(content).encode()
        self.documents[sha256(body)] = (media_type, body)
        return {"mediaType": media_type, "digest": sha256(body), "size": len(body)}

    def _tag(self, size: int) -> tuple[str, str, int]:
        config = self._add(CONFIG_TYPE, {"os": "linux", "architecture": "amd64", "author": str(size)})
        layer = {"mediaType": LAYER_TYPE, "digest": "sha256:" + "1" * 64, "size": size}
        image = self._add(oci.OCI_MANIFEST, {"mediaType": oci.OCI_MANIFEST, "config": config, "layers": [layer]})
        entry = {**image, "platform": {"os": "linux", "architecture": "amd64"}}
        index = self._add(oci.OCI_INDEX, {"mediaType": oci.OCI_INDEX, "manifests": [entry]})
        return index["digest"], image["digest"], size

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked[request.url.host] += 1
        return self._api(request.url.path) if request.url.host == API else self._registry(request)

    def _registry(self, request: httpx.Request) -> httpx.Response:
        path, is_hub = request.url.path, request.url.host == REGISTRY
        if path == "/v2/":
            return httpx.Response(200)
        if path.endswith("/tags/list"):
            return httpx.Response(200, json={"tags": list(self.tags)})
        name = path.rpartition("/")[2]
        digest = self.tags[name][0] if name in self.tags else name
        media_type, body = self.documents[digest]
        self.pulls -= is_hub and request.method == "GET" and "/manifests/" in path
        headers = {"docker-content-digest": digest, "content-type": media_type}
        if is_hub:
            headers |= {"ratelimit-remaining": f"{self.pulls};w=21600", "ratelimit-limit": "100;w=21600"}
        return httpx.Response(200, headers=headers, content=b"" if request.method == "HEAD" else body)

    def _api(self, path: str) -> httpx.Response:
        if path.endswith("/repositories"):
            return httpx.Response(200, json={"count": 1, "next": None, "results": [{"name": "app"}]})
        if path.endswith("/tags"):
            results = [self._told(name) for name in self.tags]
            return httpx.Response(200, json={"count": len(results), "next": None, "results": results})
        return httpx.Response(200, json=self._told(path.rpartition("/")[2]))

    def _told(self, name: str) -> dict[str, Any]:
        index, image, size = self.tags[name]
        return {
            "name": name,
            "digest": index,
            "media_type": oci.OCI_INDEX,
            "tag_last_pushed": "2026-01-02T00:00:00Z",
            "images": [{"architecture": "amd64", "os": "linux", "digest": image, "size": size, "status": "active"}],
        }


def observed(data: Path, hub: Hub, *texts: str, via: Way = "auto") -> list[Outcome]:
    """The outcomes of one `imglab snapshot` in a world of *hub*."""
    targets = [parse_target(text) for text in texts]
    return observe(data, targets, lambda: Client(transport=httpx.MockTransport(hub)), via=via, now=lambda: day(5))


def sizes(data: Path) -> list[tuple[object, ...]]:
    query = "select tag, platform, compressed_bytes from tag_image where valid_to is null order by all"
    with open_store(data) as store:
        return store.sql(query).rows()


SIZES = [("1", "linux/amd64", 1_000), ("2", "linux/amd64", 2_000)]


def test_with_enough_pulls_the_registry_is_asked_alone(tmp_path: Path) -> None:
    """One run; nobody but the registry hears of it."""
    hub = Hub(100)
    (outcome,) = observed(tmp_path, hub, "docker.io/team/app")
    assert (outcome.run.source, outcome.run.outcome, set(hub.asked)) == ("registry", "complete", {REGISTRY})
    assert sizes(tmp_path) == SIZES


@pytest.mark.parametrize("pulls", [10, 12, 13])
def test_where_pulls_do_not_suffice_the_api_tells_sizes(tmp_path: Path, pulls: int) -> None:
    """A second run, by one request, fills in what the first had to leave; the next snapshot fetches the documents."""
    hub = Hub(pulls)
    first, second = observed(tmp_path, hub, "docker.io/team/app")
    assert (first.run.source, first.run.outcome) == ("registry", "partial")
    assert (second.run.source, second.run.outcome, hub.asked[API]) == ("docker-hub", "complete", 1)
    assert sizes(tmp_path) == SIZES
    assert hub.pulls == 10
    hub.pulls = 100
    (third,) = observed(tmp_path, hub, "docker.io/team/app")
    assert third.run.outcome == "complete"
    assert hub.pulls == 100 - (4 - (pulls - 10))
    assert sizes(tmp_path) == SIZES


@pytest.mark.parametrize("via", ["auto", "hub-api"])
def test_namespaces_are_found_by_each_way(tmp_path: Path, via: Way) -> None:
    """Docker Hub lists the repositories of a namespace for its registry as for its tags API."""
    hub = Hub(12)
    outcomes = observed(tmp_path, hub, "docker.io/team/*", via=via)
    assert [outcome.run.source for outcome in outcomes] == ["registry", "docker-hub"][via == "hub-api" :]
    assert {outcome.run.target for outcome in outcomes} == {"docker.io/team/*"}
    assert sizes(tmp_path) == SIZES


def test_only_the_registry_if_that_is_wanted(tmp_path: Path) -> None:
    """`--via registry`: what is left over is left to the next run."""
    hub = Hub(10)
    (outcome,) = observed(tmp_path, hub, "docker.io/team/app", via="registry")
    assert (outcome.run.outcome, hub.asked[API]) == ("partial", 0)
    assert [failure.kind for failure in outcome.failures] == ["rate-limited"]


def test_only_the_api_if_that_is_wanted(tmp_path: Path) -> None:
    """`--via hub-api`: no pull and no other request to Docker Hub's registry; other registries are asked as ever."""
    hub = Hub(100)
    other, by_api = observed(tmp_path, hub, "docker.io/team/app", "r.example/team/app", via="hub-api")
    assert (other.run.source, other.run.target) == ("registry", "r.example/team/app")
    assert (by_api.run.source, by_api.run.target) == ("docker-hub", "docker.io/team/app")
    assert (hub.asked[REGISTRY], hub.asked[API]) == (0, 1)
    assert sizes(tmp_path) == sorted(SIZES * 2)
    with open_store(tmp_path) as store:
        since = store.sql(
            "select distinct valid_from from tag_interval where repository = 'docker.io/team/app'"
        ).to_series()
    assert since.to_list() == [day(2)]


def test_content_has_no_tags_api(tmp_path: Path) -> None:
    """A digest is asked of the registry: refused where only the API may be asked, left out where it helps."""
    hub = Hub(10)
    digest = hub.tags["1"][0]
    with pytest.raises(UsageError):
        observed(tmp_path, hub, f"docker.io/team/app@{digest}", via="hub-api")
    assert sum(hub.asked.values()) == 0
    first, second = observed(tmp_path, hub, f"docker.io/team/app@{digest}", "docker.io/team/app:2")
    assert (first.run.tags, second.run.target, second.run.tags) == (1, "docker.io/team/app:2", 1)
