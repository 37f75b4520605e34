"""Pages in a real browser: every chart is drawn, in both themes, and nothing is asked of any host."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import made_frames
import polars as pl
import pytest
from made_answers import MADE

from imglab import charts, report

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium"),
]
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync --virtual-time-budget=20000 --dump-dom"
).split()
HOSTILE = "</script><img src=http://127.0.0.1:9/x onerror=document.title='obeyed'>"
START = datetime(2019, 8, 1, tzinfo=UTC)


def visit(path: Path, profile: Path, *flags: str) -> tuple[str, set[str]]:
    """The page at *path* as it stands after its scripts have run, and the addresses that it asked for."""
    log = profile.with_suffix(".json")
    command = [str(CHROMIUM), *FLAGS, "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", *flags]
    command += [f"--user-data-dir={profile}", f"--log-net-log={log}", path.as_uri()]
    page = subprocess.run(command, capture_output=True, check=True, timeout=120).stdout.decode()
    return page, {address for event in json.loads(log.read_text())["events"] for address in asked_by_page(event)}


def asked_by_page(event: dict[str, Any]) -> list[str]:
    """The address of a request that has a page as its origin; the browser's own errands have none."""
    found = event.get("params") or {}
    is_errand = found.get("initiator") in (None, "not an origin")
    return [] if is_errand or not str(found.get("url")).startswith(("http", "ws", "ftp")) else [found["url"]]


def layer_growth(tag: str = "latest") -> pl.DataFrame:
    """Made up: three layers over three days, with a step that nobody knows."""
    rows = [
        {"repository": "docker.io/library/python", "tag": tag, "platform": "linux/amd64"}
        | {"valid_from": START + timedelta(days=day), "valid_to": START + timedelta(days=day + 1)}
        | {"last_observed_at": START + timedelta(days=day + 1), "manifest_digest": f"sha256:{day:064x}"}
        | {"position": position, "layer_digest": f"sha256:{position:064x}", "compressed_bytes": 10_000_000 + day}
        | {"stack_from_bytes": position * 10_000_000, "stack_to_bytes": (position + 1) * 10_000_000}
        | {"step_label": label, "step_group": label or "unknown step", "created_by": label}
        for day in range(3)
        for position, label in enumerate(["ADD root filesystem", f"RUN {tag}", None])
    ]
    return pl.DataFrame(rows)


def tag_churn() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "repository": ["docker.io/library/python"] * 3,
            "tag": ["3.8", "3.8-rc", HOSTILE],
            "period_start": [START] * 3,
            "moves": [1, 2, 3],
        }
    )


@pytest.fixture
def page(tmp_path: Path) -> Path:
    sections = [
        report.Section("Growth", "What `grew`.", [charts.layer_growth(layer_growth()), charts.tag_churn(tag_churn())]),
        report.Section(HOSTILE, HOSTILE, [charts.layer_growth(layer_growth(HOSTILE))], tag_churn()),
        report.Section("Nothing", charts=[charts.layer_growth(layer_growth().clear())]),
    ]
    return report.page(HOSTILE, sections, tmp_path / "page.html")


@pytest.mark.parametrize(("theme", "scheme"), [("light", "1"), ("dark", "0")])
def test_every_chart_is_drawn_and_nothing_is_asked_for(page: Path, tmp_path: Path, theme: str, scheme: str) -> None:
    """Each figure holds a drawing in the reader's theme; no request leaves the page; hostile text does nothing."""
    found, asked = visit(page, tmp_path / "profile", f"--blink-settings=preferredColorScheme={scheme}")
    figures = re.findall(r'<figure class="chart".*?</figure>', found, re.S)
    assert len(figures) == 4
    assert all(f'data-drawn="{theme}"' in figure and "<svg" in figure for figure in figures)
    assert "could not be drawn" not in re.sub(r"<script.*?</script>", "", found, flags=re.S)
    assert "Which layer of python:latest grew?" in re.sub(r"<script.*?</script>", "", found, flags=re.S)
    assert "<title>obeyed</title>" not in found
    assert asked == set()


def test_a_saved_chart_is_drawn(tmp_path: Path) -> None:
    """`charts.save` to .html gives a page that draws its chart and asks for nothing."""
    path = charts.save(charts.layer_growth(layer_growth()), tmp_path / "chart.html")
    found, asked = visit(path, tmp_path / "profile")
    assert found.count("data-drawn=") == 1
    assert "<svg" in found and asked == set()


