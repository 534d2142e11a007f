"""A registered schema as the schema to decode by."""

from __future__ import annotations

import json
from typing import Any

from features.avro_types import MAX_SAID, NamedTypes, load_writer_schema
from features.errors import CodecError
from features.registry import AVRO, RegisteredSchema


def load_registered(schema: RegisteredSchema) -> tuple[dict[str, Any], NamedTypes]:
    """Return the parsed record schema and its named types by full name.

    Raises:
        CodecError: It is not Avro, not a record, not valid, or not safe to decode by.
    """
    return load_writer_schema(*texts_of(schema))


def texts_of(schema: RegisteredSchema) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the record schema as it was registered, and those that it names.

    Raises:
        CodecError: It is not Avro, or not a record.
    """
    if schema.kind != AVRO:
        raise CodecError(f"it is a {schema.kind} schema; only Avro can be read with a registry")
    whole, *references = [_object_in(text) for text in (schema.text, *schema.references)]
    return whole, references


def _object_in(text: str) -> dict[str, Any]:
    try:
        text.encode()  # a lone surrogate could go into no message about it
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CodecError(f"not the schema of an Avro record: {str(error)[:MAX_SAID]}") from error
    if not isinstance(found, dict):
        raise CodecError("not the schema of an Avro record: events have named fields")
    return found
