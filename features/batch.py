"""The columnar batch: what a codec makes of raw values and what a model is given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from features.rejection import Rejection
from features.schema import FeatureSchema

Column: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class FeatureBatch:
    """The readable records of a batch, one column per field, all of one length.

    Attributes:
        schema: The fields decoded, in column order.
        rows: Position of each record in the polled batch, ascending; shape (n,), int64.
        columns: By field name. A scalar field has shape (n,), a sequence (n, length); the type is
            ``FieldType.dtype``. Nulls are already replaced by the policy; numbers are finite unless
            the field says ``null: keep``.
        ids: Event ids as text, or None when the schema names no id path.
        times: Event times in epoch milliseconds, shape (n,), int64; None when the schema names no
            time path.
        labels: Inline labels as they stood in the event (None where absent), or None when the schema
            names no label path.
        passthrough: By output name, one plain value per record.
    """

    schema: FeatureSchema
    rows: npt.NDArray[np.int64]
    columns: Mapping[str, Column]
    ids: Sequence[str] | None = None
    times: npt.NDArray[np.int64] | None = None
    labels: Sequence[Any] | None = None
    passthrough: Mapping[str, Sequence[Any]] | None = None

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.rows)

    def take(self, positions: npt.NDArray[np.int64]) -> FeatureBatch:
        """Return the records at these positions (not row numbers), in that order."""

        def pick(values: Sequence[Any]) -> list[Any]:
            return [values[int(i)] for i in positions]

        return FeatureBatch(
            schema=self.schema,
            rows=self.rows[positions],
            columns={name: column[positions] for name, column in self.columns.items()},
            ids=None if self.ids is None else pick(self.ids),
            times=None if self.times is None else self.times[positions],
            labels=None if self.labels is None else pick(self.labels),
            passthrough=None if self.passthrough is None else {k: pick(v) for k, v in self.passthrough.items()},
        )

    @staticmethod
    def concatenate(batches: Sequence[FeatureBatch]) -> FeatureBatch:
        """Return one batch of all the records of at least one batch of the same schema, in order."""
        first = batches[0]
        if len(batches) == 1:
            return first

        def joined(parts: Iterable[Sequence[Any] | None]) -> list[Any] | None:
            present = [part for part in parts if part is not None]
            return list(chain.from_iterable(present)) if len(present) == len(batches) else None

        times = [batch.times for batch in batches if batch.times is not None]
        extra = [batch.passthrough for batch in batches if batch.passthrough is not None]
        return FeatureBatch(
            schema=first.schema,
            rows=np.concatenate([batch.rows for batch in batches]),
            columns={name: np.concatenate([batch.columns[name] for batch in batches]) for name in first.columns},
            ids=joined(batch.ids for batch in batches),
            times=np.concatenate(times) if len(times) == len(batches) else None,
            labels=joined(batch.labels for batch in batches),
            passthrough={name: joined(part[name] for part in extra) or [] for name in extra[0]} if extra else None,
        )


@dataclass(frozen=True, slots=True)
class Decoded:
    """What became of a batch of values: every row number is in exactly one of the two."""

    batch: FeatureBatch
    rejections: Sequence[Rejection]
