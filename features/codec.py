"""The codec port: raw values in, columns out, and never an exception for a bad value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from features.batch import Decoded
from features.schema import FeatureSchema


class FeatureCodec(Protocol):
    """Turns the values of a polled batch into columns.

    The schema is an argument so that only the fields of the pinned model are decoded: a record that
    lacks a field which this model does not use is not a bad record. Implementations may cache what
    they derive from a schema; they hold no other state and are called from one thread.
    """

    def decode(self, values: Sequence[bytes | None], schema: FeatureSchema) -> Decoded:
        """Return the columns of the readable values and a rejection for each of the others.

        Row numbers are positions in ``values``. A bad value never raises and never harms its
        neighbours. Order is kept.
        """
        ...
