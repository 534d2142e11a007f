"""A buffer table in memory: the same rule as the real one, and failures on cue."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from buffer.errors import BufferingError, Overtaken
from buffer.table import Stretch, TableName


@dataclass(slots=True)
class InMemoryBufferTable:
    """Keeps what is appended; several workers may share one object, as processes share one folder.

    Attributes:
        name: Which of the three tables it is.
        schema: Its columns; columns that the rows lack become null.
        failing: Raised by the next appends, first in first out, before anything is written.
        failing_after: Raised by the next appends after the rows were written: an outcome that is unknown.
        failing_lookups: Raised by the next calls of ``positions``.
        commits: What was appended, in order.
    """

    name: TableName
    schema: pa.Schema
    failing: list[BufferingError] = field(default_factory=list)
    failing_after: list[BufferingError] = field(default_factory=list)
    failing_lookups: list[BufferingError] = field(default_factory=list)
    commits: list[pa.Table] = field(default_factory=list)
    _positions: dict[str, int] = field(default_factory=dict)

    def positions(self, app_ids: Collection[str]) -> Mapping[str, int]:
        """Return where the table stands, of the sources it has something of."""
        if self.failing_lookups:
            raise self.failing_lookups.pop(0)
        return {app_id: self._positions[app_id] for app_id in app_ids if app_id in self._positions}

    def append(self, rows: pa.Table, stretches: Sequence[Stretch]) -> None:
        """Keep rows and positions, or nothing."""
        if self.failing:
            raise self.failing.pop(0)
        overtaken = [s.app_id for s in stretches if self._positions.get(s.app_id) != s.expected]
        if overtaken:
            raise Overtaken(overtaken)
        self.commits.append(self._aligned(rows))
        self._positions.update({s.app_id: s.next for s in stretches})
        if self.failing_after:
            raise self.failing_after.pop(0)

    def rows(self) -> pa.Table:
        """Return everything that was appended, in order."""
        return pa.concat_tables(self.commits) if self.commits else self.schema.empty_table()

    def _aligned(self, rows: pa.Table) -> pa.Table:
        present = set(rows.schema.names)
        columns = [
            rows[column.name].cast(column.type) if column.name in present else pa.nulls(len(rows), column.type)
            for column in self.schema
        ]
        return pa.Table.from_arrays(columns, schema=self.schema)
