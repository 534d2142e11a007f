"""Parquet files, by pyarrow, which is imported only when one is read.

What a few bytes of such a file claim to be can be a million times as large, so its metadata is held to limits before
anything is unpacked, texts stay in their dictionaries until their sizes are known, and a piece ends by its bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from features.cells import MAX_CELL_CHARS
from features.compressed import MAX_UNPACKED_BYTES
from features.csv_file import MAX_COLUMNS
from features.errors import TableError
from features.identity import plain
from features.input_files import InputFile
from features.parquet_cells import extension_in, heavy_rows, row_bytes, values_of
from features.rejection import Reason
from features.rows import LineProblem, RowChunk
from features.schema import Field

MAX_ROWS = 500_000_000
MAX_GROUP_VALUES = 1 << 28  # items of lists in one row group: a single row may claim all of them
MAX_PIECE_BYTES = 64 << 20
READ_BYTES = 1 << 20  # of a column at once; otherwise a whole row group is read


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A name that can be asked for: a column, or a member of a struct in it."""

    root: str
    members: tuple[str, ...]
    field: Any


class ParquetFile:
    """Implements ``TableFile`` for Parquet. A path is a column of that name, or a member of a struct.

    Raises:
        TableError: On construction: pyarrow is not installed, the file is not Parquet, or it is larger unpacked
            than anything is read.
    """

    def __init__(self, source: InputFile) -> None:
        path = source.place
        if source.compression is not None:
            raise TableError(f"{path}: Parquet is compressed inside; unpack the {source.compression} around it")
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError:
            raise TableError(f"{path}: reading Parquet needs pyarrow; install tidemill[parquet]") from None
        self._path = path
        self._failures = (pa.ArrowException, OSError)
        try:
            self._file = pq.ParquetFile(source.stored(), buffer_size=READ_BYTES, pre_buffer=False)
            fields = list(self._file.schema_arrow)
            texts = self._texts()
            if texts:
                self._file = pq.ParquetFile(
                    source.stored(), buffer_size=READ_BYTES, pre_buffer=False, read_dictionary=texts
                )
        except self._failures as error:
            raise TableError(f"{path}: not a Parquet file that can be read: {_first_line(error)}") from error
        leaves = [leaf for field in fields for leaf in _leaves(field, _Leaf(field.name, (), field), field.name)]
        self._leaves: Mapping[str, _Leaf] = dict(leaves)
        self._check(n_names=len(leaves))

    def _texts(self) -> list[str]:
        """Return the paths of the columns of text that are not in lists."""
        columns = [self._file.schema.column(index) for index in range(self._file.metadata.num_columns)]
        return [c.path for c in columns if c.physical_type == "BYTE_ARRAY" and c.max_repetition_level == 0]

    def _check(self, *, n_names: int) -> None:
        if len(self._leaves) < n_names:
            raise TableError(f"{self._path}: two columns have one name")
        if n_names > MAX_COLUMNS:
            raise TableError(f"{self._path}: {n_names} columns; at most {MAX_COLUMNS} are read")
        if self._file.metadata.num_rows > MAX_ROWS:
            rows = self._file.metadata.num_rows
            raise TableError(f"{self._path}: {rows} rows; at most {MAX_ROWS} are read of one file, so split it")

    @property
    def columns(self) -> Sequence[str]:
        """Return the names of all columns and struct members, dotted."""
        return tuple(self._leaves)

    def chunks(self, wanted: Sequence[str], *, chunk_rows: int) -> Iterator[RowChunk]:
        """Return the rows of these columns in pieces; see ``TableFile.chunks``."""
        leaves = {name: self._leaves[name] for name in wanted}
        roots = sorted({leaf.root for leaf in leaves.values()})
        self._check_wanted(leaves)
        first = 1
        try:
            for batch in self._file.iter_batches(batch_size=chunk_rows, columns=roots):
                arrays = {name: _member(batch.column(leaf.root), leaf.members) for name, leaf in leaves.items()}
                yield from self._pieces(arrays, first, batch.num_rows)
                first += batch.num_rows
        except self._failures as error:
            raise TableError(f"{self._path}, after row {first - 1}: cannot be read: {_first_line(error)}") from error

    def _check_wanted(self, leaves: Mapping[str, _Leaf]) -> None:
        for name, leaf in leaves.items():
            extension = extension_in(leaf.field)
            if extension:
                raise TableError(f"{self._path}: column {name} is of the extension type {extension}; save it plain")
        roots = {leaf.root for leaf in leaves.values()}
        metadata, unpacked = self._file.metadata, 0
        repeated = [self._file.schema.column(i).max_repetition_level > 0 for i in range(metadata.num_columns)]
        for group in map(metadata.row_group, range(metadata.num_row_groups)):
            for index in range(group.num_columns):
                column = group.column(index)
                if not any(f"{column.path_in_schema}.".startswith(f"{root}.") for root in roots):
                    continue
                unpacked += column.total_uncompressed_size
                if repeated[index] and column.num_values > MAX_GROUP_VALUES:
                    limit = f"at most {MAX_GROUP_VALUES} are read; write smaller row groups"
                    raise TableError(
                        f"{self._path}: {column.num_values} values of {column.path_in_schema} in a row group; {limit}"
                    )
        if unpacked > MAX_UNPACKED_BYTES:
            raise TableError(f"{self._path}: unpacks to more than {MAX_UNPACKED_BYTES >> 30} GiB; split it")

    def _pieces(self, arrays: Mapping[str, Any], first: int, count: int) -> Iterator[RowChunk]:
        heavy = heavy_rows(arrays, limit=MAX_CELL_CHARS)
        begin = 0
        for end in _ends(row_bytes(arrays, count, without=heavy), MAX_PIECE_BYTES):
            yield _piece(arrays, range(begin, end), heavy=heavy, first=first)
            begin = end

    def typed(self, cells: Sequence[Any], field: Field) -> list[Any]:  # noqa: ARG002 - the file has types already
        """Return the cells as they are."""
        return list(cells)

    def instants(self, cells: Sequence[Any]) -> list[Any]:
        """Return the cells as they are."""
        return list(cells)

    def plain(self, cells: Sequence[Any]) -> list[Any]:
        """Return the cells as JSON knows them."""
        return list(map(plain, cells))


