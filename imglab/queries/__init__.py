"""
One typed function per question; each has a `.sql` file, a chart and an `ask` name that are spelled the same.

Repositories may be given as people write them (`python` is `docker.io/library/python`). Times are UTC instants; without
a zone they are taken as UTC. Every function raises StoreEmpty if nothing was ever loaded and InvalidReference for a
text that names no repository; what the store does not know gives an empty frame. Tags that stand for what is attached
to images, signatures and the like, are told only where *tag* names them or begins as they do: `sha256-*`.
"""

from imglab.queries.architectures import architecture_ratios, step_ratios
from imglab.queries.built_from import architecture_support, tag_sources
from imglab.queries.changes import size_changes
from imglab.queries.distributions import (
    attestation_overhead,
    bytes_by_depth,
    media_types,
    sharing,
    size_distribution,
)
from imglab.queries.growth import growth_by_step, step_sizes
from imglab.queries.moves import digest_lifetimes, move_calendar, moves
from imglab.queries.pins import pins
from imglab.queries.sizes import architecture_sizes, layer_growth, layers, size_over_time
from imglab.queries.span import instant
from imglab.queries.tags import PERIODS, Period, aliases, tag_churn, tag_history, tag_lifetimes, tags, update_gaps

__all__ = [
    "PERIODS",
    "Period",
    "aliases",
    "architecture_ratios",
    "architecture_sizes",
    "architecture_support",
    "attestation_overhead",
    "bytes_by_depth",
    "digest_lifetimes",
    "growth_by_step",
    "instant",
    "layer_growth",
    "layers",
    "media_types",
    "move_calendar",
    "moves",
    "pins",
    "sharing",
    "size_changes",
    "size_distribution",
    "size_over_time",
    "step_ratios",
    "step_sizes",
    "tag_churn",
    "tag_history",
    "tag_lifetimes",
    "tag_sources",
    "tags",
    "update_gaps",
]
