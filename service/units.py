"""Durations and sizes, written one way: ``5s``, ``500ms``, ``120d``, ``16MiB``. A bare number is refused."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Final, TypeAlias

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import WithDefaultSchema

_MICROSECONDS: Final = {"d": 86_400_000_000, "h": 3_600_000_000, "m": 60_000_000, "s": 1_000_000, "ms": 1_000}
_BYTES: Final = {"GiB": 1024**3, "MiB": 1024**2, "KiB": 1024, "B": 1}
_NUMBER: Final = r"(\d{1,15}(?:\.\d{1,6})?)"
_DURATION: Final = re.compile(rf"^{_NUMBER} ?(ms|s|m|h|d)$")
_SIZE: Final = re.compile(rf"^{_NUMBER} ?(B|KiB|MiB|GiB)$")
_MAX_DAYS: Final = 36_500  # a century: more is a slip, and timedelta has an end


def parse_duration(value: object) -> timedelta:
    """Return the duration that a text such as ``5s`` stands for; a ``timedelta`` is taken as it is.

    Raises:
        ValueError: No unit, an unknown unit, or not a duration at all.

    >>> parse_duration("500ms")
    datetime.timedelta(microseconds=500000)
    """
    if isinstance(value, timedelta):
        return value
    match = _DURATION.match(str(value).strip())
    if match is None:
        raise ValueError(f"a duration needs a number and a unit (ms, s, m, h, d), for instance {_example(value)!r}")
    microseconds = float(match[1]) * _MICROSECONDS[match[2]]
    if microseconds > _MAX_DAYS * _MICROSECONDS["d"]:
        raise ValueError(f"a duration is at most {_MAX_DAYS}d")
    return timedelta(microseconds=round(microseconds))


def _example(value: object) -> str:
    """Return what the person may have meant: their own number with seconds, if it was a number."""
    return f"{value}s" if re.fullmatch(r"\d{1,9}", str(value).strip()) else "30s"


def format_duration(value: timedelta) -> str:
    """Return the shortest text that ``parse_duration`` reads back as the same duration.

    >>> format_duration(timedelta(hours=24))
    '1d'
    """
    micros = value // timedelta(microseconds=1)
    if micros == 0:
        return "0s"
    for unit, size in _MICROSECONDS.items():
        if micros % size == 0:
            return f"{micros // size}{unit}"
    return f"{micros / _MICROSECONDS['ms']:.3f}ms"


def parse_size(value: object) -> int:
    """Return the bytes that a text such as ``16MiB`` stands for.

    Raises:
        ValueError: No unit, or a unit that is not one of B, KiB, MiB, GiB.

    >>> parse_size("16MiB")
    16777216
    """
    match = _SIZE.match(str(value).strip())
    if match is None:
        raise ValueError("a size needs a number and a unit (B, KiB, MiB, GiB), for instance '16MiB'")
    return round(float(match[1]) * _BYTES[match[2]])


def format_size(value: int) -> str:
    """Return the shortest text that ``parse_size`` reads back as the same number of bytes.

    >>> format_size(16777216)
    '16MiB'
    """
    for unit, size in _BYTES.items():
        if value and value % size == 0:
            return f"{value // size}{unit}"
    return f"{value}B"


def readable_size(value: int) -> str:
    """Return bytes in the unit a person would choose, to three or four digits; not meant to be read back.

    >>> readable_size(123), readable_size(16_900_000)
    ('123 B', '16.1 MiB')
    """
    for unit, size in _BYTES.items():
        if value >= size > 1:
            return f"{value / size:.1f} {unit}"
    return f"{value} B"


def milliseconds(value: timedelta) -> int:
    """Return the whole milliseconds of a duration, as the Kafka client takes them."""
    return value // timedelta(milliseconds=1)


Duration: TypeAlias = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": _DURATION.pattern, "examples": ["5s", "500ms", "1h"]}),
]
Size: TypeAlias = Annotated[
    int,
    BeforeValidator(parse_size),
    PlainSerializer(format_size, return_type=str),
    WithJsonSchema({"type": "string", "pattern": _SIZE.pattern, "examples": ["16MiB"]}),
]


class SchemaWithUnits(GenerateJsonSchema):
    """Writes the defaults of durations and sizes as a person writes them."""

    def encode_default(self, dft: Any) -> Any:
        """Return a duration as its text."""
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)

    def default_schema(self, schema: WithDefaultSchema) -> JsonSchemaValue:
        """Return a size's default as its text."""
        result = super().default_schema(schema)
        if result.get("pattern") == _SIZE.pattern and isinstance(result.get("default"), int):
            result["default"] = format_size(result["default"])
        return result
