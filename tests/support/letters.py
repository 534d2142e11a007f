"""A dead-letter topic in memory as a replay needs it, and letters to fill it with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from consumer.records import RecordBatch
from consumer.replay import Replayed
from consumer.replay_marks import Marks
from features.rejection import Reason, Rejection, Stage
from producer.dead_letters import TRUNCATED_HEADER, dead_letter_headers
from producer.errors import ProducerError
from producer.records import Headers, TopicPartition

SERVICE, FEATURES = "fraud", "fraud.features"


@dataclass(frozen=True, slots=True)
class Letter:
    """One record of the dead-letter topic."""

    offset: int
    value: bytes | None = b"{}"
    key: bytes | None = None
    timestamp_ms: int = 1_000
    headers: Headers = ()


def letter(
    offset: int,
    reason: Reason = Reason.MISSING,
    *,
    topic: str = FEATURES,
    partition: int = 0,
    service: str = SERVICE,
    original: Headers = (),
    timestamp_ms: int = 1_000,
    truncated: bool = False,
    key: bytes | None = None,
) -> Letter:
    """Return a letter as the worker writes it; its source offset and its value tell it from others."""
    headers = dead_letter_headers(
        Rejection(0, Stage.DECODE, reason, "why"),
        source=TopicPartition(topic, partition),
        offset=offset * 10,
        service=service,
        original=original,
    )
    if truncated:
        headers.append((TRUNCATED_HEADER, b"99"))
    return Letter(offset, b"value of %d" % offset, key, timestamp_ms, headers)


def letter_batch(at: TopicPartition, letters: Sequence[Letter]) -> RecordBatch:
    """Return letters of one partition as they are polled."""
    return RecordBatch(
        topics=[at.topic] * len(letters),
        partitions=np.full(len(letters), at.partition, dtype=np.int32),
        offsets=np.array([found.offset for found in letters], dtype=np.int64),
        timestamps_ms=np.array([found.timestamp_ms for found in letters], dtype=np.int64),
        keys=[found.key for found in letters],
        values=[found.value for found in letters],
        headers=lambda row: letters[row].headers,
    )


@dataclass
class MemoryLetters:
    """A dead-letter topic and the marks committed on it; ``failures`` are raised by the next sends, one each."""

    letters: Mapping[TopicPartition, Sequence[Letter]]
    chunk: int = 5
    sent: list[Replayed] = field(default_factory=list)
    failures: list[ProducerError | None] = field(default_factory=list)
    refused: frozenset[int] = frozenset()
    refusal: ProducerError | None = None
    _committed: dict[TopicPartition, tuple[int, str]] = field(default_factory=dict)

    def open(self) -> dict[TopicPartition, Marks]:
        """Return what is committed, read from what a broker would keep of it."""
        return {at: Marks.read(*self._committed[at]) if at in self._committed else Marks() for at in self.letters}

    def batches(self) -> Iterator[RecordBatch]:
        """Yield the letters that are not below the marks."""
        for at, letters in self.letters.items():
            left = [found for found in letters if found.offset >= self._committed.get(at, (0, ""))[0]]
            for first in range(0, len(left), self.chunk):
                yield letter_batch(at, left[first : first + self.chunk])

    def send(self, letters: Sequence[Replayed], marks: Mapping[TopicPartition, Marks]) -> None:
        """Send and commit, or fail with nothing done."""
        if self.refusal is not None and any(found.letter_offset in self.refused for found in letters):
            raise self.refusal
        if self.failures and (failure := self.failures.pop(0)) is not None:
            raise failure
        self.sent += letters
        self._committed |= {at: (mark.low, mark.note()) for at, mark in marks.items()}

    def sent_offsets(self) -> list[int]:
        """Return the offsets of the letters sent, in the order they went."""
        return [found.letter_offset for found in self.sent]
