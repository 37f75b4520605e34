"""
References, platforms, digests and OCI documents: text and bytes in, values and records out.

Formats: opencontainers/image-spec and distribution-spec v1.1.1 and their main branches of 2026; Docker's manifest list,
schema 2 and schema 1; BuildKit's attestation manifests. Docker Hub's short names are expanded as its clients do.
Met in real data: nulls in every optional field, children of unknown media types, `unknown/unknown` platforms, Go's zero
time, layers named twice, sizes that do not fit, and documents that are an index and an image at once (CVE-2021-41190).
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from imglab.errors import InvalidReference, ParseError
from imglab.records import Config, History, IndexEntry, Layer, Manifest, Record
from imglab.steps import instruction, step_label

DOCKER_HUB = "docker.io"
NAME_LENGTH = 255

# --- digests ---------------------------------------------------------------------------------------------------------

_DIGEST = re.compile(r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+")
_HEX_LENGTHS = {"sha256": 64, "sha512": 128, "blake3": 64}
_COMPUTED = ("sha256", "sha512")
_DIGEST_LENGTH = 512


def check_digest(text: str) -> str:
    """
    *text* itself, a digest by its grammar; those of registered algorithms have their length and lower-case digits.

    Other algorithms pass if the grammar holds. Raises InvalidReference.
    """
    if len(text) > _DIGEST_LENGTH or not _DIGEST.fullmatch(text):
        raise InvalidReference(f"{_shown(text)} is no digest: write algorithm:value, such as sha256: and 64 hex digits")
    algorithm, _, value = text.partition(":")
    length = _HEX_LENGTHS.get(algorithm)
    if length and not (len(value) == length and re.fullmatch(r"[0-9a-f]+", value)):
        raise InvalidReference(f"{_shown(text)} is no digest: {algorithm} needs {length} lower-case hex digits")
    return text


def digest_of(body: bytes, algorithm: str = "sha256") -> str:
    """The digest of *body*; raises InvalidReference if *algorithm* is not computed here."""
    if algorithm not in _COMPUTED:
        raise InvalidReference(f"digests of {_shown(algorithm)} cannot be computed: only {' and '.join(_COMPUTED)}")
    return f"{algorithm}:{hashlib.new(algorithm, body).hexdigest()}"


def is_verifiable(digest: str) -> bool:
    """Whether bytes can be checked against *digest*."""
    return digest.partition(":")[0] in _COMPUTED


# --- references ------------------------------------------------------------------------------------------------------

_HUB_NAMES = {"index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"}
_HOST_LABEL = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)"
_REGISTRY = re.compile(rf"(?:{_HOST_LABEL}(?:\.{_HOST_LABEL})*|\[[0-9a-fA-F:.]+\])(?::(\d{{1,5}}))?")
_FOUR_NUMBERS = re.compile(r"\d+(?:\.\d+){3}")
# What would be an image of Docker Hub with a port for its tag; a dot alone is in names there too, as in rocket.chat.
_BARE_REGISTRY = re.compile(
    r"(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-fA-F:.]+\]|localhost)(?::\d{1,5})?|[a-zA-Z0-9.-]+\.[a-zA-Z]{2,}:\d{4,5}"
)
_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_GLOB = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Reference:
    """A repository in a registry, with a tag, a digest, both or neither. No tag is implied."""

    registry: str  # docker.io, localhost:5000, [::1]:5000; lower case
    path: str  # library/python
    tag: str | None = None
    digest: str | None = None

    @classmethod
    def parse(cls, text: str) -> Reference:
        """
        The reference that *text* names; `python` is docker.io/library/python.

        Raises InvalidReference, which says what is wrong and what to write.
        """
        name, digest = _split_digest(text)
        name, tag = _split_tag(name)
        if _BARE_REGISTRY.fullmatch(text):
            raise _invalid(text, f"it is a registry: add a repository, as in {text}/owner/name")
        reference = _repository(text, name)
        if tag is not None and not _TAG.fullmatch(tag):
            raise _invalid(text, f"the tag {_shown(tag)} is no tag: up to 128 letters, digits, '_', '.' and '-'")
        return replace(reference, tag=tag, digest=digest)

    @property
    def repository(self) -> str:
        """The canonical name, such as docker.io/library/python."""
        return f"{self.registry}/{self.path}"

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag is not None else ""
        digest = f"@{self.digest}" if self.digest is not None else ""
        return f"{self.repository}{tag}{digest}"


def is_tag(text: str) -> bool:
    """Whether *text* can be a tag."""
    return _TAG.fullmatch(text) is not None


def canonical_repository(text: str) -> str:
    """The canonical name of the repository *text*. Raises InvalidReference if it names a tag or digest as well."""
    reference = Reference.parse(text)
    if reference.tag or reference.digest:
        raise _invalid(text, "a repository is asked for here: leave out the tag and the digest")
    return reference.repository


def split_target(text: str) -> tuple[Reference, str | None]:
    """The reference of *text* without a tag, and its tag glob if the tag holds `*`, `?` or `[`; else the reference."""
    name, tag = _split_tag(text)
    if tag is None or not _GLOB.search(tag):
        return Reference.parse(text), None
    if "@" in tag:
        raise _invalid(text, "a digest beside a tag pattern: give one of them")
    if re.search(r"[\s/]", tag):
        raise _invalid(text, f"the tag pattern {_shown(tag)} holds what no tag can hold: leave out blanks and slashes")
    return Reference.parse(name), tag


def _split_digest(text: str) -> tuple[str, str | None]:
    if not text:
        raise InvalidReference("an empty text names no repository: write one such as python or ghcr.io/owner/name")
    if len(text) > 2 * NAME_LENGTH + _DIGEST_LENGTH:
        raise _invalid(text, "it is too long for any reference")
    if re.search(r"\s", text) or not text.isprintable():
        raise _invalid(text, "it holds blanks or control characters: leave them out")
    if "://" in text:
        raise _invalid(text, f"it is a URL: leave out {_shown(text.partition('://')[0] + '://')}")
    name, mark, digest = text.partition("@")
    try:
        return name, check_digest(digest) if mark else None
    except InvalidReference as error:
        raise _invalid(text, str(error)) from None


def _split_tag(name: str) -> tuple[str, str | None]:
    """*name* cut at the colon of its tag, which stands after the last slash, and never inside brackets of a host."""
    head, slash, last = name.rpartition("/")
    repository, colon, tag = last.partition(":")
    return (f"{head}{slash}{repository}", tag) if colon else (name, None)


def _is_host(text: str) -> bool:
    """Whether *text* is a host name or an address, with or without a port."""
    found = _REGISTRY.fullmatch(text)
    if not found:
        return False
    host = text.removesuffix(f":{found[1]}")
    try:
        if host.startswith("["):
            ipaddress.IPv6Address(host[1:-1])
        elif _FOUR_NUMBERS.fullmatch(host):
            ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True


def _repository(text: str, name: str) -> Reference:
    first, slash, rest = name.partition("/")
    is_host = slash and (re.search(r"[.:\[]", first) or first.lower() == "localhost")
    if is_host and not _is_host(first):
        raise _invalid(text, f"the registry {_shown(first)} is no host name: write host or host:port")
    registry, path = (first.lower(), rest) if is_host else (DOCKER_HUB, name)
    port = _REGISTRY.fullmatch(registry)
    if port and port[1] and not 0 < int(port[1]) < 65536:
        raise _invalid(text, f"the port {port[1]} is none: write 1 to 65535")
    registry = DOCKER_HUB if registry in _HUB_NAMES else registry
    _check_path(text, path)
    if registry == DOCKER_HUB and "/" not in path:
        path = f"library/{path}"
    if len(registry) + 1 + len(path) > NAME_LENGTH:
        raise _invalid(text, f"registry and repository are longer than {NAME_LENGTH} characters")
    return Reference(registry, path)


def _check_path(text: str, path: str) -> None:
    if path != path.lower():
        raise _invalid(text, f"the repository {_shown(path)} has capitals: repositories are lower case")
    for component in path.split("/"):
        if not component:
            raise _invalid(text, "a part of the repository is empty: write host/name or host/owner/name")
        if not _COMPONENT.fullmatch(component):
            reason = f"its part {_shown(component)} is not letters and digits joined by '.', '_', '__' or '-'"
            raise _invalid(text, reason)


def _invalid(text: str, reason: str) -> InvalidReference:
    return InvalidReference(f"{_shown(text)} is no reference: {reason}")


def _shown(text: str) -> str:
    """*text* in quotes, on one line and not longer than a reader can take."""
    return repr(text if len(text) <= 100 else text[:97] + "...")


# --- platforms -------------------------------------------------------------------------------------------------------

_ARCHITECTURES = {
    "i386": ("386", ""),
    "x86_64": ("amd64", None),
    "x86-64": ("amd64", None),
    "amd64": ("amd64", None),
    "aarch64": ("arm64", None),
    "arm64": ("arm64", None),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "arm": ("arm", None),
}
_VARIANTS = {
    ("amd64", "v1"): "",
    ("arm64", "8"): "",
    ("arm64", "v8"): "",
    ("arm64", "v8.0"): "",
    ("arm64", "9"): "v9",
    ("arm64", "9.0"): "v9",
    ("arm64", "v9.0"): "v9",
    ("arm", ""): "v7",
    ("arm", "7"): "v7",
    ("arm", "5"): "v5",
    ("arm", "6"): "v6",
    ("arm", "8"): "v8",
}


@dataclass(frozen=True, slots=True, order=True)
class Platform:
    """What an image runs on, in the words of Go, as containerd normalises them."""

    os: str
    architecture: str
    variant: str = ""
    os_version: str = ""  # of Windows; never part of the text

    @classmethod
    def normalised(
        cls, os: str | None, architecture: str | None, variant: str | None = None, os_version: str | None = None
    ) -> Platform:
        """The platform by the rules of containerd's `platforms.Normalize`; what is missing is `unknown`."""
        system = (os or "unknown").lower()
        system = {"macos": "darwin"}.get(system, system)
        given, flavour = (architecture or "unknown").lower(), (variant or "").lower()
        name, fixed = _ARCHITECTURES.get(given, (given, None))
        flavour = flavour if fixed is None else fixed
        return cls(system, name, _VARIANTS.get((name, flavour), flavour), os_version or "")

    @classmethod
    def parse(cls, text: str) -> Platform:
        """The platform that *text* (`os/architecture[/variant]`) names; raises InvalidReference."""
        parts = text.split("/")
        if not 2 <= len(parts) <= 3 or not all(re.fullmatch(r"[A-Za-z0-9_.-]+", part) for part in parts):
            raise InvalidReference(
                f"{_shown(text)} is no platform: write os/architecture[/variant], such as linux/arm64"
            )
        return cls.normalised(*parts)

    def __str__(self) -> str:
        return "/".join(filter(None, (self.os, self.architecture, self.variant)))


