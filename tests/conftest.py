"""What all tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples each time, so that a change is judged by what it changes; IMGLAB_FUZZ=1 tries new ones.
settings.register_profile("steady", derandomize=True)
settings.load_profile("default" if os.environ.get("IMGLAB_FUZZ") else "steady")

# No test logs in with what the person who runs it keeps.
os.environ["REGISTRY_AUTH_FILE"] = os.devnull


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real documents and histories; tests that need it carry the marker `real_history`."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("IMGLAB_REAL_DATA") or beside)
    if not (folder / "repo-info.bundle").is_file():
        pytest.skip("no real documents beside the checkout: set IMGLAB_REAL_DATA to their folder")
    return folder


@pytest.fixture(autouse=True)
def has_its_cases(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that says which cases it holds (marker `case`) has made a store that has them."""
    named = [case for marker in request.node.iter_markers("case") for case in marker.args[1:]]
    folder: Path | None = request.getfixturevalue("tmp_path") if named else None
    yield
    if folder:
        from cases import cases_of  # with the whole of imglab, which few tests need

        assert set(named) <= cases_of(folder)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where IMGLAB_NO_SKIPS is set every test must run: a skipped one fails the run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("IMGLAB_NO_SKIPS") and reporter and reporter.stats.get("skipped"):
        reporter.write_line("IMGLAB_NO_SKIPS is set, but tests were skipped", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests that talk to the internet run only when chosen with -m live."""
    if "live" in config.option.markexpr:
        return
    live = [item for item in items if item.get_closest_marker("live")]
    config.hook.pytest_deselected(items=live)
    items[:] = [item for item in items if item not in live]
