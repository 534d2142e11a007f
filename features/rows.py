"""What a file of events gives: rows of cells with their line numbers, whatever the file's format."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from features.rejection import Reason
from features.schema import Field


@dataclass(frozen=True, slots=True)
class LineProblem:
    """One line that gives no event, and why.

    Attributes:
        line: Line number in the file, the header being line 1; in Parquet the row, counted from 1.
        reason: One of the documented reasons.
        detail: One line for a person.
    """

    line: int
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class RowChunk:
    """Some rows of a file, by column; a line is among the rows or among the problems.

    Attributes:
        lines: Line number of each row, ascending.
        cells: By column name, one cell per row; only the columns asked for.
        problems: Lines that are no rows.
    """

    lines: Sequence[int]
    cells: Mapping[str, Sequence[Any]]
    problems: Sequence[LineProblem]

    def after(self, line: int) -> RowChunk:
        """Return what stands behind a line."""
        begin = bisect_right(self.lines, line)
        return RowChunk(
            lines=self.lines[begin:],
            cells={name: cells[begin:] for name, cells in self.cells.items()},
            problems=[problem for problem in self.problems if problem.line > line],
        )


class Rows(Protocol):
    """Events with named columns, to be looked at."""

    @property
    def columns(self) -> Sequence[str]:
        """Return the names a path can have, in the order of the source."""
        ...

    def chunks(self, wanted: Sequence[str], *, chunk_rows: int) -> Iterator[RowChunk]:
        """Return the rows of these columns in pieces of at most ``chunk_rows``; memory is one piece.

        Raises:
            TableError: From here on the file cannot be read.
        """
        ...

    def instants(self, cells: Sequence[Any]) -> list[Any]:
        """Return values of event times: epoch milliseconds, ISO 8601 text or datetimes; None if empty."""
        ...


class TableFile(Rows, Protocol):
    """A file of events with named columns; opening it checked that it can be read."""

    def typed(self, cells: Sequence[Any], field: Field) -> list[Any]:
        """Return plain values of a field's cells; a cell that cannot be one is a ``Problem``."""
        ...

    def plain(self, cells: Sequence[Any]) -> list[Any]:
        """Return values of other roles; None where a cell is empty."""
        ...


def last_line(lines: Sequence[int], problems: Sequence[LineProblem]) -> int:
    """Return the last of some lines and of those that have problems, both in order; 0 where there is none."""
    return max((*lines[-1:], *(problem.line for problem in problems[-1:])), default=0)


def rows_after(table: Rows, wanted: Sequence[str], *, chunk_rows: int, after: int) -> Iterator[RowChunk]:
    """Yield the pieces of a table that hold anything behind the line ``after``; see ``Rows.chunks``."""
    for chunk in table.chunks(wanted, chunk_rows=chunk_rows):
        if not after:
            yield chunk
        elif last_line(chunk.lines, chunk.problems) > after:
            yield chunk.after(after)
