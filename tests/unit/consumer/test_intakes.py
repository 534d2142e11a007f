from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from consumer.intake import Intake
from consumer.intakes import FeatureIntake, LabelIntake, ScoreIntake
from consumer.records import RecordBatch
from features.avro_codec import AvroCodec
from features.codec import FeatureCodec
from features.errors import SchemasUnavailable
from features.json_codec import JsonCodec
from features.labels import ClassRules
from features.registry_codec import RegistryAvroCodec
from features.registry_framing import prefix_of
from features.schema import FeatureSchema, Field, FieldType, Roles
from producer.encoding import ScoreColumns, score_record_schema
from tests.support.registry_fake import FakeRegistry
from tests.support.registry_store import RegistryStore
from tests.unit.producer.score_rows import MODEL, PASSTHROUGH, SERVICE, as_avro, as_json, score_columns

NOW_MS = 1_700_000_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SCHEMA = FeatureSchema((Field("x", FieldType.DOUBLE, "x"),), Roles(id="id", time="at", label="fraud"))
RULES = ClassRules(mapping={"LOST": "fraud", "1": "fraud"}, classes=["ok"])
WRITER = score_record_schema(PASSTHROUGH)
LABEL_ROLES = Roles(id="about.txn", label="status", time="posted")


def records_of(values: Sequence[bytes | None]) -> RecordBatch:
    """Return a batch of one topic: offsets from 10 on, timestamps from 1000 on, by seconds."""
    count = len(values)
    return RecordBatch(
        topics=["t"] * count,
        partitions=np.zeros(count, dtype=np.int32),
        offsets=np.arange(10, 10 + count, dtype=np.int64),
        timestamps_ms=np.arange(1, 1 + count, dtype=np.int64) * 1_000,
        keys=[b"k"] * count,
        values=values,
        headers=lambda _row: (),
    )


def instant(ms: int) -> datetime:
    """Return an instant."""
    return EPOCH + timedelta(milliseconds=ms)


def registry_codec(registry: FakeRegistry) -> FeatureCodec:
    """Return a codec of a topic whose schemas are in a registry."""
    return RegistryAvroCodec(registry, subjects=None, sleep=lambda _seconds: None)


def labels(codec: FeatureCodec | None = None, roles: Roles = LABEL_ROLES) -> LabelIntake:
    """Return an intake of labels."""
    return LabelIntake(codec or JsonCodec(), roles=roles, rules=RULES, now_ms=lambda: NOW_MS)


def label(event_id: Any, status: Any, posted: Any = 5) -> bytes:
    """Return a label in the users' own shape."""
    return json.dumps({"about": {"txn": event_id}, "status": status, "posted": posted}).encode()


def test_feature_intake_leaves_out_what_does_not_decode() -> None:
    """Each row keeps the place of its own record; a dead letter of the scoring worker is no event here."""
    intake = FeatureIntake(JsonCodec(), SCHEMA, rules=RULES, now_ms=lambda: NOW_MS)
    good, late = b'{"id":"a","at":1,"x":1.5,"fraud":1}', b'{"id":"b","at":2,"x":2.5}'

    taken = intake.take(records_of([good, b"{", None, late]), topic_id="T")

    assert taken.outcomes == {"accepted": 2, "left_out": 2, "refused": 0}
    shown = ["record_topic", "record_topic_id", "record_offset", "record_key", "event_id", "inline_label", "x"]
    assert taken.rows.select(shown).to_pylist() == [
        dict(zip(shown, ("t", "T", 10, b"k", "a", "fraud", 1.5), strict=True)),
        dict(zip(shown, ("t", "T", 13, b"k", "b", None, 2.5), strict=True)),
    ]


def test_feature_intake_keeps_an_event_whose_label_is_none() -> None:
    """A refused inline label costs the label, is counted, and leaves the event to be labelled later."""
    intake = FeatureIntake(JsonCodec(), SCHEMA, rules=RULES, now_ms=lambda: NOW_MS)

    taken = intake.take(records_of([b'{"id":"a","at":1,"x":1,"fraud":"perhaps"}']), topic_id="T")

    assert taken.outcomes == {"accepted": 1, "left_out": 0, "refused": 1}
    assert taken.rows["inline_label"].to_pylist() == [None]


