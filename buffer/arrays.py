"""Arrow arrays from NumPy columns and lists: no copy where the memory is alike, no Python loop where it is not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from buffer.layout import TIME, arrow_type
from features.batch import Column
from features.schema import Field, FieldType
from features.values import instant_ms

FIRST_MS: Final = instant_ms(datetime.min.replace(tzinfo=UTC))
LAST_MS: Final = instant_ms(datetime.max.replace(tzinfo=UTC))


def instants(times_ms: npt.NDArray[np.int64], *, absent: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    """Return epoch milliseconds as instants, null where ``absent``; none is before the year 1 or after 9999.

    What lies beyond is no date to most readers of the tables, and in microseconds would not fit 64 bits.
    """
    micros = np.clip(times_ms, FIRST_MS, LAST_MS) * 1_000
    return pa.array(micros, mask=absent).view(TIME)


def days(since_1970: npt.NDArray[np.int64]) -> pa.Array:
    """Return days since 1970 as dates."""
    return pa.array(since_1970.astype(np.int32)).view(pa.date32())


def texts(values: Sequence[str | None]) -> pa.Array:
    """Return texts, None being null."""
    return pa.array(values, pa.string())


def doubled(value: str, count: int) -> pa.Array:
    """Return one text as often as asked for."""
    return pa.repeat(pa.scalar(value), count)


def field_array(field: Field, column: Column) -> pa.Array:
    """Return a feature's column as ``buffer.layout.arrow_type`` has it; NaN stays NaN, None is null."""
    if field.length is not None:
        return _lists(field, column)
    return texts(column.tolist()) if field.type is FieldType.STRING else pa.array(np.ascontiguousarray(column))


def _lists(field: Field, column: npt.NDArray[Any]) -> pa.Array:
    """Return a column of shape (n, length) as n lists over one long array."""
    rows, length = column.shape
    offsets = np.arange(0, rows * length + 1, length, dtype=np.int32)
    items = pa.array(np.ascontiguousarray(column).reshape(-1))
    return pa.ListArray.from_arrays(pa.array(offsets), items, type=arrow_type(field))
