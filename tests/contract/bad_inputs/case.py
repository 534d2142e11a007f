"""One bad input and its stated outcome, numbered as in ``docs/bad-inputs.md``."""

from __future__ import annotations

from dataclasses import dataclass

from features.rejection import Reason
from features.schema import FeatureSchema, Field, FieldType, NullPolicy, Roles
from producer.records import Headers

SCHEMA = FeatureSchema(
    (
        Field("x", FieldType.DOUBLE, "x"),
        Field("big", FieldType.DOUBLE, "big", null=NullPolicy.DEFAULT, default=0.0),
        Field("count", FieldType.INT, "count", null=NullPolicy.DEFAULT, default=7),
        Field("rate", FieldType.DOUBLE, "rate", null=NullPolicy.KEEP),
        Field("country", FieldType.STRING, "country", null=NullPolicy.DEFAULT, default="unknown"),
        Field("last", FieldType.DOUBLE, "last", length=3, null=NullPolicy.KEEP),
    ),
    Roles(id="id", passthrough=("note",)),
)
"""A field of every policy; the model scores twice ``x`` plus ``count``."""

SCORED = "scored"
"""In the place of a reason: the record has a score."""


@dataclass(frozen=True, slots=True)
class Case:
    """A record that comes in, and what must become of it.

    Attributes:
        number: Its number in the table of the page.
        what: In a few words what is odd about it.
        value: The record's value.
        outcome: The reason of its dead letter, or ``SCORED``.
        score: The score it must have; None: any.
        key: The record's key.
        headers: The record's headers.
        timestamp_ms: The record's timestamp.
    """

    number: int
    what: str
    value: bytes | None
    outcome: Reason | str
    score: float | None = None
    key: bytes | None = b"k"
    headers: Headers = ()
    timestamp_ms: int = 1_000

    def __str__(self) -> str:
        """Return what a test is called by."""
        return f"{self.number} {self.what}"