# --- documents -------------------------------------------------------------------------------------------------------

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+json"
SCHEMA1_SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws"
INDEX_TYPES = frozenset({OCI_INDEX, DOCKER_LIST})
MANIFEST_TYPES = (OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST, SCHEMA1_SIGNED, SCHEMA1)  # what to ask for
CONFIG_TYPES = frozenset({"application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"})
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"

_FOREIGN_TYPE = re.compile(r"\.(?:foreign|nondistributable)\.")
_FILES = re.compile(r"\.image\.(?:layer|rootfs)\.")  # in the media types of layers that hold files
_IN_TOTO = "application/vnd.in-toto+json"
_STATEMENT = re.compile(
    r"application/vnd\.(?:in-toto(?:\.[\w-]+)?\+(?:json|dsse)|dsse\.envelope\.v1\+json|dev\.sigstore\.bundle\b.*)"
)
# Where layers say what their statement is about: BuildKit's, cosign's; and manifests of Sigstore bundles for theirs.
_PREDICATES = ("in-toto.io/predicate-type", "predicateType")
_BUNDLE_PREDICATE = "dev.sigstore.bundle.predicateType"
_ATTESTATION_TYPE = "application/vnd.docker.attestation.manifest.v1+json"
_ATTESTS = ("vnd.docker.reference.type", "attestation-manifest")
_ATTESTED = "vnd.docker.reference.digest"
_LARGEST = 2**63 - 1
_EARLIEST_YEAR = 1970  # Go's zero time and the epoch's own past say nothing


