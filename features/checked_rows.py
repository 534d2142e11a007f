"""Rows of a file as checked columns, piece by piece: what training reads whole and history is loaded from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from features.batch import FeatureBatch
from features.columns import build_batch
from features.events import typed_value
from features.identity import plain
from features.paths import Gathered, split
from features.rejection import Problem
from features.rows import LineProblem, RowChunk, TableFile
from features.schema import FeatureSchema


@dataclass(frozen=True, slots=True)
class CheckedRows:
    """Some rows of a file: each is in the batch or among the problems.

    Attributes:
        first: Number of the first row; rows count from 0, whatever they hold, blank lines not.
        count: How many rows there are, good and bad.
        batch: The rows that fit; ``batch.rows`` are their line numbers.
        numbers: The row number of each of them, ascending.
        keys: The record key of each as ``publish`` would write it; None where the file has none.
        problems: The lines that do not fit, in order.
    """

    first: int
    count: int
    batch: FeatureBatch
    numbers: npt.NDArray[np.int64]
    keys: Sequence[bytes | None]
    problems: Sequence[LineProblem]


def present_roles(schema: FeatureSchema, columns: Sequence[str]) -> FeatureSchema:
    """Return the schema without the roles id, key, time and passthrough that have no column; the label stays."""
    roles = schema.roles
    there = set(columns)
    return FeatureSchema(
        schema.fields,
        replace(
            roles,
            id=roles.id if roles.id in there else None,
            key=roles.key if roles.key in there else None,
            time=roles.time if roles.time in there else None,
            passthrough=tuple(path for path in roles.passthrough if path in there),
        ),
    )


def checked_rows(table: TableFile, schema: FeatureSchema, *, chunk_rows: int) -> Iterator[CheckedRows]:
    """Yield the rows of a file in order, in pieces of at most ``chunk_rows``; memory is one piece.

    Every path that the schema names has to be a column; see ``present_roles``.

    Raises:
        TableError: From here on the file cannot be read.
    """
    first = 0
    for chunk in table.chunks(sources_of(schema), chunk_rows=chunk_rows):
        rows = _checked(table, chunk, schema=schema, first=first)
        yield rows
        first += rows.count


def no_rows(table: TableFile, schema: FeatureSchema) -> FeatureBatch:
    """Return the columns of a file without rows: their types."""
    chunk = RowChunk((), dict.fromkeys(sources_of(schema), ()), ())
    return build_batch(_gathered(table, chunk, schema), schema).batch


def sources_of(schema: FeatureSchema) -> list[str]:
    """Return every path that a schema names, once."""
    roles = schema.roles
    named = [*(f.source for f in schema.fields), roles.id, roles.key, roles.time, roles.label, *roles.passthrough]
    return [name for name in dict.fromkeys(named) if name is not None]


def _checked(table: TableFile, chunk: RowChunk, *, schema: FeatureSchema, first: int) -> CheckedRows:
    decoded = build_batch(_gathered(table, chunk, schema), schema)
    keys = _keys(table, chunk, schema)
    bad = {position: key for position, key in enumerate(keys) if isinstance(key, Problem)}
    batch, problems = decoded.batch, [*chunk.problems, *map(_line_problem, decoded.rejections)]
    at = np.searchsorted(np.asarray(chunk.lines, dtype=np.int64), batch.rows)
    if bad:
        sound = np.array([i for i, position in enumerate(at.tolist()) if position not in bad], dtype=np.int64)
        problems += [_line_problem(bad[p].at(chunk.lines[p])) for p in at.tolist() if p in bad]
        batch, at = batch.take(sound), at[sound]
    lines = np.sort(np.array([*chunk.lines, *(problem.line for problem in chunk.problems)], dtype=np.int64))
    return CheckedRows(
        first=first,
        count=len(lines),
        batch=batch,
        numbers=first + np.searchsorted(lines, batch.rows),
        keys=[keys[position] for position in at.tolist()],
        problems=sorted(problems, key=lambda problem: problem.line),
    )


def _keys(table: TableFile, chunk: RowChunk, schema: FeatureSchema) -> Sequence[Any]:
    path = schema.roles.key
    if path is None:
        return [None] * len(chunk.lines)
    cells = chunk.cells[path]
    field = next((f for f in schema.fields if f.source == path), None)
    if field is None:
        values = table.plain(cells)
    else:  # written as its field's type says, as an event that is published would have it
        values = [plain(typed_value(field, value)) for value in table.typed(cells, field)]
    return [value if value is None or isinstance(value, Problem) else str(value).encode() for value in values]


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


def _line_problem(rejection: Any) -> LineProblem:
    return LineProblem(rejection.row, rejection.reason, rejection.detail)
