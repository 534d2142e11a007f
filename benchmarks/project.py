"""What the contenders work on: a service file, a trained model, and a topic of events."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import yaml
from confluent_kafka import Producer

from features.encoding import build_encoder
from features.schema import FeatureSchema, Field, FieldType, Roles
from producer.avro_layout import text, varint
from tests.support.kafka import KafkaCluster

FIELDS = [f"x{n}" for n in range(29)]
PARTITIONS = 4
KEYS = 1_000
TRAINING_ROWS = 2_000
DISTINCT_ROWS = 10_000
FIRST_EVENT_MS = 1_700_000_000_000
SOURCE = "bench.features"
DEAD_LETTERS = "bench.dead-letters"
EVENT_SCHEMA = {
    "type": "record",
    "name": "Event",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "event_time", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        *({"name": name, "type": "double"} for name in FIELDS),
    ],
}


def make_project(folder: Path, kafka: KafkaCluster, *, output: str) -> Path:
    """Write a service file and train a logistic model by SGD on made-up numbers; return the file."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(TRAINING_ROWS, len(FIELDS)))
    labels = (rows.sum(axis=1) + rng.normal(size=TRAINING_ROWS) > 0).astype(int)
    lines = [",".join([*FIELDS, "label"])]
    lines += [",".join(map(str, [*row, label])) for row, label in zip(rows.tolist(), labels.tolist(), strict=True)]
    (folder / "train.csv").write_text("\n".join(lines))
    (folder / "event.avsc").write_bytes(msgspec.json.encode(EVENT_SCHEMA))
    config = folder / "tidemill.yaml"
    document = {
        "version": 1,
        "name": "bench",
        "kafka": dict(kafka.client_settings),
        "features": {
            "format": "avro",
            "avro_schema": "event.avsc",
            "id": "id",
            "time": "event_time",
            "fields": [{"name": name, "type": "double"} for name in FIELDS],
        },
        "labels": {"inline": "label"},
        "output": {"format": output},
    }
    config.write_text(yaml.safe_dump(document))
    train = [sys.executable, "-m", "service", "-c", str(config), "train"]
    train += ["--estimator", "sgd", "--data", str(folder / "train.csv")]
    subprocess.run(train, check=True, capture_output=True)
    return config


def fill(kafka: KafkaCluster, events: int) -> None:
    """Make the topics and put the events on the input topic: bare Avro, keyed by one of a thousand cards."""
    for topic in (SOURCE, DEAD_LETTERS):
        kafka.create_topic(topic, partitions=PARTITIONS)
    rows = np.random.default_rng(1).normal(size=(DISTINCT_ROWS, len(FIELDS))).tolist()
    fields = tuple(Field(name, FieldType.DOUBLE, name) for name in FIELDS)
    schema = FeatureSchema(fields, Roles(id="id", time="event_time"))
    encoder = build_encoder("avro", schema=schema, avro_schema=EVENT_SCHEMA)
    tail = [encoder.encode({"id": "", "event_time": 0, **dict(zip(FIELDS, row, strict=True))})[2:] for row in rows]
    producer = Producer({**kafka.client_settings, "linger.ms": 20, "queue.buffering.max.messages": events})
    for number in range(events):
        head = _head(f"e{number}", FIRST_EVENT_MS + number)
        producer.produce(SOURCE, head + tail[number % DISTINCT_ROWS], key=str(number % KEYS))
    producer.flush()


def _head(event_id: str, time_ms: int) -> bytes:
    """Return id and event time in Avro's own bytes: the careful encoder would take minutes for all events."""
    return text(event_id) + varint(time_ms)
