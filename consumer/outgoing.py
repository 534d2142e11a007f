"""What a scored batch becomes on the way out: columns of scores, and a dead letter for each of the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from consumer.records import RecordBatch
from consumer.retry import Refusal
from consumer.scoring import ScoredBatch
from features.rejection import Reason, Rejection, Stage
from producer.dead_letters import REPLAYS_HEADER, TRUNCATED_HEADER, TRUNCATED_VALUE_BYTES, dead_letter_headers
from producer.encoding import ScoreColumns, ScoreEncoder
from producer.records import Headers, RecordColumns
from producer.runs import EncodedInRuns

TRACE_HEADERS = frozenset({"traceparent", "tracestate"})  # W3C trace context follows the event into its score


class Letter(NamedTuple):
    """One dead letter to produce, and the row of the batch it answers."""

    row: int
    topic: str
    key: bytes | None
    value: bytes | None
    timestamp_ms: int
    headers: Headers
    reason: Reason


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record for every record of a batch.

    Attributes:
        topic: Where the scores go.
        scores: The scores, in the order of the batch.
        rows: The row of the batch each score answers, ascending.
        letters: The dead letters by the row they answer, ascending.
    """

    topic: str
    scores: RecordColumns
    rows: npt.NDArray[np.int64]
    letters: Mapping[int, Letter]


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

    def fill(self, batch: RecordBatch, scored: ScoredBatch) -> Outgoing:
        """Return a score or a dead letter for every record of the batch, in its order."""
        rows = scored.features.rows
        rejections = {rejection.row: rejection for rejection in scored.rejections}
        _check_all_answered(len(batch), rows, list(rejections))
        keys: Sequence[bytes | None] = batch.keys
        if rejections:
            keys = [keys[row] for row in rows.tolist()]
        return Outgoing(
            topic=self._scores_topic,
            scores=RecordColumns(
                keys=keys,
                values=self._encode(batch, scored),
                timestamps_ms=batch.timestamps_ms[rows],
                headers=_traces(batch, rows),
            ),
            rows=rows,
            letters={row: self.dead_letter(batch, rejections[row]) for row in sorted(rejections)},
        )

    def dead_letter(self, batch: RecordBatch, rejection: Rejection) -> Letter:
        """Return the record as it came, with the headers that say why."""
        row = rejection.row
        headers = dead_letter_headers(
            rejection,
            source=batch.at(row),
            offset=int(batch.offsets[row]),
            service=self._service,
            original=batch.headers(row),
        )
        return Letter(
            row,
            self._dead_letters_topic,
            batch.keys[row],
            batch.values[row],
            int(batch.timestamps_ms[row]),
            headers,
            rejection.reason,
        )

    def last_resorts(
        self, batch: RecordBatch, row: int, *, letter: Letter | None, refusal: Refusal
    ) -> Iterator[Letter]:
        """Yield forms of a record whose score, or whose dead letter ``letter``, was refused: the last one is cut."""
        what = "score" if letter is None else f"dead letter ({letter.reason.value})"
        if refusal.too_large:
            detail = f"the {what} of this record is larger than a topic takes"
            whole = self.dead_letter(batch, Rejection(row, Stage.PUBLISH, Reason.TOO_LARGE, detail))
        else:
            detail = f"the {what} of this record, of the time {batch.timestamps_ms[row]}, was refused: {refusal.said}"
            whole = self.dead_letter(batch, Rejection(row, Stage.PUBLISH, Reason.REFUSED, detail))
            whole = whole._replace(timestamp_ms=self._now_ms())  # most often it is the timestamp that is refused
        yield whole
        yield self._truncated(batch, Rejection(row, Stage.PUBLISH, whole.reason, detail))

    def _truncated(self, batch: RecordBatch, rejection: Rejection) -> Letter:
        """Return a dead letter with a piece of the value, no key, and of the original headers the count of replays."""
        row = rejection.row
        value = batch.values[row] or b""
        headers = dead_letter_headers(
            rejection,
            source=batch.at(row),
            offset=int(batch.offsets[row]),
            service=self._service,
            original=[header for header in batch.headers(row) if header[0] == REPLAYS_HEADER][:1],
        )
        headers.append((TRUNCATED_HEADER, str(len(value)).encode()))
        kept = value[:TRUNCATED_VALUE_BYTES]
        return Letter(row, self._dead_letters_topic, None, kept, self._now_ms(), headers, rejection.reason)

    def _encode(self, batch: RecordBatch, scored: ScoredBatch) -> Sequence[bytes]:
        features, rows = scored.features, scored.features.rows
        topics = batch.topics if len(rows) == len(batch) else [batch.topics[row] for row in rows.tolist()]
        partitions, offsets = batch.partitions[rows], batch.offsets[rows]
        ids = features.ids
        if ids is None:
            located = zip(topics, partitions.tolist(), offsets.tolist(), strict=True)
            ids = [f"{topic}/{partition}/{offset}" for topic, partition, offset in located]
        return EncodedInRuns(
            self._encoder,
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
            ),
        )


def _check_all_answered(records: int, scores: npt.NDArray[np.int64], letters: Sequence[int]) -> None:
    """Refuse to go on unless every row has exactly one answer, and the scores are in the order of the rows."""
    answers = np.zeros(records, dtype=np.int64)
    answers[scores] += 1  # one for each row: doubles would not be in ascending order
    answers[list(letters)] += 1
    if not (answers == 1).all() or (np.diff(scores) <= 0).any():
        raise RuntimeError(
            f"{records} records became {len(scores)} scores and {len(letters)} dead letters: refusing to go on"
        )


def _traces(batch: RecordBatch, rows: npt.NDArray[np.int64]) -> Sequence[Headers] | None:
    """Return the trace headers of these rows, or None when no record has any."""
    headed = range(len(batch)) if batch.headed is None else batch.headed
    traces: dict[int, Headers] = {}
    for row in headed:
        trace = [header for header in batch.headers(row) if header[0] in TRACE_HEADERS]
        if trace:
            traces[row] = trace
    return [traces.get(row, ()) for row in rows.tolist()] if traces else None