@dataclass(frozen=True, slots=True)
class Child:
    """A document that another one names, to be fetched next."""

    digest: str
    media_type: str | None = None
    size: int | None = None
    platform: Platform | None = None
    attests_digest: str | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """What an index or manifest says: its rows, and the documents that it names."""

    kind: str  # index, image, attestation, artifact, schema1
    records: tuple[Record, ...]
    children: tuple[Child, ...] = ()  # manifests of an index whose media type is one of a manifest, or not given
    config: Child | None = None  # only of an image


def parse_manifest(body: bytes, *, digest: str, media_type: str | None) -> Document:
    """
    The rows of an index, image manifest, attestation, artifact or schema 1 manifest.

    *media_type* is what the source said of it (its parameters do not count). Raises ParseError.
    """
    document = _read_json(body, digest)
    stated = _text(document, "mediaType", digest)
    given = media_type.partition(";")[0].strip().lower() if media_type else None
    if stated and given in MANIFEST_TYPES and stated != given:
        raise ParseError(digest, "mediaType", f"must be {given}, as the source said, not {_shown(stated)}")
    kind = stated or given
    is_index = _is_index(document, digest, kind)
    if kind in {SCHEMA1, SCHEMA1_SIGNED} or document.get("schemaVersion") == 1:
        return _parse_schema1(document, digest, kind)
    return (_parse_index if is_index else _parse_image)(document, digest, kind)


