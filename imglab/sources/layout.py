"""
Images in folders and archives, for places without a registry: OCI image layouts and Docker's archives.

**OCI layouts** (opencontainers/image-spec v1.1.1, image-layout.md; written by skopeo, buildx, containerd, and by
`docker save` from containerd's image store) hold the documents that a registry serves, under their digests. They are
read like a registry's, by the same code, and verified; layers are never read. A layout may lack what its indexes name:
only what is there is told, and the rest of an index is known by its entries. `index.json` is no document of a registry
and has no digest; its entries are what tags point at.

**Docker's archives** (`manifest.json`; written by `docker save`, `skopeo copy … docker-archive:`, crane, kaniko, jib)
hold a config and layers, but no manifest: Docker keeps neither it nor the layers as they were transferred. What can be
said of such an image is its config with its steps, and its layers by their diff ids. Since nothing else names it, its
key is `config+` and the digest of its config, which Docker calls the image's ID; that is no digest of a document, and
no registry has it. The compressed size of a layer is known only where the file in the archive is packed itself (crane,
kaniko, jib), or a layer kept elsewhere is described; it is null otherwise, since the size of what is unpacked, about
three times as much, is another thing.

`docker save` since version 25 writes both. From Docker's classic image store the manifests in it are made up when
saving, with the unpacked layers (in 25.0.0 with none at all: moby#47065), and no registry ever has them. Where
`manifest.json` names layers that lie there unpacked, such an archive is therefore read as Docker's, else as a layout.

Names are annotations of entries (`io.containerd.image.name`, else `org.opencontainers.image.ref.name`, a reference or
a tag alone), or `RepoTags`. Formats seen to hold in November 2026 with skopeo 1.9 and the sources of moby 25 and 28,
containerd 1.7 and go-containerregistry.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any

from imglab import oci
from imglab.archive import Entry, Files, shown
from imglab.errors import InvalidReference, ParseError, SourceError, UsageError
from imglab.http import Answer, Request
from imglab.oci import Child, Reference
from imglab.records import Blob, Config, Failure, IndexEntry, Layer, Manifest, Record, TagObservation
from imglab.sources import registry
from imglab.sources.documents import failure
from imglab.sources.registry import DOCUMENT_LIMIT

LAYOUT, INDEX, MANIFEST = "oci-layout", "index.json", "manifest.json"
CONFIG_KEY = "config+"  # in front of a config's digest: the image that has it, where no manifest is known
_CONTAINERD_NAME = "io.containerd.image.name"
_REFERENCE_NAME = "org.opencontainers.image.ref.name"
_DIGEST_IN_NAME = re.compile(r"(?:^|[/:])([0-9a-f]{64})(?:\.json)?$")


@dataclass(frozen=True, slots=True)
class Import:
    """How an archive is to be read, and what the journal holds of it already."""

    observed_at: datetime
    repository: str | None = None  # canonical; instead of the one in the images' names
    held: Container[str] = frozenset()  # digests of documents told before, verified
    saved: Mapping[str, bool] = field(default_factory=dict)  # keys of images told before by config: whether with sizes


@dataclass(frozen=True, slots=True)
class Name:
    """What an archive calls an image: a reference, or a tag of a repository that it does not name."""

    text: str
    is_tag: bool = False


@dataclass(frozen=True, slots=True)
class Pointer:
    """An entry of a layout's index.json."""

    child: Child
    name: Name | None


@dataclass(frozen=True, slots=True)
class Saved:
    """An image of Docker's manifest.json: its names, and those of its files."""

    config: str
    layers: tuple[str, ...]
    names: tuple[Name, ...]
    foreign: Mapping[str, Layer] = field(default_factory=dict)  # layers kept elsewhere, by diff id


# --- parsing ---------------------------------------------------------------------------------------------------------


def parse_version(body: bytes, *, source: str) -> str:
    """The version in an `oci-layout` file, 1.x. Raises ParseError."""
    document = _json(body, source)
    version = document.get("imageLayoutVersion") if isinstance(document, dict) else None
    if not isinstance(version, str) or not re.fullmatch(r"1(\.\d{1,9}){0,2}", version, re.ASCII):
        raise ParseError(source, "imageLayoutVersion", "must be 1.0.0, or another 1.x")
    return version


