"""Rows of a file to plain nested events of the declared types."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from features.identity import event_id, event_time_ms, plain
from features.paths import Path, split
from features.rejection import Problem
from features.rows import LineProblem, RowChunk, TableFile
from features.schema import FeatureSchema, Field
from features.values import settle, shape_problem


class EventShape:
    """How the columns of a file become events: what each path holds, and where it is put.

    Attributes:
        sources: The columns to read, in the order their values are planted. What is passed through comes
            first, so that a field inside it is set by its own type.
    """

    def __init__(self, schema: FeatureSchema, *, available: Sequence[str]) -> None:
        roles = schema.roles
        self._fields = {f.source: f for f in schema.fields}
        self._roles: dict[str, Callable[[Any], Any]] = {}
        for path in (*roles.passthrough, roles.label):
            self._add(path, plain)
        self._add(roles.key, _text)
        self._add(roles.id, lambda value: None if value is None else event_id(value, path=roles.id or ""))
        self._add(roles.time, lambda value: None if value is None else event_time_ms(value, path=roles.time or ""))
        self._time = roles.time
        named = dict.fromkeys((*self._roles, *self._fields))
        self.sources = [name for name in named if name in set(available)]

    def _add(self, path: str | None, convert: Callable[[Any], Any]) -> None:
        if path is not None and path not in self._fields:
            self._roles[path] = convert

    def events(self, table: TableFile, chunk: RowChunk) -> tuple[list[dict[str, Any]], list[int], list[LineProblem]]:
        """Return the events of a chunk, their lines, and the lines with a value that is not of its type."""
        columns = [(split(name), self._values(table, chunk, name)) for name in self.sources]
        events: list[dict[str, Any]] = []
        lines: list[int] = []
        problems: list[LineProblem] = []
        for position, line in enumerate(chunk.lines):
            event: dict[str, Any] = {}
            problem = _planted(event, columns, position)
            if problem is None:
                events.append(event)
                lines.append(line)
            else:
                problems.append(LineProblem(line, problem.reason, problem.detail))
        return events, lines, problems

    def _values(self, table: TableFile, chunk: RowChunk, name: str) -> list[Any]:
        cells = chunk.cells[name]
        field = self._fields.get(name)
        if field is not None:
            return [typed_value(field, value) for value in table.typed(cells, field)]
        values = table.instants(cells) if name == self._time else table.plain(cells)
        return list(map(self._roles[name], values))


def _text(value: Any) -> Any:
    return value if value is None or isinstance(value, Problem) else str(plain(value))


def _planted(event: dict[str, Any], columns: Sequence[tuple[Path, Sequence[Any]]], position: int) -> Problem | None:
    """Put one value of each column into the event; return the first problem met."""
    for path, values in columns:
        value = values[position]
        if isinstance(value, Problem):
            return value
        node = event
        for step in path[:-1]:
            inner = node.get(step)
            if not isinstance(inner, dict):
                inner = node[step] = {}
            node = inner
        node[path[-1]] = value
    return None


def typed_value(field: Field, value: Any) -> Any:
    """Return a value as its field declares it, None for a null, or a problem; policies are not looked at.

    >>> from features.schema import FieldType
    >>> typed_value(Field("v", FieldType.DOUBLE, "v", length=2), [1, 2.5])
    [1.0, 2.5]
    """
    where = f"field {field.name!r}"
    if field.length is None or value is None:
        return settle(field.type, value, where=where)
    problem = shape_problem(field.type, value, length=field.length, where=where)
    if problem is not None:
        return problem
    items = [settle(field.type, item, where=f"{where}, an item") for item in value]
    return next((item for item in items if isinstance(item, Problem)), items)
