"""Parquet files, by pyarrow, which is imported only when one is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from features.errors import TableError
from features.identity import plain
from features.paths import split, value_at
from features.rows import RowChunk
from features.schema import Field


class ParquetFile:
    """Implements ``TableFile`` for Parquet. A path is a column of that name, or a member of a struct.

    Raises:
        TableError: On construction: pyarrow is not installed, or the file is not Parquet.
    """

    def __init__(self, path: Path) -> None:
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError:
            raise TableError(f"{path}: reading Parquet needs pyarrow; install tidemill[parquet]") from None
        self._path = path
        try:
            self._file = pq.ParquetFile(path)
            fields = list(self._file.schema_arrow)
        except (pa.ArrowException, OSError) as error:
            raise TableError(f"{path}: not a Parquet file that can be read: {_first_line(error)}") from error
        self._failures = (pa.ArrowException, OSError)
        self._roots = frozenset(field.name for field in fields)
        self._columns = tuple(name for field in fields for name in _names(field, ""))
        if len(set(self._columns)) < len(self._columns):
            raise TableError(f"{path}: two columns have one name")

    @property
    def columns(self) -> Sequence[str]:
        """Return the names of all columns and struct members, dotted."""
        return self._columns

    def chunks(self, wanted: Sequence[str], *, chunk_rows: int) -> Iterator[RowChunk]:
        """Return the rows of these columns in pieces; see ``TableFile.chunks``."""
        roots = sorted({self._root(name) for name in wanted})
        first = 1
        try:
            for batch in self._file.iter_batches(batch_size=chunk_rows, columns=roots):
                columns = {root: batch.column(root).to_pylist() for root in roots}
                cells = {name: self._cells(columns, name) for name in wanted}
                yield RowChunk(range(first, first + batch.num_rows), cells, ())
                first += batch.num_rows
        except self._failures as error:
            raise TableError(f"{self._path}, after row {first - 1}: cannot be read: {_first_line(error)}") from error

    def _root(self, name: str) -> str:
        steps = split(name)
        prefixes = (".".join(steps[:depth]) for depth in range(len(steps), 0, -1))
        return next(prefix for prefix in prefixes if prefix in self._roots)

    def _cells(self, columns: dict[str, list[Any]], name: str) -> list[Any]:
        root = self._root(name)
        if root == name:
            return columns[root]
        below = split(name)[len(split(root)) :]
        return [value_at(value, below) for value in columns[root]]

    def typed(self, cells: Sequence[Any], field: Field) -> list[Any]:  # noqa: ARG002 - the file has types already
        """Return the cells as they are."""
        return list(cells)

    def instants(self, cells: Sequence[Any]) -> list[Any]:
        """Return the cells as they are."""
        return list(cells)

    def plain(self, cells: Sequence[Any]) -> list[Any]:
        """Return the cells as JSON knows them."""
        return list(map(plain, cells))


def _names(field: Any, above: str) -> Iterator[str]:
    name = f"{above}{field.name}"
    yield name
    if hasattr(field.type, "fields") and str(field.type).startswith("struct"):
        for member in field.type.fields:
            yield from _names(member, f"{name}.")


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
