"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real documents and histories; tests that need it carry the marker `real_history`."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("IMGLAB_REAL_DATA") or beside)
    if not (folder / "repo-info.bundle").is_file():
        pytest.skip("no real documents beside the checkout: set IMGLAB_REAL_DATA to their folder")
    return folder
