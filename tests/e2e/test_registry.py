from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import Any

import fastavro
import pytest
from confluent_kafka import Message
from confluent_kafka.schema_registry import SchemaRegistryClient

from tests.e2e.data import breast_cancer
from tests.e2e.offline import assert_equal_offline
from tests.e2e.project import Project, ended, wait_until
from tests.e2e.registry_events import Lab
from tests.e2e.services import PARTITIONS
from tests.e2e.stream import Stream
from tests.faults.collect import headers_of, read_all, source_in_headers
from tests.faults.judge import Source, judge
from tests.support.kafka import KafkaCluster
from tests.support.registry import HttpRegistry

pytestmark = pytest.mark.kafka

COPIES = 20  # of 569 real rows
RULES = {"group.protocol": "classic"}


def test_events_of_two_schemas_and_framings_are_scored_once_among_garbage_of_every_kind(
    kafka: KafkaCluster, registry: HttpRegistry, tmp_path: Path
) -> None:
    """Prefix and header framing mixed, the schema changing, a registry that goes away, a worker killed: all exact."""
    data = breast_cancer(tmp_path, copies=COPIES)
    stream = Stream(kafka, "cancer-registry")
    kafka.create_topic(stream.features, partitions=int(PARTITIONS))
    lab = Lab(
        dict(kafka.client_settings),
        registry_url=registry.url,
        topic=stream.features,
        frame=data.frame.drop(columns=["target"]),
    )
    project = a_project(tmp_path / "work", stream, registry.url)
    project.run("train", "--data", str(data.train))
    project.run("topics", "create", "--partitions", PARTITIONS)
    steady, victim = project.start_scoring("0"), project.start_scoring("1")
    with ended(steady, victim), lab.sending():
        victim.wait_for_log("Partitions assigned")
        victim.kill()
        steady.kill()
        registry.stop()
        lab.send_the_rest()
        steady.start()  # it knows no schema, and is told none for now
        victim.start()
        wait_until(lambda: "schema_registry" in steady.log + victim.log, what="a worker that waits for the registry")
        registry.start()
        lab.wait()
        stream.wait_until_done()
        for process in (steady, victim):
            process.wait_for_log("Scoring service started", count=2)  # from here on it knows what SIGTERM means
        assert (steady.stop(), victim.stop()) == (0, 0)
    reader = Reader(registry.url)
    evidence = stream.evidence(reader.source)
    assert not judge(evidence, expected_dead=list(lab.planted)).violations
    assert reasons(stream) == lab.planted
    assert len(set(lab.planted.values())) >= 6
    assert_equal_offline(project, data, [reader.decode(record.value or b"") for record in evidence.scores])


def a_project(folder: Path, stream: Stream, registry_url: str) -> Project:
    """Return a project that `init` made from what is registered, with labels for training named by hand."""
    project = Project(folder)
    subject = f"{stream.features}-value"
    project.run(
        *("init", "--from-subject", subject, "--registry", registry_url),
        *("--id", "sample", "--name", stream.name, str(folder)),
    )
    project.configure(
        {
            "kafka": stream.settings(**RULES),
            "labels": {"inline": "target"},
            "output": {"format": "avro"},
            "model": {"positive": "malignant"},
            "batch": {"max_records": 500},
        }
    )
    return project


class Reader:
    """Reads framed scores with the registry's own client, as a subscriber would."""

    def __init__(self, registry_url: str) -> None:
        """Ask this registry."""
        self._registry = SchemaRegistryClient({"url": registry_url})

    def decode(self, value: bytes) -> dict[str, Any]:
        """Return a score by the schema that its prefix names."""
        magic, schema_id = struct.unpack(">bI", value[:5])
        assert magic == 0
        schema = fastavro.parse_schema(json.loads(self._registry.get_schema(schema_id).schema_str or ""))
        found = fastavro.schemaless_reader(io.BytesIO(value[5:]), schema, None)
        assert isinstance(found, dict)
        return found

    def source(self, message: Message) -> Source:
        """Return the source coordinates of a score."""
        score = self.decode(message.value() or b"")
        return Source(score["source_topic"], score["source_partition"], score["source_offset"])


def reasons(stream: Stream) -> dict[Source, str]:
    """Return the reason of each dead letter."""
    letters = read_all(stream.kafka.client_settings, f"{stream.name}.dead-letters")
    return {source_in_headers(m): (dict(headers_of(m))["tidemill.reason"] or b"").decode() for m in letters}
