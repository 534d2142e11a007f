"""Cells of text to plain values, by the declared type and by nothing else."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from features.rejection import Problem, Reason
from features.schema import Field, FieldType
from features.values import describe, not_finite

_INTEGER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_BOOLEANS = {"true": True, "false": False}
MAX_CELL_CHARS = 131_072  # the limit of the csv module, so that all formats have one
MAX_NUMBER_CHARS = 400  # no number that fits a type needs more; converting costs the square of the length


def cell_parser(field: Field) -> Callable[[str], Any]:
    """Return the function that reads a field's cells: null for an empty one, a problem for a bad one.

    Numbers are written as in JSON or with a leading ``+`` or ``.``; never with a decimal comma, an
    underscore, or as ``nan``. Booleans are ``true`` and ``false`` in any case. A sequence is a JSON array.

    >>> read = cell_parser(Field("amount", FieldType.DOUBLE, "amount"))
    >>> read("1.5"), read(""), read("1,5").detail
    (1.5, None, "field 'amount': expected double, got the text '1,5'")
    """
    parse = _sequence if field.length is not None else _PARSERS[field.type]

    def read(text: str) -> Any:
        return None if text == "" else parse(text, field)

    return read


def instant_cell(text: str) -> Any:
    """Return the epoch milliseconds in a cell of digits, None for an empty cell, else its text.

    >>> instant_cell("1000"), instant_cell(""), instant_cell("1970-01-01T00:00:01Z")
    (1000, None, '1970-01-01T00:00:01Z')
    """
    stripped = text.strip()
    if _INTEGER.fullmatch(stripped) and len(stripped) <= MAX_NUMBER_CHARS:
        return int(stripped)
    return stripped or None


def parse_number(text: str) -> int | float | None:
    """Return the number a text is, an integer where it has no point or exponent; None if it is none.

    >>> parse_number("12"), parse_number("1e3"), parse_number("1_000")
    (12, 1000.0, None)
    """
    if len(text) > MAX_NUMBER_CHARS:
        return None
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else None


def _number(text: str, field: Field) -> Any:
    number = parse_number(text.strip())
    if number is None:
        return _wrong(text, field, f"expected {field.type}")
    if isinstance(number, float) and math.isinf(number):
        return not_finite(text, f"field {field.name!r}")
    return number


def _boolean(text: str, field: Field) -> Any:
    value = _BOOLEANS.get(text.strip().lower())
    return _wrong(text, field, "expected true or false") if value is None else value


def _string(text: str, _field: Field) -> Any:
    return text


def _sequence(text: str, field: Field) -> Any:
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        value = None
    return value if isinstance(value, list) else _wrong(text, field, f"expected a JSON array of {field.length} items")


def _wrong(text: str, field: Field, expected: str) -> Problem:
    return Problem(Reason.WRONG_TYPE, f"field {field.name!r}: {expected}, got {describe(text)}")


_PARSERS: Mapping[FieldType, Callable[[str, Field], Any]] = {
    FieldType.DOUBLE: _number,
    FieldType.FLOAT: _number,
    FieldType.INT: _number,
    FieldType.LONG: _number,
    FieldType.BOOLEAN: _boolean,
    FieldType.STRING: _string,
}
