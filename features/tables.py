"""Files of events, CSV or Parquet: to publish them, and to train on them.

A column is named by the dotted path of what it holds (``payment.amount``). Columns that the schema does
not name are not read. Training goes through the same checks as the stream (``features.columns``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from features.batch import FeatureBatch
from features.checked_rows import checked_rows, no_rows, present_roles
from features.compressed import bare_name
from features.csv_file import CsvFile
from features.errors import TableError
from features.events import EventShape
from features.input_files import InputFile, open_input
from features.parquet_file import ParquetFile
from features.rows import LineProblem, RowChunk, Rows, TableFile, last_line, rows_after
from features.schema import FeatureSchema

DEFAULT_CHUNK_ROWS = 10_000
_PARQUET_MAGIC = b"PAR1"
PARQUET_SUFFIXES = (".parquet", ".pq")


@dataclass(frozen=True, slots=True)
class EventChunk:
    """Some events of a file, ready to be encoded.

    Attributes:
        events: Plain nested events: fields by their type, the time in epoch milliseconds, id and key as
            text, label and passthrough as they stood. Nulls are there as None.
        lines: The line of each event.
        problems: The lines that give no event, in order.
    """

    events: Sequence[Mapping[str, Any]]
    lines: Sequence[int]
    problems: Sequence[LineProblem]

    @property
    def last(self) -> int:
        """Return the number of its last line, event or not; 0 where there is none."""
        return last_line(self.lines, self.problems)


@dataclass(frozen=True, slots=True)
class TableBatch:
    """A whole file as columns, for training and validation.

    Attributes:
        batch: The rows that fit; ``batch.rows`` are their line numbers. Ids and times are None where the
            file has no such column.
        rejections: The lines that do not fit, in order.
        n_rows: All rows of the file, good and bad.
        digest: SHA-256 of the file as it is stored, in hex.
    """

    batch: FeatureBatch
    rejections: Sequence[LineProblem]
    n_rows: int
    digest: str


def open_table(path: Path | str) -> TableFile:
    """Return the file opened by what it is: Parquet by its first bytes or its name, else CSV, also compressed.

    A path, ``file://`` or ``s3://bucket/key``; gzip, bzip2 and zstd are unpacked as they are read.

    Raises:
        TableError: It cannot be read at all.
    """
    return table_of(open_input(path))


def table_of(source: InputFile) -> TableFile:
    """Return the table in a file that is open.

    Raises:
        TableError: It cannot be read at all.
    """
    with source.content() as content:
        head = content.read(len(_PARQUET_MAGIC))
    if head == _PARQUET_MAGIC or bare_name(source.name).endswith(PARQUET_SUFFIXES):
        return ParquetFile(source)
    return CsvFile(source)


def read_events(
    file: InputFile | Path | str, schema: FeatureSchema, *, chunk_rows: int = DEFAULT_CHUNK_ROWS, after: int = 0
) -> Iterator[EventChunk]:
    """Return the events of a file behind the line ``after`` in pieces, with the lines that give none.

    The columns of all fields and of id, key and time must be there; label and passthrough are read where
    they are. A null is not a problem here: whether it may be is the reader's policy.

    Raises:
        TableError: The file cannot be read or lacks columns; at once, or from the iterator when a later
            part cannot be read.
    """
    source = file if isinstance(file, InputFile) else open_input(file)
    table = table_of(source)
    roles = schema.roles
    required = [*(f.source for f in schema.fields), roles.id, roles.key, roles.time]
    require_columns(table, source.place, names=required)
    shape = EventShape(schema, available=table.columns)
    return _event_chunks(shape, table, rows_after(table, shape.sources, chunk_rows=chunk_rows, after=after))


def _event_chunks(shape: EventShape, table: TableFile, chunks: Iterator[RowChunk]) -> Iterator[EventChunk]:
    for chunk in chunks:
        events, lines, problems = shape.events(table, chunk)
        yield EventChunk(events, lines, sorted([*chunk.problems, *problems], key=lambda problem: problem.line))


def read_batch(path: Path | str, schema: FeatureSchema) -> TableBatch:
    """Return all rows of a file as checked columns, with labels, times and ids.

    The columns of all fields and of the label must be there; id, time and passthrough are read where they
    are. The key is not read.

    Raises:
        TableError: The file cannot be read, lacks columns, or was changed meanwhile.
    """
    source = open_input(path)
    table = table_of(source)
    require_columns(table, path, names=[*(f.source for f in schema.fields), schema.roles.label])
    present = present_roles(replace(schema, roles=replace(schema.roles, key=None)), table.columns)
    pieces = list(checked_rows(table, present, chunk_rows=DEFAULT_CHUNK_ROWS)) if table.columns else []
    batch = FeatureBatch.concatenate([no_rows(table, present), *(piece.batch for piece in pieces)])
    problems = [problem for piece in pieces for problem in piece.problems]
    return TableBatch(batch, problems, n_rows=len(batch) + len(problems), digest=source.digest())


def require_columns(table: Rows, path: Path | str, *, names: Sequence[str | None]) -> None:
    """Refuse what lacks a column that is needed; an empty file has no rows that could lack one.

    Raises:
        TableError: Names what is missing and what the file has.
    """
    if not table.columns:
        return
    missing = [name for name in dict.fromkeys(names) if name is not None and name not in table.columns]
    if missing:
        shown = ", ".join(table.columns[:50])
        deeper = [name for name in table.columns if name.rpartition(".")[2] in missing]
        meant = f"; did you mean {', '.join(deeper[:3])}?" if deeper else ""
        raise TableError(f"{path}: no column {', '.join(missing)}; there are {shown}{meant}")


def file_digest(path: Path | str) -> str:
    """Return the SHA-256 of a file as it is stored, in hex.

    Raises:
        TableError: It cannot be read.
    """
    return open_input(path).digest()
