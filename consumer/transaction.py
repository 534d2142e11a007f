"""One batch out and its offsets with it, as one unit: the numbered steps, in the only order that is safe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from consumer.errors import StuckBatch
from consumer.outgoing import Outbox, Outgoing
from consumer.records import RecordBatch
from consumer.retry import Brake
from consumer.source import RecordSource
from consumer.stopwatch import Stopwatch
from consumer.watchdog import Watchdog
from producer.errors import AbortRequired, RecordTooLarge
from producer.sink import RecordSink


class TransactionPublisher:
    """Publishes batches through one sink. Any ``ProducerError`` it raises leaves the batch to be undone."""

    def __init__(  # noqa: PLR0913 - the composition root wires it by name
        self,
        source: RecordSource,
        sink: RecordSink,
        *,
        outbox: Outbox,
        brake: Brake,
        watchdog: Watchdog,
        step_timeout: float,
    ) -> None:
        """Take the parts; ``step_timeout`` seconds is when a step counts as hung."""
        self._source = source
        self._sink = sink
        self._outbox = outbox
        self._brake = brake
        self._watchdog = watchdog
        self._timeout = step_timeout
        self._partition_counts: dict[str, int] = {}

    def learn_topics(self, topics: Sequence[str]) -> None:
        """Ask how many partitions the output topics have; raises ``SinkRefused`` when one is not there."""
        self._partition_counts = {topic: self._sink.partition_count(topic) for topic in topics}

    def publish(
        self, batch: RecordBatch, outgoing: Sequence[Outgoing], *, assignments: int, stopwatch: Stopwatch
    ) -> list[Outgoing]:
        """Publish the batch and its offsets; return what was really sent.

        ``assignments`` is the source's number when the batch was polled: if it has moved on, somebody else
        may own the partitions by now.
        """
        sink, watch = self._sink, self._watchdog
        with watch.step("produce", self._timeout):
            sink.begin()  # 1. never for an empty batch: an idle producer holds back no reader
            sent = [self._produce(batch, record) for record in outgoing]  # 2. in input order
            stopwatch.lap("produce")
        with watch.step("flush", self._timeout):
            sink.flush()  # 3. every record acknowledged, or the batch is undone
            stopwatch.lap("flush")
        offsets = batch.next_offsets()  # 4. our own bookkeeping, never the client's position
        if self._source.assignments != assignments or not offsets.keys() <= self._source.owned:
            raise AbortRequired("partitions were taken away while their batch was in hand")
        with watch.step("send_offsets", self._timeout):
            sink.send_offsets(offsets, self._source.group())  # 5. metadata taken fresh: fenced by generation
        with watch.step("commit", self._timeout):
            sink.commit()  # 6. all of it becomes visible here, or nothing
            stopwatch.lap("commit")
        self._brake.succeeded(offsets)
        return sent

    def _produce(self, batch: RecordBatch, record: Outgoing) -> Outgoing:
        """Hand one record over; return it, or the dead letter that went in its place."""
        refusals = 0
        if self._brake.guilty:  # hardly ever, and looking up costs for every record
            refusals = self._brake.refusals(batch.at(record.row), int(batch.offsets[record.row]))
        if not refusals:
            try:
                self._send(batch, record)
            except RecordTooLarge:
                refusals = 1
            else:
                return record
        for letter in islice(self._last_resorts(batch, record), refusals - 1, None):
            try:
                self._send(batch, letter)
            except RecordTooLarge:
                continue
            return letter
        raise StuckBatch(
            f"record {batch.at(record.row)} offset {batch.offsets[record.row]} can be published neither as a score "
            "nor as a dead letter: raise max.message.bytes of the dead-letter topic"
        )

    def _last_resorts(self, batch: RecordBatch, record: Outgoing) -> Iterator[Outgoing]:
        """Yield smaller and smaller dead letters for a record that was refused."""
        detail = (
            f"the {'score' if record.reason is None else 'dead letter'} of this record is larger than a topic takes"
        )
        yield self._outbox.too_large(batch, record.row, detail)
        yield self._outbox.truncated(batch, record.row, detail)

    def _send(self, batch: RecordBatch, record: Outgoing) -> None:
        partition = None
        if record.key is None:  # without a key the source partition keeps the order
            partition = int(batch.partitions[record.row]) % self._partition_counts[record.topic]
        self._sink.produce(
            record.topic,
            key=record.key,
            value=record.value,
            timestamp_ms=record.timestamp_ms,
            headers=record.headers,
            partition=partition,
        )
