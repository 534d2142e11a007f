"""From plain values to checked columns: the one code path of stream, training, and tests.

The common case is settled by whole-column operations. Only a column that holds a type out of the
ordinary, or a number at the edge, is looked at value by value (``features.values``), and only a value
that fails costs a message.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from itertools import chain
from types import NoneType
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from features.batch import Column, Decoded, FeatureBatch
from features.identity import event_ids, event_times_ms, plain_values
from features.paths import Gathered, Values
from features.rejection import Problem, Reason
from features.schema import FeatureSchema, Field, FieldType, NullPolicy
from features.typed_values import Mask, TypedValues, fitting_array
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
    ids = None if gathered.ids is None else event_ids(gathered.ids, path=roles.id or "")
    times = None if gathered.times is None else event_times_ms(gathered.times, path=roles.time or "")
    labels = None if gathered.labels is None else plain_values(gathered.labels)
    passthrough = {name: plain_values(values) for name, values in gathered.passthrough.items()}
    for role in (ids, times, labels, *passthrough.values()):
        _note(role, problems)
    batch = FeatureBatch(
        schema=schema,
        rows=np.asarray(gathered.rows, dtype=np.int64),
        columns=columns,
        ids=cast("list[str] | None", ids),  # but for the rows that have a problem, and those go
        times=None if times is None else _instants(times),
        labels=labels,
        passthrough=passthrough or None,
    )
    if not problems:
        return Decoded(batch, ())
    kept = np.array([i for i in range(len(batch)) if i not in problems], dtype=np.int64)
    rejections = [problems[i].at(int(gathered.rows[i])) for i in sorted(problems)]
    return Decoded(batch.take(kept), rejections)


def _note(values: Sequence[Any] | npt.NDArray[np.int64] | None, problems: Problems) -> None:
    if values is None or isinstance(values, np.ndarray) or Problem not in set(map(type, values)):
        return
    for position, value in enumerate(values):
        if isinstance(value, Problem):
            problems.setdefault(position, value)


def _instants(times: npt.NDArray[np.int64] | Sequence[int | Problem]) -> npt.NDArray[np.int64]:
    if isinstance(times, np.ndarray):
        return times
    return np.array([0 if isinstance(time, Problem) else time for time in times], dtype=np.int64)


def check_column(field: Field, values: Values, *, problems: Problems) -> Column:
    """Return the column of a field; what is wrong goes into ``problems`` by position.

    The column has as many items as there are values; where there is a problem the item means nothing.
    """
    where = f"field {field.name!r}"
    if field.length is None:
        return _scalars(field, values, problems=problems, where=where)
    if isinstance(values, TypedValues):
        if values.values.shape[1:] == (field.length,):
            return _arrays(field, values, problems=problems, where=where)
        values = values.tolist()
    return _sequences(field, values, length=field.length, problems=problems)


def _scalars(field: Field, values: Values, *, problems: Problems, where: str) -> Column:
    if isinstance(values, TypedValues):
        column = fitting_array(field.type, values)
        if column is not None:
            return _checked(field, column.values, column.nulls, problems=problems, where=where)
        values = values.tolist()
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
    return _checked(field, column, None, problems=problems, where=where)


def _others(field: Field, values: Sequence[Any], *, nullable: bool, problems: Problems, where: str) -> Column:
    dtype = field.type.dtype
    nulls = np.array([value is None for value in values], dtype=np.bool_) if nullable else None
    if nullable and dtype is not np.object_:
        values = [_BLANK[field.type] if value is None else value for value in values]
    column: Column = np.empty(len(values), dtype=dtype)
    column[:] = values
    return _checked(field, column, nulls, problems=problems, where=where)


def _checked(field: Field, column: Column, nulls: Mask | None, *, problems: Problems, where: str) -> Column:
    """Apply null policy, finiteness and range to a column of the field's type, doubles standing for floats."""
    if field.type in _FLOATING:
        finite = np.isfinite(column)
        if not finite.all():
            nulls = np.isnan(column)
            for position in np.flatnonzero(~finite & ~nulls):
                problems.setdefault(int(position), not_finite(float(column[position]), where))
    if nulls is not None and nulls.any():
        column = column.copy()  # two fields may read one path
        _treat_nulls(field, column, positions=np.flatnonzero(nulls), problems=problems, where=where)
    _check_range(field, column, problems=problems, where=where)
    return column if field.type is not FieldType.FLOAT else _narrowed(column, problems=problems, where=where)


def _narrowed(column: Column, *, problems: Problems, where: str) -> Column:
    with np.errstate(over="ignore", invalid="ignore"):  # too large is seen below, a signalling NaN is a NaN
        narrow = column.astype(np.float32)
    for position in np.flatnonzero(np.isinf(narrow)):
        value = describe(float(column[position]))
        problems.setdefault(int(position), Problem(Reason.OUT_OF_RANGE, f"{where}: {value} does not fit float"))
    return narrow


def _treat_nulls(
    field: Field, column: Column, *, positions: npt.NDArray[np.intp], problems: Problems, where: str
) -> None:
    if field.null is NullPolicy.DEFAULT:
        column[positions] = field.default
    elif field.null is NullPolicy.REJECT:
        missing = _missing(field, where)
        for position in positions:
            problems.setdefault(int(position), missing)


def _missing(field: Field, where: str) -> Problem:
    return Problem(Reason.MISSING, f"{where} ({field.source}): it is null or absent")


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


def _arrays(field: Field, values: TypedValues, *, problems: Problems, where: str) -> Column:
    """Check sequences that are known to have the field's length, all their items as one long column."""
    records, length = values.values.shape
    nulls = values.nulls
    if nulls is not None and field.null is NullPolicy.REJECT:
        for position in np.flatnonzero(nulls).tolist():
            problems.setdefault(position, _missing(field, where))
        nulls = None
    items = TypedValues(values.values.reshape(-1), None if nulls is None else np.repeat(nulls, length))
    item_problems: dict[int, Problem] = {}
    flat = _scalars(field, items, problems=item_problems, where=f"{where}, an item")
    for position in sorted(item_problems):
        problems.setdefault(position // length, item_problems[position])
    return flat.reshape(records, length)


def _sequences(field: Field, values: Sequence[Any], *, length: int, problems: Problems) -> Column:
    """Check the sequences' shape, then all their items as one long column.

    What is no such sequence takes no room: a few bytes that are none must not cost what a long one does.
    """
    where = f"field {field.name!r}"
    sound: list[int] = []
    for position, value in enumerate(values):
        problem = _sequence_problem(field, value, length=length, where=where)
        if problem is None:
            sound.append(position)
        else:
            problems.setdefault(position, problem)
    absent = [None] * length
    items = list(chain.from_iterable(absent if values[position] is None else values[position] for position in sound))
    item_problems: dict[int, Problem] = {}
    flat = _scalars(field, items, problems=item_problems, where=f"{where}, an item")
    for position in sorted(item_problems):
        problems.setdefault(sound[position // length], item_problems[position])
    rows = flat.reshape(len(sound), length)
    if len(sound) == len(values):
        return rows
    column = np.zeros((len(values), length), dtype=rows.dtype)  # memory that nobody writes to is not taken
    column[sound] = rows
    return column


def _sequence_problem(field: Field, value: Any, *, length: int, where: str) -> Problem | None:
    if value is None and field.null is NullPolicy.REJECT:
        return _missing(field, where)
    return None if value is None else shape_problem(field.type, value, length=length, where=where)
