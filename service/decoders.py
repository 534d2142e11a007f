"""One value of a topic, decoded for a person to look at: JSON, bare Avro, or Avro in a registry's framing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec

from features.avro_reader import Reader, build_reader, read_whole
from features.avro_schema import feature_record_schema
from features.avro_types import load_writer_schema
from features.errors import CodecError
from features.identity import plain
from features.registered import load_registered
from features.registry import SchemaRegistry
from features.registry_framing import SchemaKey, unframed
from features.rejection import Problem
from producer.encoding import score_record_schema
from producer.records import Headers
from service.bootstrap import read_avro_schema
from service.label_records import label_format, label_record_schema
from service.schemas import build_schemas
from service.settings import Settings

Decode: TypeAlias = Callable[[bytes, Headers], Any]
"""Decodes one value; the headers may name its schema. Raises ``ValueError`` with the reason where it cannot,
and ``SchemasUnavailable`` where the registry that has the schema gives no answer now."""


def event_decoder(settings: Settings) -> Decode:
    """Return what decodes a feature event of this service.

    Raises:
        SettingsError: The file of the writer schema cannot be read, or the registry's client cannot be built.
        CodecError: The writer schema is not valid, or not safe to decode by.
    """
    if settings.features.format == "json":
        return decode_json
    registry = build_schemas(settings)
    if registry is not None:
        return RegistryDecoder(registry)
    return bare_avro(read_avro_schema(settings) or feature_record_schema(settings.feature_schema()))


def label_decoder(settings: Settings) -> Decode:
    """Return what decodes a record of the labels topic of this service.

    Raises:
        SettingsError: The file of the writer schema cannot be read, or the registry's client cannot be built.
        CodecError: The writer schema is not valid, or not safe to decode by.
    """
    if label_format(settings) == "json":
        return decode_json
    registry = build_schemas(settings)
    return bare_avro(label_record_schema(settings)) if registry is None else RegistryDecoder(registry)


def score_decoder(settings: Settings) -> Decode:
    """Return what decodes a score record of this service.

    Raises:
        SettingsError: The registry's client cannot be built.
    """
    if settings.output.format == "json":
        return decode_json
    registry = build_schemas(settings)
    if registry is not None:
        return RegistryDecoder(registry)
    return bare_avro(score_record_schema(settings.output.passthrough_names))


def decode_json(value: bytes, _headers: Headers = ()) -> Any:
    """Return what the JSON says."""
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from error


def bare_avro(schema: Mapping[str, Any]) -> Decode:
    """Return a decoder of values that are Avro of this schema and nothing else.

    Raises:
        CodecError: The schema is not valid, or not safe to decode by.
    """
    parsed, named = load_writer_schema(schema)
    read = build_reader(parsed, named)
    return lambda value, _headers: _shown(read, value)


class RegistryDecoder:
    """Decodes Avro by the schema that each value or its headers name, whichever subject it is registered under.

    A reader is built once for each schema.
    """

    def __init__(self, registry: SchemaRegistry) -> None:
        """Ask nothing yet."""
        self._registry = registry
        self._readers: dict[SchemaKey, Reader] = {}

    def __call__(self, value: bytes, headers: Headers) -> Any:
        """Return the value decoded; see ``Decode`` for what is raised."""
        name, body = framed(value, headers)
        if name not in self._readers:
            self._readers[name] = self._reader(name)
        return _shown(self._readers[name], body)

    def _reader(self, name: SchemaKey) -> Reader:
        try:
            found = self._registry.by_id(name) if isinstance(name, int) else self._registry.by_guid(name)
            if found is None:
                raise ValueError(f"the registry has no schema {name}")
            return build_reader(*load_registered(found))
        except CodecError as error:
            raise ValueError(f"schema {name} cannot be decoded by: {error}") from error


def _shown(read: Reader, value: bytes) -> Any:
    """Return what the bytes say, as every output can say it."""
    shown = plain(read_whole(read, value))
    if isinstance(shown, Problem):
        raise ValueError(shown.detail)  # noqa: TRY004 - a value that is nested too deeply, not a wrong argument
    return shown


def framed(value: bytes, headers: Headers) -> tuple[SchemaKey, bytes]:
    """Return what names the schema of a value, and the value without its framing.

    Raises:
        ValueError: Neither the value nor a header names one.

    >>> framed(bytes([0, 0, 0, 0, 7]) + b"x", ())
    (7, b'x')
    """
    groups, rejections = unframed([value], lambda _row: headers)
    for rejection in rejections:
        raise ValueError(rejection.detail)
    ((key, group),) = groups.items()
    return key, group.bodies[0]
