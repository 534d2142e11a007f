"""JSON events to columns: one object per record, UTF-8, as RFC 8259 has it and no laxer.

``NaN`` and ``Infinity``, a byte-order mark, bytes that are not UTF-8, lone surrogates, a key that stands
twice in one object, and anything after the object are refused.

A record is read by a compiled decoder; one that this refuses for a number beyond every type is read again
slowly, because such a number matters only where the schema looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from features.batch import Decoded
from features.codec import HeadersOf
from features.columns import build_batch
from features.duplicate_keys import DuplicateKey, count_keys, keys_in_text, parse_unique
from features.intake import DEFAULT_MAX_VALUE_BYTES, in_row_order, merged, sized_problem, slices
from features.json_shapes import Shapes
from features.paths import Gathered, gather
from features.rejection import Problem, Reason, Rejection
from features.schema import FeatureSchema
from features.values import describe


class JsonCodec:
    """Implements ``FeatureCodec`` for JSON values."""

    def __init__(self, *, max_value_bytes: int = DEFAULT_MAX_VALUE_BYTES) -> None:
        self._max_value_bytes = max_value_bytes
        self._read_any = msgspec.json.Decoder(dict[str, Any]).decode
        self._shapes: Shapes | None = None

    def decode(
        self,
        values: Sequence[bytes | None],
        schema: FeatureSchema,
        *,
        headers: HeadersOf | None = None,  # noqa: ARG002 - JSON says by itself what it is
    ) -> Decoded:
        """Return the columns of the readable values and a rejection for each of the others."""
        if self._shapes is None or self._shapes.schema is not schema:
            self._shapes = Shapes(schema)
        readable, rejections = self._sized(values)
        gathered: list[Gathered] = []
        for part in slices(readable):
            with self._shapes.batch() as shapes:
                gathered += self._read(readable[part], shapes, first=part.start, rejections=rejections)
        return merged(in_row_order([build_batch(part, schema) for part in gathered]), rejections)

    def _read(
        self, values: Sequence[bytes], shapes: Shapes, *, first: int, rejections: list[Rejection]
    ) -> list[Gathered]:
        """Give each value to the reader of its shape; return what was gathered, in at least one part."""
        by_keys = shapes.by_keys
        others: dict[int, dict[str, Any]] = {}
        for row, (value, keys) in enumerate(zip(values, keys_in_text(values), strict=True), start=first):
            shape = by_keys.get(keys)
            if shape is not None:
                try:
                    shape.events.append(shape.read(value))
                except Exception:  # not of this shape; whatever it is, the next reader says so
                    shape.misses += 1
                else:
                    shape.rows.append(row)
                    continue
            if value:
                event = self._event(value, keys=keys, shapes=shapes)
                if isinstance(event, Problem):
                    rejections.append(event.at(row))
                else:
                    others[row] = event
        gathered = shapes.gather()
        if others or not gathered:
            gathered.append(gather(list(others.values()), shapes.schema, rows=list(others)))
        return gathered

    def _event(self, value: bytes, *, keys: int, shapes: Shapes) -> dict[str, Any] | Problem:
        """Read a value whatever its shape, and remember the shape."""
        try:
            event = self._read_any(value)
            if count_keys(event) != keys:
                return read_slowly(value)
        except Exception as error:  # whatever it is, it is this record's alone
            return _read_again(value, error=error)
        shapes.learn(event, keys)
        return event

    def _sized(self, values: Sequence[bytes | None]) -> tuple[list[bytes], list[Rejection]]:
        """Return the values to look into, no bytes in the place of the others, and why those are none."""
        readable: list[bytes] = []
        rejections: list[Rejection] = []
        for row, value in enumerate(values):
            if value is None or not 0 < len(value) <= self._max_value_bytes:
                rejections.append(sized_problem(value, max_bytes=self._max_value_bytes).at(row))
                readable.append(b"")
            else:
                readable.append(value)
        return readable, rejections


def _read_again(value: bytes, *, error: Exception) -> dict[str, Any] | Problem:
    """Return what the slow reader makes of a value where it knows better than the fast one."""
    if isinstance(error, msgspec.ValidationError):
        return read_slowly(value)
    if isinstance(error, RecursionError):
        return Problem(Reason.UNDECODABLE, "not JSON that can be read: nested too deeply")
    if isinstance(error, UnicodeDecodeError):
        return Problem(Reason.UNDECODABLE, f"not UTF-8: {error.reason}")
    return Problem(Reason.UNDECODABLE, f"not JSON: {error}")


def read_slowly(value: bytes) -> dict[str, Any] | Problem:
    """Return the event, or why it is none; the careful path, which all oddities end in.

    >>> read_slowly(b'{"a": 1, "a": 2}').detail
    "the key 'a' stands twice in one object"
    >>> read_slowly(b'{"a": 1e999}')
    {'a': inf}
    """
    try:
        event = parse_unique(value.decode())
    except DuplicateKey as error:
        return Problem(Reason.UNDECODABLE, str(error))
    except UnicodeDecodeError as error:
        return Problem(Reason.UNDECODABLE, f"not UTF-8: {error.reason}")
    except RecursionError:
        return Problem(Reason.UNDECODABLE, "not JSON that can be read: nested too deeply")
    except ValueError as error:
        return Problem(Reason.UNDECODABLE, f"not JSON: {error}")
    if not isinstance(event, dict):
        return Problem(Reason.WRONG_TYPE, f"the event: expected an object, got {describe(event)}")
    return event
