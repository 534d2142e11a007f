"""The codec port: raw values in, columns out, and never an exception for a bad value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from features.batch import Decoded
from features.schema import FeatureSchema

HeadersOf: TypeAlias = Callable[[int], Sequence[tuple[str, bytes | None]]]
"""The headers of the record in a row of the batch; a function because most are never looked at."""


class FeatureCodec(Protocol):
    """Turns the values of a polled batch into columns.

    The schema is an argument so that only the fields of the pinned model are decoded: a record that
    lacks a field which this model does not use is not a bad record. Implementations may cache what
    they derive from a schema; they hold no other state and are called from one thread.
    """

    def decode(
        self, values: Sequence[bytes | None], schema: FeatureSchema, *, headers: HeadersOf | None = None
    ) -> Decoded:
        """Return the columns of the readable values and a rejection for each of the others.

        Row numbers are positions in ``values``. A bad value never raises and never harms its
        neighbours. Order is kept. ``headers`` may name the schema a record was written with; a codec
        of one schema does not ask.

        Raises:
            SchemasUnavailable: A schema is needed that cannot be had now; nothing is decoded.
        """
        ...