def _is_index(document: dict[str, Any], digest: str, media_type: str | None) -> bool:
    """Whether *document* is an index. Raises ParseError if it is something else as well, by its keys or its type."""
    has_manifests = document.get("manifests") is not None
    has_others = any(document.get(key) is not None for key in ("layers", "config", "fsLayers"))
    if has_manifests and has_others:
        raise ParseError(digest, "manifests", "must not stand beside layers, config or fsLayers")
    if has_manifests and media_type in MANIFEST_TYPES and media_type not in INDEX_TYPES:
        raise ParseError(digest, "manifests", f"must not stand in a document of the type {media_type}")
    if has_others and media_type in INDEX_TYPES:
        raise ParseError(digest, "mediaType", "is that of an index, so layers and config must not be there")
    return has_manifests or media_type in INDEX_TYPES


def _parse_index(document: dict[str, Any], digest: str, media_type: str | None) -> Document:
    entries = [
        _index_entry(entry, digest, position) for position, entry in enumerate(_objects(document, "manifests", digest))
    ]
    row = Manifest(
        digest=digest,
        media_type=media_type,
        kind="index",
        artifact_type=_text(document, "artifactType", digest),
        subject_digest=_subject(document, digest),
    )
    children = tuple(
        Child(
            entry.manifest_digest,
            entry.media_type,
            entry.manifest_bytes,
            _platform(entry),
            entry.attests_digest,
        )
        for entry in entries
        if entry.media_type is None or entry.media_type in MANIFEST_TYPES
    )
    return Document("index", (row, *entries), children)


def _platform(entry: IndexEntry) -> Platform | None:
    if entry.os is None and entry.architecture is None:
        return None
    return Platform.normalised(entry.os, entry.architecture, entry.variant, entry.os_version)


def _index_entry(entry: dict[str, Any], index_digest: str, position: int) -> IndexEntry:
    place = f"manifests[{position}]"
    platform = _object(entry, "platform", index_digest, place)
    annotations = _object(entry, "annotations", index_digest, place)
    key, value = _ATTESTS
    artifact_type = _text(entry, "artifactType", index_digest, place)
    attests = (
        annotations.get(_ATTESTED) if annotations.get(key) == value or artifact_type == _ATTESTATION_TYPE else None
    )
    return IndexEntry(
        index_digest=index_digest,
        position=position,
        manifest_digest=_digest(entry, index_digest, place),
        media_type=_text(entry, "mediaType", index_digest, place),
        manifest_bytes=_size(entry, index_digest, place),
        os=_text(platform, "os", index_digest, place),
        architecture=_text(platform, "architecture", index_digest, place),
        variant=_text(platform, "variant", index_digest, place),
        os_version=_text(platform, "os.version", index_digest, place),
        os_features=_texts(platform, "os.features", index_digest, place),
        features=_texts(platform, "features", index_digest, place),
        attests_digest=attests if isinstance(attests, str) and _is_digest(attests) else None,
        artifact_type=artifact_type,
    )


