"""Choosing a codec by the name of its format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from features.avro_codec import AvroCodec
from features.avro_schema import feature_record_schema
from features.codec import FeatureCodec
from features.errors import CodecError
from features.intake import DEFAULT_MAX_VALUE_BYTES
from features.json_codec import JsonCodec
from features.schema import FeatureSchema

FORMATS = ("json", "avro")


def build_codec(
    format: str,  # noqa: A002 - the word of the service file
    *,
    avro_schema: Mapping[str, Any] | None,
    schema: FeatureSchema,
    max_value_bytes: int = DEFAULT_MAX_VALUE_BYTES,
) -> FeatureCodec:
    """Return the codec of a format.

    ``avro_schema`` is what the writers of the topic use; without it they are expected to write what
    ``feature_record_schema`` gives for this schema.

    Raises:
        CodecError: The format is unknown, or the writer schema cannot be used.
    """
    if format == "json":
        return JsonCodec(max_value_bytes=max_value_bytes)
    if format == "avro":
        writer_schema = feature_record_schema(schema) if avro_schema is None else avro_schema
        return AvroCodec(writer_schema, max_value_bytes=max_value_bytes)
    raise CodecError(f"features.format: {format!r} is not known; use one of {', '.join(FORMATS)}")