def parse_index(body: bytes, *, source: str) -> list[Pointer]:
    """What a layout's index.json points at, and how it calls that. Raises ParseError."""
    document = oci.parse_manifest(body, digest=source, media_type=oci.OCI_INDEX)
    if document.kind != "index":
        raise ParseError(source, "", "must be an image index")
    entries = _json(body, source).get("manifests") or []
    rows = [row for row in document.records if isinstance(row, IndexEntry)]
    return [
        Pointer(Child(row.manifest_digest, row.media_type, row.manifest_bytes), _annotated(entry.get("annotations")))
        for row, entry in zip(rows, entries, strict=True)
    ]


def _annotated(annotations: dict[str, Any] | None) -> Name | None:
    stated, short = ((annotations or {}).get(key) for key in (_CONTAINERD_NAME, _REFERENCE_NAME))
    if isinstance(stated, str) and stated:
        return None if oci.is_verifiable(stated) else Name(stated)  # containerd also names images by their digests
    return Name(short, oci.is_tag(short)) if isinstance(short, str) and short else None


def parse_saved(body: bytes, *, source: str) -> list[Saved]:
    """The images of Docker's manifest.json. Raises ParseError."""
    document = _json(body, source)
    if isinstance(document, dict):
        text = (
            "must be a list of images as docker save writes it; this is a single manifest, as in skopeo's dir: format"
        )
        raise ParseError(source, "", text)
    if document is not None and not (isinstance(document, list) and all(isinstance(item, dict) for item in document)):
        raise ParseError(source, "", "must be a list of objects")
    return [_saved(item, source, f"[{position}]") for position, item in enumerate(document or [])]


def _saved(item: dict[str, Any], source: str, place: str) -> Saved:
    config = item.get("Config")
    if not isinstance(config, str) or not config:
        raise ParseError(source, f"{place}.Config", "must name a file")
    return Saved(
        config=config,
        layers=tuple(_texts(item, "Layers", source, place)),
        names=tuple(map(Name, filter(None, _texts(item, "RepoTags", source, place)))),
        foreign=_foreign(item.get("LayerSources"), source, place),
    )


def _texts(item: dict[str, Any], key: str, source: str, place: str) -> list[str]:
    value = item.get(key)
    if value is not None and not (isinstance(value, list) and all(isinstance(text, str) for text in value)):
        raise ParseError(source, f"{place}.{key}", "must be a list of text")
    return value or []


def _foreign(sources: Any, source: str, place: str) -> dict[str, Layer]:
    """Layers by their diff ids; they are described as a manifest describes its layers."""
    if not sources:
        return {}
    if not isinstance(sources, dict):
        raise ParseError(source, f"{place}.LayerSources", "must be an object")
    manifest = json.dumps({"layers": list(sources.values())}).encode()
    document = oci.parse_manifest(manifest, digest=f"{source}: {place}.LayerSources", media_type=oci.OCI_MANIFEST)
    return dict(zip(sources, (row for row in document.records if isinstance(row, Layer)), strict=True))


def parse_saved_config(body: bytes, *, digest: str, layer_count: int) -> tuple[list[Record], list[str]]:
    """The Config and History rows of an image of *layer_count* layers, and their diff ids. Raises ParseError."""
    rows = oci.parse_config(body, digest=digest)
    diff_ids = next(row.diff_ids for row in rows if isinstance(row, Config)) or []
    if len(diff_ids) != layer_count:
        raise ParseError(digest, "rootfs.diff_ids", f"must be {layer_count}, as many as manifest.json names layers")
    for position, diff_id in enumerate(diff_ids):
        try:
            oci.check_digest(diff_id)
        except InvalidReference as error:
            raise ParseError(digest, f"rootfs.diff_ids[{position}]", str(error)) from None
    return rows, diff_ids


def _json(body: bytes, source: str) -> Any:
    try:
        return json.loads(body.decode())
    except UnicodeDecodeError:
        raise ParseError(source, "", "must be UTF-8") from None
    except RecursionError:
        raise ParseError(source, "", "must not be nested so deeply") from None
    except ValueError as error:
        raise ParseError(source, "", f"must be JSON ({error})") from None


