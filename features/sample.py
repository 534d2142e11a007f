"""Decoded events as rows with columns named by dotted paths, so that they are looked at as a file is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from features.paths import split, values_at
from features.rows import RowChunk

MAX_PATHS = 2_000  # more than this are keys that hold data, not names of fields
MAX_DEPTH = 10


class EventSample:
    """Implements ``Rows`` for events at hand. A column is every path at which some event has a value."""

    def __init__(self, events: Sequence[Mapping[str, Any]]) -> None:
        self._events = events
        found: dict[str, None] = {}
        for event in events:
            found.update(dict.fromkeys(_paths(event, ())))
        self._columns = tuple(found)[:MAX_PATHS]

    @property
    def columns(self) -> Sequence[str]:
        """Return the paths in the order in which they were first seen."""
        return self._columns

    def chunks(self, wanted: Sequence[str], *, chunk_rows: int) -> Iterator[RowChunk]:
        """Return the events in pieces, counted from 1."""
        for start in range(0, len(self._events), chunk_rows):
            events = self._events[start : start + chunk_rows]
            cells = {path: values_at(events, split(path)) for path in wanted}
            yield RowChunk(range(start + 1, start + len(events) + 1), cells, ())

    def instants(self, cells: Sequence[Any]) -> list[Any]:
        """Return the values as they are: an event says its time as the stream will read it."""
        return list(cells)


def _paths(value: Mapping[str, Any], within: tuple[str, ...], depth_left: int = MAX_DEPTH) -> Iterator[str]:
    for key, inner in value.items():
        if not key or "." in key:  # no dotted path leads there
            continue
        if isinstance(inner, dict) and inner and depth_left > 0:
            yield from _paths(inner, (*within, key), depth_left - 1)
        else:
            yield ".".join((*within, key))