def _parse_image(document: dict[str, Any], digest: str, media_type: str | None) -> Document:
    if document.get("layers") is None and document.get("config") is None:
        raise ParseError(digest, "", "must hold manifests, or config and layers")
    config = _object(document, "config", digest)
    bundled = _annotations(document).get(_BUNDLE_PREDICATE)
    layers = [_layer(layer, digest, i, bundled) for i, layer in enumerate(_objects(document, "layers", digest))]
    config_type = _text(config, "mediaType", digest, "config")
    artifact_type = _text(document, "artifactType", digest)
    kind = _kind(artifact_type, config_type, layers)
    child = Child(_digest(config, digest, "config"), config_type, _size(config, digest, "config")) if config else None
    sizes = [layer.compressed_bytes for layer in layers]
    row = Manifest(
        digest=digest,
        media_type=media_type,
        kind=kind,
        config_digest=child.digest if child else None,
        artifact_type=artifact_type,
        subject_digest=_subject(document, digest),
        layer_count=len(layers),
        compressed_bytes=_sum(sizes, digest),
    )
    return Document(kind, (row, *layers), config=child if kind == "image" else None)


def _kind(artifact_type: str | None, config_type: str | None, layers: list[Layer]) -> str:
    """Attestations first: BuildKit gives them the config of an image, or an artifact type and an empty config."""
    if artifact_type == _ATTESTATION_TYPE or (layers and all(layer.media_type == _IN_TOTO for layer in layers)):
        return "attestation"
    if artifact_type or config_type not in CONFIG_TYPES:
        return "artifact"
    # cosign gives its signatures the config of an image, but layers that are no part of a file system.
    is_runnable = not layers or any(layer.media_type is None or _FILES.search(layer.media_type) for layer in layers)
    return "image" if is_runnable else "artifact"


def is_statement(media_type: str | None) -> bool:
    """Whether layers of *media_type* hold a statement about an image, plain, in an envelope or in a bundle."""
    return media_type is not None and _STATEMENT.fullmatch(media_type) is not None


def _layer(layer: dict[str, Any], manifest_digest: str, position: int, bundled: object) -> Layer:
    place = f"layers[{position}]"
    media_type = _text(layer, "mediaType", manifest_digest, place)
    return Layer(
        manifest_digest=manifest_digest,
        position=position,
        digest=_digest(layer, manifest_digest, place),
        media_type=media_type,
        compressed_bytes=_size(layer, manifest_digest, place),
        foreign_urls=_texts(layer, "urls", manifest_digest, place),
        is_foreign=bool(media_type and _FOREIGN_TYPE.search(media_type)),
        predicate_type=_predicate_type(layer, bundled) if is_statement(media_type) else None,
    )


def _predicate_type(layer: dict[str, Any], bundled: object) -> str | None:
    for stated in (*map(_annotations(layer).get, _PREDICATES), bundled):
        if isinstance(stated, str) and stated:
            return _storable(stated)
    return None


def _annotations(document: dict[str, Any]) -> dict[str, Any]:
    """The annotations of a document or descriptor; whatever else stands there says nothing."""
    value = document.get("annotations")
    return value if isinstance(value, dict) else {}


def _sum(sizes: list[int | None], digest: str) -> int | None:
    if None in sizes:
        return None
    total = sum(size for size in sizes if size is not None)
    if total > _LARGEST:
        raise ParseError(digest, "layers", "must add up to less than 2^63 bytes")
    return total


def _subject(document: dict[str, Any], digest: str) -> str | None:
    subject = _object(document, "subject", digest)
    return _digest(subject, digest, "subject") if subject else None


# --- schema 1 --------------------------------------------------------------------------------------------------------


