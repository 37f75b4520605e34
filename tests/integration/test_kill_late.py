"""`kill -9` while a snapshot commits or loads: the store opens, whole runs count, earlier ones are kept."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from killing import Base, fill, holds, killed, moments, next_run_works, timed
from registry import Registry

pytestmark = pytest.mark.registry


def test_kills_late_in_a_snapshot(registry: Registry, tmp_path: Path) -> None:
    """Ten kills in the second half of its run, where it commits and loads, leave everything in order."""
    fill(registry)
    base = Base.made(tmp_path / "base", registry)
    whole = timed(base, tmp_path / "whole")
    half = whole.working / 2
    struck = 0
    for number, moment in enumerate(moments(Random(6202), 10, half)):
        data = tmp_path / f"late-{number}"
        struck += killed(base, data, half + moment, from_run=True)
        runs = holds(base, data)
        assert len(runs) in {1, 2}
        next_run_works(base, data)
    assert struck  # else nothing was tried
