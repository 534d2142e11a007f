"""Up to where examples were given: what an increment begins at and the next one begins after."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from buffer.errors import BufferingError

FORMAT = 1
_LAST_MS = 2**53  # in microseconds it still fits 64 bits
_LAST_PARTITION = 2**31 - 1
_LAST_POSITION = 2**63 - 1

Positions: TypeAlias = Mapping[tuple[str, int], int]
"""The next offset by topic id and partition; of a loaded file the next row number by ``sha256:<digest>`` and 0."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """What was known when examples were given, told by positions: compaction, thinning and retention do not move it.

    A row of a table was known then if its offset lies before the position of its topic id and partition.

    Attributes:
        as_of_ms: The moment, in epoch milliseconds.
        features: Positions of the features table.
        labels: Positions of the labels table.
        missing_before_ms: Events before this time that had no label counted as the missing class then; None where
            a missing label counted as nothing.
    """

    as_of_ms: int
    features: Positions
    labels: Positions
    missing_before_ms: int | None = None

    def merged(self, earlier: Cursor | None) -> Cursor:
        """Return this cursor with no position before that of an earlier one.

        Rows that retention has dropped are in no table any more, and must not be taken for new when they were given.
        """
        if earlier is None:
            return self
        return Cursor(
            as_of_ms=max(self.as_of_ms, earlier.as_of_ms),
            features=_furthest(self.features, earlier.features),
            labels=_furthest(self.labels, earlier.labels),
            missing_before_ms=self.missing_before_ms,
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain values, for a manifest or a file."""
        return {
            "format": FORMAT,
            "as_of": self.as_of_ms,
            "missing_before": self.missing_before_ms,
            "features": _nested(self.features),
            "labels": _nested(self.labels),
        }

    @classmethod
    def from_json(cls, data: object) -> Cursor:
        """Return the cursor that ``to_json`` gave.

        Raises:
            BufferingError: It is none, or of a newer format.
        """
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise BufferingError(f"this is no cursor of labelled examples of format {FORMAT}")
        try:
            before = data["missing_before"]
            return cls(
                as_of_ms=_within(data["as_of"], -_LAST_MS, _LAST_MS),
                features=_flat(data["features"]),
                labels=_flat(data["labels"]),
                missing_before_ms=None if before is None else _within(before, -_LAST_MS, _LAST_MS),
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as reason:
            raise BufferingError(f"this cursor of labelled examples is damaged: {reason!r}") from None

    @classmethod
    def parse(cls, text: str | bytes) -> Cursor:
        """Return the cursor that a JSON text holds.

        Raises:
            BufferingError: It holds none.
        """
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):
            raise BufferingError("this is no cursor of labelled examples: it is not JSON") from None
        return cls.from_json(data)


def _furthest(one: Positions, other: Positions) -> Positions:
    sources = sorted({*one, *other})
    return {source: max(one.get(source, 0), other.get(source, 0)) for source in sources}


def _nested(positions: Positions) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for (topic_id, partition), position in sorted(positions.items()):
        found.setdefault(topic_id, {})[str(partition)] = position
    return found


def _within(value: Any, first: int, last: int) -> int:
    number = int(value)
    if not first <= number <= last:
        raise ValueError(number)
    return number


def _flat(data: Mapping[str, Mapping[str, int]]) -> Positions:
    return {
        (topic_id, _within(partition, 0, _LAST_PARTITION)): _within(position, 0, _LAST_POSITION)
        for topic_id, by_partition in data.items()
        for partition, position in by_partition.items()
    }
