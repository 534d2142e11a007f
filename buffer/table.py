"""The port of one buffer table: rows and the positions they were read up to, in one atomic commit."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import pyarrow as pa


class TableName(StrEnum):
    """The three tables."""

    FEATURES = "features"
    SCORES = "scores"
    LABELS = "labels"


@dataclass(frozen=True, slots=True)
class Stretch:
    """The part of one source that some rows cover.

    Attributes:
        app_id: The source: ``cluster id/topic id/partition``, or ``file/digest``. A topic that was deleted
            and made again has another topic id, a mirrored cluster another cluster id, so neither is taken
            for the other.
        expected: Where the table must stand for the rows to be appended: None if it has nothing of this source.
        next: The next offset (or row) after the rows. Rows may be fewer than ``next - expected``: markers,
            records that are no events.
    """

    app_id: str
    expected: int | None
    next: int


class BufferTable(Protocol):
    """One table; an instance belongs to one thread at a time, many processes may hold one each."""

    @property
    def name(self) -> TableName:
        """Return which of the three it is."""
        ...

    def positions(self, app_ids: Collection[str]) -> Mapping[str, int]:
        """Return where the table stands now, freshly looked up; a source it has nothing of is absent.

        Raises:
            TableUnavailable: It cannot be looked up now.
        """
        ...

    def append(self, rows: pa.Table, stretches: Sequence[Stretch]) -> None:
        """Commit rows and positions together, or nothing.

        ``rows`` may be empty (the positions still move) and may lack columns that the table has got
        meanwhile from a newer service: they become null.

        The rule that fences a zombie: before each attempt, on the same snapshot the commit is made with, the table
        stands at ``expected`` for every stretch. The store refuses a commit only relative to that snapshot, so
        without it a table that was opened again would take rows twice.

        Raises:
            Overtaken: It does not; nothing was written. After an attempt whose outcome is unknown this may mean that
                the rows are there.
            TableUnavailable: Not now; nothing was written as far as is known. Appending the same rows again is safe.
            TableRefused: Never.
        """
        ...
