"""Some records of a topic, decoded, to see what its events are like."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from consumer.records import RecordBatch
from producer.records import Headers
from service.decoders import Decode, framed

Record: TypeAlias = tuple[bytes, Headers]


@dataclass(slots=True)
class Sample:
    """What became of some records.

    Attributes:
        events: Those that could be decoded.
        read: How many were tried.
        reason: Why the first that could not be decoded could not; empty where all could.
        schemas: The ids or guids that name their schemas.
        looks_framed: Whether one that could not be decoded begins as in a registry's framing.
        looks_json: Whether one that could not be decoded begins as a JSON object does.
    """

    events: list[dict[str, Any]] = field(default_factory=list)
    read: int = 0
    reason: str = ""
    schemas: set[int | str] = field(default_factory=set)
    looks_framed: bool = False
    looks_json: bool = False

    def notes(self) -> Iterator[str]:
        """Yield what a person should know of the records that could not be decoded."""
        bad = self.read - len(self.events)
        if bad:
            yield f"{bad} of {self.read} records cannot be decoded and would be dead letters; the first: {self.reason}"


def take_records(
    batches: Iterable[RecordBatch], *, records: int, seconds: float, clock: Callable[[], float] = time.monotonic
) -> list[Record]:
    """Return the records that have a value: so many, or all there are, or those of the first batches in time.

    Raises:
        ConsumerError: The topic cannot be read.
    """
    found: list[Record] = []
    deadline = clock() + seconds
    for batch in batches:
        found += [(value, batch.headers(row)) for row, value in enumerate(batch.values) if value is not None]
        if len(found) >= records or clock() > deadline:
            break
    return found[:records]


def decode_sample(records: Sequence[Record], decode: Decode) -> Sample:
    """Return the events of some records, and what was wrong with the others.

    Raises:
        SchemasUnavailable: The registry does not answer.
    """
    sample = Sample(read=len(records))
    for value, headers in records:
        try:
            event = decode(value, headers)
            if not isinstance(event, dict):
                raise ValueError("it is not an object")  # noqa: TRY301, TRY004 - one way for whatever is no event
        except ValueError as error:
            sample.reason = sample.reason or str(error)
            sample.looks_framed |= _schema_of(value, headers) is not None
            sample.looks_json |= value.lstrip()[:1] == b"{"
            continue
        sample.events.append(event)
        named = _schema_of(value, headers)
        sample.schemas |= set() if named is None else {named}
    return sample


def _schema_of(value: bytes, headers: Headers) -> int | str | None:
    try:
        return framed(value, headers)[0]
    except ValueError:
        return None
