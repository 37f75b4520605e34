"""
Software bills of material: the packages of an image, as SPDX or CycloneDX lists them, without its layers.

References: SPDX 2.3 (and 2.2), CycloneDX 1.6 (and before), in JSON; in-toto Statement v0.1 and v1; DSSE 1.0; Sigstore
bundles 0.3; BuildKit's `docs/attestations`, all read in November 2026. A document may stand by itself, or be the
predicate of a statement, which may be in an envelope (cosign) or in an envelope in a bundle (GitHub, cosign 3).

Met in real data: BuildKit scans stages and contexts too where it is told to, as `sbom-<name>` beside `sbom`; it takes
no document above 40 MiB. SPDX has no place for sizes. Syft tells them in properties of CycloneDX, for deb in KiB as
Debian's `Installed-Size` counts, for apk, rpm and alpm in bytes. Images and the file system itself stand among the
packages; Trivy and Syft list the operating system as one, Trivy of 2022 without its purpose. Tern and bom list layers,
named by digest alone. Old cosign wraps the document once more, as `Data`. A package
that is installed in several places stands there as often.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from imglab.errors import ParseError
from imglab.http import MEBIBYTE
from imglab.oci import is_statement, parse_time
from imglab.records import Package, Record, Sbom
from imglab.sources.purl import parse_purl

READER = 1  # to be raised where what is read better now is worth fetching every document again
SBOM_LIMIT = 64 * MEBIBYTE  # what BuildKit takes, in base64
_MOST_PACKAGES = 500_000  # by far more than any image was seen to hold
_LONGEST = 4_096  # characters of a name, version or purl
_DEEPEST = 4  # a bundle, an envelope, a statement, cosign's own wrapping
_DOCUMENTS = frozenset(
    {"application/spdx+json", "text/spdx+json", "application/vnd.cyclonedx+json", "application/vnd.cyclonedx"}
)
_PREDICATES = ("https://spdx.dev/Document", "https://cyclonedx.org/bom")
_NO_PACKAGES = frozenset({"oci", "docker"})  # types of purls: the image itself, and its base
_NO_PURPOSES = frozenset({"CONTAINER", "FILE", "OPERATING-SYSTEM", "OPERATING_SYSTEM", "DEVICE"})
_NO_COMPONENTS = frozenset({"container", "file", "operating-system", "device", "data", "cryptographic-asset"})
_SPDX, _CYCLONEDX = re.compile(r"SPDX-2\.\d{1,2}"), re.compile(r"1\.\d{1,2}")
_NO_IDENTIFIERS = ("SPDXRef-OperatingSystem-", "SPDXRef-Application-", "SPDXRef-ContainerImage-")  # of Trivy
_DESCRIBES = ("DESCRIBES", "DESCRIBE")  # the second is Trivy's of 2022
_LAYER = re.compile(r"(?:sha256:)?[0-9a-f]{64}")
_NOT_STATED = frozenset({"NOASSERTION", "NONE"})  # SPDX's words for nothing
_SIZES = {  # by ecosystem: the property of Syft that tells an installed size, and its unit in bytes
    "deb": ("syft:metadata:installedSize", 1024),
    "apk": ("syft:metadata:installedSize", 1),
    "rpm": ("syft:metadata:size", 1),
    "alpm": ("syft:metadata:size", 1),
}
_SOURCES = ("syft:metadata:source", "syft:metadata:originPackage", "aquasecurity:trivy:SrcName")
_BUILT_FROM = re.compile(r"built package from: (\S+)")  # Trivy, in SPDX

Json: TypeAlias = dict[str, Any]


def is_sbom(media_type: str | None, predicate_type: str | None) -> bool:
    """Whether a layer of *media_type* that states *predicate_type* says that it is a bill of materials read here."""
    if media_type and media_type.partition(";")[0].strip().lower() in _DOCUMENTS:
        return True
    if not is_statement(media_type) or predicate_type is None:
        return False
    return any(predicate_type == known or predicate_type.startswith(f"{known}/") for known in _PREDICATES)


def parse_sbom(body: bytes, *, digest: str) -> list[Record]:
    """
    The row of the document *digest*, then one row for each package that it lists, in its order.

    Images, files and operating systems among them are left out, and so is what has neither a name nor a purl. Raises
    ParseError.
    """
    document, subjects = _opened(_read(body, digest), digest)
    version = _text(document, "spdxVersion", digest) or ""
    spec_version = _text(document, "specVersion", digest) or ""
    if _SPDX.fullmatch(version):
        name, made_at, tools, found = _spdx(document, digest)
    elif document.get("bomFormat") == "CycloneDX" and _CYCLONEDX.fullmatch(spec_version):
        version = f"CycloneDX-{spec_version}"
        name, made_at, tools, found = _cyclonedx(document, digest)
    else:
        raise ParseError(digest, "", "must be SPDX 2 or CycloneDX 1 in JSON, by itself or in an in-toto statement")
    packages: list[Record] = []
    for position, fields in enumerate(found):
        if position == _MOST_PACKAGES:
            raise ParseError(digest, "", f"must not list more than {_MOST_PACKAGES:,} packages")
        packages.append(Package(digest, position, **fields))
    row = Sbom(
        digest=digest,
        reader=READER,
        document_bytes=len(body),
        format=version,
        name=name,
        created_at=parse_time(made_at),
        tools=tools or None,
        subject_digests=subjects or None,
        package_count=len(packages),
    )
    return [row, *packages]


# --- wrappings -------------------------------------------------------------------------------------------------------


def _read(body: bytes, source: str) -> Json:
    try:
        document = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise ParseError(source, "", "must be JSON in UTF-8") from None
    if not isinstance(document, dict):
        raise ParseError(source, "", "must be a JSON object")
    return document


def _opened(document: Json, source: str) -> tuple[Json, list[str]]:
    """The document within its wrappings, and the digests that its statement is about."""
    subjects: list[str] = []
    for _ in range(_DEEPEST):
        if "dsseEnvelope" in document:
            document = _object(document, "dsseEnvelope", source)
        elif "payloadType" in document:
            document = _read(_payload(document, source), source)
        elif "predicateType" in document:
            subjects = list(_subjects(document, source))
            document = _object(document, "predicate", source)
        elif "Data" in document and not {"spdxVersion", "bomFormat"} & document.keys():
            data = document["Data"]
            document = _read(data.encode("utf-8", "replace"), source) if isinstance(data, str) else data
            if not isinstance(document, dict):
                raise ParseError(source, "Data", "must be an object")
        else:
            break
    return document, subjects


def _payload(envelope: Json, source: str) -> bytes:
    try:
        return base64.b64decode(envelope["payload"], validate=True)
    except (ValueError, LookupError, TypeError):
        raise ParseError(source, "payload", "must be base64") from None


def _subjects(statement: Json, source: str) -> Iterator[str]:
    for subject in _objects(statement, "subject", source):
        digests = _object(subject, "digest", source)
        yield from (
            f"{algorithm}:{value}" for algorithm in ("sha256", "sha512") if (value := _text(digests, algorithm, source))
        )


# --- SPDX ------------------------------------------------------------------------------------------------------------

_Said: TypeAlias = tuple[str | None, object, list[str], Iterator[Json]]  # name, time, tools, fields of packages


def _spdx(document: Json, source: str) -> _Said:
    information = _object(document, "creationInfo", source)
    creators = _texts(information, "creators", source)
    tools = [creator.partition(":")[2].strip() for creator in creators if creator.startswith("Tool:")]
    return _text(document, "name", source), information.get("created"), tools, _spdx_packages(document, source)


def _spdx_packages(document: Json, source: str) -> Iterator[Json]:
    described = frozenset(_described(document, source))
    for entry in _objects(document, "packages", source):
        text = _spdx_purl(entry, source)
        if text is None and (entry.get("SPDXID") in described or _is_no_package(entry, source)):
            continue
        fields = _fields(_stated(entry, "name", source), _stated(entry, "versionInfo", source), text)
        if fields:
            if fields["source_name"] is None:
                built_from = _BUILT_FROM.match(_text(entry, "sourceInfo", source) or "")
                fields["source_name"] = built_from[1] if built_from else None
            yield fields


def _described(document: Json, source: str) -> Iterator[str]:
    """What the document is about, by identifier: the image itself."""
    yield from _texts(document, "documentDescribes", source)
    for relationship in _objects(document, "relationships", source):
        about, kind = relationship.get("relatedSpdxElement"), relationship.get("relationshipType")
        if relationship.get("spdxElementId") == "SPDXRef-DOCUMENT" and kind in _DESCRIBES and isinstance(about, str):
            yield about


def _is_no_package(entry: Json, source: str) -> bool:
    """Whether an entry without a purl is said to be, or is named like, a layer, a file or a whole system."""
    if _text(entry, "primaryPackagePurpose", source) in _NO_PURPOSES:
        return True
    identifier, name = _text(entry, "SPDXID", source) or "", _text(entry, "name", source) or ""
    return identifier.startswith(_NO_IDENTIFIERS) or bool(_LAYER.fullmatch(name))


def _spdx_purl(package: Json, source: str) -> str | None:
    for reference in _objects(package, "externalRefs", source):
        if reference.get("referenceType") == "purl":
            return _text(reference, "referenceLocator", source)
    return None


def _stated(document: Json, key: str, source: str) -> str | None:
    text = _text(document, key, source)
    return None if text in _NOT_STATED else text


# --- CycloneDX -------------------------------------------------------------------------------------------------------


def _cyclonedx(document: Json, source: str) -> _Said:
    metadata = _object(document, "metadata", source)
    return None, metadata.get("timestamp"), list(_tools(metadata, source)), _components(document, source)


def _tools(metadata: Json, source: str) -> Iterator[str]:
    """Names and versions; until CycloneDX 1.5 tools were a list, now there may be components and services."""
    tools = metadata.get("tools")
    found = _objects(metadata, "tools", source) if isinstance(tools, list) else []
    if isinstance(tools, dict):
        found = _objects(tools, "components", source)
    for tool in found:
        if name := _text(tool, "name", source):
            yield "-".join(filter(None, (name, _text(tool, "version", source))))


def _components(document: Json, source: str) -> Iterator[Json]:
    """The fields of components, those inside others after these."""
    waiting = [document]
    for holder in waiting:
        for component in _objects(holder, "components", source):
            waiting.append(component)
            text = _text(component, "purl", source)
            if text is None and _text(component, "type", source) in _NO_COMPONENTS:
                continue
            yield from _component(component, text, source)


def _component(component: Json, text: str | None, source: str) -> Iterator[Json]:
    name, group = _text(component, "name", source), _text(component, "group", source)
    fields = _fields(f"{group}/{name}" if group and name else name, _text(component, "version", source), text)
    if fields:
        properties = dict(_properties(component, source))
        fields["installed_bytes"] = _installed_bytes(fields["ecosystem"], properties)
        fields["architecture"] = fields["architecture"] or properties.get("syft:metadata:architecture")
        sources = filter(None, (fields["source_name"], *map(properties.get, _SOURCES)))
        fields["source_name"] = next(sources, None)
        yield fields


def _properties(component: Json, source: str) -> Iterator[tuple[str, str]]:
    for pair in reversed(_objects(component, "properties", source)):  # the first of a name counts
        name, value = _text(pair, "name", source), _text(pair, "value", source)
        if name and value:
            yield name, value


def _installed_bytes(ecosystem: str | None, properties: Mapping[str, str]) -> int | None:
    if ecosystem not in _SIZES:
        return None
    name, unit = _SIZES[ecosystem]
    stated = properties.get(name, "")
    return int(stated) * unit if re.fullmatch(r"[0-9]{1,15}", stated) else None


# --- values ----------------------------------------------------------------------------------------------------------


def _fields(name: str | None, version: str | None, text: str | None) -> Json | None:
    """What every package has; None for images, and where nothing names it."""
    purl = parse_purl(text) if text else None
    if purl and purl.type in _NO_PACKAGES:
        return None
    name = purl.full_name if purl else name
    if not name:
        return None
    qualifiers = purl.qualifiers if purl else {}
    return {
        "name": name,
        "ecosystem": purl.type if purl else None,
        "version": version or (purl.version if purl else None),
        "purl": text,
        "architecture": qualifiers.get("arch"),
        "source_name": qualifiers.get("upstream", "").partition("@")[0] or None,
        "installed_bytes": None,
    }


def _text(document: Json, key: str, source: str) -> str | None:
    """The text at *key*, as a table can hold it; None if it is missing, null or empty."""
    value = document.get(key)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > _LONGEST:
        raise ParseError(source, key, f"must be text of no more than {_LONGEST:,} characters")
    return value.encode("utf-8", "replace").decode()


def _texts(document: Json, key: str, source: str) -> list[str]:
    value = document.get(key)
    if value is not None and not (isinstance(value, list) and all(isinstance(item, str) for item in value)):
        raise ParseError(source, key, "must be a list of text")
    return [item[:_LONGEST].encode("utf-8", "replace").decode() for item in value or []]


def _object(document: Json, key: str, source: str) -> Json:
    value = document.get(key)
    if value is not None and not isinstance(value, dict):
        raise ParseError(source, key, "must be an object")
    return value or {}


def _objects(document: Json, key: str, source: str) -> list[Json]:
    value = document.get(key)
    if value is not None and not (isinstance(value, list) and all(isinstance(item, dict) for item in value)):
        raise ParseError(source, key, "must be a list of objects")
    return value or []
