"""Comma-separated files, read as they come from other people."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, TextIO

from features.cells import cell_parser, instant_cell
from features.errors import TableError
from features.input_files import InputFile, reason_of
from features.rejection import Reason
from features.rows import LineProblem, RowChunk
from features.schema import Field

MAX_LINE_CHARS = 16 << 20  # a longer line is no line of a table
MAX_COLUMNS = 10_000
MAX_PIECE_CHARS = 64 << 20  # a piece of long lines ends before it has all its rows
_OTHER_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "bars"}


class CsvFile:
    """Implements ``TableFile`` for CSV: UTF-8 with or without byte-order mark, any line ends, RFC 4180 quotes.

    Blank lines are skipped. A file without any byte has no columns and no rows.

    Raises:
        TableError: On construction: it cannot be opened, names a column twice, or is separated by
            something else than commas.
    """

    def __init__(self, source: InputFile) -> None:
        path = source.place
        self._path = path
        self._source = source
        if source.head.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise TableError(f"{path}: it is UTF-16; save the file as UTF-8")
        with self._opened() as file:
            header = next(self._rows(_Lines(file, path)), (1, []))[1]
        if isinstance(header, LineProblem):
            raise TableError(f"{path}, line {header.line}: the header cannot be read: {header.detail}")
        self._columns = tuple(name.strip() for name in header)
        self._check_header()

    def _check_header(self) -> None:
        if len(self._columns) > MAX_COLUMNS:
            raise TableError(f"{self._path}: {len(self._columns)} columns; at most {MAX_COLUMNS} are read")
        if len(self._columns) == 1:
            for delimiter, words in _OTHER_DELIMITERS.items():
                if delimiter in self._columns[0]:
                    raise TableError(f"{self._path}: separated by {words}, it seems; save it separated by commas")
        doubled = [name for name, count in Counter(self._columns).items() if count > 1]
        if doubled:
            raise TableError(f"{self._path}: the header names {', '.join(map(repr, doubled))} more than once")

    @property
    def columns(self) -> Sequence[str]:
        """Return the names in the header."""
        return self._columns

    def chunks(self, wanted: Sequence[str], *, chunk_rows: int) -> Iterator[RowChunk]:
        """Return the rows of these columns in pieces; see ``TableFile.chunks``."""
        positions = [self._columns.index(name) for name in wanted]
        with self._opened() as file:
            counted = _Lines(file, self._path)
            rows = self._rows(counted)
            next(rows, None)
            while True:
                counted.chars = 0
                lines, cells, problems = self._piece(rows, positions, counted=counted, chunk_rows=chunk_rows)
                if not lines and not problems:
                    return
                yield RowChunk(lines, dict(zip(wanted, cells, strict=True)), problems)

    def _piece(
        self,
        rows: Iterator[tuple[int, list[str] | LineProblem]],
        positions: Sequence[int],
        *,
        counted: _Lines,
        chunk_rows: int,
    ) -> tuple[list[int], list[list[str]], list[LineProblem]]:
        lines: list[int] = []
        cells: list[list[str]] = [[] for _ in positions]
        problems: list[LineProblem] = []
        width = len(self._columns)
        for line, row in rows:
            if isinstance(row, LineProblem):
                problems.append(row)
            elif len(row) != width:
                detail = f"{len(row)} cells where the header has {width}"
                problems.append(LineProblem(line, Reason.UNDECODABLE, detail))
            else:
                lines.append(line)
                for column, position in zip(cells, positions, strict=True):
                    column.append(row[position])
            if len(lines) + len(problems) >= chunk_rows or counted.chars >= MAX_PIECE_CHARS:
                break
        return lines, cells, problems

    def _rows(self, counted: _Lines) -> Iterator[tuple[int, list[str] | LineProblem]]:
        """Yield each row, the header first, with the number of the line it begins on."""
        reader = csv.reader(counted, strict=True)
        while True:
            line = reader.line_num + 1
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield line, self._broken(line, str(error))
                continue
            problem = _bad_characters(row)
            if problem is not None:
                yield line, LineProblem(line, Reason.UNDECODABLE, problem)
            elif row:
                yield line, row

    def _broken(self, line: int, error: str) -> LineProblem:
        """Return the problem of one broken line; a quote left open has swallowed lines, so that is fatal."""
        if "end of data" in error or "field limit" in error:
            limit = f"a cell has more than {csv.field_size_limit()} characters"
            raise TableError(f"{self._path}, line {line}: a quote is opened and not closed, or {limit}")
        return LineProblem(line, Reason.UNDECODABLE, f"not CSV: {error}")

    def _opened(self) -> TextIO:
        # Bytes that are not UTF-8 must cost their own row, not the file.
        return io.TextIOWrapper(self._source.content(), encoding="utf-8-sig", errors="surrogateescape", newline="")

    def typed(self, cells: Sequence[Any], field: Field) -> list[Any]:
        """Return the values of a field's cells, read as its type."""
        return list(map(cell_parser(field), cells))

    def instants(self, cells: Sequence[Any]) -> list[Any]:
        """Return numbers for cells of digits, else their text."""
        return list(map(instant_cell, cells))

    def plain(self, cells: Sequence[Any]) -> list[Any]:
        """Return the cells' text."""
        return [cell or None for cell in cells]


class _Lines:
    """The lines of a file, none of them endless, and how many characters they had."""

    def __init__(self, file: TextIO, path: str) -> None:
        self._file = file
        self._path = path
        self._number = 0
        self.chars = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        try:
            line = self._file.readline(MAX_LINE_CHARS)
        except OSError as error:
            raise TableError(f"{self._path}: cannot be read: {reason_of(error)}") from error
        if not line:
            raise StopIteration
        self._number += 1
        self.chars += len(line)
        if len(line) == MAX_LINE_CHARS:
            raise TableError(f"{self._path}, line {self._number}: longer than {MAX_LINE_CHARS} characters")
        return line


def _bad_characters(row: Sequence[str]) -> str | None:
    text = "".join(row)
    if "\0" in text:
        return "it holds a NUL byte"
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return "it is not UTF-8; save the file as UTF-8"
    return None
