"""A look at labelled examples: a table for a person, JSON lines for a program."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from service.buffer_query import Wanted, example_query, query_limits
from service.buffer_tables import build_tables
from service.dead_letter_view import printable
from service.settings import Settings

if TYPE_CHECKING:
    from buffer.examples import ExampleStream

HEADINGS: Final = ("EVENT TIME (UTC)", "EVENT", "LABEL", "FROM", "LABEL TIME (UTC)", "SCORE", "PREDICTION", "BY")
MAX_CELL: Final = 36
_TIME: Final = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True, slots=True)
class Look:
    """What is looked at.

    Attributes:
        wanted: Which examples.
        limit: How many at most: the ones that came to be known last.
        as_json: Everything of each, one object a line.
        width: Columns of the terminal; None where lines are not to be cut.
    """

    wanted: Wanted
    limit: int
    as_json: bool
    width: int | None


def look_at_examples(settings: Settings, look: Look, *, now_ms: int, show: Callable[[str], None]) -> int:
    """Show the latest examples, the last one at the end, and return how many there were to show.

    Raises:
        BufferingError: The tables are not there yet, or cannot be read now.
        UsageError: A moment or the cursor is none.
    """
    tables = build_tables(settings)
    from buffer.examples import open_examples
    from buffer.sampling import Latest

    query = example_query(settings, look.wanted, now_ms=now_ms, sample=Latest(look.limit))
    with open_examples(tables, query, limits=query_limits(settings)) as stream:
        lines = _json_lines(stream) if look.as_json else _table_lines(stream, look.width)
        for line in lines:
            show(line)
        return stream.counts.examples


def _rows(stream: ExampleStream) -> Iterator[dict[str, Any]]:
    for batch in stream:
        yield from batch.to_pylist()


def _json_lines(stream: ExampleStream) -> Iterator[str]:
    for row in _rows(stream):
        yield msgspec.json.encode({name: _json_value(value) for name, value in row.items()}).decode()


def _json_value(value: Any) -> Any:
    """Return times in epoch milliseconds, as scores have them."""
    return round(value.timestamp() * 1000) if isinstance(value, datetime) else value


def _table_lines(stream: ExampleStream, width: int | None) -> Iterator[str]:
    """Yield the own columns, then as many features as the line has room for; a terminal would break longer ones."""
    rows = list(_rows(stream))
    if not rows:
        return
    cells = [[*HEADINGS, *stream.fields], *([*_own_cells(row), *_features(row, stream.fields)] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    shown = _fitting(widths, width)
    for line in cells:
        padded = [cell.ljust(size) for cell, size in zip(line[:shown], widths, strict=False)]
        yield "  ".join(padded).rstrip()
    left = len(widths) - shown
    if left:
        yield f"and {left} more column{'' if left == 1 else 's'} (--json shows all)"


def _fitting(widths: Sequence[int], room: int | None) -> int:
    """Return how many columns fit; ours are shown in any case."""
    if room is None:
        return len(widths)
    fitting = [count for count in range(len(widths) + 1) if sum(widths[:count]) + 2 * (count - 1) <= room]
    return max(len(HEADINGS), fitting[-1])


def _own_cells(row: Mapping[str, Any]) -> list[str]:
    score = row["live_score"]
    return [
        row["event_time"].strftime(_TIME),
        _cell(row["event_id"]),
        _cell(row["label"]),
        row["label_source"],
        row["label_time"].strftime(_TIME),
        "-" if score is None else f"{score:.6f}",
        _cell(row["live_prediction"]),
        _cell(row["live_version"]),
    ]


def _features(row: Mapping[str, Any], names: Sequence[str]) -> Iterator[str]:
    for name in names:
        value = row[name]
        yield f"{value:.6g}" if isinstance(value, float) else _cell(value)


def _cell(value: Any) -> str:
    text = "-" if value is None else printable(str(value))
    return text if len(text) <= MAX_CELL else text[: MAX_CELL - 1] + "…"
