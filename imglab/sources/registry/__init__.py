"""
Registries over the distribution API: where tags point now, and every document that the journal does not hold yet.

Reference: opencontainers/distribution-spec v1.1.1, seen to hold with CNCF distribution 2.8 in November 2026. A tag
costs one HEAD, which Docker Hub does not count as a pull; a document is fetched by its digest, once ever. Quirks: some
registries leave `Docker-Content-Digest` out or refuse HEAD, so the tag is fetched instead; `tags` is null where there
are none; signed schema 1 manifests are named by the digest of what was signed.

What is attached to images costs a request for each digest, so that it is asked for only where it is wanted (see
`referrers`); signatures that cosign keeps under tags are found where the repository is listed. Bills of materials cost
one each, once ever, likewise (see `sbom_layers`).

What a limit leaves to a later run (see `pace`) is one failure for each registry, not one for each item: the next run
finds what is held and goes on from there.
"""

from __future__ import annotations

from imglab.sources.referrers import Fetcher
from imglab.sources.registry.levels import DOCUMENT_LIMIT
from imglab.sources.registry.listing import PAGE_LENGTH, parse_tags
from imglab.sources.registry.passes import collect, documents, list_tags
from imglab.sources.registry.state import Choice, Counts, Known, Named, Progress, foreign
from imglab.sources.registry.target import Target

__all__ = [
    "DOCUMENT_LIMIT",
    "PAGE_LENGTH",
    "Choice",
    "Counts",
    "Fetcher",
    "Known",
    "Named",
    "Progress",
    "Target",
    "collect",
    "documents",
    "foreign",
    "list_tags",
    "parse_tags",
]
