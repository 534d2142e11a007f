"""One batch out and its offsets with it, as one unit: the numbered steps, in the only order that is safe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice

import numpy as np

from consumer.errors import StuckBatch
from consumer.outgoing import Letter, Outbox, Outgoing
from consumer.records import RecordBatch
from consumer.retry import Brake, Refusal
from consumer.source import RecordSource
from consumer.stopwatch import Stopwatch
from consumer.watchdog import Watchdog
from features.rejection import Reason
from producer.errors import AbortRequired, RecordTooLarge
from producer.records import RecordColumns
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
        self, batch: RecordBatch, outgoing: Outgoing, *, assignments: int, stopwatch: Stopwatch
    ) -> Mapping[Reason, int]:
        """Publish the batch and its offsets; return how many dead letters went out for each reason.

        ``assignments`` is the source's number when the batch was polled: if it has moved on, somebody else
        may own the partitions by now.
        """
        sink, watch = self._sink, self._watchdog
        with watch.step("produce", self._timeout):
            sink.begin()  # 1. never for an empty batch: an idle producer holds back no reader
            dead = self._produce(batch, outgoing)  # 2. in input order
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
        return dead

    def _produce(self, batch: RecordBatch, outgoing: Outgoing) -> Counter[Reason]:
        """Hand everything over in the order of the batch: runs of scores, and letters between them."""
        refusals = self._refusals(batch)
        special = sorted(outgoing.letters.keys() | refusals.keys())
        scores = self._placed(batch, outgoing)
        letters: list[Letter] = []
        begin = 0
        for row, end in zip(special, np.searchsorted(outgoing.rows, special).tolist(), strict=True):
            letters += self._send_scores(batch, outgoing, scores, span=(begin, end))
            letters.append(self._send_letter(batch, row, outgoing.letters.get(row), refusal=refusals.get(row)))
            begin = end if row in outgoing.letters else end + 1
        letters += self._send_scores(batch, outgoing, scores, span=(begin, len(scores)))
        return Counter(letter.reason for letter in letters)

    def _refusals(self, batch: RecordBatch) -> dict[int, Refusal]:
        """Return the rows that the broker has refused before."""
        if not self._brake.guilty:  # hardly ever, and looking up costs for every record
            return {}
        found = {row: self._brake.refusal(batch.at(row), int(batch.offsets[row])) for row in range(len(batch))}
        return {row: refusal for row, refusal in found.items() if refusal is not None}

    def _placed(self, batch: RecordBatch, outgoing: Outgoing) -> RecordColumns:
        """Return the scores with the partition of those that have no key: the source's keeps their order."""
        keys = outgoing.scores.keys
        if None not in keys:
            return outgoing.scores
        wanted = (batch.partitions[outgoing.rows] % self._partition_counts[outgoing.topic]).tolist()
        partitions = [wanted[at] if key is None else None for at, key in enumerate(keys)]
        return replace(outgoing.scores, partitions=partitions)

    def _send_scores(
        self, batch: RecordBatch, outgoing: Outgoing, scores: RecordColumns, *, span: tuple[int, int]
    ) -> Iterator[Letter]:
        """Hand a run of scores over; yield the dead letters that went in the place of some."""
        begin, end = span
        while begin < end:
            try:
                self._sink.produce_many(outgoing.topic, scores.part(begin, end))
            except RecordTooLarge as error:
                begin += error.index
                row = int(outgoing.rows[begin])
                yield self._send_letter(batch, row, None, refusal=Refusal(1, str(error), too_large=True))
                begin += 1
            else:
                return

    def _send_letter(self, batch: RecordBatch, row: int, letter: Letter | None, *, refusal: Refusal | None) -> Letter:
        """Hand over what is left of a record: its letter or, for each refusal so far, the next resort."""
        known = Refusal(0, "", too_large=True) if refusal is None else refusal  # the client looks at sizes alone
        resorts = self._outbox.last_resorts(batch, row, letter=letter, refusal=known)
        for form in islice(chain([letter], resorts), known.times, None):
            if form is None:
                continue
            try:
                self._send(batch, form)
            except RecordTooLarge:
                continue
            return form
        raise StuckBatch(
            f"record {batch.at(row)} offset {batch.offsets[row]} can be published neither as a score "
            "nor as a dead letter: raise max.message.bytes of the dead-letter topic"
        )

    def _send(self, batch: RecordBatch, letter: Letter) -> None:
        partition = None
        if letter.key is None:  # without a key the source partition keeps the order
            partition = int(batch.partitions[letter.row]) % self._partition_counts[letter.topic]
        self._sink.produce(
            letter.topic,
            key=letter.key,
            value=letter.value,
            timestamp_ms=letter.timestamp_ms,
            headers=letter.headers,
            partition=partition,
        )
