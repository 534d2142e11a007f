"""Files of events, CSV or Parquet: to publish them, and to train on them.

A column is named by the dotted path of what it holds (``payment.amount``). Columns that the schema does
not name are not read. Training goes through the same checks as the stream (``features.columns``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from features.batch import FeatureBatch
from features.columns import build_batch
from features.csv_file import CsvFile
from features.errors import TableError
from features.events import EventShape
from features.parquet_file import ParquetFile
from features.paths import Gathered, split
from features.rejection import Rejection
from features.rows import LineProblem, RowChunk, Rows, TableFile
from features.schema import FeatureSchema

DEFAULT_CHUNK_ROWS = 10_000
_PARQUET_MAGIC = b"PAR1"
_PARQUET_SUFFIXES = (".parquet", ".pq")


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


@dataclass(frozen=True, slots=True)
class TableBatch:
    """A whole file as columns, for training and validation.

    Attributes:
        batch: The rows that fit; ``batch.rows`` are their line numbers. Ids and times are None where the
            file has no such column.
        rejections: The lines that do not fit, in order.
        n_rows: All rows of the file, good and bad.
        digest: SHA-256 of the file, in hex.
    """

    batch: FeatureBatch
    rejections: Sequence[LineProblem]
    n_rows: int
    digest: str


def open_table(path: Path | str) -> TableFile:
    """Return the file opened by what it is: Parquet by its first bytes or its name, else CSV.

    Raises:
        TableError: It cannot be read at all.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            head = file.read(len(_PARQUET_MAGIC))
    except OSError as error:
        raise TableError(f"{path}: cannot be opened: {error.strerror}") from error
    if head == _PARQUET_MAGIC or path.suffix.lower() in _PARQUET_SUFFIXES:
        return ParquetFile(path)
    return CsvFile(path)


def read_events(
    path: Path | str, schema: FeatureSchema, *, chunk_rows: int = DEFAULT_CHUNK_ROWS
) -> Iterator[EventChunk]:
    """Return the events of a file in pieces, with the lines that give none.

    The columns of all fields and of id, key and time must be there; label and passthrough are read where
    they are. A null is not a problem here: whether it may be is the reader's policy.

    Raises:
        TableError: The file cannot be read or lacks columns; at once, or from the iterator when a later
            part cannot be read.
    """
    table = open_table(path)
    roles = schema.roles
    required = [*(f.source for f in schema.fields), roles.id, roles.key, roles.time]
    require_columns(table, path, names=required)
    shape = EventShape(schema, available=table.columns)
    return _event_chunks(table, shape, chunk_rows)


def _event_chunks(table: TableFile, shape: EventShape, chunk_rows: int) -> Iterator[EventChunk]:
    for chunk in table.chunks(shape.sources, chunk_rows=chunk_rows):
        events, lines, problems = shape.events(table, chunk)
        yield EventChunk(events, lines, sorted([*chunk.problems, *problems], key=lambda problem: problem.line))


def read_batch(path: Path | str, schema: FeatureSchema) -> TableBatch:
    """Return all rows of a file as checked columns, with labels, times and ids.

    The columns of all fields and of the label must be there; id, time and passthrough are read where they
    are. The key is not read.

    Raises:
        TableError: The file cannot be read or lacks columns.
    """
    table = open_table(path)
    require_columns(table, path, names=[*(f.source for f in schema.fields), schema.roles.label])
    present = _present_roles(schema, table.columns)
    batches = [build_batch(_gathered(table, _no_rows(present), present), present).batch]
    rejections: list[LineProblem] = []
    for chunk in table.chunks(_sources(present) if table.columns else [], chunk_rows=DEFAULT_CHUNK_ROWS):
        decoded = build_batch(_gathered(table, chunk, present), present)
        batches.append(decoded.batch)
        problems = [*chunk.problems, *map(_line_problem, decoded.rejections)]
        rejections += sorted(problems, key=lambda problem: problem.line)
    batch = FeatureBatch.concatenate(batches)
    return TableBatch(batch, rejections, n_rows=len(batch) + len(rejections), digest=_digest(Path(path)))


def _line_problem(rejection: Rejection) -> LineProblem:
    return LineProblem(rejection.row, rejection.reason, rejection.detail)


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


def _present_roles(schema: FeatureSchema, columns: Sequence[str]) -> FeatureSchema:
    roles = schema.roles
    there = set(columns)
    return FeatureSchema(
        schema.fields,
        replace(
            roles,
            id=roles.id if roles.id in there else None,
            time=roles.time if roles.time in there else None,
            passthrough=tuple(path for path in roles.passthrough if path in there),
        ),
    )


def _sources(schema: FeatureSchema) -> list[str]:
    roles = schema.roles
    named = [*(f.source for f in schema.fields), roles.id, roles.time, roles.label, *roles.passthrough]
    return [name for name in dict.fromkeys(named) if name is not None]


def _no_rows(schema: FeatureSchema) -> RowChunk:
    return RowChunk((), dict.fromkeys(_sources(schema), ()), ())


def _gathered(table: TableFile, chunk: RowChunk, schema: FeatureSchema) -> Gathered:
    roles = schema.roles
    return Gathered(
        rows=chunk.lines,
        fields=[table.typed(chunk.cells[f.source], f) for f in schema.fields],
        ids=None if roles.id is None else table.plain(chunk.cells[roles.id]),
        times=None if roles.time is None else table.instants(chunk.cells[roles.time]),
        labels=None if roles.label is None else table.plain(chunk.cells[roles.label]),
        passthrough={split(path)[-1]: table.plain(chunk.cells[path]) for path in roles.passthrough},
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
