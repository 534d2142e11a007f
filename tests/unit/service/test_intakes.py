from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pytest

from buffer.table import TableName
from consumer.intake import Intake
from consumer.records import RecordBatch
from features.avro_schema import feature_record_schema
from features.registry_framing import prefix_of
from producer.encoding import score_record_schema
from service.errors import SettingsError
from service.intakes import build_intakes
from service.label_records import label_record_schema
from service.settings import Settings, settings_from
from tests.support.registry_fake import FakeRegistry
from tests.support.registry_store import RegistryStore

EVENT: Mapping[str, Any] = {"txn": "e1", "x": 1.5}
LABEL: Mapping[str, Any] = {"txn_ref": "e1", "status": "LOST"}
SCORE: Mapping[str, Any] = {
    "event_id": "e1",
    "event_time": 1,
    "score": 0.5,
    "prediction": "fraud",
    "probabilities": None,
    "decision": None,
    "service": "fraud",
    "model_name": "m",
    "model_version": "v1",
    "role": "challenger",
    "scored_at": 2,
    "source_topic": "in",
    "source_partition": 0,
    "source_offset": 3,
}


def settings(folder: Path = Path(), **sections: Any) -> Settings:
    """Return settings of two features topics and mapped labels."""
    features = {"id": "txn", "fields": [{"name": "x", "type": "double"}], **sections.pop("features", {})}
    labels = {"id": "txn_ref", "label": "status", "map": {"LOST": "fraud"}, **sections.pop("labels", {})}
    data = {"name": "fraud", "topics": {"features": ["in", "more"]}, "features": features, "labels": labels}
    return settings_from({**data, **sections}, folder=folder)


def avro(schema: Mapping[str, Any], record: Mapping[str, Any]) -> bytes:
    """Return a record as bare Avro."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(dict(schema)), record)
    return out.getvalue()


def taken(intakes: Mapping[str, Intake], topic: str, value: bytes) -> list[dict[str, Any]]:
    """Return the rows of one record of a topic."""
    numbers = np.zeros(1, dtype=np.int64)
    records = RecordBatch([topic], numbers.astype(np.int32), numbers, numbers, [None], [value], lambda _row: ())
    rows: list[dict[str, Any]] = intakes[topic].take(records, topic_id="T").rows.to_pylist()
    return rows


def assert_all_topics_are_read(intakes: Mapping[str, Intake], values: Mapping[str, bytes]) -> None:
    """Check that a record of each topic becomes a row of its table that says what it said."""
    for topic in ("in", "more"):
        (row,) = taken(intakes, topic, values["event"])
        assert (row["record_topic"], row["event_id"], row["x"]) == (topic, "e1", 1.5)
    for topic in ("fraud.scores", "fraud.shadow-scores"):
        (row,) = taken(intakes, topic, values["score"])
        assert (row["event_id"], row["score"], row["role"]) == ("e1", 0.5, "challenger")
    (row,) = taken(intakes, "fraud.labels", values["label"])
    assert (row["event_id"], row["label"], row["refused"]) == ("e1", "fraud", None)


def test_build_intakes_has_one_for_each_topic_of_the_buffer() -> None:
    """What the buffer subscribes to is what it can read; the dead letters are not among it."""
    tables = {topic: intake.table for topic, intake in build_intakes(settings()).items()}

    assert tables == {
        "in": TableName.FEATURES,
        "more": TableName.FEATURES,
        "fraud.scores": TableName.SCORES,
        "fraud.shadow-scores": TableName.SCORES,
        "fraud.labels": TableName.LABELS,
    }


def test_build_intakes_reads_json() -> None:
    """The default of a small service."""
    values = {"event": json.dumps(EVENT), "score": json.dumps(SCORE), "label": json.dumps(LABEL)}

    assert_all_topics_are_read(build_intakes(settings()), {kind: text.encode() for kind, text in values.items()})


def test_build_intakes_reads_bare_avro() -> None:
    """Labels are written as the events are, by the schema that is printed for them, unless the file says otherwise."""
    chosen = settings(features={"format": "avro"}, output={"format": "avro"})
    schemas = {
        "event": feature_record_schema(chosen.feature_schema()),
        "score": score_record_schema(),
        "label": label_record_schema(chosen),
    }
    records = {"event": EVENT, "score": SCORE, "label": LABEL}

    values = {kind: avro(schema, records[kind]) for kind, schema in schemas.items()}

    assert_all_topics_are_read(build_intakes(chosen), values)


def test_build_intakes_reads_the_framing_of_a_registry() -> None:
    """Each topic has subjects of its own, and a schema of another topic's is not taken."""
    registry = FakeRegistry(RegistryStore(level="NONE"))
    chosen = settings(schema_registry={"url": "http://registry:8081"}, output={"format": "avro"})
    schemas = {
        "in-value": (EVENT, feature_record_schema(chosen.feature_schema())),
        "fraud.scores-value": (SCORE, score_record_schema()),
        "fraud.labels-value": (LABEL, label_record_schema(chosen)),
    }
    framed = [prefix_of(registry.add(name, schema)) + avro(schema, said) for name, (said, schema) in schemas.items()]
    intakes = build_intakes(chosen, registry)

    assert_all_topics_are_read(intakes, dict(zip(("event", "score", "label"), framed, strict=True)))
    (refused,) = taken(intakes, "fraud.labels", framed[1])
    assert refused["refused"].startswith("schema_not_allowed: ")


def test_build_intakes_reads_labels_by_a_schema_of_their_own(tmp_path: Path) -> None:
    """The labels come from another department: their own file names the writer's schema, whatever the events are."""
    status = {"type": "enum", "name": "Status", "symbols": ["WON", "LOST"]}
    fields = [{"name": "txn_ref", "type": "long"}, {"name": "status", "type": ["null", status]}]
    schema = {"type": "record", "name": "Chargeback", "fields": fields}
    (tmp_path / "labels.avsc").write_text(json.dumps(schema))
    chosen = settings(tmp_path, labels={"format": "avro", "avro_schema": "labels.avsc"})

    (row,) = taken(build_intakes(chosen), "fraud.labels", avro(schema, {"txn_ref": 7, "status": "LOST"}))

    assert (row["event_id"], row["label"]) == ("7", "fraud")


def test_build_intakes_names_a_schema_file_that_is_not_there(tmp_path: Path) -> None:
    """It is found at the start, under its own key."""
    chosen = settings(tmp_path, labels={"format": "avro", "avro_schema": "labels.avsc"})

    with pytest.raises(SettingsError, match=r"labels.avro_schema: .*labels.avsc cannot be read"):
        build_intakes(chosen)