# --- reading ---------------------------------------------------------------------------------------------------------


def collect_layout(files: Files, wanted: Import) -> Iterator[Record]:
    """
    The images of an OCI layout: where its names point, and the documents that are not held.

    Raises UsageError, SourceError or ParseError before the first record if it is none or no image can be named.
    """
    if files.entry(LAYOUT) is None:
        advice = "; it has a manifest.json: try imglab import docker-archive" if files.entry(MANIFEST) else ""
        raise UsageError(f"{files.location} is no OCI layout: there is no {LAYOUT} file in it{advice}")
    parse_version(_document(files, LAYOUT), source=_place(files, LAYOUT))
    yield from _collect(files, wanted)


def collect_archive(files: Files, wanted: Import) -> Iterator[Record]:
    """
    The images of an archive of Docker's, likewise; those without a manifest by their configs.

    Raises UsageError, SourceError or ParseError before the first record if it is none or no image can be named.
    """
    if files.entry(MANIFEST) is None:
        advice = "it is an OCI layout: try imglab import oci-layout"
        advice = advice if files.entry(LAYOUT) else "Docker before 1.10 wrote none: load and save it with a newer one"
        raise UsageError(f"{files.location} is no archive of Docker's: there is no {MANIFEST} in it; {advice}")
    yield from _collect(files, wanted)


def _collect(files: Files, wanted: Import) -> Iterator[Record]:
    has_layout = files.entry(LAYOUT) is not None and files.entry(INDEX) is not None
    saved = _saved_images(files, is_required=not has_layout) if files.entry(MANIFEST) else []
    if has_layout and not _lies_unpacked(files, saved):
        yield from _layout(files, wanted)
    elif saved or not files.entry(LAYOUT):
        yield from _saved_by_docker(files, wanted, saved)
    else:
        raise UsageError(f"{files.location} is no OCI layout: there is no {INDEX} in it")


def _saved_images(files: Files, *, is_required: bool) -> list[Saved]:
    """The images of manifest.json; in a layout, which may hold files of any name, that may be something else."""
    try:
        return parse_saved(_document(files, MANIFEST), source=_place(files, MANIFEST))
    except (ParseError, SourceError):
        if is_required:
            raise
        return []


def _lies_unpacked(files: Files, saved: Sequence[Saved]) -> bool:
    entries = (files.entry(name) for image in saved for name in image.layers)
    return any(entry is not None and entry.is_regular and not entry.is_packed for entry in entries)


def _document(files: Files, name: str) -> bytes:
    """The file *name*, of which no digest is known; raises SourceError if it cannot be had or is not the only one."""
    ((_, found),) = files.read([name], DOCUMENT_LIMIT)
    if isinstance(found, SourceError):
        raise SourceError(str(found), kind="unreadable")
    entry = files.entry(name)
    if entry and entry.is_repeated:
        raise SourceError(_ambiguous(files, name), kind="unreadable")
    return found


def _ambiguous(files: Files, name: str) -> str:
    return f"{files.location} holds {shown(name)} more than once, and tools differ in which one they take"


def _place(files: Files, name: str) -> str:
    return f"{files.location}: {name}"


# --- names -----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Named:
    """Images by how the archive knows them: a digest, or the file of their config."""

    homes: dict[str, Reference] = field(default_factory=dict)  # one repository of each image that has one
    tags: dict[Reference, set[str]] = field(default_factory=dict)  # the images that a tag stands for
    failures: list[Failure] = field(default_factory=list)


def _named(files: Files, wanted: Import, images: Iterable[tuple[str, Sequence[Name]]]) -> _Named:
    """How *images* are called. Raises UsageError if none can be, or one repository is to stand for several."""
    named, stated = _Named(), set[str]()
    given = Reference.parse(wanted.repository) if wanted.repository else None
    nameless = []
    for image, names in images:
        _name(named, files, image, names, given, stated)
        if not names:
            nameless.append(image)
    for image in nameless:
        _name_by_digest(named, files, image, given)
    if given and len(stated) > 1:
        several = ", ".join(sorted(stated)[:5])
        raise UsageError(
            f"{files.location} has images of {len(stated)} repositories ({several}): leave out --repository"
        )
    if not named.homes:
        reason = named.failures[0].message if named.failures else f"{files.location} holds no image"
        raise UsageError(reason)
    return named