def signed_payload(body: bytes) -> bytes:
    """
    The part of a signed schema 1 manifest that its digest is about; any other body as it is.

    Docker's registry names these manifests by the digest of what was signed, not of the bytes that it sends.
    """
    if b'"signatures"' not in body:
        return body
    try:
        protected = json.loads(body)["signatures"][0]["protected"]
        frame = json.loads(_unpadded(protected))
        return body[: int(frame["formatLength"])] + _unpadded(frame["formatTail"])
    except (ValueError, LookupError, TypeError, RecursionError, OverflowError):
        return body


def _unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _parse_schema1(document: dict[str, Any], digest: str, media_type: str | None) -> Document:
    """What can be read of an old manifest; its newest layer stands first there, its base first here."""
    layers, config_digest, steps = _schema1_layers(document, digest), None, list[Record]()
    try:
        steps = _schema1_history(document, digest)
        config_digest = steps[0].digest if steps and isinstance(steps[0], Config) else None
    except (ParseError, LookupError, TypeError, AttributeError):
        steps = []
    row = Manifest(
        digest=digest,
        media_type=media_type or (SCHEMA1_SIGNED if document.get("signatures") else SCHEMA1),
        kind="schema1",
        config_digest=config_digest,
        layer_count=len(layers) if layers else None,
    )
    return Document("schema1", (row, *layers, *steps))


def _schema1_layers(document: dict[str, Any], digest: str) -> list[Layer]:
    found = document.get("fsLayers")
    sums = [layer.get("blobSum") for layer in found if isinstance(layer, dict)] if isinstance(found, list) else []
    if not all(isinstance(text, str) and _is_digest(text) for text in sums):
        return []
    return [Layer(digest, position, str(text)) for position, text in enumerate(reversed(sums))]


def _schema1_history(document: dict[str, Any], digest: str) -> list[Record]:
    """The config and steps; their key holds the digest too, since anybody can give any id to anything."""
    texts = [_text(entry, "v1Compatibility", "history") or "" for entry in reversed(document["history"])]
    entries = [_read_json(text.encode(), "v1Compatibility") for text in texts]
    newest = entries[-1]
    if not _text(newest, "id", "v1Compatibility"):
        return []
    key = f"v1:{newest['id']}@{digest}"
    config = _config_row(newest, key)
    steps = []
    for position, entry in enumerate(entries):
        inner = _object(entry, "container_config", key)
        command = " ".join(_texts(inner, "Cmd", key) or [])
        is_empty = entry.get("throwaway")
        steps.append(_history_row(key, position, {**entry, "created_by": command or None, "empty_layer": is_empty}))
    return [config, *steps]


# --- configs ---------------------------------------------------------------------------------------------------------


def parse_config(body: bytes, *, digest: str) -> list[Record]:
    """The Config row of an image config and one History row for each of its build steps. Raises ParseError."""
    document = _read_json(body, digest)
    rows: list[Record] = [_config_row(document, digest)]
    rows += [_history_row(digest, i, entry) for i, entry in enumerate(_objects(document, "history", digest))]
    return rows


def _config_row(document: dict[str, Any], digest: str) -> Config:
    inner = _object(document, "config", digest)
    rootfs = _object(document, "rootfs", digest)
    labels = _object(inner, "Labels", digest, "config")
    return Config(
        digest=digest,
        os=_text(document, "os", digest),
        architecture=_text(document, "architecture", digest),
        variant=_text(document, "variant", digest),
        os_version=_text(document, "os.version", digest),
        created_at=parse_time(document.get("created")),
        docker_version=_text(document, "docker_version", digest),
        entrypoint=_texts(inner, "Entrypoint", digest, "config"),
        cmd=_texts(inner, "Cmd", digest, "config"),
        shell=_texts(inner, "Shell", digest, "config"),
        env=_texts(inner, "Env", digest, "config"),
        labels=[_storable(f"{name}={'' if value is None else value}") for name, value in sorted(labels.items())]
        or None,
        working_dir=_text(inner, "WorkingDir", digest, "config"),
        user=_text(inner, "User", digest, "config"),
        diff_ids=_texts(rootfs, "diff_ids", digest, "rootfs"),
    )


