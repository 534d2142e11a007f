from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from buffer.layout import LABELS_SCHEMA, SCORES_SCHEMA, features_schema
from buffer.rows import (
    MAX_REFUSED_BYTES,
    SCORE_RECORD,
    LabelColumns,
    Origin,
    feature_rows,
    label_rows,
    record_days,
    score_rows,
)
from features.batch import FeatureBatch
from features.columns import build_batch
from features.json_codec import JsonCodec
from features.paths import gather
from features.schema import FeatureSchema
from tests.unit.features.strategies import SCHEMA, events

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
WITHOUT_ROLES = FeatureSchema(SCHEMA.fields)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

times = st.integers(-1, NOW_MS + 10**9) | st.integers(-(2**63), 2**63 - 1)


def batch_of(found: list[dict[str, Any]], schema: FeatureSchema) -> FeatureBatch:
    """Return the batch of events that fit."""
    return build_batch(gather(found, schema, rows=range(len(found))), schema).batch


def origin_of(times_ms: list[int], keys: list[bytes | None] | None = None) -> Origin:
    """Return an origin of offsets from 7 on, of partition 3."""
    count = len(times_ms)
    return Origin(
        topic="t",
        topic_id="T1",
        partitions=np.full(count, 3, dtype=np.int32),
        offsets=np.arange(7, 7 + count, dtype=np.int64),
        times_ms=np.array(times_ms, dtype=np.int64),
        keys=keys or [None] * count,
    )


def instant(ms: int) -> datetime:
    """Return an instant within the years that a date can have."""
    try:
        return EPOCH + timedelta(milliseconds=ms)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC, microsecond=999_000) if ms > 0 else datetime.min.replace(tzinfo=UTC)


def plain(value: Any) -> Any:
    """Return a cell as it compares: NaN by name, lists item by item."""
    if isinstance(value, list):
        return list(map(plain, value))
    return "NaN" if isinstance(value, float) and np.isnan(value) else value


@given(st.lists(st.tuples(events(), times, st.none() | st.binary(max_size=3)), max_size=8), st.booleans())
def test_feature_rows_say_what_the_events_say(records: list[tuple[Any, int, bytes | None]], has_roles: bool) -> None:  # noqa: FBT001 - drawn
    """Every cell of every row equals what one record says by itself, fallbacks included."""
    schema = SCHEMA if has_roles else WITHOUT_ROLES
    batch = batch_of([event for event, _, _ in records], schema)
    origin = origin_of([time for _, time, _ in records], [key for _, _, key in records])

    rows = feature_rows(batch, origin, now_ms=NOW_MS)

    rows.validate(full=True)
    assert rows.schema == features_schema(schema)
    for at, (row, (event, time, key)) in enumerate(zip(rows.to_pylist(), records, strict=True)):
        fallback = NOW_MS if time < 0 else time
        day = NOW.date() if time < 0 else instant(time).date()
        assert {name: plain(value) for name, value in row.items()} == {
            "record_day": min(max(day, NOW.date() - timedelta(days=3653)), NOW.date() + timedelta(days=1)),
            "record_topic": "t",
            "record_topic_id": "T1",
            "record_partition": 3,
            "record_offset": 7 + at,
            "record_time": None if time < 0 else instant(time),
            "record_key": key,
            "event_id": event["payment"]["id"] if has_roles else f"t/3/{7 + at}",
            "event_time": instant(event["at"] if has_roles else fallback),
            "inline_label": None,
            "sample_weight": None,
            **{field.name: plain(batch.columns[field.name][at].tolist()) for field in SCHEMA.fields if field.length},
            "amount": float(event["payment"]["amount"]),
            "ratio": "NaN" if event["payment"]["ratio"] is None else event["payment"]["ratio"],
            "count": 7 if event["count"] is None else event["count"],
            "total": event["total"],
            "is_online": event["flags"]["is_online"],
            "country": event["country"],
        }


