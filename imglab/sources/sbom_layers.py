"""
The layers of attestations and artifacts that hold a bill of materials: found, fetched once ever, verified, read.

Nothing else of a manifest is fetched, and no more than `SBOM_LIMIT` bytes at a time, whatever the layers say of their
sizes. The bytes are not kept: an image's document is 20 MB where all else that is known of it is 20 kB. Its digest is
kept, by which a registry gives it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from imglab import oci
from imglab.errors import ParseError, SourceError
from imglab.http import Answer, Request
from imglab.oci import Reference
from imglab.records import Layer, Record, Sbom
from imglab.sources.referrers import Fail, Fetcher
from imglab.sources.sbom import READER, SBOM_LIMIT, is_sbom, parse_sbom

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Bill:
    """A layer that says that it is a bill of materials."""

    digest: str
    size: int | None


@dataclass(frozen=True, slots=True)
class _Wanted:
    repository: Reference
    bill: Bill

    @property
    def locator(self) -> str:
        return str(replace(self.repository, digest=self.bill.digest))

    @property
    def size(self) -> int:
        """How many bytes to take."""
        return SBOM_LIMIT if self.bill.size is None else self.bill.size


def bills_of(records: Iterable[Record]) -> list[Bill]:
    """The bills of materials among the layers of *records*."""
    return [
        Bill(layer.digest, layer.compressed_bytes)
        for layer in records
        if isinstance(layer, Layer) and is_sbom(layer.media_type, layer.predicate_type)
    ]


def fetch(
    bills: Iterable[tuple[Reference, Bill]], client: Fetcher, *, fail: Fail, progress: Progress
) -> Iterator[Record]:
    """
    The rows of *bills*, each from a repository that has it; failures are told.

    One that is too large, or that nobody can read, has a row that says no more, so that it is not asked for again.
    """
    wanted = [_Wanted(repository, bill) for repository, bill in bills]
    done = 0
    for batch in _batches(wanted):
        asked = []
        for one in batch:
            error = _refusal(one)
            if error is None:
                asked.append(_request(client, one))
                continue
            yield from fail(one.repository.repository, one.locator, error)
            yield Sbom(one.bill.digest, READER, one.bill.size)
        for answer in client.fetch(asked):
            yield from _read(answer, fail)
        done += len(batch)
        progress("bills of materials", done, len(wanted))


def _batches(wanted: Sequence[_Wanted]) -> Iterator[list[_Wanted]]:
    """*wanted* in groups of which all bytes may be in memory at once."""
    batch: list[_Wanted] = []
    held = 0
    for one in wanted:
        if batch and held + one.size > SBOM_LIMIT:
            yield batch
            batch, held = [], 0
        batch.append(one)
        held += one.size
    if batch:
        yield batch


def _refusal(wanted: _Wanted) -> SourceError | None:
    """Why a document is not asked for."""
    if not oci.is_verifiable(wanted.bill.digest):
        text = f"{wanted.locator} was not fetched: its bytes could not be verified"
        return SourceError(text, kind="unverifiable")
    if wanted.size > SBOM_LIMIT:
        text = f"{wanted.locator} was not fetched: its {wanted.size:,} bytes are more than the {SBOM_LIMIT:,} taken"
        return SourceError(text, kind="too-large")
    return None


def _request(client: Fetcher, wanted: _Wanted) -> Request:
    repository = wanted.repository
    return Request(
        f"{client.base_url(repository.registry)}/v2/{repository.path}/blobs/{wanted.bill.digest}",
        scope=f"repository:{repository.path}:pull",
        key=wanted,
        body_limit=wanted.size,
        digest=wanted.bill.digest,
        size=wanted.bill.size,
    )


def _read(answer: Answer, fail: Fail) -> Iterator[Record]:
    wanted: _Wanted = answer.request.key
    if answer.error:
        yield from fail(wanted.repository.repository, wanted.locator, answer.error)
        return
    try:
        yield from parse_sbom(answer.body, digest=wanted.bill.digest)
    except ParseError as error:
        yield from fail(wanted.repository.repository, wanted.locator, error)
        yield Sbom(wanted.bill.digest, READER, len(answer.body))
