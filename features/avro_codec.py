"""Bare Avro to columns: the writer schema is given, the value is the record's bytes and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from features.avro_columns import ColumnReader
from features.avro_cursor import Longs
from features.avro_reader import MalformedAvro, build_reader, read_whole
from features.avro_types import load_writer_schema
from features.batch import Decoded
from features.codec import HeadersOf
from features.columns import build_batch
from features.intake import DEFAULT_MAX_VALUE_BYTES, in_row_order, merged, sized_problem, slices
from features.paths import Gathered, gather, in_sequence
from features.rejection import Problem, Reason, Rejection
from features.schema import FeatureSchema

Rows: TypeAlias = npt.NDArray[np.intp]

MIN_COLUMNAR_RECORDS = 48  # fewer are read faster one by one
MAX_KEPT_READERS = 16  # a champion, a challenger, and what they were before


class AvroCodec:
    """Implements ``FeatureCodec`` for schemaless Avro values of one writer schema.

    The writer schema decodes, the paths of the feature schema pick: record names do not matter, a path
    that the writer schema does not have is a null. A value must be used up to its last byte. Types that
    the writer schema names but does not hold stand in ``references``, each after those that it names itself.

    Records are read many at once, by column; those in which anything is out of the ordinary, and small
    batches, are read one by one, with the same outcome.

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
        self._parsed, self._named = load_writer_schema(writer_schema, references)
        self._read = build_reader(self._parsed, self._named)
        self._readers: dict[FeatureSchema, ColumnReader] = {}
        self._latest: tuple[FeatureSchema, ColumnReader] | None = None

    def decode(
        self,
        values: Sequence[bytes | None],
        schema: FeatureSchema,
        *,
        headers: HeadersOf | None = None,  # noqa: ARG002 - one schema for all
    ) -> Decoded:
        """Return the columns of the readable values and a rejection for each of the others."""
        lengths = _lengths(values)
        sound = (lengths > 0) & (lengths <= self._max_value_bytes)
        rows = np.flatnonzero(sound)
        if len(rows) == len(values):
            return self._decode_sized(cast("Sequence[bytes]", values), lengths, rows, schema)
        rejections = [
            sized_problem(values[row], max_bytes=self._max_value_bytes).at(row)
            for row in np.flatnonzero(~sound).tolist()
        ]
        sized = [value for row in rows.tolist() if (value := values[row]) is not None]
        return merged(self._decode_sized(sized, lengths[rows], rows, schema), rejections)

    def _decode_sized(self, values: Sequence[bytes], lengths: Longs, rows: Rows, schema: FeatureSchema) -> Decoded:
        if len(values) < MIN_COLUMNAR_RECORDS:
            return self._one_by_one(values, rows, schema)
        gathered, odd = self._column_reader(schema).read(values, lengths)
        plain = build_batch(replace(gathered, rows=rows[np.asarray(gathered.rows)]), schema)
        if not odd.size:
            return plain
        return in_row_order([plain, self._one_by_one([values[i] for i in odd.tolist()], rows[odd], schema)])

    def _column_reader(self, schema: FeatureSchema) -> ColumnReader:
        if self._latest is None or self._latest[0] is not schema:
            if schema not in self._readers:
                if len(self._readers) >= MAX_KEPT_READERS:
                    self._readers.clear()
                self._readers[schema] = ColumnReader(self._parsed, self._named, schema)
            self._latest = schema, self._readers[schema]
        return self._latest[1]

    def _one_by_one(self, values: Sequence[bytes], rows: Rows, schema: FeatureSchema) -> Decoded:
        """Decode by the careful reader, which alone says what is wrong with a record."""
        parts: list[Gathered] = []
        rejections: list[Rejection] = []
        for part in slices(values):
            events: list[dict[str, Any]] = []
            readable: list[int] = []
            for row, value in zip(rows[part].tolist(), values[part], strict=True):
                event = self._event(value)
                if isinstance(event, Problem):
                    rejections.append(event.at(row))
                else:
                    events.append(event)
                    readable.append(row)
            parts.append(gather(events, schema, rows=np.array(readable, dtype=np.int64)))
        return merged(build_batch(in_sequence(parts), schema), rejections)

    def _event(self, value: bytes) -> dict[str, Any] | Problem:
        try:
            event: dict[str, Any] = read_whole(self._read, value)
        except MalformedAvro as error:
            return Problem(Reason.UNDECODABLE, str(error))
        return event


def _lengths(values: Sequence[bytes | None]) -> Longs:
    """Return the length of each value, 0 where there is none."""
    try:
        return np.fromiter(map(len, cast("Sequence[bytes]", values)), np.int64, len(values))
    except TypeError:
        return np.fromiter((0 if value is None else len(value) for value in values), np.int64, len(values))
