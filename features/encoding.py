"""From a plain nested event to the bytes of a record: the way back of the codecs.

Used to publish files and simulated streams. What is encoded here and decoded by the codec of the same
schema is the same event again.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import fastavro
import fastavro.schema
import fastavro.validation
import msgspec

from features.avro_schema import feature_record_schema
from features.errors import CodecError, EncodeError
from features.identity import event_time_ms
from features.paths import Path, split, value_at
from features.rejection import Problem
from features.schema import FeatureSchema


class EventEncoder(Protocol):
    """Writes events in one format. Holds no state between events."""

    def encode(self, event: Mapping[str, Any]) -> bytes:
        """Return the bytes of one event.

        Raises:
            EncodeError: A value does not fit; nothing is written.
        """
        ...


def build_encoder(
    format: str,  # noqa: A002 - the word of the service file
    *,
    schema: FeatureSchema,
    avro_schema: Mapping[str, Any] | None = None,
) -> EventEncoder:
    """Return the encoder of a format, the counterpart of ``features.formats.build_codec``.

    Raises:
        CodecError: The format is unknown, or the Avro schema is not valid.

    >>> from features.schema import Field, FieldType
    >>> schema = FeatureSchema((Field("amount", FieldType.DOUBLE, "payment.amount"),))
    >>> build_encoder("json", schema=schema).encode({"payment": {"amount": 1.5}})
    b'{"payment":{"amount":1.5}}'
    >>> len(build_encoder("avro", schema=schema).encode({"payment": {"amount": 1.5}}))
    8
    """
    if format == "json":
        return JsonEventEncoder()
    if format == "avro":
        return AvroEventEncoder(feature_record_schema(schema) if avro_schema is None else avro_schema, schema)
    raise CodecError(f"features.format: {format!r} is not known; use one of json, avro")


class JsonEventEncoder:
    """Writes compact JSON; NaN becomes null, an infinity is refused because JSON has none."""

    def __init__(self) -> None:
        self._encode = msgspec.json.Encoder(decimal_format="number").encode

    def encode(self, event: Mapping[str, Any]) -> bytes:
        """Return the bytes of one event."""
        try:
            if _holds_infinity(event):
                raise EncodeError("the event holds an infinite number, which JSON cannot say")
            return self._encode(event)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise EncodeError(f"the event cannot be written as JSON: {error}") from error


def _holds_infinity(value: Any) -> bool:
    if isinstance(value, float):
        return math.isinf(value)
    if isinstance(value, Mapping):
        return any(map(_holds_infinity, value.values()))
    return isinstance(value, list | tuple) and any(map(_holds_infinity, value))


class AvroEventEncoder:
    """Writes bare Avro. Ids and keys that are numbers become text, times become what the schema counts in."""

    def __init__(self, avro_schema: Mapping[str, Any], schema: FeatureSchema) -> None:
        try:
            self._schema = fastavro.schema.parse_schema(dict(avro_schema))
        except Exception as error:
            raise CodecError(f"the Avro schema is not valid: {type(error).__name__}: {error}") from error
        self._conversions = _role_conversions(avro_schema, schema)

    def encode(self, event: Mapping[str, Any]) -> bytes:
        """Return the bytes of one event."""
        for path, convert in self._conversions:
            event = _with_converted(event, path, convert)
        out = io.BytesIO()
        try:
            # The writer alone would let an int of 64 bits through, and fail on the rest without a name.
            fastavro.validation.validate(event, self._schema)
            fastavro.schemaless_writer(out, self._schema, event)
        except Exception as error:
            raise EncodeError(f"the event does not fit the Avro schema: {' '.join(str(error).split())}") from error
        return out.getvalue()


def _role_conversions(avro_schema: Mapping[str, Any], schema: FeatureSchema) -> list[tuple[Path, Callable[[Any], Any]]]:
    """Return how the roles' values are adapted where the Avro schema wants another type for them."""
    features = {f.source for f in schema.fields}
    texts = [path for path in (schema.roles.id, schema.roles.key) if path is not None and path not in features]
    conversions: list[tuple[Path, Callable[[Any], Any]]] = [
        (split(path), _written_out) for path in texts if "string" in _types_at(avro_schema, split(path))
    ]
    time = schema.roles.time
    if time is not None and time not in features:
        for kind in _types_at(avro_schema, split(time)):
            logical = kind.get("logicalType", "") if isinstance(kind, dict) else kind
            if logical in _TICKS_PER_MS:
                conversions.append((split(time), _clock(_TICKS_PER_MS[logical], time)))
                break
    return conversions


def _written_out(value: Any) -> Any:
    return str(value) if type(value) is int else value


_TICKS_PER_MS = {"long": 1, "timestamp-millis": 1, "timestamp-micros": 1_000, "timestamp-nanos": 1_000_000}


def _clock(ticks_per_ms: int, path: str) -> Callable[[Any], Any]:
    def ticks(value: Any) -> int | None:
        if value is None:
            return None
        ms = event_time_ms(value, path=path)
        if isinstance(ms, Problem):
            raise EncodeError(ms.detail)
        return ms * ticks_per_ms

    return ticks


def _types_at(avro_schema: Any, path: Path) -> list[Any]:
    """Return the types a path can have, looking through unions and nested records."""
    nodes = list(avro_schema) if isinstance(avro_schema, list) else [avro_schema]
    if not path:
        return nodes
    found: list[Any] = []
    for node in nodes:
        for field in node.get("fields", ()) if isinstance(node, Mapping) else ():
            if field["name"] == path[0]:
                found += _types_at(field["type"], path[1:])
    return found


def _with_converted(event: Mapping[str, Any], path: Path, convert: Callable[[Any], Any]) -> Mapping[str, Any]:
    """Return the event with one value replaced; the event given is left as it was."""
    value = value_at(event, path)
    if value is None or isinstance(value, Problem):
        return event
    if len(path) == 1:
        return {**event, path[0]: convert(value)}
    return {**event, path[0]: _with_converted(event[path[0]], path[1:], convert)}