def framed(columns: ScoreColumns) -> list[bytes]:
    """Return score records in a registry's framing."""
    return [prefix_of(1) + value for value in as_avro(columns, with_probabilities=True)]


def score_registry() -> FakeRegistry:
    """Return a registry that has the schema of scores under id 1."""
    registry = FakeRegistry(RegistryStore(level="NONE"))
    assert registry.add("scores-value", WRITER) == 1
    return registry


@pytest.mark.parametrize(
    ("codec", "write"),
    [
        (JsonCodec, lambda columns: as_json(columns, with_probabilities=True)),
        (lambda: AvroCodec(WRITER), lambda columns: as_avro(columns, with_probabilities=True)),
        (lambda: registry_codec(score_registry()), framed),
    ],
    ids=["json", "avro", "registry"],
)
@given(columns=score_columns())
def test_score_intake_reads_what_the_scorer_writes(
    codec: Callable[[], FeatureCodec], write: Callable[[ScoreColumns], list[bytes]], columns: ScoreColumns
) -> None:
    """Every score comes back with its model, role and source, in each format that scores are written in."""
    intake = ScoreIntake(codec(), service=SERVICE, now_ms=lambda: NOW_MS)
    named = [at for at, event_id in enumerate(columns.event_ids) if event_id]
    rows = intake.take(records_of(write(columns)), topic_id="T").rows.to_pylist()

    said = columns.scores
    assert [row["event_id"] for row in rows] == [columns.event_ids[at] for at in named]
    for row, at in zip(rows, named, strict=True):
        assert (row["score"], row["model_name"], row["model_version"]) == (
            float(said.score[at]),
            MODEL,
            columns.model_version,
        )
        assert row["prediction"] == (None if said.prediction is None else said.prediction[at])
        assert (row["role"], row["scored_at"]) == ("champion", instant(columns.scored_at))
        source = (row["source_topic"], row["source_partition"], row["source_offset"])
        assert source == (columns.topics[at], columns.partitions[at], columns.offsets[at])


def score(**changes: Any) -> bytes:
    """Return a score record of ours, changed as asked."""
    record = {"event_id": "e", "event_time": 1, "score": 0.5, "prediction": "ok", "service": SERVICE, "model_name": "m"}
    record |= {"model_version": "v1", "role": "champion", "scored_at": 2, "source_topic": "f", "source_partition": 0}
    return json.dumps({**record, "source_offset": 3, **changes}).encode()


def test_score_intake_leaves_out_what_is_no_score_of_ours() -> None:
    """A topic may be shared: another service's scores, and what is no score, are none of this service's rows."""
    intake = ScoreIntake(JsonCodec(), service=SERVICE, now_ms=lambda: NOW_MS)
    roles = [score(role=role) for role in ("champion", "challenger", "rescore")]
    foreign = [score(service="other"), score(role="oracle"), score(score=None), b"{}", None]

    taken = intake.take(records_of([*foreign, *roles]), topic_id="T")

    assert taken.outcomes == {"accepted": 3, "left_out": 5}
    assert taken.rows["role"].to_pylist() == ["champion", "challenger", "rescore"]
    assert taken.rows["record_offset"].to_pylist() == [15, 16, 17]


def test_label_intake_reads_the_users_own_record() -> None:
    """Id, label and time are found by their paths, labels are mapped, null retracts; nothing is left out."""
    values = [label("a", "LOST"), label(7, None), label("c", "ok", "1970-01-01T00:00:09Z")]

    taken = labels().take(records_of(values), topic_id="T")

    assert taken.outcomes == {"accepted": 2, "retracted": 1, "refused": 0}
    assert taken.rows.select(["event_id", "label", "label_time", "refused"]).to_pylist() == [
        {"event_id": "a", "label": "fraud", "label_time": instant(5), "refused": None},
        {"event_id": "7", "label": None, "label_time": instant(5), "refused": None},
        {"event_id": "c", "label": "ok", "label_time": instant(9_000), "refused": None},
    ]


def test_label_intake_takes_the_time_of_the_record_where_none_is_mapped() -> None:
    """A label without a time of its own is as old as its record."""
    taken = labels(roles=Roles(id="id", label="label")).take(records_of([b'{"id":"a","label":"ok"}']), topic_id="T")

    assert taken.rows["label_time"].to_pylist() == [instant(1_000)]


