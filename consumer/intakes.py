"""From the records of a topic to the rows of a table: events, scores and labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from buffer.rows import SCORE_RECORD, LabelColumns, Origin, feature_rows, label_rows, score_rows
from buffer.table import TableName
from consumer.gaps import GapReader
from consumer.intake import Taken
from consumer.records import RecordBatch
from features.batch import Decoded, FeatureBatch
from features.codec import FeatureCodec
from features.labels import LabelRules, read_labels, refusal_text
from features.rejection import Stage
from features.schema import FeatureSchema, Roles

ACCEPTED: Final = "accepted"
LEFT_OUT: Final = "left_out"
RETRACTED: Final = "retracted"
REFUSED: Final = "refused"
SCORE_ROLES: Final = frozenset({"champion", "challenger", "rescore"})


class FeatureIntake:
    """Implements ``Intake`` for feature events, all fields of the service.

    An event that does not decode, or does not fit the fields, is left out. One that only lacks fields is kept, with
    null in their place, behind the others: a model without them may have scored it. An inline label that is none
    leaves the event without a label and is counted as refused, beside the event, which is accepted.
    """

    table = TableName.FEATURES

    def __init__(
        self, codec: FeatureCodec, schema: FeatureSchema, *, rules: LabelRules, now_ms: Callable[[], int]
    ) -> None:
        self._codec = codec
        self._schema = schema
        self._rules = rules
        self._now_ms = now_ms

    def take(self, records: RecordBatch, *, topic_id: str) -> Taken:
        """Return a row for each event."""
        decoded = self._codec.decode(records.values, self._schema, headers=records.headers)
        origin = origin_of(records, topic_id=topic_id)
        rows, refused = self._rows(decoded.batch, origin)
        if decoded.rejections:
            gaps = GapReader(self._codec, self._schema, values=records.values, headers=records.headers)
            for batch in gaps.batches(decoded.rejections):
                more, more_refused = self._rows(batch, origin)
                rows = pa.concat_tables([rows, more], promote_options="default")
                refused += more_refused
        outcomes = {ACCEPTED: rows.num_rows, LEFT_OUT: len(records) - rows.num_rows, REFUSED: refused}
        return Taken(rows, outcomes)

    def _rows(self, batch: FeatureBatch, origin: Origin) -> tuple[pa.Table, int]:
        """Return a row for each event of a batch, and how many of their inline labels are none."""
        labels = None if batch.labels is None else read_labels(batch.labels, self._rules)
        rows = feature_rows(
            batch,
            origin.take(batch.rows),
            now_ms=self._now_ms(),
            labels=None if labels is None else labels.texts,
        )
        return rows, 0 if labels is None else len(labels.refused)


class ScoreIntake:
    """Implements ``Intake`` for the score records of one service, of every role; any other record is left out."""

    table = TableName.SCORES

    def __init__(self, codec: FeatureCodec, *, service: str, now_ms: Callable[[], int]) -> None:
        self._codec = codec
        self._service = service
        self._now_ms = now_ms

    def take(self, records: RecordBatch, *, topic_id: str) -> Taken:
        """Return a row for each score."""
        batch = self._codec.decode(records.values, SCORE_RECORD, headers=records.headers).batch
        named = zip(batch.columns["service"].tolist(), batch.columns["role"].tolist(), strict=True)
        ours = [at for at, (service, role) in enumerate(named) if service == self._service and role in SCORE_ROLES]
        if len(ours) < len(batch):
            batch = batch.take(np.array(ours, dtype=np.int64))
        origin = origin_of(records, topic_id=topic_id).take(batch.rows)
        rows = score_rows(batch, origin, now_ms=self._now_ms())
        return Taken(rows, {ACCEPTED: len(batch), LEFT_OUT: len(records) - len(batch)})


class LabelIntake:
    """Implements ``Intake`` for labels in the users' own records, of which ``roles`` name id, label and time.

    Every record becomes a row. One that is no label is a row that says why and keeps the record's value, with the
    event's id where it can be read and an empty text where not.
    """

    table = TableName.LABELS

    def __init__(self, codec: FeatureCodec, *, roles: Roles, rules: LabelRules, now_ms: Callable[[], int]) -> None:
        self._codec = codec
        self._schema = FeatureSchema((), roles)
        self._id_alone = FeatureSchema((), Roles(id=roles.id))
        self._rules = rules
        self._now_ms = now_ms

    def take(self, records: RecordBatch, *, topic_id: str) -> Taken:
        """Return a row for each record."""
        decoded = self._codec.decode(records.values, self._schema, headers=records.headers)
        labels = read_labels(decoded.batch.labels or [], self._rules)
        rows = decoded.batch.rows
        refusals = {rejection.row: refusal_text(rejection) for rejection in decoded.rejections}
        for at, problem in labels.refused.items():
            row = int(rows[at])
            refusals[row] = refusal_text(problem.at(row))
        now_ms, origin = self._now_ms(), origin_of(records, topic_id=topic_id)
        columns = LabelColumns(
            event_ids=self._event_ids(records, decoded),
            labels=_spread(labels.texts, rows, count=len(records)),
            times_ms=_times(decoded.batch, origin.times_or(now_ms)),
            refused=[refusals.get(row) for row in range(len(records))],
            values=records.values,
        )
        retracted = labels.texts.count(None) - len(labels.refused)
        accepted = len(records) - len(refusals) - retracted
        outcomes = {ACCEPTED: accepted, RETRACTED: retracted, REFUSED: len(refusals)}
        return Taken(label_rows(columns, origin, now_ms=now_ms), outcomes)

    def _event_ids(self, records: RecordBatch, decoded: Decoded) -> list[str]:
        """Return the id that each record names, an empty text where it names none."""
        ids = _spread(decoded.batch.ids or [], decoded.batch.rows, count=len(records))
        refused = [rejection.row for rejection in decoded.rejections if rejection.stage is Stage.VALIDATE]
        if refused:  # it may be its label or its time that does not fit
            values = [records.values[row] for row in refused]
            again = self._codec.decode(values, self._id_alone, headers=lambda at: records.headers(refused[at])).batch
            for at, event_id in zip(again.rows.tolist(), again.ids or [], strict=True):
                ids[refused[at]] = event_id
        return [event_id or "" for event_id in ids]


def origin_of(records: RecordBatch, *, topic_id: str) -> Origin:
    """Return where records of one topic come from."""
    return Origin(
        topic=records.topics[0] if len(records) else "",
        topic_id=topic_id,
        partitions=records.partitions,
        offsets=records.offsets,
        times_ms=records.timestamps_ms,
        keys=records.keys,
    )


def _spread(texts: Sequence[str | None], rows: npt.NDArray[np.int64], *, count: int) -> list[str | None]:
    """Return texts of some rows as a column of all of them."""
    if len(texts) == count:
        return list(texts)
    column: list[str | None] = [None] * count
    for row, text in zip(rows.tolist(), texts, strict=True):
        column[row] = text
    return column


def _times(batch: FeatureBatch, record_times_ms: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the time of each label, that of its record where it says none."""
    if batch.times is None:
        return record_times_ms
    times = record_times_ms.copy()
    times[batch.rows] = batch.times
    return times
