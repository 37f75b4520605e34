"""Real servers for the tests of this folder; what is not installed skips its tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import registry as servers
from registry import Registry

_NEEDED = {"registry": "docker-registry", "skopeo": "skopeo"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a program that is not there."""
    for item in items:
        for marker, program in _NEEDED.items():
            if item.get_closest_marker(marker) and shutil.which(program) is None:
                item.add_marker(pytest.mark.skip(reason=f"{program} is not installed: apt-get install {program}"))


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """An empty registry of this test file."""
    with servers.running(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(scope="module")
def guarded_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """An empty registry that wants a name and password."""
    with servers.running(tmp_path_factory.mktemp("guarded"), has_password=True) as running:
        yield running


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """An empty data folder."""
    return tmp_path / "data"
