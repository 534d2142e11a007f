"""From a plain nested event to the bytes of a record: the way back of the codecs.

Used to publish files and simulated streams. What is encoded here and decoded by the codec of the same
schema is the same event again.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import fastavro
import fastavro.schema
import fastavro.validation
import msgspec

from features.avro_fitting import Convert, conversions, missing_paths
from features.avro_schema import feature_record_schema
from features.avro_types import load_writer_schema
from features.errors import CodecError, EncodeError
from features.paths import Path, value_at
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
    """Writes Avro, each value after ``prefix``, which is empty for bare Avro.

    Ids and keys that are numbers become text; times, dates and decimals become what the schema counts in.
    ``references`` are schemas that this one names without holding them.

    Raises:
        CodecError: On construction: the Avro schema is not valid, or no event of ours can fit it.
    """

    def __init__(
        self,
        avro_schema: Mapping[str, Any],
        schema: FeatureSchema,
        *,
        references: Sequence[Mapping[str, Any]] = (),
        prefix: bytes = b"",
    ) -> None:
        parsed, named = load_writer_schema(avro_schema, references)
        missing = missing_paths(parsed, named, schema)
        if missing:
            raise CodecError(
                f"the Avro schema wants {', '.join(missing[:5])}, which has no default and which the service file"
                " does not name; name it under output.passthrough, and give the file a column for it"
            )
        known: dict[str, Any] = {}
        for reference in references:
            fastavro.schema.parse_schema(dict(reference), named_schemas=known)
        self._schema = fastavro.schema.parse_schema(dict(avro_schema), named_schemas=known)
        self._conversions = conversions(parsed, named, schema)
        self._prefix = prefix

    def encode(self, event: Mapping[str, Any]) -> bytes:
        """Return the bytes of one event."""
        out = io.BytesIO()
        out.write(self._prefix)
        try:
            for path, convert in self._conversions:
                event = _with_converted(event, path, convert)
            # The writer alone would let an int of 64 bits through, and fail on the rest without a name.
            fastavro.validation.validate(event, self._schema)
            fastavro.schemaless_writer(out, self._schema, event)
        except EncodeError:
            raise
        except Exception as error:
            raise EncodeError(f"the event does not fit the Avro schema: {' '.join(str(error).split())}") from error
        return out.getvalue()


def _with_converted(event: Mapping[str, Any], path: Path, convert: Convert) -> Mapping[str, Any]:
    """Return the event with one value replaced; the event given is left as it was."""
    value = value_at(event, path)
    if value is None or isinstance(value, Problem):
        return event
    if len(path) == 1:
        return {**event, path[0]: convert(value)}
    return {**event, path[0]: _with_converted(event[path[0]], path[1:], convert)}
