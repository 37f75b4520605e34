"""
Charts: the frame of one question in, an Altair chart out, under the same name as its query.

A chart only draws: it does not ask, and adds up no history. It names the columns it needs, raises MissingColumn without
them and TooManyRows above 5,000 rows to draw, and draws a titled "nothing to draw" for an empty frame. Bytes are shown
in decimal units, times in UTC. The same frame gives the same specification, character for character, and it stays
inside what Vega-Lite 5.8 and 6.4 draw alike. Text from registries (tags, steps) is data in it, never an expression.

Importing this package makes notebooks draw Altair charts without a network; see `enable_notebook_renderer`.
"""

from imglab.charts.architectures import architecture_ratios, step_ratios
from imglab.charts.bases import base_share, bases
from imglab.charts.built_from import aliases, architecture_support, tag_sources
from imglab.charts.changes import size_changes
from imglab.charts.cost import update_cost
from imglab.charts.distributions import attestation_overhead, bytes_by_depth, sharing, size_distribution
from imglab.charts.fleet import common_bases, fleet_cost
from imglab.charts.formats import media_types
from imglab.charts.frames import MAX_ROWS, ChartError, MissingColumn, TooManyRows
from imglab.charts.growth import growth_by_step
from imglab.charts.lag import base_lag
from imglab.charts.moves import digest_lifetimes, move_calendar, moves
from imglab.charts.output import (
    enable_notebook_renderer,
    mime_bundle,
    save,
    specification,
    title_of,
)
from imglab.charts.packages import package_growth
from imglab.charts.page import document, figure
from imglab.charts.pins import pins
from imglab.charts.side_by_side import architecture_sizes, layers, tags
from imglab.charts.step_history import step_sizes
from imglab.charts.tag_life import tag_lifetimes, update_gaps
from imglab.charts.tag_moves import tag_churn, tag_history
from imglab.charts.theme import PAGE_THEMES, Chart
from imglab.charts.through_time import layer_growth, size_over_time

__all__ = [
    "MAX_ROWS",
    "PAGE_THEMES",
    "Chart",
    "ChartError",
    "MissingColumn",
    "TooManyRows",
    "aliases",
    "architecture_ratios",
    "architecture_sizes",
    "architecture_support",
    "attestation_overhead",
    "base_lag",
    "base_share",
    "bases",
    "bytes_by_depth",
    "common_bases",
    "digest_lifetimes",
    "document",
    "enable_notebook_renderer",
    "figure",
    "fleet_cost",
    "growth_by_step",
    "layer_growth",
    "layers",
    "media_types",
    "mime_bundle",
    "move_calendar",
    "moves",
    "package_growth",
    "pins",
    "save",
    "sharing",
    "size_changes",
    "size_distribution",
    "size_over_time",
    "specification",
    "step_ratios",
    "step_sizes",
    "tag_churn",
    "tag_history",
    "tag_lifetimes",
    "tag_sources",
    "tags",
    "title_of",
    "update_cost",
    "update_gaps",
]

enable_notebook_renderer()
