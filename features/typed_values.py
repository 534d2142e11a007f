"""A column of plain values that is already an array: what a columnar reader gives in the place of a list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from features.schema import FieldType
from features.values import INT_BOUNDS, MAX_EXACT, ZonelessMillis

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Positions = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class TypedValues:
    """Values of one type, not yet checked; says the same as ``tolist`` says value by value.

    Attributes:
        values: Of type float64, int64 or bool. Shape (n,), or (n, length) for sequences of one length.
        nulls: Which of the n values are null; what stands in their place means nothing. None: no value is.
            An item of a sequence can only be null as NaN.
        is_zoneless: The integers are milliseconds on a clock whose zone is unknown.
    """

    values: Array
    nulls: Mask | None = None
    is_zoneless: bool = False

    def __len__(self) -> int:
        """Return the number of values."""
        return len(self.values)

    def take(self, positions: Positions) -> TypedValues:
        """Return the values at these positions."""
        return TypedValues(
            self.values[positions],
            None if self.nulls is None else self.nulls[positions],
            self.is_zoneless,
        )

    def tolist(self) -> list[Any]:
        """Return the values as Python's own, null being None.

        >>> TypedValues(np.array([1, 2]), np.array([False, True])).tolist()
        [1, None]
        """
        plain: list[Any] = self.values.tolist()
        if self.is_zoneless:
            plain = [ZonelessMillis(value) for value in plain]
        if self.nulls is not None:
            for row in np.flatnonzero(self.nulls).tolist():
                plain[row] = None
        return plain


def nothing(records: int) -> TypedValues:
    """Return nulls.

    >>> nothing(2).tolist()
    [None, None]
    """
    return TypedValues(np.full(records, np.nan), np.ones(records, dtype=np.bool_))


def concatenated(parts: Sequence[TypedValues]) -> TypedValues | None:
    """Return all values of at least one part as one, or None where they are not of one type.

    >>> concatenated([TypedValues(np.array([1])), nothing(1)]).tolist()
    [1, None]
    """
    is_telling = [part.nulls is None or not part.nulls.all() for part in parts]
    telling = [part for part, tells in zip(parts, is_telling, strict=True) if tells] or parts[:1]
    shapes = {(part.values.dtype, part.values.shape[1:], part.is_zoneless) for part in telling}
    if len(shapes) > 1:
        return None
    ((dtype, rest, is_zoneless),) = shapes
    values = [
        part.values if tells else np.zeros((len(part), *rest), dtype)
        for part, tells in zip(parts, is_telling, strict=True)
    ]
    nulls = [np.zeros(len(part), dtype=np.bool_) if part.nulls is None else part.nulls for part in parts]
    some_null = any(part.nulls is not None for part in parts)
    return TypedValues(np.concatenate(values), np.concatenate(nulls) if some_null else None, is_zoneless)


def fitting_array(kind: FieldType, given: TypedValues) -> TypedValues | None:
    """Return the values in the type of a column, doubles for floats, where each of them fits without a word.

    None where one may not fit, or needs a second look: the rules for single values (``features.values``) decide
    then. A NaN among doubles is a null, whether it is in the mask or not.

    >>> fitting_array(FieldType.DOUBLE, TypedValues(np.array([1, 2]))).values.tolist()
    [1.0, 2.0]
    >>> fitting_array(FieldType.INT, TypedValues(np.array([1, 2**40]))) is None
    True
    """
    values, nulls = given.values, given.nulls
    if kind is FieldType.BOOLEAN:
        return _filled(values, nulls, False) if values.dtype == np.bool_ else None
    if values.dtype == np.bool_ or kind is FieldType.STRING:
        return None
    if kind in (FieldType.DOUBLE, FieldType.FLOAT):
        if values.dtype == np.int64:
            values = _filled(values, nulls, 0).values
            if ((values >= MAX_EXACT) | (values <= -MAX_EXACT)).any():
                return None
            values = values.astype(np.float64)
        return TypedValues(_filled(values, nulls, np.nan).values)
    return _whole_numbers(kind, values, nulls)


def _whole_numbers(kind: FieldType, values: Array, nulls: Mask | None) -> TypedValues | None:
    if values.dtype == np.float64:
        missing = np.isnan(values) if nulls is None else nulls | np.isnan(values)
        nulls = missing if missing.any() else None
        filled = _filled(values, nulls, 0.0).values
        if not ((np.abs(filled) <= MAX_EXACT) & (filled == np.floor(filled))).all():
            return None
        values = filled.astype(np.int64)
    filled = _filled(values, nulls, 0).values
    if kind is FieldType.INT:
        if ((filled < INT_BOUNDS[0]) | (filled > INT_BOUNDS[1])).any():
            return None
        filled = filled.astype(np.int32)
    return TypedValues(filled, nulls)


def _filled(values: Array, nulls: Mask | None, blank: float) -> TypedValues:
    """Return the values with this in the place of each null."""
    if nulls is None or not nulls.any():
        return TypedValues(values)
    return TypedValues(np.where(nulls, np.asarray(blank, dtype=values.dtype), values), nulls)
