"""Bills of materials about nothing real, as scanners write them, and what they are wrapped in."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

SPDX_TYPE, CYCLONEDX_TYPE = "https://spdx.dev/Document", "https://cyclonedx.org/bom"
IN_TOTO, DSSE = "application/vnd.in-toto+json", "application/vnd.dsse.envelope.v1+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"


def spdx(purls: Iterable[str], *, name: str = "sbom", **more: Any) -> dict[str, Any]:
    """An SPDX document that lists packages by purl, below the directory that was scanned."""
    root = {"name": "/run/src/core/sbom", "SPDXID": "SPDXRef-Root", "primaryPackagePurpose": "FILE"}
    return {
        "spdxVersion": "SPDX-2.3",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name,
        "creationInfo": {"created": "2026-01-02T03:04:05Z", "creators": ["Organization: None", "Tool: made-up-1.0"]},
        "packages": [root, *map(spdx_package, purls)],
        **more,
    }


def spdx_package(purl: str) -> dict[str, Any]:
    name, _, version = purl.partition("?")[0].rpartition("/")[2].partition("@")
    reference = {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}
    cpe = {"referenceCategory": "SECURITY", "referenceType": "cpe23Type", "referenceLocator": "cpe:2.3:a:x"}
    return {"name": name, "versionInfo": unquote(version), "externalRefs": [cpe, reference]}


def cyclonedx(components: Iterable[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """A CycloneDX document with *components*."""
    tool = {"type": "application", "name": "made-up", "version": "2.0"}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "metadata": {"timestamp": "2026-01-02T03:04:05Z", "tools": {"components": [tool]}},
        "components": list(components),
        **more,
    }


def component(purl: str, **properties: str) -> dict[str, Any]:
    """A component with *properties* of Syft: `installedSize="4"` is `syft:metadata:installedSize`."""
    name, _, version = purl.partition("?")[0].rpartition("/")[2].partition("@")
    pairs = [{"name": f"syft:metadata:{key}", "value": value} for key, value in properties.items()]
    return {"type": "library", "name": name, "version": unquote(version), "purl": purl, "properties": pairs}


def statement(predicate: Any, about: str, kind: str = SPDX_TYPE) -> dict[str, Any]:
    """The in-toto statement that *predicate* is so about the image *about*."""
    algorithm, _, value = about.partition(":")
    subject = {"name": "pkg:docker/team/app", "digest": {algorithm: value}}
    return {
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": kind,
        "subject": [subject],
        "predicate": predicate,
    }


def envelope(content: dict[str, Any]) -> dict[str, Any]:
    """*content* in a DSSE envelope."""
    return {
        "payloadType": IN_TOTO,
        "payload": base64.b64encode(json.dumps(content).encode()).decode(),
        "signatures": [],
    }
