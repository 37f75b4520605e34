"""A registry of one repository on a loopback server, made document by document."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from faulty import Faulty, reply, sha256

from imglab import oci

CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
SIGNATURE = "application/vnd.example.signature"
LAYER = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": "sha256:" + "1" * 64, "size": 9}
EMPTY = {"mediaType": oci.EMPTY_TYPE, "digest": sha256(b"{}"), "size": 2}


@dataclass
class Made:
    """A registry of one repository on a loopback server: documents by digest, tags, and no lists of referrers."""

    server: Faulty
    path: str = "team/app"
    tags: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.server.on("/v2/", reply(200))

    @property
    def repository(self) -> str:
        return f"{self.server.registry}/{self.path}"

    def put(self, content: object, media_type: str, *tags: str, kind: str = "manifests") -> dict[str, Any]:
        """The descriptor of a document that is now there, and that *tags* point at."""
        body = json.dumps(content).encode()
        digest = sha256(body)
        for name in (digest, *tags):
            answer = reply(200, body, content_type=media_type, docker_content_digest=digest)
            self.server.on(f"/v2/{self.path}/{kind}/{name}", answer)
        self.tags |= dict.fromkeys(tags, digest)
        return {"mediaType": media_type, "digest": digest, "size": len(body)}

    def image(self, architecture: str, *tags: str) -> dict[str, Any]:
        config = self.put({"os": "linux", "architecture": architecture}, CONFIG_TYPE, kind="blobs")
        content = {"mediaType": oci.OCI_MANIFEST, "config": config, "layers": [LAYER]}
        platform = {"os": "linux", "architecture": architecture}
        return {**self.put(content, oci.OCI_MANIFEST, *tags), "platform": platform}

    def index(self, entries: Sequence[Mapping[str, Any]], *tags: str) -> dict[str, Any]:
        return self.put({"mediaType": oci.OCI_INDEX, "manifests": entries}, oci.OCI_INDEX, *tags)

    def artifact(self, subject: Mapping[str, Any], name: str, *tags: str) -> dict[str, Any]:
        layer = {"mediaType": "text/plain", "digest": sha256(name.encode()), "size": len(name)}
        about = {key: subject[key] for key in ("mediaType", "digest", "size")}
        content = {"mediaType": oci.OCI_MANIFEST, "artifactType": SIGNATURE, "config": EMPTY}
        found = self.put({**content, "layers": [layer], "subject": about}, oci.OCI_MANIFEST, *tags)
        return {**found, "artifactType": SIGNATURE}

    def referrers(self, subject: Mapping[str, Any]) -> str:
        """Where the list for *subject* is, if there is one."""
        return f"/v2/{self.path}/referrers/{subject['digest']}"

    def refer(self, subject: Mapping[str, Any], *pages: Sequence[Mapping[str, Any]], **headers: str) -> None:
        """The registry lists *pages* as referrers of *subject*."""
        path = self.referrers(subject)
        for number, entries in enumerate(pages or [[]]):
            body = json.dumps({"schemaVersion": 2, "mediaType": oci.OCI_INDEX, "manifests": entries}).encode()
            link = {"link": f'<{path}?page={number + 1}>; rel="next"'} if number + 1 < len(pages) else {}
            answer = reply(200, body, content_type=oci.OCI_INDEX, **headers, **link)
            self.server.on(f"{path}?page={number}" if number else path, answer)

    def list_tags(self) -> None:
        """The registry lists its tags."""
        self.server.on(f"/v2/{self.path}/tags/list", reply(200, json.dumps({"tags": sorted(self.tags)}).encode()))

    def asked(self, part: str, method: str = "GET") -> list[str]:
        """The last parts of paths below *part* that were asked for, without queries."""
        found = [seen.path for seen in self.server.seen if seen.method == method and f"/{part}/" in seen.path]
        return [path.rpartition("/")[2].partition("?")[0] for path in found]
