"""The commands that a user of an existing topic or registry meets, against a real broker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from confluent_kafka import Producer

from service.cli import run
from service.settings import load_settings
from tests.support.kafka import KafkaCluster, unique_name
from tests.support.registry import HttpRegistry

pytestmark = pytest.mark.kafka

ROWS = "txn,amount,kind\n" + "".join(f"t{n},{n}.25,{'ab'[n % 2]}\n" for n in range(40))
EVENT = {
    "type": "record",
    "name": "Event",
    "fields": [
        {"name": "txn", "type": "string"},
        {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["a", "b"]}},
    ],
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working folder, with a file of events in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "events.csv").write_text(ROWS)
    return tmp_path


def types(folder: Path) -> dict[str, str]:
    """Return the fields of the service file that was written, by path."""
    settings = load_settings(folder / "tidemill.yaml", environment={}).settings
    return {field.source: field.type.value for field in settings.feature_schema().fields}


def test_init_from_a_topic_of_json_proposes_what_its_newest_events_have(
    kafka: KafkaCluster, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Older events and broken ones do not decide; what is broken is said."""
    topic = kafka.create_topic(unique_name("cards"), partitions=2)
    producer = Producer(kafka.client_settings)
    for n in range(200):
        old = {"gone": n}
        event = {"id": f"t{n}", "pay": {"amount": n / 2}, "fraud": n % 9 == 0}
        value = json.dumps(old if n < 100 else event) if n != 150 else "broken"
        producer.produce(topic, value, partition=n % 2)
    assert producer.flush(30) == 0
    look = ["init", "--from-topic", topic, "--bootstrap", kafka.bootstrap_servers, "--records", "100"]
    assert run([*look, "--id", "id", "--label", "fraud"]) == 0
    assert types(folder) == {"pay.amount": "double"}
    said = capsys.readouterr().out
    assert "99 events" in said
    assert "1 of 100 records cannot be decoded" in said


def test_a_users_topic_is_published_to_looked_at_and_served_through_its_registry(
    kafka: KafkaCluster, registry: HttpRegistry, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From a subject to a service file, events by their schema, and from those events the same file again."""
    topic = kafka.create_topic(unique_name("pay"))
    registry.add(f"{topic}-value", EVENT)
    at = ["--bootstrap", kafka.bootstrap_servers, "--registry", registry.url, "--id", "txn"]
    assert run(["init", "--from-subject", f"{topic}-value", *at]) == 0
    proposed = types(folder)
    with Path("tidemill.yaml").open("a") as file:
        file.write("output: {format: avro}\n")
    assert [run(["topics", "create"]), run(["publish", "events.csv"])] == [0, 0]
    capsys.readouterr()
    assert run(["tail", "features", "--from-beginning", "--limit", "40", "--json"]) == 0
    shown = [json.loads(line)["value"] for line in capsys.readouterr().out.splitlines()]
    assert shown == [{"txn": f"t{n}", "amount": n + 0.25, "kind": "ab"[n % 2]} for n in range(40)]
    assert run(["init", "--from-topic", topic, *at, "--force"]) == 0
    assert types(folder) == proposed == {"amount": "double", "kind": "string"}


def test_topics_create_registers_what_is_missing_and_then_the_doctor_is_content(
    kafka: KafkaCluster, registry: HttpRegistry, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The schemas of the service are made with its topics, once; a schema that is refused fails the command."""
    name = unique_name("fresh")
    registry.add(f"{name}-value", EVENT)
    at = ["--bootstrap", kafka.bootstrap_servers, "--registry", registry.url, "--name", name]
    assert run(["init", "--from-subject", f"{name}-value", *at]) == 0
    text = Path("tidemill.yaml").read_text().replace(f"features: {name}\n", f"features: {name}.in\n")
    Path("tidemill.yaml").write_text(f"{text}output: {{format: avro, passthrough: [txn]}}\n")
    capsys.readouterr()
    for expected in ("created", "exists"):
        assert run(["topics", "create", "--json"]) == 0
        rows = json.loads(capsys.readouterr().out)
        assert {row["subject"]: row["result"] for row in rows if row["role"] == "schema"} == {
            f"{name}.in-value": expected,
            f"{name}.labels-value": expected,
            f"{name}.scores-value": expected,
        }
    run(["doctor", "--json"])
    checks = {check["check"]: check["status"] for check in json.loads(capsys.readouterr().out)}
    assert {checks[f"schema {name}.{topic}-value"] for topic in ("in", "labels", "scores")} == {"ok"}
    registry.add(f"{name}.taken-value", EVENT)
    Path("tidemill.yaml").write_text(Path("tidemill.yaml").read_text().replace(f"{name}.scores", f"{name}.taken"))
    assert run(["topics", "create"]) == 1
    assert f"denied   {name}.taken-value (schema)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "said"), [("near", "did you mean"), ("empty", "is empty"), ("deleted", "its records are tombstones")]
)
def test_init_says_of_a_topic_that_it_is_not_there_or_empty(
    kafka: KafkaCluster, name: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, and nothing is written."""
    topic = kafka.create_topic(unique_name("cards"))
    if name == "deleted":
        producer = Producer(kafka.client_settings)
        producer.produce(topic, None, key=b"k")
        assert producer.flush(30) == 0
    asked = f"{topic}s" if name == "near" else topic
    assert run(["init", "--from-topic", asked, "--bootstrap", kafka.bootstrap_servers]) == 2
    assert said in capsys.readouterr().err
    assert not Path("tidemill.yaml").exists()
