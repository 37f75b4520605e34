"""Times as people write them, and what a day alone means."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from imglab.cli import parser
from imglab.times import read_time

END = datetime(2019, 10, 17, 23, 59, 59, 999999, tzinfo=UTC)


@pytest.mark.parametrize("text", ["2019-10-17", "20191017"])
def test_a_day_is_its_start_or_its_end(text: str) -> None:
    """To the microsecond, in UTC."""
    assert (read_time(text), read_time(text, is_end=True)) == (datetime(2019, 10, 17, tzinfo=UTC), END)


@pytest.mark.parametrize("text", ["2019-10-17T05:38:15Z", "2019-10-17T05:38:15", "2019-10-17 07:38:15+02:00"])
def test_a_time_is_itself(text: str) -> None:
    """Without a zone it is UTC."""
    assert read_time(text) == read_time(text, is_end=True) == datetime(2019, 10, 17, 5, 38, 15, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "yesterday", "2019-13-01", "2019-10-17T25:00", "17.10.2019"])
def test_what_is_no_time_is_refused(text: str) -> None:
    """Whatever it may mean."""
    with pytest.raises(ValueError, match=r"."):
        read_time(text)


@pytest.mark.parametrize(
    "command",
    [["ask", "tags"], ["backfill", "cgr.dev/a/b"]],
)
def test_from_a_day_to_a_day_is_both_of_them(command: list[str]) -> None:
    """--since from its start, --until to its end."""
    options = parser().parse_args([*command, "--since", "2019-10-17", "--until", "2019-10-17"])
    assert (options.since, options.until) == (datetime(2019, 10, 17, tzinfo=UTC), END)


@pytest.mark.parametrize(
    "command",
    [["ask", "layers"], ["render", "repo-info", "python"], ["render", "supported-tags", "python"]],
)
def test_at_a_day_is_when_it_is_over(command: list[str]) -> None:
    """As `diff python:latest@2019-10-17` has it: what moved in its course has moved."""
    assert parser().parse_args([*command, "--at", "2019-10-17"]).at == END