def _name(
    named: _Named, files: Files, image: str, names: Sequence[Name], given: Reference | None, stated: set[str]
) -> None:
    """Note what one image is called."""
    locator = _locator(files, image)
    for name in names:
        try:
            reference = _reference(name, given, stated)
        except InvalidReference as error:
            named.failures.append(failure(locator, "bad-name", f"{locator} has a name that is none: {error}"))
            continue
        if reference is None:
            text = f"{locator} is named by the tag {name.text} alone: give its repository with --repository"
            named.failures.append(failure(locator, "no-repository", text))
            continue
        named.homes.setdefault(image, replace(reference, tag=None, digest=None))
        if reference.tag:
            named.tags.setdefault(replace(reference, digest=None), set()).add(image)


def _name_by_digest(named: _Named, files: Files, image: str, given: Reference | None) -> None:
    """Note where an image is at home that an entry does not name; another entry may."""
    if given:
        named.homes.setdefault(image, given)
    elif image not in named.homes:
        locator = _locator(files, image)
        text = f"{locator} has no name: say with --repository what it is an image of"
        named.failures.append(failure(locator, "no-repository", text))


def _reference(name: Name, given: Reference | None, stated: set[str]) -> Reference | None:
    """What *name* refers to, in the repository *given* if there is one; None if that is not known."""
    if name.is_tag:
        return replace(given, tag=name.text) if given else None
    reference = Reference.parse(name.text)
    stated.add(reference.repository)
    return replace(reference, registry=given.registry, path=given.path) if given else reference


def _observed(files: Files, wanted: Import, named: _Named, digests: Mapping[str, str]) -> Iterator[Record]:
    """Where tags point, for images whose digest is known."""
    for reference, images in named.tags.items():
        found = {digests[image] for image in images if image in digests}
        if len(found) > 1:
            locator = _locator(files, str(reference))
            text = f"{locator} stands for {len(found)} images: {', '.join(sorted(found))}"
            yield failure(locator, "ambiguous", text)
        for digest in found if len(found) == 1 else ():
            repository, tag = reference.repository, reference.tag or ""
            yield TagObservation(repository, tag, wanted.observed_at, digest=digest, document=files.location)


def _locator(files: Files, image: str) -> str:
    return f"{files.location}: {shown(image)}"


# --- layouts ---------------------------------------------------------------------------------------------------------


def _layout(files: Files, wanted: Import) -> Iterator[Record]:
    pointers = parse_index(_document(files, INDEX), source=_place(files, INDEX))
    images = [(pointer.child.digest, [pointer.name] if pointer.name else []) for pointer in pointers]
    named = _named(files, wanted, images)
    yield from named.failures
    yield from _observed(files, wanted, named, {digest: digest for digest in named.homes})
    documents = {
        pointer.child.digest: (named.homes[pointer.child.digest], pointer.child)
        for pointer in pointers
        if pointer.child.digest in named.homes and pointer.child.media_type in {None, *oci.MANIFEST_TYPES}
    }
    yield from registry.documents(
        documents.values(),
        _Blobs(files),
        now=lambda: wanted.observed_at,
        choose=partial(_there, files),
        held=wanted.held,
    )


def _there(files: Files, children: Sequence[Child]) -> Sequence[Child]:
    """Those of an index's manifests that the layout holds; all of them if it holds none, so that they are missed."""
    return [child for child in children if files.entry(_blob(child.digest))] or children


def _blob(digest: str) -> str:
    """Where a layout has the blob *digest*; its grammar leaves no way out of that folder."""
    algorithm, _, value = digest.partition(":")
    return f"blobs/{algorithm}/{value}"


