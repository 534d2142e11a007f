"""Rows of a file into a table, each once: however often it is begun, killed, or done by two at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from buffer.errors import Overtaken
from buffer.layout import DAY
from buffer.load_rows import MadeRows
from buffer.table import BufferTable, Stretch

_MAX_OVERTAKEN = 1_000  # of one append; each time the table has moved on, so this is far beyond any real race


@dataclass(frozen=True, slots=True)
class FlushLimits:
    """How much is committed at once at most, apart from one piece."""

    max_rows: int
    max_bytes: int


@dataclass(frozen=True, slots=True)
class LoadCounts:
    """What became of the rows of a file.

    Attributes:
        loaded: Committed by this run.
        there: In the table already.
    """

    loaded: int
    there: int


class FileLoad:
    """One file on its way into one table. The table says how far it got; nothing else is remembered.

    Everything that is begun again starts with the first row: the rows before the table's position are made again,
    so that what is wrong with them can be told again, and are not appended.
    """

    def __init__(
        self, table: BufferTable, *, app_id: str, limits: FlushLimits, before_commit: Callable[[], None]
    ) -> None:
        """Look up how far the table got.

        Args:
            table: Where the rows go.
            app_id: What the table knows the file by.
            limits: How much is committed at once.
            before_commit: Called before each; raises where the file is no longer the one that was begun with.

        Raises:
            TableUnavailable: The table cannot be looked up now.
        """
        self._table = table
        self._app_id = app_id
        self._limits = limits
        self._before_commit = before_commit
        self._pending: list[MadeRows] = []
        self._loaded = 0
        self._there = 0
        self.position = self._look_up()

    def load(self, pieces: Iterable[MadeRows]) -> LoadCounts:
        """Append all rows behind the table's position, in order.

        Raises:
            TableUnavailable: Not now; what was committed stays, and beginning again goes on behind it.
            TableRefused: Never.
        """
        for piece in pieces:
            self._pending.append(piece)
            rows = sum(len(made.rows) for made in self._pending)
            size = sum(made.rows.nbytes for made in self._pending)
            if self._is_there(piece.end) or rows >= self._limits.max_rows or size >= self._limits.max_bytes:
                self._flush()
        self._flush()
        return LoadCounts(self._loaded, self._there)

    def _flush(self) -> None:
        if not self._pending:
            return
        end = self._pending[-1].end
        waiting = sum(len(made.rows) for made in self._pending)
        for _ in range(_MAX_OVERTAKEN):
            if self._is_there(end):
                break
            pieces = [made.since(self.position or 0) for made in self._pending]
            rows = _by_day(pa.concat_tables(made.rows for made in pieces if made.count > 0))
            self._before_commit()
            try:
                self._table.append(rows, [Stretch(self._app_id, self.position, end)])
            except Overtaken:  # by another run on the same file, or by our own attempt whose outcome we did not learn
                self.position = self._look_up()
                continue
            self.position = end
            self._loaded += len(rows)
            waiting -= len(rows)
            break
        else:
            raise Overtaken([self._app_id])
        self._there += waiting
        self._pending.clear()

    def _is_there(self, end: int) -> bool:
        return self.position is not None and end <= self.position

    def _look_up(self) -> int | None:
        return self._table.positions([self._app_id]).get(self._app_id)


def _by_day(rows: pa.Table) -> pa.Table:
    """Return the rows in the order of their days, as they stood within one: the writer has one file open then."""
    days = rows.column(DAY)
    if len(rows) == 0 or pc.count_distinct(days).as_py() == 1:
        return rows
    return rows.take(pc.sort_indices(rows.select([DAY]), sort_keys=[(DAY, "ascending")]))  # stable