REFUSED = [
    (None, "", "empty: the record has no value"),
    (b"", "", "empty"),
    (b"{", "", "undecodable"),
    (label(None, "ok"), "", "missing: id"),
    (label("a", "ok", None), "a", "missing: time"),
    (label("a", "ok", "yesterday"), "a", "wrong_type: time"),
    (label("a", "WON"), "a", "out_of_range: label: the text 'WON' is none of the classes (fraud, ok)"),
    (label("a", [1]), "a", "wrong_type: label"),
    (label("a", "x" * 100_000), "a", "too_large: label"),
]


@pytest.mark.parametrize(("value", "event_id", "why"), REFUSED, ids=[why for _, _, why in REFUSED])
def test_label_intake_keeps_what_is_no_label_with_its_reason(value: bytes | None, event_id: str, why: str) -> None:
    """It is a row that anybody can look at, beside good ones that it does not harm."""
    values = [label("before", "ok"), value, label("after", None)]

    taken = labels().take(records_of(values), topic_id="T")

    assert taken.outcomes == {"accepted": 1, "retracted": 1, "refused": 1}
    before, row, after = taken.rows.to_pylist()
    assert (before["label"], after["label"], before["refused"], after["refused"]) == ("ok", None, None, None)
    assert (row["event_id"], row["label"], row["record_offset"]) == (event_id, None, 11)
    assert row["refused"].startswith(why)
    assert row["refused_value"] == (None if value is None else value[:65_536])


LABEL_WRITER = {
    "type": "record",
    "name": "Posting",
    "fields": [{"name": "id", "type": "string"}, {"name": "label", "type": ["null", "double"]}],
}
AVRO_LABELS = [
    b"\x02a\x02" + np.float64(1).tobytes(),
    b"\x02b\x00",
    b"\x02c\x02" + np.float64(np.nan).tobytes(),
    b"\x02",
]


@pytest.mark.parametrize("is_framed", [False, True], ids=["bare", "registry"])
def test_label_intake_reads_avro(is_framed: bool) -> None:  # noqa: FBT001 - drawn
    """A label may be written as any event may; NaN is refused, as it neither names a class nor retracts."""
    registry = FakeRegistry(RegistryStore(level="NONE"))
    prefix = prefix_of(registry.add("labels-value", LABEL_WRITER)) if is_framed else b""
    codec = registry_codec(registry) if is_framed else AvroCodec(LABEL_WRITER)
    values = [prefix + value for value in AVRO_LABELS]

    taken = labels(codec, Roles(id="id", label="label")).take(records_of(values), topic_id="T")

    assert taken.rows["event_id"].to_pylist() == ["a", "b", "c", ""]
    assert taken.rows["label"].to_pylist() == ["fraud", None, None, None]
    assert [(why or "-").partition(":")[0] for why in taken.rows["refused"].to_pylist()] == [
        *("-", "-", "not_finite", "undecodable")
    ]


def intakes(codec: FeatureCodec) -> list[Intake]:
    """Return an intake of each kind."""
    return [
        FeatureIntake(codec, SCHEMA, rules=RULES, now_ms=lambda: NOW_MS),
        ScoreIntake(codec, service=SERVICE, now_ms=lambda: NOW_MS),
        labels(codec),
    ]


@pytest.mark.parametrize("kind", range(3), ids=["features", "scores", "labels"])
def test_an_intake_refuses_nothing_while_the_registry_is_away(kind: int) -> None:
    """No record is at fault: the worker waits and asks again."""
    registry = score_registry()
    registry.is_away = True

    with pytest.raises(SchemasUnavailable):
        intakes(registry_codec(registry))[kind].take(records_of([prefix_of(1) + b"x"]), topic_id="T")


@pytest.mark.parametrize("kind", range(3), ids=["features", "scores", "labels"])
def test_an_intake_of_nothing_gives_no_rows(kind: int) -> None:
    """A stretch that holds markers only still has a table of the right columns."""
    rows = intakes(JsonCodec())[kind].take(records_of([]), topic_id="T").rows

    assert (rows.num_rows, "event_id" in rows.column_names) == (0, True)
