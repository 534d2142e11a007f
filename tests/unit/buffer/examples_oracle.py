"""What labelled examples are, once more: loops over rows, no SQL, no code of the query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tests.unit.buffer.histories import Event, History, Label, Score, at

EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True)
class Judged:
    """The label of one event."""

    label: str
    label_time: datetime
    label_source: str
    known_at: datetime


@dataclass(frozen=True)
class Missing:
    """What an event without a label counts as, if it is older than so many seconds."""

    label: str
    delay: int
    now: int


def arrival(row: Label | Event | Score) -> datetime:
    """Return when a row was written."""
    return EPOCH if row.written is None else at(row.written)


def judge(event: Event, labels: Sequence[Label], missing: Missing | None) -> Judged | None:
    """Return the label of an event by the rows that are known, None where it has none."""
    winner: Label | None = None
    for row in labels:
        if row.event_id != event.event_id or row.refused is not None:
            continue
        if winner is None or (row.time, arrival(row), *row.place) > (winner.time, arrival(winner), *winner.place):
            winner = row
    if event.inline is not None and (winner is None or winner.time < event.time):
        return Judged(event.inline, at(event.time), "inline", arrival(event))
    if winner is not None:
        if winner.label is None:
            return None
        return Judged(winner.label, at(winner.time), "topic", max(arrival(event), arrival(winner)))
    if missing is not None and event.time < missing.now - missing.delay:
        given_up = at(event.time) + timedelta(seconds=missing.delay)
        return Judged(missing.label, given_up, "missing", max(arrival(event), given_up))
    return None


def judge_all(history: History, missing: Missing | None = None) -> Mapping[tuple[str, int, int], Judged]:
    """Return the label of every event that has one, by its place."""
    found = {event.place: judge(event, history.labels, missing) for event in history.events}
    return {place: judged for place, judged in found.items() if judged is not None}


def live(event: Event, scores: Sequence[Score]) -> Score | None:
    """Return the first score of the champion of this very record."""
    first: Score | None = None
    for score in scores:
        if score.source != (event.topic, event.partition, event.offset) or score.role != "champion":
            continue
        if first is None or (arrival(score), *score.place) < (arrival(first), *first.place):
            first = score
    return first


def expected_rows(history: History, judged: Mapping[tuple[str, int, int], Judged]) -> list[dict[str, object]]:
    """Return the examples as the query has to give them, in its order."""
    events = {event.place: event for event in history.events}
    ordered = sorted(judged, key=lambda place: (judged[place].known_at, *place))
    return [_row(events[place], judged[place], live(events[place], history.scores)) for place in ordered]


def _row(event: Event, judged: Judged, score: Score | None) -> dict[str, object]:
    return {
        "amount": float(event.offset),
        "Last amounts": [float(event.partition), 0.5],
        "event_id": event.event_id,
        "event_time": at(event.time),
        "label": judged.label,
        "label_time": judged.label_time,
        "label_source": judged.label_source,
        "sample_weight": 1.0 if event.weight is None else event.weight,
        "live_score": None if score is None else score.score,
        "live_prediction": None if score is None else ("ok" if score.score < 0.5 else "fraud"),
        "live_version": None if score is None else score.version,
        "record_topic_id": event.topic_id,
        "record_partition": event.partition,
        "record_offset": event.offset,
    }
