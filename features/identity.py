"""The roles beside the features: an event's id as text, its time as epoch milliseconds, and plain values."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from types import NoneType
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt

from features.paths import Values, listed
from features.rejection import Problem, Reason
from features.typed_values import TypedValues
from features.values import LONG_BOUNDS, ZonelessMillis, describe, instant_ms

MAX_NESTING = 32  # of a value passed on; whoever writes it again recurses into it
_AS_IT_IS = (str, float, bool)
_SETTLED = frozenset({*_AS_IT_IS, NoneType})


def event_ids(values: Values, *, path: str) -> list[str | Problem]:
    """Return the id of each event, as ``event_id`` gives it."""
    given = listed(values)
    if set(map(type, given)) == {str} and all(given):
        return list(given)
    return [event_id(value, path=path) for value in given]


def event_times_ms(values: Values, *, path: str) -> npt.NDArray[np.int64] | list[int | Problem]:
    """Return the time of each event, as ``event_time_ms`` gives it."""
    if not isinstance(values, TypedValues):
        return [event_time_ms(value, path=path) for value in values]
    if values.values.dtype == np.int64 and values.nulls is None and not values.is_zoneless:
        times: npt.NDArray[np.int64] = values.values
        return times
    return event_times_ms(values.tolist(), path=path)


def plain_values(values: Values) -> list[Any]:
    """Return each value as ``plain`` gives it."""
    given = listed(values)
    return list(given) if set(map(type, given)) <= _SETTLED else [plain(value) for value in given]


def event_id(value: Any, *, path: str) -> str | Problem:
    """Return an event's id as text; a number or a UUID is written out, nothing else is an id.

    >>> event_id(42, path="id"), event_id("a-1", path="id")
    ('42', 'a-1')
    >>> event_id(None, path="txn.id").detail
    'id (txn.id): it is null or absent'
    """
    if type(value) is str and value:
        return value
    if value is None or value == "":
        return Problem(Reason.MISSING, f"id ({path}): it is {'empty' if value == '' else 'null or absent'}")
    if isinstance(value, Problem):
        return value
    if type(value) is int or isinstance(value, UUID):
        return str(value)
    return Problem(Reason.WRONG_TYPE, f"id ({path}): expected text or an integer, got {describe(value)}")


def event_time_ms(value: Any, *, path: str) -> int | Problem:  # noqa: PLR0911 - one line per kind of value
    """Return an event's time in epoch milliseconds, rounded down.

    An integer is epoch milliseconds already: its magnitude is never guessed at, so that the year of an
    event cannot depend on how large a number looks. Text is ISO 8601 and needs its zone.

    >>> event_time_ms("1970-01-01T00:00:01Z", path="t"), event_time_ms(1000, path="t")
    (1000, 1000)
    >>> event_time_ms("1970-01-01T00:00:01", path="t").reason
    <Reason.WRONG_TYPE: 'wrong_type'>
    """
    if type(value) is int:
        return _within_long(value, path)
    if isinstance(value, Problem):
        return value
    if value is None or (isinstance(value, float) and value != value):  # noqa: PLR0124 - NaN counts as null
        return Problem(Reason.MISSING, f"time ({path}): it is null or absent")
    if isinstance(value, float) and value.is_integer():
        return _within_long(int(value), path)
    if isinstance(value, ZonelessMillis):
        return Problem(Reason.WRONG_TYPE, f"time ({path}): a local timestamp has no zone; send an instant")
    if isinstance(value, str):
        return _parsed_ms(value, path)
    if isinstance(value, datetime):
        return _zoned_ms(value, path)
    return Problem(
        Reason.WRONG_TYPE, f"time ({path}): expected epoch milliseconds or ISO 8601 with zone, got {describe(value)}"
    )


def _within_long(value: int, path: str) -> int | Problem:
    if LONG_BOUNDS[0] <= value <= LONG_BOUNDS[1]:
        return value
    return Problem(Reason.OUT_OF_RANGE, f"time ({path}): {describe(value)} does not fit long")


def _parsed_ms(text: str, path: str) -> int | Problem:
    try:
        return _zoned_ms(datetime.fromisoformat(text), path)
    except ValueError:
        return Problem(Reason.WRONG_TYPE, f"time ({path}): expected ISO 8601 with zone, got {describe(text)}")


def _zoned_ms(instant: datetime, path: str) -> int | Problem:
    if instant.tzinfo is None:
        return Problem(Reason.WRONG_TYPE, f"time ({path}): {instant.isoformat()} has no zone; add Z or an offset")
    return instant_ms(instant)


def plain(value: Any) -> Any:
    """Return a value as every output format can say it, or a problem where it is nested too deeply.

    Raw bytes become text as in Avro's own JSON, instants epoch milliseconds, and an integer beyond 64
    bits its digits as text.

    >>> plain({"raw": b"ab", "n": [1, None]})
    {'raw': 'ab', 'n': [1, None]}
    """
    try:
        return _plain(value, MAX_NESTING)
    except RecursionError:
        return Problem(Reason.WRONG_TYPE, f"a value to be passed on is nested deeper than {MAX_NESTING}")


def _plain(value: Any, room: int) -> Any:  # noqa: PLR0911 - one line per kind of value
    if value is None or type(value) in _AS_IT_IS or isinstance(value, Problem):
        return value
    if isinstance(value, dict | list | tuple):
        if room == 0:
            raise RecursionError
        if isinstance(value, dict):
            return {str(key): _plain(item, room - 1) for key, item in value.items()}
        return [_plain(item, room - 1) for item in value]
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        return instant_ms(value)
    if isinstance(value, int) and LONG_BOUNDS[0] <= value <= LONG_BOUNDS[1]:
        return int(value)
    return str(value)