def _history_row(digest: str, position: int, entry: dict[str, Any]) -> History:
    place = f"history[{position}]"
    created_by = _text(entry, "created_by", digest, place)
    is_empty = entry.get("empty_layer")
    return History(
        config_digest=digest,
        position=position,
        created_at=parse_time(entry.get("created")),
        created_by=created_by,
        comment=_text(entry, "comment", digest, place),
        author=_text(entry, "author", digest, place),
        is_empty_layer=is_empty if isinstance(is_empty, bool) else False,
        instruction=instruction(created_by) if created_by else None,
        step_label=step_label(created_by) if created_by else None,
    )


# --- values ----------------------------------------------------------------------------------------------------------

_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,20}))?\s*([Zz]|[+-]\d\d:?\d\d)?", re.ASCII
)


def parse_time(value: object) -> datetime | None:
    """The UTC instant of an RFC 3339 text, cut to microseconds; None if it is none, or Go's zero time."""
    match = _TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    if not match:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    zone = match[8] or "Z"
    try:
        offset = timedelta(0)
        if zone not in "Zz":
            offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:])) * (-1 if zone[0] == "-" else 1)
        fraction = int(f"{match[7] or '0':0<6}"[:6])
        moment = datetime(year, month, day, hour, minute, min(second, 59), fraction, tzinfo=UTC) - offset
    except (ValueError, OverflowError):
        return None
    return moment if moment.year >= _EARLIEST_YEAR else None


def _read_json(body: bytes, source: str) -> dict[str, Any]:
    try:
        document = json.loads(body.decode())
    except UnicodeDecodeError:
        raise ParseError(source, "", "must be UTF-8") from None
    except RecursionError:
        raise ParseError(source, "", "must not be nested so deeply") from None
    except ValueError as error:
        raise ParseError(source, "", f"must be JSON ({error})") from None
    if not isinstance(document, dict):
        raise ParseError(source, "", "must be a JSON object")
    return document


def _inside(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key


def _text(document: dict[str, Any], key: str, source: str, place: str = "") -> str | None:
    """The text at *key*; None if it is missing, null or empty, which mean the same in these formats."""
    value = document.get(key)
    if value is not None and not isinstance(value, str):
        raise ParseError(source, _inside(place, key), "must be text")
    return _storable(value) or None if value else None


def _storable(text: str) -> str:
    """*text* with lone surrogates, which JSON can write and no table can hold, replaced."""
    return text.encode("utf-8", "replace").decode() if not text.isascii() else text


def _texts(document: dict[str, Any], key: str, source: str, place: str = "") -> list[str] | None:
    value = document.get(key)
    if isinstance(value, str):  # configs by hand write `"Cmd": "x"`; docker takes it as one word
        return [_storable(value)]
    if value is not None and not (isinstance(value, list) and all(isinstance(item, str) for item in value)):
        raise ParseError(source, _inside(place, key), "must be a list of text")
    return [_storable(item) for item in value] if value is not None else None


def _object(document: dict[str, Any], key: str, source: str, place: str = "") -> dict[str, Any]:
    value = document.get(key)
    if value is not None and not isinstance(value, dict):
        raise ParseError(source, _inside(place, key), "must be an object")
    return value or {}


def _objects(document: dict[str, Any], key: str, source: str) -> list[dict[str, Any]]:
    value = document.get(key)
    if value is not None and not (isinstance(value, list) and all(isinstance(item, dict) for item in value)):
        raise ParseError(source, key, "must be a list of objects")
    return value or []


def _digest(descriptor: dict[str, Any], source: str, place: str) -> str:
    text = _text(descriptor, "digest", source, place)
    if text is None or not _is_digest(text):
        raise ParseError(source, f"{place}.digest", "must be a digest, such as sha256: and 64 lower-case hex digits")
    return text


def _is_digest(text: str) -> bool:
    try:
        check_digest(text)
    except InvalidReference:
        return False
    return True


def _size(descriptor: dict[str, Any], source: str, place: str) -> int | None:
    size = descriptor.get("size")
    if size is None:
        return None
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= _LARGEST:
        raise ParseError(source, f"{place}.size", "must be a whole number of bytes from 0 to 2^63 - 1")
    return size