def _piece(arrays: Mapping[str, Any], rows: range, *, heavy: Mapping[int, str], first: int) -> RowChunk:
    """Return the cells of some rows of a batch, and the problems of those with a cell that is too large."""
    problems = [LineProblem(first + row, Reason.TOO_LARGE, detail) for row, detail in heavy.items() if row in rows]
    slices = {name: array.slice(rows.start, len(rows)) for name, array in arrays.items()}
    if not problems:
        cells = {name: values_of(array, name) for name, array in slices.items()}
        return RowChunk(range(first + rows.start, first + rows.stop), cells, ())
    import pyarrow as pa

    kept = [row for row in rows if row not in heavy]
    at = pa.array([row - rows.start for row in kept], pa.int64())
    cells = {name: values_of(array.take(at), name) for name, array in slices.items()}
    return RowChunk([first + row for row in kept], cells, problems)


def _ends(sizes: Any, limit: int) -> Iterator[int]:
    """Yield where each piece ends: after the row that fills it."""
    filled = 0
    for row, size in enumerate(sizes.tolist(), start=1):
        filled += size
        if filled >= limit or row == len(sizes):
            yield row
            filled = 0


def _member(array: Any, members: tuple[str, ...]) -> Any:
    if not members:
        return array
    import pyarrow.compute as pc

    return pc.struct_field(array, list(members))  # a null struct has null members


def _leaves(field: Any, leaf: _Leaf, name: str) -> Iterator[tuple[str, _Leaf]]:
    yield name, leaf
    if str(field.type).startswith("struct"):
        for member in field.type.fields:
            below = _Leaf(leaf.root, (*leaf.members, member.name), member)
            yield from _leaves(member, below, f"{name}.{member.name}")


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
