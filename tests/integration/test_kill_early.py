"""`kill -9` while a snapshot starts or reads: the store opens, whole runs count, earlier ones are kept."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from killing import Base, fill, holds, killed, moments, next_run_works, timed
from registry import Registry

pytestmark = pytest.mark.registry


def test_kills_early_in_a_snapshot(registry: Registry, tmp_path: Path) -> None:
    """Two kills while the program starts and eight in the first half of its run leave everything in order."""
    fill(registry)
    base = Base.made(tmp_path / "base", registry)
    whole = timed(base, tmp_path / "whole")
    random = Random(2026)
    plan = [(moment, False) for moment in moments(random, 2, whole.starting)]
    plan += [(moment, True) for moment in moments(random, 8, whole.working / 2)]
    struck = left = 0
    for number, (moment, from_run) in enumerate(plan):
        data = tmp_path / f"early-{number}"
        struck += killed(base, data, moment, from_run=from_run)
        left += bool(list((data / "journal").glob(".*")))
        holds(base, data)
        next_run_works(base, data)
    assert struck and left  # else nothing was tried
