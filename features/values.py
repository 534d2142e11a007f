"""One plain value against one declared type: the strict rules, in the one place where they stand.

Both codecs and the table reader end here, so that training and the stream cannot differ.

- Nothing is coerced: ``"12"`` is not 12, ``true`` is not 1.
- An integer stands for a double while a double can hold it exactly (2^53). A float with no fraction
  stands for an integer, as in JSON Schema: many writers print 12 as ``12.0``.
- NaN is a null. An infinity is nothing.
- An instant given to a number is its epoch milliseconds; a decimal given to a double is rounded once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, TypeAlias
from uuid import UUID

import numpy as np

from features.rejection import Problem, Reason
from features.schema import FieldType

MAX_EXACT = 2**53  # beyond it neighbouring integers share one double
INT_BOUNDS = (-(2**31), 2**31 - 1)
LONG_BOUNDS = (-(2**63), 2**63 - 1)
MAX_QUOTED_CHARS = 60  # enough to recognise a value, too little to copy a record into a header
MAX_PRINTED_BITS = 1_024  # printing an integer costs the square of its length

Settled: TypeAlias = float | int | bool | str | Problem | None


class ZonelessMillis(int):
    """Milliseconds on a clock whose zone is unknown: a number to a feature, useless as event time."""

    __slots__ = ()


def describe(value: object) -> str:  # noqa: PLR0911 - one line per kind of value
    """Return a few words for a value in an error line, never long and never failing.

    >>> describe("12"), describe(None), describe([1, 2])
    ("the text '12'", 'null', 'a list of 2 items')
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        bits = int(value).bit_length()
        return f"the number {int(value)}" if bits <= MAX_PRINTED_BITS else f"an integer of {bits} bits"
    if isinstance(value, float | Decimal):
        return f"the number {value}"
    if isinstance(value, str):
        cut = value if len(value) <= MAX_QUOTED_CHARS else value[:MAX_QUOTED_CHARS] + "…"
        return f"the text {cut!a}" if any(0xD800 <= ord(c) <= 0xDFFF for c in cut) else f"the text {cut!r}"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)} items"
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{len(value)} raw bytes"
    return f"a value of type {type(value).__name__}"


def instant_ms(value: datetime) -> int:
    """Return the epoch milliseconds of an instant, rounded down; one without zone is read as UTC.

    >>> instant_ms(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
    1000
    """
    aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    delta = aware - _EPOCH
    return delta.days * 86_400_000 + delta.seconds * 1_000 + delta.microseconds // 1_000


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def settle(kind: FieldType, value: Any, *, where: str) -> Settled:
    """Return the value as its declared type wants it, None for a null, or the problem with it.

    ``where`` begins the problem's line. Null policies and ranges are not looked at.

    >>> settle(FieldType.LONG, 12.0, where="field 'n'")
    12
    >>> settle(FieldType.DOUBLE, float("nan"), where="field 'x'") is None
    True
    >>> settle(FieldType.DOUBLE, "12", where="field 'x'").detail
    "field 'x': expected double, got the text '12'"
    """
    if value is None or isinstance(value, Problem):
        return value
    plain = _as_number(value)
    if isinstance(plain, float) and math.isnan(plain) and kind in _NUMBERS:
        return None
    return _SETTLERS[kind](kind, plain, where)


def _as_number(value: Any) -> Any:
    """Turn the richer types of Avro and Parquet into the plain ones they stand for."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):  # a pandas Timestamp is one too
        return instant_ms(value)
    if isinstance(value, date):
        return (value.toordinal() - _EPOCH.toordinal()) * 86_400_000
    if isinstance(value, ZonelessMillis):
        return int(value)
    return str(value) if isinstance(value, UUID) else value


def _wrong_type(kind: FieldType, value: object, where: str) -> Problem:
    return Problem(Reason.WRONG_TYPE, f"{where}: expected {kind}, got {describe(value)}")


def _out_of_range(kind: FieldType, value: object, where: str) -> Problem:
    return Problem(Reason.OUT_OF_RANGE, f"{where}: {describe(value)} does not fit {kind}")


def not_finite(value: object, where: str) -> Problem:
    """Return the problem of an infinity."""
    return Problem(Reason.NOT_FINITE, f"{where}: {describe(value)} is not finite")


def shape_problem(kind: FieldType, value: Any, *, length: int, where: str) -> Problem | None:
    """Return why a value is not a sequence of this many items, or None; the items are not looked at.

    >>> shape_problem(FieldType.DOUBLE, [1, 2], length=3, where="field 'v'").detail
    "field 'v': expected 3 items, got 2"
    """
    if isinstance(value, Problem):
        return value
    if not isinstance(value, list | tuple):
        expected = f"a list of {length} items of type {kind}"
        return Problem(Reason.WRONG_TYPE, f"{where}: expected {expected}, got {describe(value)}")
    if len(value) != length:
        return Problem(Reason.WRONG_LENGTH, f"{where}: expected {length} items, got {len(value)}")
    return None


def _settle_float(kind: FieldType, value: Any, where: str) -> Settled:
    if type(value) is int:
        if abs(value) > MAX_EXACT:
            return _out_of_range(kind, value, where)
        value = float(value)
    if type(value) is not float:
        return _wrong_type(kind, value, where)
    if math.isinf(value):
        return not_finite(value, where)
    if kind is FieldType.FLOAT and math.isinf(_to_float32(value)):
        return _out_of_range(kind, value, where)
    return value


def _to_float32(value: float) -> float:
    with np.errstate(over="ignore"):
        return float(np.float32(value))


def _settle_integer(kind: FieldType, value: Any, where: str) -> Settled:
    if type(value) is float:
        if math.isinf(value):
            return not_finite(value, where)
        if not value.is_integer():
            return _wrong_type(kind, value, where)
        if abs(value) > MAX_EXACT:
            return _out_of_range(kind, value, where)
        value = int(value)
    if type(value) is not int:
        return _wrong_type(kind, value, where)
    low, high = INT_BOUNDS if kind is FieldType.INT else LONG_BOUNDS
    return value if low <= value <= high else _out_of_range(kind, value, where)


def _settle_boolean(kind: FieldType, value: Any, where: str) -> Settled:
    return value if type(value) is bool else _wrong_type(kind, value, where)


def _settle_string(kind: FieldType, value: Any, where: str) -> Settled:
    return value if type(value) is str else _wrong_type(kind, value, where)


_NUMBERS = frozenset({FieldType.DOUBLE, FieldType.FLOAT, FieldType.INT, FieldType.LONG})
_SETTLERS: Mapping[FieldType, Callable[[FieldType, Any, str], Settled]] = {
    FieldType.DOUBLE: _settle_float,
    FieldType.FLOAT: _settle_float,
    FieldType.INT: _settle_integer,
    FieldType.LONG: _settle_integer,
    FieldType.BOOLEAN: _settle_boolean,
    FieldType.STRING: _settle_string,
}
