"""
Size and layer history of container images.

    import imglab

    store = imglab.open_store()
    imglab.queries.layer_growth(store, repository="python", tag="latest", platform="linux/amd64")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imglab import charts, queries
    from imglab.data import open_sample, open_store

__version__ = "0.1.0"
__all__ = ["__version__", "charts", "open_sample", "open_store", "queries"]


def __getattr__(name: str) -> Any:
    """Modules load when first used, so that `imglab --help` answers at once."""
    if name in ("open_sample", "open_store"):
        return getattr(importlib.import_module("imglab.data"), name)
    if name in ("charts", "queries"):
        return importlib.import_module(f"imglab.{name}")
    raise AttributeError(f"module 'imglab' has no attribute {name!r}")