def test_time_is_there_to_be_dragged(tmp_path: Path) -> None:
    """The axis of a chart whose time can be moved has labels: a browser and the maker of pictures differ here."""
    sizes = pl.DataFrame(
        {"repository": "docker.io/library/python", "tag": "slim", "platform": "linux/amd64", "series": "linux/amd64"}
        | {"valid_from": START + timedelta(days=400 * number), "compressed_bytes": 1_000_000 * (number + 1)}
        | {"step_bytes": 1_000_000, "usual_step_bytes": 9, "drift_bytes": 0, "change": "jump"}
        | {"digest": f"sha256:{number:064x}", "manifest_digest": f"sha256:{number:064x}"}
        for number in range(3)
    )
    found, _ = visit(charts.save(charts.size_changes(sizes), tmp_path / "chart.html"), tmp_path / "profile")
    labels = re.findall(r"<text[^>]*>([^<]*)</text>", found)
    assert {"2020", "2021"} <= set(labels)


@pytest.mark.parametrize("many", ["many", "one"])
def test_no_chart_makes_a_browser_warn(tmp_path: Path, many: str) -> None:
    """Every chart is drawn without a word in the console, of many rows and of one, all on one page."""
    frames = {name: made() if many == "many" else made().head(1) for name, made in MADE.items()}
    figures = [charts.figure(charts.specification(getattr(charts, name)(frame))) for name, frame in frames.items()]
    path = tmp_path / "page.html"
    path.write_text(charts.document("All", "".join(figures)), encoding="utf-8")
    command = [str(CHROMIUM), *FLAGS, "--enable-logging=stderr", f"--user-data-dir={tmp_path / 'profile'}"]
    told = subprocess.run([*command, path.as_uri()], capture_output=True, check=True, timeout=300)
    assert told.stdout.decode().count('data-drawn="light"') == len(MADE)
    assert re.findall(r"CONSOLE.*", told.stderr.decode()) == []


def test_the_console_is_read(tmp_path: Path) -> None:
    """A page that warns is noticed, so that the test of all charts means something."""
    path = tmp_path / "page.html"
    path.write_text("<!doctype html><script>console.warn('WARN something')</script>", encoding="utf-8")
    command = [str(CHROMIUM), *FLAGS, "--enable-logging=stderr", f"--user-data-dir={tmp_path / 'profile'}"]
    told = subprocess.run([*command, path.as_uri()], capture_output=True, check=True, timeout=120)
    assert len(re.findall(r"CONSOLE.*WARN something", told.stderr.decode())) == 1


def test_the_watch_sees_requests(tmp_path: Path) -> None:
    """A page that does ask for something is noticed, so that the other tests mean something."""
    path = tmp_path / "asking.html"
    path.write_text("<!doctype html><title>asking</title><img src=http://127.0.0.1:9/picture.png>")
    _, asked = visit(path, tmp_path / "profile")
    assert asked == {"http://127.0.0.1:9/picture.png"}


def test_a_page_cannot_ask_even_if_it_holds_markup(tmp_path: Path) -> None:
    """Were text ever to become markup, the page's own policy stops its requests and its scripts."""
    body = "<p>Here.</p><img src=http://127.0.0.1:9/x.png><script>document.title = 'obeyed'</script>"
    path = tmp_path / "page.html"
    path.write_text(charts.document("Kept", body), encoding="utf-8")
    found, asked = visit(path, tmp_path / "profile")
    assert asked == set()
    assert "<title>Kept</title>" in found


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("moves", ["Jan 02", "3.13-slim", "base only"]),
        ("move_calendar", ["2017", "2019", "Jun", "Wed"]),
        ("digest_lifetimes", ["1 month", "80%"]),
        ("architecture_ratios", ["Jan 02", "1.2", "linux/arm64 · 0.91×"]),
        ("step_ratios", ["-5.0 MB · 0.95×", "ADD root filesystem"]),
    ],
)
def test_axes_have_their_words(tmp_path: Path, name: str, labels: list[str]) -> None:
    """Scales that a browser makes otherwise than vl-convert does would leave them empty."""
    drawn = charts.save(getattr(charts, name)(getattr(made_frames, name)()), tmp_path / "chart.html")
    page, _ = visit(drawn, tmp_path / "profile")
    assert [label for label in labels if f">{label}<" not in page] == []