def test_feature_rows_keep_the_labels_and_null_where_there_is_none() -> None:
    """Labels are taken as they are given; an event without one has null, not an empty text."""
    found = [{"payment": {"amount": 1, "id": i}, "total": 1, "flags": {"is_online": True}, "at": 1} for i in "ab"]

    rows = feature_rows(batch_of(found, SCHEMA), origin_of([1, 2]), now_ms=NOW_MS, labels=["fraud", None])

    assert rows["inline_label"].to_pylist() == ["fraud", None]


def test_an_origin_of_some_records_is_of_these() -> None:
    """Rows that are left out take their places along."""
    taken = origin_of([1, 2, 3], [b"a", None, b"c"]).take(np.array([0, 2]))

    assert (taken.offsets.tolist(), taken.times_ms.tolist(), taken.keys) == ([7, 9], [1, 3], [b"a", b"c"])


@pytest.mark.parametrize(
    ("time_ms", "day"),
    [
        (-1, date(2026, 3, 1)),
        (0, date(2016, 2, 29)),
        (NOW_MS - 86_400_000, date(2026, 2, 28)),
        (NOW_MS + 86_400_000, date(2026, 3, 2)),
        (NOW_MS + 2 * 86_400_000, date(2026, 3, 2)),
        (253_402_300_799_000, date(2026, 3, 2)),
        (2**63 - 1, date(2026, 3, 2)),
    ],
)
def test_a_broken_clock_makes_no_partition_of_its_own(time_ms: int, day: date) -> None:
    """A day is one of the last ten years, or tomorrow at most."""
    (found,) = record_days(np.array([time_ms], dtype=np.int64), now_ms=NOW_MS).tolist()

    assert date(1970, 1, 1) + timedelta(days=found) == day


def test_score_rows_say_what_the_records_say() -> None:
    """A score record read by an event codec becomes one row, null prediction and times included."""
    record: dict[str, Any] = {"event_id": "e1", "event_time": 1000, "score": 0.25, "prediction": None, "service": "s"}
    record |= {"decision": "hold", "model_name": "m", "model_version": "v3", "role": "challenger", "scored_at": 2000}
    record |= {"source_topic": "f", "source_partition": 4, "source_offset": 9, "probabilities": None, "card": "c"}
    decoded = JsonCodec().decode([msgspec.json.encode(record)], SCORE_RECORD)

    rows = score_rows(decoded.batch, origin_of([5000]), now_ms=NOW_MS)

    rows.validate(full=True)
    assert rows.schema == SCORES_SCHEMA
    expected = {name: record[name] for name in SCORES_SCHEMA.names if name in record}
    assert rows.select(list(expected)).to_pylist() == [
        expected | {"event_time": instant(1000), "scored_at": instant(2000)}
    ]


def test_label_rows_keep_the_value_of_a_refused_record_only() -> None:
    """Why it was refused and what it said stay to be looked at, up to a limit; a good label leaves no value."""
    columns = LabelColumns(
        event_ids=["a", "b", ""],
        labels=["fraud", None, None],
        refused=[None, None, "empty"],
        values=[b"1", b"2", b"x" * (MAX_REFUSED_BYTES + 1)],
    )

    rows = label_rows(columns, origin_of([1000, -1, 3000]), now_ms=NOW_MS)

    rows.validate(full=True)
    assert rows.schema == LABELS_SCHEMA
    assert rows.select(["event_id", "label", "label_time", "refused", "refused_value"]).to_pylist() == [
        {"event_id": "a", "label": "fraud", "label_time": instant(1000), "refused": None, "refused_value": None},
        {"event_id": "b", "label": None, "label_time": NOW, "refused": None, "refused_value": None},
        {
            "event_id": "",
            "label": None,
            "label_time": instant(3000),
            "refused": "empty",
            "refused_value": b"x" * MAX_REFUSED_BYTES,
        },
    ]


def test_label_rows_take_the_time_that_the_record_says() -> None:
    """The time of a label is its own where it has one."""
    rows = label_rows(LabelColumns(["a"], ["1"], np.array([42])), origin_of([1000]), now_ms=NOW_MS)

    assert rows["label_time"].to_pylist() == [instant(42)]
