"""The three tables side by side under one address."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from buffer.delta import DeltaBufferTable
from buffer.table import TableName


@dataclass(frozen=True, slots=True)
class DeltaTables:
    """The three tables."""

    features: DeltaBufferTable
    scores: DeltaBufferTable
    labels: DeltaBufferTable

    def __iter__(self) -> Iterator[DeltaBufferTable]:
        """Yield each."""
        yield from (self.features, self.scores, self.labels)

    def of(self, name: TableName) -> DeltaBufferTable:
        """Return the one of this name."""
        return {table.name: table for table in self}[name]

    def prepare(self) -> None:
        """Make what is not there and add missing columns, once at the start of whoever writes.

        Raises:
            TableRefused: A table is something else, or has a column of another type.
            TableUnavailable: Not now.
        """
        for table in self:
            table.prepare()
