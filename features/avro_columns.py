"""Columns straight from the bytes of many records of one writer schema, reading only what a feature schema wants."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from features.avro_cursor import Longs, whole
from features.avro_plan import Want, compile_steps
from features.avro_slots import Slots
from features.avro_steps import run_all
from features.avro_types import AvroType, NamedTypes
from features.paths import Gathered, Path, gathered_by, in_sequence, split
from features.schema import FeatureSchema, FieldType
from features.typed_values import Positions

BYTES_IN_ONE_GO = 1 << 19  # what a step works on stays in the cache, and in memory that is used again
MIN_RECORDS_IN_ONE_GO = 1_024


class ColumnReader:
    """Reads the paths of one feature schema from records of one audited writer schema."""

    def __init__(self, node: AvroType, named: NamedTypes, schema: FeatureSchema) -> None:
        self._schema = schema
        self._slots: dict[Path, int] = {}
        self._want = Want()
        for f in schema.fields:
            is_sequence = f.length is not None and f.type is not FieldType.BOOLEAN
            self._add(f.path, length=f.length if is_sequence else None)
        roles = schema.roles
        for dotted in (roles.id, roles.time, roles.label, *roles.passthrough):
            if dotted is not None:
                self._add(split(dotted), length=None)
        self._steps = compile_steps(node, named, self._want)

    def _add(self, path: Path, *, length: int | None) -> None:
        """Want what stands at a path; as a sequence only if everyone who wants it wants the same."""
        node = self._want
        for step in path:
            node = node.children.setdefault(step, Want())
        if node.slot is None:
            self._slots[path] = node.slot = len(self._slots)
            node.length = length
        elif node.length != length:
            node.length = None

    def read(self, values: Sequence[bytes], lengths: Longs) -> tuple[Gathered, Positions]:
        """Return what the schema wants of the plain records, and the positions of the odd ones.

        ``lengths`` are those of the values, of which there is at least one. The rows
        of what was gathered are positions in ``values``. An odd record is one that the careful reader has to
        look at; it may yet be a good one.
        """
        size = max(MIN_RECORDS_IN_ONE_GO, BYTES_IN_ONE_GO * len(values) // max(1, int(lengths.sum())))
        parts = [self._part(values, lengths, slice(at, at + size)) for at in range(0, len(values), size)]
        return in_sequence([gathered for gathered, _ in parts]), np.concatenate([odd for _, odd in parts])

    def _part(self, values: Sequence[bytes], lengths: Longs, part: slice) -> tuple[Gathered, Positions]:
        cursor = whole(values[part], lengths[part])
        records = len(cursor)
        slots = Slots(records)
        run_all(self._steps, cursor, slots)
        cursor.reject(cursor.at != cursor.ends)
        odd = cursor.joined.odd
        plain = np.flatnonzero(~odd)
        kept = None if len(plain) == records else plain
        gathered = gathered_by(lambda path: slots.take(self._slots[path], kept), self._schema, rows=plain + part.start)
        return gathered, np.flatnonzero(odd) + part.start
