from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from consumer.records import RecordBatch
from service.decoders import RegistryDecoder, decode_json
from service.topic_sample import decode_sample, take_records
from tests.support.registry_fake import FakeRegistry

EVENT = {"type": "record", "name": "Event", "fields": [{"name": "x", "type": "boolean"}]}


def batch(*values: bytes | None) -> RecordBatch:
    """Return a batch of records with these values."""
    numbers: Any = np.arange(len(values))
    return RecordBatch(["t"] * len(values), numbers, numbers, numbers, [None] * len(values), values, lambda _row: ())


def taken(batches: Sequence[RecordBatch], *, records: int = 100, now: Iterator[float] | None = None) -> list[bytes]:
    """Return the values taken."""
    ticks = now or iter([0.0] * 100)
    return [value for value, _ in take_records(batches, records=records, seconds=5, clock=lambda: next(ticks))]


def test_take_records_ends_with_enough_with_the_topic_or_in_time() -> None:
    """A look at a large or a slow topic ends; a record without a value is none."""
    batches = [batch(b"1", None, b"2"), batch(b"3", b"4")]
    assert taken(batches) == [b"1", b"2", b"3", b"4"]
    assert taken(batches, records=3) == [b"1", b"2", b"3"]
    assert taken(batches, now=iter([0.0, 6.0])) == [b"1", b"2"]


def test_decode_sample_counts_what_is_no_event_and_tells_the_first() -> None:
    """A person hears how many records would be dead letters, and of what."""
    sample = decode_sample(
        [(b'{"x": 1}', ()), (b"nope", ()), (b"[1]", ()), (b"\x00\x00\x00\x00\x01a", ())], decode_json
    )
    assert (sample.events, sample.read) == ([{"x": 1}], 4)
    (note,) = sample.notes()
    assert note.startswith("3 of 4 records cannot be decoded and would be dead letters; the first: not JSON")
    assert (sample.looks_framed, sample.looks_json) == (True, False)


def test_decode_sample_knows_the_schemas_of_what_it_could_decode() -> None:
    """They say under which subjects the events of the topic are registered."""
    registry = FakeRegistry()
    number = registry.add("bank.Event", EVENT)
    records = [(bytes([0, 0, 0, 0, number, 1]), ()), (b'{"x": 1}', ())]
    sample = decode_sample(records, RegistryDecoder(registry))
    assert (sample.events, sample.schemas, sample.looks_json) == ([{"x": True}], {number}, True)
