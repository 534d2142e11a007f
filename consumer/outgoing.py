"""What a scored batch becomes on the way out: one record per input record, in input order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from consumer.records import RecordBatch
from consumer.scoring import ScoredBatch
from features.rejection import Reason, Rejection, Stage
from producer.dead_letters import TRUNCATED_HEADER, TRUNCATED_VALUE_BYTES, dead_letter_headers
from producer.encoding import ScoreColumns, ScoreEncoder
from producer.records import Headers, TopicPartition

TRACE_HEADERS = frozenset({"traceparent", "tracestate"})  # W3C trace context follows the event into its score


class Outgoing(NamedTuple):
    """One record to produce, and the row of the batch it answers. A tuple, as one is made for every record."""

    row: int
    topic: str
    key: bytes | None
    value: bytes | None
    timestamp_ms: int
    headers: Headers
    reason: Reason | None


class Outbox:
    """Turns scored batches into outgoing records."""

    def __init__(
        self,
        encoder: ScoreEncoder,
        *,
        scores_topic: str,
        dead_letters_topic: str,
        service: str,
        now_ms: Callable[[], int],
    ) -> None:
        """Keep where scores and dead letters go."""
        self._encoder = encoder
        self._scores_topic = scores_topic
        self._dead_letters_topic = dead_letters_topic
        self._service = service
        self._now_ms = now_ms

    def fill(self, batch: RecordBatch, scored: ScoredBatch) -> list[Outgoing]:
        """Return a score or a dead letter for every record of the batch, in its order."""
        letters = {rejection.row: rejection for rejection in scored.rejections}
        scores = dict(zip(scored.features.rows.tolist(), self._encode(batch, scored), strict=True))
        if len(letters) + len(scores) != len(batch):
            raise RuntimeError(
                f"{len(batch)} records became {len(scores)} scores and {len(letters)} dead letters: refusing to go on"
            )
        timestamps = batch.timestamps_ms.tolist()
        return [
            self.dead_letter(batch, letters[row])
            if row in letters
            else Outgoing(
                row, self._scores_topic, key, scores[row], timestamps[row], _trace_of(batch.headers(row)), None
            )
            for row, key in enumerate(batch.keys)
        ]

    def dead_letter(self, batch: RecordBatch, rejection: Rejection) -> Outgoing:
        """Return the record as it came, with the headers that say why."""
        row = rejection.row
        headers = dead_letter_headers(
            rejection,
            source=batch.at(row),
            offset=int(batch.offsets[row]),
            service=self._service,
            original=batch.headers(row),
        )
        return Outgoing(
            row,
            self._dead_letters_topic,
            batch.keys[row],
            batch.values[row],
            int(batch.timestamps_ms[row]),
            headers,
            rejection.reason,
        )

    def too_large(self, batch: RecordBatch, row: int, detail: str) -> Outgoing:
        """Return a dead letter for a record whose score, or dead letter, no topic takes."""
        return self.dead_letter(batch, Rejection(row, Stage.PUBLISH, Reason.TOO_LARGE, detail))

    def truncated(self, batch: RecordBatch, row: int, detail: str) -> Outgoing:
        """Return a last-resort dead letter: a piece of the value, no key, none of the original headers."""
        value = batch.values[row] or b""
        headers = dead_letter_headers(
            Rejection(row, Stage.PUBLISH, Reason.TOO_LARGE, detail),
            source=batch.at(row),
            offset=int(batch.offsets[row]),
            service=self._service,
            original=[],
        )
        headers.append((TRUNCATED_HEADER, str(len(value)).encode()))
        kept = value[:TRUNCATED_VALUE_BYTES]
        return Outgoing(row, self._dead_letters_topic, None, kept, self._now_ms(), headers, Reason.TOO_LARGE)

    def _encode(self, batch: RecordBatch, scored: ScoredBatch) -> list[bytes]:
        features, rows = scored.features, scored.features.rows
        topics = [batch.topics[row] for row in rows.tolist()]
        partitions, offsets = batch.partitions[rows], batch.offsets[rows]
        ids = features.ids
        if ids is None:
            located = zip(topics, partitions.tolist(), offsets.tolist(), strict=True)
            ids = [f"{topic}/{partition}/{offset}" for topic, partition, offset in located]
        return self._encoder.encode(
            ScoreColumns(
                event_ids=ids,
                event_times=batch.timestamps_ms[rows] if features.times is None else features.times,
                scores=scored.scores,
                classes=scored.live.model.classes,
                model_version=scored.live.version,
                role="champion",
                scored_at=self._now_ms(),
                topics=topics,
                partitions=partitions,
                offsets=offsets,
                passthrough=features.passthrough or {},
            )
        )


def _trace_of(headers: Headers) -> Headers:
    return [header for header in headers if header[0] in TRACE_HEADERS] if headers else ()


def count_reasons(outgoing: Collection[Outgoing]) -> Mapping[Reason, int]:
    """Return how many dead letters there are of each reason."""
    return Counter(record.reason for record in outgoing if record.reason is not None)


def first_offsets(batch: RecordBatch) -> frozenset[tuple[TopicPartition, int]]:
    """Return the first offset of each partition in the batch: what names a batch across retries."""
    firsts: dict[TopicPartition, int] = {}
    for row in range(len(batch)):
        firsts.setdefault(batch.at(row), int(batch.offsets[row]))
    return frozenset(firsts.items())
