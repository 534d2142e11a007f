"""The port between a polled batch and the rows of a buffer table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from buffer.table import TableName
from consumer.records import RecordBatch


@dataclass(frozen=True, slots=True)
class Taken:
    """What some records became.

    Attributes:
        rows: Rows of the intake's table, fewer than records where some are left out.
        outcomes: How many records had which outcome, for the counters: ``accepted``, ``left_out`` (a feature event
            that does not decode: the scoring worker makes a dead letter of it; a record that is no score of ours),
            ``retracted``, ``refused`` (a label; an inline one stands beside its event, which is accepted).
    """

    rows: pa.Table
    outcomes: Mapping[str, int]


class Intake(Protocol):
    """Makes rows of the records of one topic."""

    @property
    def table(self) -> TableName:
        """Return the table they are rows of."""
        ...

    def take(self, records: RecordBatch, *, topic_id: str) -> Taken:
        """Return the rows of these records, all of one topic; a bad record never raises.

        Raises:
            SchemasUnavailable: A schema is needed that cannot be had now; nothing is taken.
        """
        ...
