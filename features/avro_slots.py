"""Where the steps of a plan put what they read: one slot for each path that is wanted."""

from __future__ import annotations

from typing import Any

import numpy as np

from features.paths import Values
from features.typed_values import Array, Mask, Positions, TypedValues, nothing


class Slots:
    """The values read from n records, by slot; where nothing is put, the value is null.

    The values of one slot are either numbers or objects in all records. ``rows`` are the records that values
    are for, None standing for all of them.
    """

    def __init__(self, records: int) -> None:
        self._records = records
        self._numbers: dict[int, tuple[Array, Mask | None, bool]] = {}
        self._objects: dict[int, list[Any]] = {}

    def put_numbers(self, slot: int, rows: Positions | None, values: Array, *, zoneless: bool = False) -> None:
        """Put float64, int64 or bool values; the array is kept."""
        if rows is None:
            self._numbers[slot] = (values, None, zoneless)
            return
        if slot not in self._numbers:
            blank = np.zeros((self._records, *values.shape[1:]), dtype=values.dtype)
            self._numbers[slot] = (blank, np.ones(self._records, dtype=np.bool_), zoneless)
        held, nulls, _ = self._numbers[slot]
        held[rows] = values
        if nulls is not None:
            nulls[rows] = False

    def put_objects(self, slot: int, rows: Positions | None, values: list[Any]) -> None:
        """Put text, bytes or anything else; the list is kept."""
        if rows is None:
            self._objects[slot] = values
            return
        held = self._objects.setdefault(slot, [None] * self._records)
        for row, value in zip(rows.tolist(), values, strict=True):
            held[row] = value

    def take(self, slot: int, positions: Positions | None) -> Values:
        """Return what is in a slot for these records, or for all of them."""
        if slot in self._numbers:
            values, nulls, zoneless = self._numbers[slot]
            typed = TypedValues(values, nulls, is_zoneless=zoneless)
            return typed if positions is None else typed.take(positions)
        if slot not in self._objects:
            return nothing(self._records if positions is None else len(positions))
        held = self._objects[slot]
        return held if positions is None else [held[row] for row in positions.tolist()]

    def stacked(self, length: int, rows: Positions | None) -> Array:
        """Return slots 0 to ``length`` - 1 of these records as one array, shape (n, length); null is NaN.

        A single slot that holds sequences already is returned as it is.
        """
        if 0 in self._numbers and self._numbers[0][0].ndim == 2:
            values = self._numbers[0][0]
            return values if rows is None else values[rows]
        columns = []
        for slot in range(length):
            values, nulls, _ = self._numbers.get(slot, (nothing(self._records).values, None, False))
            filled = values if nulls is None or values.dtype != np.float64 else np.where(nulls, np.nan, values)
            columns.append(filled if rows is None else filled[rows])
        return np.stack(columns, axis=1)
