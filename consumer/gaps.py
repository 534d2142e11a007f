"""Events that lack a field which the service file requires: scored by a model that does not use it, so kept.

A field can be added to the service while events without it are still on their way. The scoring worker looks only at
the fields of its model, and what it scores must not be missing among the examples. Such an event is decoded once
more without the fields it lacks; its row has null there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from features.batch import Decoded, FeatureBatch
from features.codec import FeatureCodec, HeadersOf
from features.rejection import Reason, Rejection
from features.schema import FeatureSchema, Field, Roles


class GapReader:
    """Decodes the events of one batch that a codec rejected only because a field is missing."""

    def __init__(
        self, codec: FeatureCodec, schema: FeatureSchema, *, values: Sequence[bytes | None], headers: HeadersOf
    ) -> None:
        """Take the whole batch; row numbers are positions in it."""
        self._codec = codec
        self._schema = schema
        self._values = values
        self._headers = headers

    def batches(self, rejections: Sequence[Rejection]) -> Iterator[FeatureBatch]:
        """Yield the events among the rejected ones, those that lack the same fields in one batch.

        An event that lacks its id or its time, or in which anything else is wrong, is none.

        Raises:
            SchemasUnavailable: As the codec.
        """
        rows = [rejection.row for rejection in rejections if rejection.reason is Reason.MISSING]
        if rows and self._schema.roles != Roles():
            rows = self._read(rows, ()).batch.rows.tolist()
        groups: dict[frozenset[str], list[int]] = defaultdict(list)
        for row, names in self._lacking(rows, self._schema.fields).items():
            groups[names].append(row)
        for names, members in groups.items():
            present = [field for field in self._schema.fields if field.name not in names]
            if present or self._schema.roles != Roles():
                yield self._read(sorted(members), present).batch

    def _lacking(self, rows: Collection[int], fields: Sequence[Field]) -> Mapping[int, frozenset[str]]:
        """Return the names of the fields that each row lacks; a row that no lack explains is not in it.

        By halves: where one of many fields is new, a row is decoded some ten times and not once for each field.
        """
        if not rows:
            return {}
        decoded = self._read(rows, fields)
        found = dict.fromkeys(decoded.batch.rows.tolist(), frozenset[str]())
        rest = [rejection.row for rejection in decoded.rejections if rejection.reason is Reason.MISSING]
        if len(fields) == 1:
            return found | dict.fromkeys(rest, frozenset({fields[0].name}))
        middle = len(fields) // 2
        left, right = self._lacking(rest, fields[:middle]), self._lacking(rest, fields[middle:])
        return found | {row: left[row] | right[row] for row in rest if row in left and row in right}

    def _read(self, rows: Collection[int], fields: Sequence[Field]) -> Decoded:
        """Decode some rows with some fields; the row numbers that come back are those of the whole batch."""
        at = sorted(rows)
        decoded = self._codec.decode(
            [self._values[row] for row in at],
            FeatureSchema(tuple(fields), self._schema.roles),
            headers=lambda position: self._headers(at[position]),
        )
        return _renumbered(decoded, at)


def _renumbered(decoded: Decoded, rows: Sequence[int]) -> Decoded:
    batch = decoded.batch
    numbered = replace(batch, rows=np.array(rows, dtype=np.int64)[batch.rows])
    return Decoded(numbered, [replace(rejection, row=rows[rejection.row]) for rejection in decoded.rejections])
