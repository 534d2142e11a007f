"""From plain values to checked columns: the one code path of stream, training, and tests.

The common case is settled by whole-column operations. Only a column that holds a type out of the
ordinary, or a number at the edge, is looked at value by value (``features.values``), and only a value
that fails costs a message.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from itertools import chain
from types import NoneType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from features.batch import Column, Decoded, FeatureBatch
from features.identity import event_id, event_time_ms, plain
from features.paths import Gathered
from features.rejection import Problem, Reason
from features.schema import FeatureSchema, Field, FieldType, NullPolicy
from features.values import MAX_EXACT, describe, not_finite, settle, shape_problem

Problems: TypeAlias = MutableMapping[int, Problem]
"""By position in the column; the first problem of a row is the one that is told."""

_FLOATING = (FieldType.DOUBLE, FieldType.FLOAT)
_ORDINARY: Mapping[FieldType, frozenset[type]] = {
    FieldType.DOUBLE: frozenset({float, int, NoneType}),
    FieldType.FLOAT: frozenset({float, int, NoneType}),
    FieldType.INT: frozenset({int, NoneType}),
    FieldType.LONG: frozenset({int, NoneType}),
    FieldType.BOOLEAN: frozenset({bool, NoneType}),
    FieldType.STRING: frozenset({str, NoneType}),
}
_BLANK: Mapping[FieldType, float | bool | str] = {
    FieldType.DOUBLE: 0.0,
    FieldType.FLOAT: 0.0,
    FieldType.INT: 0,
    FieldType.LONG: 0,
    FieldType.BOOLEAN: False,
    FieldType.STRING: "",
}
"""Stands in the place of a value that has a problem, until its row is dropped."""


def build_batch(gathered: Gathered, schema: FeatureSchema) -> Decoded:
    """Return the columns of the rows that fit the schema and a rejection for each of the others.

    Row numbers are ``gathered.rows``; order is kept.

    >>> schema = FeatureSchema((Field("x", FieldType.DOUBLE, "x", minimum=0),))
    >>> values = Gathered(rows=[0, 1], fields=[[1.5, -2]], ids=None, times=None, labels=None, passthrough={})
    >>> decoded = build_batch(values, schema)
    >>> decoded.batch.columns["x"].tolist(), [r.detail for r in decoded.rejections]
    ([1.5], ["field 'x': the number -2.0 is below min 0"])
    """
    problems: dict[int, Problem] = {}
    columns: dict[str, Column] = {}
    for field, values in zip(schema.fields, gathered.fields, strict=True):
        columns[field.name] = check_column(field, values, problems=problems)
    roles = schema.roles
    ids = _mapped(gathered.ids, problems, lambda value: event_id(value, path=roles.id or ""))
    times = _mapped(gathered.times, problems, lambda value: event_time_ms(value, path=roles.time or ""))
    labels = _mapped(gathered.labels, problems, plain)
    passthrough = {name: _mapped(values, problems, plain) or [] for name, values in gathered.passthrough.items()}
    batch = FeatureBatch(
        schema=schema,
        rows=np.asarray(gathered.rows, dtype=np.int64),
        columns=columns,
        ids=ids,
        times=None if times is None else np.array([0 if isinstance(t, Problem) else t for t in times], dtype=np.int64),
        labels=labels,
        passthrough=passthrough or None,
    )
    if not problems:
        return Decoded(batch, ())
    kept = np.array([i for i in range(len(batch)) if i not in problems], dtype=np.int64)
    rejections = [problems[i].at(int(gathered.rows[i])) for i in sorted(problems)]
    return Decoded(batch.take(kept), rejections)


def _mapped(values: Sequence[Any] | None, problems: Problems, convert: Any) -> list[Any] | None:
    if values is None:
        return None
    result = [convert(value) for value in values]
    for position, value in enumerate(result):
        if isinstance(value, Problem):
            problems.setdefault(position, value)
    return result


def check_column(field: Field, values: Sequence[Any], *, problems: Problems) -> Column:
    """Return the column of a field; what is wrong goes into ``problems`` by position.

    The column has as many items as there are values; where there is a problem the item means nothing.
    """
    if field.length is None:
        return _scalars(field, values, problems=problems, where=f"field {field.name!r}")
    return _sequences(field, values, length=field.length, problems=problems)


def _scalars(field: Field, values: Sequence[Any], *, problems: Problems, where: str) -> Column:
    kinds = set(map(type, values))
    if not kinds <= _ORDINARY[field.type]:
        return _column_of_settled(field, values, problems=problems, where=where)
    try:
        if field.type in _FLOATING:
            return _floats(field, values, mixed=int in kinds, problems=problems, where=where)
        return _others(field, values, nullable=NoneType in kinds, problems=problems, where=where)
    except OverflowError:  # an integer beyond its type somewhere in the column
        return _column_of_settled(field, values, problems=problems, where=where)


def _column_of_settled(field: Field, values: Sequence[Any], *, problems: Problems, where: str) -> Column:
    """Go through the column value by value; what comes out is ordinary."""
    settled: list[Any] = []
    for position, value in enumerate(values):
        result = settle(field.type, value, where=where)
        if isinstance(result, Problem):
            problems.setdefault(position, result)
            result = _BLANK[field.type]
        settled.append(result)
    if field.type in _FLOATING:
        return _floats(field, settled, mixed=False, problems=problems, where=where)
    return _others(field, settled, nullable=True, problems=problems, where=where)


def _floats(field: Field, values: Sequence[Any], *, mixed: bool, problems: Problems, where: str) -> Column:
    column = np.array(values, dtype=np.float64)  # None becomes NaN: both are nulls
    if mixed and bool((np.abs(column) >= MAX_EXACT).any()):
        return _column_of_settled(field, values, problems=problems, where=where)
    nulls = np.isnan(column)
    if nulls.any():
        _treat_nulls(field, column, positions=np.flatnonzero(nulls), problems=problems, where=where)
    for position in np.flatnonzero(np.isinf(column)):
        problems.setdefault(int(position), not_finite(float(column[position]), where))
    _check_range(field, column, problems=problems, where=where)
    if field.type is FieldType.DOUBLE:
        return column
    with np.errstate(over="ignore"):
        narrow = column.astype(np.float32)
    for position in np.flatnonzero(np.isinf(narrow)):
        value = describe(float(column[position]))
        problems.setdefault(int(position), Problem(Reason.OUT_OF_RANGE, f"{where}: {value} does not fit float"))
    return narrow


def _others(field: Field, values: Sequence[Any], *, nullable: bool, problems: Problems, where: str) -> Column:
    dtype = field.type.dtype
    positions = [i for i, value in enumerate(values) if value is None] if nullable else []
    if positions and dtype is not np.object_:
        values = [_BLANK[field.type] if value is None else value for value in values]
    column: Column = np.empty(len(values), dtype=dtype)
    column[:] = values
    if positions:
        _treat_nulls(field, column, positions=np.array(positions), problems=problems, where=where)
    _check_range(field, column, problems=problems, where=where)
    return column


def _treat_nulls(
    field: Field, column: Column, *, positions: npt.NDArray[np.intp], problems: Problems, where: str
) -> None:
    if field.null is NullPolicy.DEFAULT:
        column[positions] = field.default
    elif field.null is NullPolicy.REJECT:
        missing = Problem(Reason.MISSING, f"{where} ({field.source}): it is null or absent")
        for position in positions:
            problems.setdefault(int(position), missing)


def _check_range(field: Field, column: Column, *, problems: Problems, where: str) -> None:
    for bound, outside, words in (
        (field.minimum, np.less, "below min"),
        (field.maximum, np.greater, "above max"),
    ):
        if bound is None:
            continue
        for position in np.flatnonzero(outside(column, bound)):
            detail = f"{where}: {describe(column[position].item())} is {words} {bound}"
            problems.setdefault(int(position), Problem(Reason.OUT_OF_RANGE, detail))


def _sequences(field: Field, values: Sequence[Any], *, length: int, problems: Problems) -> Column:
    """Check the sequences' shape, then all their items as one long column."""
    where = f"field {field.name!r}"
    blank = [_BLANK[field.type]] * length
    rows: list[Sequence[Any]] = []
    for position, value in enumerate(values):
        problem = _sequence_problem(field, value, length=length, where=where)
        if problem is not None:
            problems.setdefault(position, problem)
        absent = [None] * length if value is None and problem is None else blank
        rows.append(value if isinstance(value, list | tuple) and problem is None else absent)
    item_problems: dict[int, Problem] = {}
    flat = _scalars(field, list(chain.from_iterable(rows)), problems=item_problems, where=f"{where}, an item")
    for position in sorted(item_problems):
        problems.setdefault(position // length, item_problems[position])
    return flat.reshape(len(rows), length)


def _sequence_problem(field: Field, value: Any, *, length: int, where: str) -> Problem | None:
    if value is None and field.null is NullPolicy.REJECT:
        return Problem(Reason.MISSING, f"{where} ({field.source}): it is null or absent")
    return None if value is None else shape_problem(field.type, value, length=length, where=where)
