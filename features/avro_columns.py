"""Columns straight from the bytes of many records of one writer schema, reading only what a feature schema wants."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from features.avro_cursor import Longs, whole
from features.avro_plan import Want, compile_steps
from features.avro_slots import Slots, Taken
from features.avro_steps import run_all
from features.avro_types import AvroType, NamedTypes
from features.paths import Gathered, Path, split
from features.schema import FeatureSchema, FieldType
from features.typed_values import Positions


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

        ``lengths`` are those of the values. The rows of what was gathered are positions in ``values``. An
        odd record is one that the careful reader has to look at; it may yet be a good one.
        """
        cursor = whole(values, lengths)
        slots = Slots(len(values))
        run_all(self._steps, cursor, slots)
        cursor.reject(cursor.at != cursor.ends)
        odd = cursor.joined.odd
        if odd.any():
            plain = np.flatnonzero(~odd)
            return self._gathered(slots, plain), np.flatnonzero(odd)
        return self._gathered(slots, None, records=len(values)), np.empty(0, dtype=np.intp)

    def _gathered(self, slots: Slots, plain: Positions | None, *, records: int = 0) -> Gathered:
        roles = self._schema.roles

        def taken(path: Path) -> Taken:
            return slots.take(self._slots[path], plain)

        def role(dotted: str | None) -> Taken | None:
            return None if dotted is None else taken(split(dotted))

        return Gathered(
            rows=np.arange(records) if plain is None else plain,
            fields=[taken(f.path) for f in self._schema.fields],
            ids=role(roles.id),
            times=role(roles.time),
            labels=role(roles.label),
            passthrough={split(path)[-1]: taken(split(path)) for path in roles.passthrough},
        )
