"""Avro in a schema registry's framing to columns: each record names the schema it was written with."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from features.batch import Decoded
from features.codec import HeadersOf
from features.columns import build_batch
from features.intake import DEFAULT_MAX_VALUE_BYTES, in_row_order, merged
from features.paths import gather
from features.registry import SchemaRegistry
from features.registry_framing import Group, unframed
from features.rejection import Problem, Rejection
from features.schema import FeatureSchema
from features.writer_schemas import WriterSchemas


class RegistryAvroCodec:
    """Implements ``FeatureCodec`` for records that name their writer schema in a header or before their body.

    ``subjects`` are those that a schema may be registered under, None for any. The records of each schema are
    decoded together by an ``AvroCodec`` of it, and stand in the order they came in. A schema that the registry
    does not have, or that may not be used, turns its records away; a registry without a definite answer turns
    away none.
    """

    def __init__(
        self,
        registry: SchemaRegistry,
        *,
        subjects: frozenset[str] | None,
        max_value_bytes: int = DEFAULT_MAX_VALUE_BYTES,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._writers = WriterSchemas(
            registry, subjects=subjects, max_value_bytes=max_value_bytes, monotonic=monotonic, sleep=sleep
        )

    def decode(
        self, values: Sequence[bytes | None], schema: FeatureSchema, *, headers: HeadersOf | None = None
    ) -> Decoded:
        """Return the columns of the readable values and a rejection for each of the others.

        Raises:
            SchemasUnavailable: A schema is needed that cannot be had now; nothing is decoded.
        """
        groups, rejections = unframed(values, headers)
        writers = self._writers.of(groups)
        parts: list[Decoded] = []
        for key, group in groups.items():
            writer = writers[key]
            if isinstance(writer, Problem):
                rejections += [writer.at(row) for row in group.rows]
                continue
            parts.append(_in_place(writer.decode(group.bodies, schema), group))
        if not parts:
            parts.append(build_batch(gather([], schema, rows=[]), schema))
        return merged(in_row_order(parts), rejections)


def _in_place(decoded: Decoded, group: Group) -> Decoded:
    """Return what became of a group with the rows its records have in the whole batch."""
    if isinstance(group.rows, range):  # it is the whole batch
        return decoded
    rows: npt.NDArray[np.int64] = np.asarray(group.rows, dtype=np.int64)
    rejections: list[Rejection] = [replace(found, row=group.rows[found.row]) for found in decoded.rejections]
    return Decoded(replace(decoded.batch, rows=rows[decoded.batch.rows]), rejections)