@dataclass(frozen=True, slots=True)
class _Blobs:
    """The blobs of a layout as answers to requests for documents."""

    files: Files

    def base_url(self, registry: str) -> str:
        """Nothing: documents are found by their digests alone."""
        return ""

    def fetch(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """The documents with the digests that *requests* name, verified."""
        asked = {_blob(str(request.digest)): request for request in requests}
        for name, found in self.files.read(asked, DOCUMENT_LIMIT):
            error = found if isinstance(found, SourceError) else self._mismatch(asked[name], name, found)
            yield Answer(asked[name], None, {}, b"" if isinstance(found, SourceError) else found, error)

    def _mismatch(self, request: Request, name: str, body: bytes) -> SourceError | None:
        where = f"{self.files.location}: {name}"
        if request.size is not None and len(body) != request.size:
            text = f"{where} has {len(body):,} bytes, {request.size:,} were announced"
            return SourceError(text, kind="digest-mismatch")
        signed = request.payload(body) if request.payload else body
        if oci.digest_of(signed, str(request.digest).partition(":")[0]) != request.digest:
            return SourceError(f"{where}: the bytes do not match their digest", kind="digest-mismatch")
        return None


# --- Docker's archives -----------------------------------------------------------------------------------------------


def _saved_by_docker(files: Files, wanted: Import, saved: Sequence[Saved]) -> Iterator[Record]:
    """The images by their configs, read one at a time."""
    named = _named(files, wanted, ((image.config, image.names) for image in saved))
    yield from named.failures
    images = {image.config: image for image in saved if image.config in named.homes}
    keys: dict[str, str] = {}
    seen: set[str] = set()
    for name, found in files.read(images, DOCUMENT_LIMIT):
        try:
            digest = _config_digest(files, name, found)
            rows = _image(files, wanted, images[name], digest, found if isinstance(found, bytes) else b"")
        except SourceError as error:
            yield failure(_locator(files, name), error.kind, str(error))
        except ParseError as error:
            yield failure(_locator(files, name), "bad-document", str(error))
        else:
            keys[name] = CONFIG_KEY + digest
            yield from rows if digest not in seen else ()
            seen.add(digest)
    yield from _observed(files, wanted, named, keys)


def _config_digest(files: Files, name: str, found: bytes | SourceError) -> str:
    """The digest of a config, which its file is named after in most archives. Raises SourceError."""
    if isinstance(found, SourceError):
        raise found
    digest, stated, entry = oci.digest_of(found), _DIGEST_IN_NAME.search(name), files.entry(name)
    if stated and f"sha256:{stated[1]}" != digest:
        raise SourceError(f"{_locator(files, name)}: the bytes do not match their digest", kind="digest-mismatch")
    if not stated and entry and entry.is_repeated:
        raise SourceError(_ambiguous(files, name), kind="ambiguous")
    return digest


def _image(files: Files, wanted: Import, image: Saved, digest: str, body: bytes) -> list[Record]:
    """The rows of one image that are not held. Raises ParseError."""
    config, diff_ids = parse_saved_config(body, digest=digest, layer_count=len(image.layers))
    key = CONFIG_KEY + digest
    layers = [
        _layer(key, position, diff_id, files.entry(name), image.foreign.get(diff_id))
        for position, (diff_id, name) in enumerate(zip(diff_ids, image.layers, strict=True))
    ]
    sizes = [layer.compressed_bytes for layer in layers]
    total = None if None in sizes else sum(size for size in sizes if size is not None)
    if total and total >= 2**63:
        raise ParseError(digest, "LayerSources", "must add up to less than 2^63 bytes")
    manifest = Manifest(key, None, "image", digest, layer_count=len(layers), compressed_bytes=total)
    records: list[Record] = [] if digest in wanted.held else [Blob(digest, None, body), *config]
    is_told = key in wanted.saved and (total is None or wanted.saved[key])
    return records if is_told else [*records, manifest, *layers]


def _layer(key: str, position: int, diff_id: str, file: Entry | None, elsewhere: Layer | None) -> Layer:
    """A layer by its diff id; its size where the file in the archive is what would be transferred."""
    if elsewhere:
        return replace(elsewhere, manifest_digest=key, position=position, digest=diff_id)
    is_packed = file is not None and file.is_regular and file.is_packed
    return Layer(key, position, diff_id, compressed_bytes=file.size if file and is_packed else None)
