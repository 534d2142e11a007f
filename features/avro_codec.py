"""Bare Avro to columns: the writer schema is given, the value is the record's bytes and nothing else."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

from features.avro_reader import build_reader
from features.avro_types import load_writer_schema
from features.batch import Decoded
from features.codec import HeadersOf
from features.columns import build_batch
from features.intake import DEFAULT_MAX_VALUE_BYTES, merged, sized_problem
from features.paths import gather
from features.rejection import Problem, Reason, Rejection
from features.schema import FeatureSchema


class AvroCodec:
    """Implements ``FeatureCodec`` for schemaless Avro values of one writer schema.

    The writer schema decodes, the paths of the feature schema pick: record names do not matter, a path
    that the writer schema does not have is a null. A value must be used up to its last byte. Types that
    the writer schema names but does not hold stand in ``references``, each after those that it names itself.

    Raises:
        CodecError: On construction: the writer schema is not valid, or not safe to decode by.
    """

    def __init__(
        self,
        writer_schema: Mapping[str, Any],
        *,
        references: Sequence[Mapping[str, Any]] = (),
        max_value_bytes: int = DEFAULT_MAX_VALUE_BYTES,
    ) -> None:
        self._max_value_bytes = max_value_bytes
        parsed, named = load_writer_schema(writer_schema, references)
        self._read = build_reader(parsed, named)

    def decode(
        self,
        values: Sequence[bytes | None],
        schema: FeatureSchema,
        *,
        headers: HeadersOf | None = None,  # noqa: ARG002 - one schema for all
    ) -> Decoded:
        """Return the columns of the readable values and a rejection for each of the others."""
        events: list[dict[str, Any]] = []
        rows: list[int] = []
        rejections: list[Rejection] = []
        for row, value in enumerate(values):
            event = self._event(value)
            if isinstance(event, Problem):
                rejections.append(event.at(row))
            else:
                events.append(event)
                rows.append(row)
        return merged(build_batch(gather(events, schema, rows=rows), schema), rejections)

    def _event(self, value: bytes | None) -> dict[str, Any] | Problem:
        if value is None or not 0 < len(value) <= self._max_value_bytes:
            return sized_problem(value, max_bytes=self._max_value_bytes)
        try:
            event, end = self._read(value, 0)
        except (IndexError, struct.error):
            return Problem(Reason.UNDECODABLE, "not Avro of the writer schema: the bytes end too early")
        except Exception as error:  # whatever it is, it is this record's alone
            return Problem(Reason.UNDECODABLE, f"not Avro of the writer schema: {error}")
        if end != len(value):
            return Problem(Reason.UNDECODABLE, f"not Avro of the writer schema: {len(value) - end} bytes are left over")
        fields: dict[str, Any] = event
        return fields
