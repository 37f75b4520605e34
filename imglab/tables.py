"""Tables in text: side by side where there is room, over several lines where there is little, row by row where none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import IO

_GAP = 2  # blanks between columns
_LONGEST_WORD = 24  # characters: a longer word may be broken
_SHORT = 16  # characters
_UNITS, _SIDES = ("_bytes", "_days", "_share"), ("from_", "to_")


@dataclass(frozen=True, slots=True)
class Column:
    """A column in words. Only *is_text* may be broken over several lines; numbers stand to the right."""

    name: str
    cells: Sequence[str]
    is_text: bool = True
    is_number: bool = False


def whole(columns: Sequence[Column]) -> str:
    """*columns* side by side, however wide."""
    return _drawn(columns, [_widest(column) for column in columns])


def fitted(columns: Sequence[Column], width: int) -> str:
    """
    *columns* in lines of *width*: side by side, with longer texts word by word over several lines; or a block per row.

    Nothing is left out. Names without rows, and a single word or number that is longer than a line, stay as long as
    they are.
    """
    widths = _narrowed(columns, width)
    if not (widths or columns[0].cells):
        return whole(columns)
    return _drawn(columns, widths) if widths else blocks(columns)


def fits(columns: Sequence[Column], width: int) -> bool:
    """Whether *columns* stand side by side in *width*, with texts over several lines."""
    return bool(_narrowed(columns, width))


def shared(columns: Iterable[Column]) -> tuple[list[Column], list[Column]]:
    """Of *columns* those that say the same in all of several rows, and the others; one at least is another."""
    columns = list(columns)
    same = [column for column in columns if len(column.cells) > 1 and len(set(column.cells)) == 1]
    others = [column for column in columns if column not in same]
    return (same, others) if others else ([], columns)


def too_many(columns: Sequence[Column], width: int) -> list[Column]:
    """
    Those of *columns* without which the others stand side by side in *width*.

    From the right, one kind after the other: digests; long texts and those of one of two sides; times but for the first
    two; numbers without a unit, such as positions; short texts but for the first; the second time; numbers with a unit.
    """
    times = [column for column in columns if _is_time(column) and not column.name.endswith("_earliest")]
    short = [column for column in columns if column.is_text and _narrowest(column) <= _SHORT]

    def rank(place: tuple[int, Column]) -> tuple[int, int]:
        at, column = place
        if column.name.endswith("digest"):
            return 0, -at
        if (at == 0 and not _is_time(column)) or column in [*times[:1], *short[:1]]:
            return 7, -at
        if column.is_number:
            return (6 if column.name.endswith(_UNITS) else 3), -at
        if _is_time(column):
            return (5 if column in times[:2] else 2), -at
        return (4 if column in short and not column.name.startswith(_SIDES) else 1), -at

    kept, order = list(columns), sorted(enumerate(columns), key=rank)
    while len(kept) > 1 and not fits(kept, width):
        kept.remove(order.pop(0)[1])
    return [column for column in columns if column not in kept]


def blocks(columns: Sequence[Column]) -> str:
    """A block for each row, with a line for each column."""
    longest = max(len(column.name) for column in columns)
    count = len(columns[0].cells)
    lines = []
    for at in range(count):
        lines.append(f"--- {at + 1:,} of {count:,}")
        lines += [f"{column.name:{longest}}  {column.cells[at]}".rstrip() for column in columns]
    return "".join(f"{line}\n" for line in lines)


def width_of(stream: IO[str]) -> int:
    """How many characters a line of the terminal *stream* has."""
    from rich.console import Console

    return Console(file=stream).width


def send(words: str, stream: IO[str]) -> None:
    """*words* to the terminal *stream*, the first line in bold."""
    from rich.console import Console
    from rich.text import Text

    first, _, others = words.partition("\n")
    Console(file=stream, highlight=False).print(Text(first, style="bold"), soft_wrap=True)
    stream.write(others)


def _is_time(column: Column) -> bool:
    return not (column.is_text or column.is_number)


def _widest(column: Column) -> int:
    from rich.cells import cell_len

    return max(map(cell_len, [column.name, *column.cells]))


def _narrowest(column: Column) -> int:
    from rich.cells import cell_len

    if not column.is_text:
        return _widest(column)
    words = max(cell_len(word) for text in column.cells for word in text.split(" ")) if column.cells else 0
    return max(cell_len(column.name), min(words, _LONGEST_WORD), min(_widest(column), _SHORT))


def _narrowed(columns: Sequence[Column], width: int) -> list[int]:
    """The widths with which *columns* stand side by side, of the widest ever one less; none where they do not."""
    widths, least = [_widest(column) for column in columns], [_narrowest(column) for column in columns]
    for _ in range(sum(widths) + _GAP * (len(widths) - 1) - width):
        spare = [at for at, narrow in enumerate(least) if widths[at] > narrow]
        if not spare:
            return []
        widths[max(spare, key=lambda at: widths[at])] -= 1
    return widths


def _drawn(columns: Sequence[Column], widths: Sequence[int]) -> str:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for column, width in zip(columns, widths, strict=True):
        justify = "right" if column.is_number else "left"
        table.add_column(Text(column.name), justify=justify, overflow="fold", width=width)  # type: ignore[arg-type]
    for row in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*map(Text, row))
    buffer = StringIO()
    Console(file=buffer, width=max(sum(widths) + _GAP * len(widths), 1), highlight=False).print(table)
    return "".join(f"{line.rstrip()}\n" for line in buffer.getvalue().removesuffix("\n").split("\n"))
