"""
Parsers of what servers say, fed with damaged documents for a given time: only the errors they promise may come out.

By hand: `python tests/fuzz.py [SECONDS [SEED [PARSER…]]]`, for each parser SECONDS (300). What they give must also be
what the journal can hold. Ends at the first surprise, else says how many documents each parser was given.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import random
import sys
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from imglab import oci
from imglab.errors import InvalidReference, ParseError
from imglab.http import next_link, parse_challenges
from imglab.oci import Reference
from imglab.records import Record
from imglab.sources.purl import parse_purl
from imglab.sources.registry import parse_tags
from imglab.sources.sbom import parse_sbom

TOO_LONG = 5.0  # seconds; the slowest take a hundredth of it
DIGEST = "sha256:" + "a" * 64
DESCRIPTOR = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": DIGEST, "size": 1234}
PLATFORM = {"os": "linux", "architecture": "arm", "variant": "v7", "os.version": "1", "os.features": ["x"]}
ATTESTS = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": DIGEST}
INDEX = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.oci.image.index.v1+json",
    "manifests": [{**DESCRIPTOR, "platform": PLATFORM}, {**DESCRIPTOR, "annotations": ATTESTS}],
    "subject": DESCRIPTOR,
    "annotations": {"a": "b"},
}
LAYER = {**DESCRIPTOR, "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "urls": ["https://x"]}
MANIFEST = {
    "schemaVersion": 2,
    "config": {**DESCRIPTOR, "mediaType": "application/vnd.oci.image.config.v1+json"},
    "layers": [LAYER, LAYER],
    "artifactType": "a/b",
}
SCHEMA1 = {
    "schemaVersion": 1,
    "name": "x",
    "architecture": "amd64",
    "fsLayers": [{"blobSum": DIGEST}],
    "history": [{"v1Compatibility": json.dumps({"id": "a", "created": "2016-01-01T00:00:00Z"})}],
    "signatures": [{"protected": "eyJmb3JtYXRMZW5ndGgiOjEsImZvcm1hdFRhaWwiOiJmUSJ9"}],
}
CONFIG = {
    "os": "linux",
    "architecture": "amd64",
    "created": "2026-01-01T00:00:00.123456789Z",
    "config": {"Env": ["A=b"], "Cmd": ["x"], "Labels": {"a": "b"}, "User": "u"},
    "rootfs": {"type": "layers", "diff_ids": [DIGEST]},
    "history": [{"created": "2026-01-01T00:00:00Z", "created_by": "RUN x", "empty_layer": True}],
}
PURL = "pkg:deb/debian/libc6@2.36-9%2Bdeb12u4?arch=amd64&upstream=glibc%402.36#a/b"
SPDX = {
    "spdxVersion": "SPDX-2.3",
    "name": "sbom",
    "creationInfo": {"created": "2026-01-01T00:00:00Z", "creators": ["Tool: x-1"]},
    "packages": [
        {"name": "x", "versionInfo": "1", "externalRefs": [{"referenceType": "purl", "referenceLocator": PURL}]},
        {"name": "y", "primaryPackagePurpose": "FILE", "sourceInfo": "built package from: z 1"},
    ],
}
CYCLONEDX = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.6",
    "metadata": {"timestamp": "2026-01-01T00:00:00Z", "tools": {"components": [{"name": "x", "version": "1"}]}},
    "components": [
        {
            "type": "library",
            "group": "g",
            "name": "x",
            "version": "1",
            "purl": PURL,
            "properties": [{"name": "syft:metadata:installedSize", "value": "4096"}],
            "components": [{"name": "y"}],
        }
    ],
}
SUBJECT = [{"name": "x", "digest": {"sha256": "a" * 64}}]
ODD: list[Any] = [
    *(None, True, -1, 0, 1 << 63, 1 << 200, 1e308, -0.0, "", "\x00", "\ud800", "ä" * 3000, [], {}, [[]], {"": None}),
    *("0001-01-01T00:00:00Z", "9999-12-31T23:59:60+99:99", DIGEST.upper(), "sha256:", "../../x", "application/json"),
]
TEXTS = [
    'Bearer realm="https://a/t",service="s",scope="repository:x:pull,push", Basic realm="x"',
    '<https://a/b?n=1&last=x>; rel="next"; title="a,b", <c>; rel=prev',
    "registry.example.org:5000/team/app:1.0@" + DIGEST,
]


def damaged_value(value: Any, chance: random.Random) -> Any:
    """*value* with something of it put in disorder."""
    if chance.random() < 0.12:
        return chance.choice(ODD)
    if isinstance(value, dict):
        changed = {key: damaged_value(one, chance) if chance.random() < 0.5 else one for key, one in value.items()}
        if changed and chance.random() < 0.1:
            changed.pop(chance.choice(list(changed)))
        return changed
    if isinstance(value, list):
        return [damaged_value(one, chance) for one in value] * chance.choice([1, 1, 1, 2, 0])
    return value


def damaged_bytes(body: bytes, chance: random.Random) -> bytes:
    """*body* with bytes changed, doubled, cut out, or deeply wrapped."""
    for _ in range(chance.choice([0, 0, 1, 3])):
        at = chance.randrange(len(body) + 1)
        piece = chance.choice([b"", b"\xff", b"\x00", b'"', b"{", b"[" * 2000, body[at : at + 9], b"1" * 5000, b"\\u"])
        body = body[:at] + piece + body[at + chance.choice([0, 1, 7]) :]
    return body if chance.random() < 0.98 else b'{"a":' * 100_000


def document(chance: random.Random) -> bytes:
    """A damaged document."""
    value = damaged_value(chance.choice([INDEX, MANIFEST, SCHEMA1, CONFIG, {**INDEX, **MANIFEST}]), chance)
    return damaged_bytes(json.dumps(value).encode(), chance)


def bill(chance: random.Random) -> bytes:
    """A damaged bill of materials, in some of its wrappings."""
    value = damaged_value(chance.choice([SPDX, CYCLONEDX, {**SPDX, **CYCLONEDX}]), chance)
    if chance.random() < 0.6:
        content = {"predicateType": "x", "subject": SUBJECT, "predicate": chance.choice([value, {"Data": value}])}
        value = damaged_value(content, chance)
    if chance.random() < 0.3:
        payload = base64.b64encode(damaged_bytes(json.dumps(value).encode(), chance)).decode()
        value = damaged_value({"dsseEnvelope": {"payloadType": "x", "payload": payload}}, chance)
    return damaged_bytes(json.dumps(value).encode(), chance)


def text(chance: random.Random) -> str:
    """A damaged header or reference."""
    return damaged_bytes(chance.choice(TEXTS).encode(), chance)[:20_000].decode("latin-1")


def media_type(chance: random.Random) -> str | None:
    return chance.choice([None, "", *oci.MANIFEST_TYPES])


def manifest(chance: random.Random) -> None:
    parsed = oci.parse_manifest(document(chance), digest=DIGEST, media_type=media_type(chance))
    check(parsed.records)


def check(records: Iterable[Record]) -> None:
    """Fail if the journal cannot hold one of *records*."""
    for record in records:
        for field in dataclasses.fields(record):
            check_value(getattr(record, field.name))


def check_value(value: object) -> None:
    if isinstance(value, str):
        value.encode()
    elif isinstance(value, list):
        assert all(isinstance(one, str) and one.encode() is not None for one in value), value
    elif isinstance(value, int):
        assert -(1 << 63) <= value < 1 << 63, value
    else:
        assert value is None or isinstance(value, datetime), value


PARSERS: dict[str, Callable[[random.Random], Any]] = {
    "manifests": manifest,
    "configs": lambda chance: check(oci.parse_config(document(chance), digest=DIGEST)),
    "signatures": lambda chance: oci.signed_payload(document(chance)),
    "bills of materials": lambda chance: check(parse_sbom(bill(chance), digest=DIGEST)),
    "purls": lambda chance: parse_purl(damaged_bytes(PURL.encode(), chance)[:20_000].decode("latin-1")),
    "tags": lambda chance: parse_tags(document(chance), source="x"),
    "challenges": lambda chance: parse_challenges([text(chance), text(chance)]),
    "links": lambda chance: next_link(text(chance)),
    "references": lambda chance: Reference.parse(text(chance)),
}


def main() -> None:
    """Each parser for so many seconds."""
    seconds = float(sys.argv[1]) if sys.argv[1:] else 300.0
    chance = random.Random(int(sys.argv[2]) if sys.argv[2:] else time.time_ns())
    for name in sys.argv[3:] or PARSERS:
        parse = PARSERS[name]
        end, count, slowest = time.monotonic() + seconds, 0, 0.0
        while (began := time.monotonic()) < end:
            state = chance.getstate()
            try:
                parse(chance)
            except (ParseError, InvalidReference):
                pass
            except BaseException:
                chance.setstate(state)
                print(f"{name}: a surprise after {count:,} documents")
                raise
            count += 1
            slowest = max(slowest, time.monotonic() - began)
            assert slowest < TOO_LONG, f"{name}: a document of a few kilobytes took {slowest:.1f} s"
        print(f"{name}: {count:,} documents, the slowest took {slowest * 1000:.0f} ms", flush=True)


if __name__ == "__main__":
    main()
