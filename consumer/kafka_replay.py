"""A replay on Apache Kafka: letters go out and the marks of what was sent are committed in one transaction."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from confluent_kafka import TopicPartition as ClientPartition

from consumer.errors import SourceRefused
from consumer.kafka_reader import KafkaSnapshot
from consumer.records import RecordBatch
from consumer.replay import Replayed
from consumer.replay_marks import Marks
from producer.errors import AbortRequired, ProducerError, ProducerFenced, RecordTooLarge, RecreateRequired
from producer.kafka import KafkaSink
from producer.records import TopicPartition

CHUNK_RECORDS = 500
CHUNK_BYTES = 4 * 1024 * 1024


class MarkingSink(KafkaSink):
    """A transactional sink whose offsets carry a note each."""

    def send_marks(self, marks: Mapping[TopicPartition, Marks], group: object) -> None:
        """Add the marks to the transaction, for a group without members."""
        positions = [
            ClientPartition(at.topic, at.partition, mark.low, metadata=mark.note()) for at, mark in marks.items()
        ]
        self._attempt(
            "send_offsets_to_transaction",
            lambda timeout: self._producer.send_offsets_to_transaction(positions, group, timeout),
        )


def committed_marks(snapshot: KafkaSnapshot) -> dict[TopicPartition, Marks]:
    """Return what the replays of the snapshot's group have dealt with.

    Raises:
        SourceRefused: What is committed there is not to be had, or not of a replay of this topic.
        SourceUnreachable: The coordinator does not answer.
    """
    group, marks = snapshot.group_id, {}
    for at, (offset, note) in snapshot.committed().items():
        end = snapshot.ends[at][1]
        forget = f"kafka-consumer-groups --delete-offsets --group {group} --topic {at.topic}"
        if offset > end:
            raise SourceRefused(
                f"group {group} has dealt with {at} up to {offset}, where the topic has only {end} records: it was "
                f"made anew. Delete the group's offsets ({forget}) and start again"
            )
        try:
            marks[at] = Marks.read(offset, note) if offset >= 0 else Marks()
        except ValueError as error:
            raise SourceRefused(
                f"group {group}: what is noted about {at} cannot be read: {error}. Name a group that nobody else uses "
                f"in groups.replay, or have this one forget ({forget}): both offer every letter again"
            ) from error
    return marks


class KafkaRehearsal:
    """The letters that no replay has dealt with: a replay on it changes nothing and tells what it would send."""

    def __init__(
        self, conf: Mapping[str, Any], *, topic: str, group_id: str, show: Callable[[Sequence[Replayed]], None]
    ) -> None:
        """Connect; see ``KafkaSnapshot`` for what it raises. ``show`` is given what is sent."""
        self._show = show
        self._snapshot = KafkaSnapshot(conf, topic, group_id=group_id)

    def open(self) -> Mapping[TopicPartition, Marks]:
        """Return what is committed, and begin to read behind it."""
        marks = committed_marks(self._snapshot)
        self._snapshot.begin({at: mark.low for at, mark in marks.items()})
        return marks

    def batches(self) -> Iterator[RecordBatch]:
        """Yield the letters."""
        return self._snapshot.batches(max_records=CHUNK_RECORDS, max_bytes=CHUNK_BYTES)

    def send(self, letters: Sequence[Replayed], marks: Mapping[TopicPartition, Marks]) -> None:
        """Show them, and send nothing."""
        del marks
        self._show(letters)

    def close(self) -> None:
        """Release the client."""
        self._snapshot.close()


class KafkaReplay(KafkaRehearsal):
    """The letters, and the way back for them."""

    def __init__(
        self,
        conf: Mapping[str, Any],
        sink: MarkingSink,
        *,
        topic: str,
        group_id: str,
    ) -> None:
        """Take a sink that is not open; one transactional id for all replays of a service keeps two of them apart."""
        super().__init__(conf, topic=topic, group_id=group_id, show=lambda _letters: None)
        self._sink = sink
        self._counts: dict[str, int] = {}

    def open(self) -> Mapping[TopicPartition, Marks]:
        """Take the id over, which aborts what another replay has in hand, and only then read what is committed."""
        self._sink.open()
        return super().open()

    def send(self, letters: Sequence[Replayed], marks: Mapping[TopicPartition, Marks]) -> None:
        """Send and commit as one; when it fails, nothing of it is visible, or a later run knows."""
        try:
            self._transact_or_abort(letters, marks)
        except (AbortRequired, RecordTooLarge):
            raise
        except ProducerFenced as error:
            raise ProducerFenced("another replay of this service has begun, and took over; this one ends") from error
        except RecreateRequired as error:
            raise type(error)(
                f"it is not known whether the last {len(letters)} letters were sent ({error}); "
                "run the command again: it finds out, and sends none twice"
            ) from error
        except BaseException:  # Ctrl-C: an open transaction would hold up readers until it times out
            with contextlib.suppress(ProducerError):
                self._sink.abort()
            raise

    def close(self) -> None:
        """Release both clients."""
        self._sink.close()
        super().close()

    def _transact_or_abort(self, letters: Sequence[Replayed], marks: Mapping[TopicPartition, Marks]) -> None:
        try:
            self._transact(letters, marks)
        except (AbortRequired, RecordTooLarge):
            self._sink.abort()  # where we are fenced the first to say so may be this call, after a failed delivery
            raise

    def _transact(self, letters: Sequence[Replayed], marks: Mapping[TopicPartition, Marks]) -> None:
        for topic in {letter.topic for letter in letters} - self._counts.keys():
            self._counts[topic] = self._sink.partition_count(topic)
        self._sink.begin()
        for letter in letters:
            self._sink.produce(
                letter.topic,
                key=letter.key,
                value=letter.value,
                timestamp_ms=letter.timestamp_ms,
                headers=letter.headers,
                partition=letter.partition(self._counts[letter.topic]),
            )
        self._sink.flush()
        self._sink.send_marks(marks, self._snapshot.group_metadata)
        self._sink.commit()
