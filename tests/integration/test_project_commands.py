"""`topics create` and `doctor` against a real broker: one that lets everybody in, and one with access control."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

import pytest
from confluent_kafka import Producer

from service.cli import run
from service.cluster import Denied, TopicFacts
from service.errors import Refused, SettingsError, Unreachable
from service.kafka import ClusterAdmin
from tests.support.kafka import KafkaCluster, unique_name
from tests.support.kafka_broker import free_port
from tests.support.kafka_security import ScramOverTls

pytestmark = pytest.mark.kafka

Write: TypeAlias = Callable[[Mapping[str, str]], str]
AUTHORISER = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """Return a broker that knows our user and allows it nothing."""
    settings = {"authorizer.class.name": AUTHORISER, "super.users": "User:ANONYMOUS"}
    folder = tmp_path_factory.mktemp("guarded") / "cluster"
    with KafkaCluster(folder, security=ScramOverTls(), settings=settings) as cluster:
        yield cluster


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes a service file for a cluster and returns its path."""

    def write(client: Mapping[str, str]) -> str:
        name = unique_name("fraud")
        data = {"name": name, "kafka": client, "features": {"id": "i", "fields": [{"name": "x", "type": "double"}]}}
        file = tmp_path / "tidemill.yaml"
        file.write_text(json.dumps(data))
        file.chmod(0o600)
        return str(file)

    return write


def doctor(file: str, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, dict[str, str]]:
    """Return the exit code of the doctor and the status of each check by its first word or two."""
    code = run(["-c", file, "doctor", "--json", *options])
    checks = json.loads(capsys.readouterr().out)
    return code, {check["check"].split(" fraud-")[0].split(" /")[0]: check["status"] for check in checks}


def test_topics_create_then_doctor_finds_everything_in_place(
    kafka: KafkaCluster, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    """The doctor asks for the topics, the command makes them, twice is once, and nothing fails afterwards."""
    file = write(kafka.client_settings)
    before, checks = doctor(file, capsys)
    assert (before, checks["input"], checks["scores"]) == (1, "fail", "fail")
    create = ["-c", file, "topics", "create", "--partitions", "2"]
    assert [run(create), run(create)] == [0, 0]
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["created"] * 5 + ["exists"] * 5
    after, checks = doctor(file, capsys)
    assert (after, checks["broker"], checks["transactions"], checks["group"]) == (0, "ok", "ok", "ok")
    assert (checks["input"], checks["champion"]) == ("warn", "warn")  # one replica, and no model yet


def test_doctor_is_content_with_three_brokers(
    kafka3: KafkaCluster, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three replicas of which two must answer is what exactly-once rests on."""
    file = write(kafka3.client_settings)
    assert run(["-c", file, "topics", "create", "--partitions", "1"]) == 0
    capsys.readouterr()
    code, checks = doctor(file, capsys)
    assert {name: status for name, status in checks.items() if status != "ok"} == {"champion": "warn"}
    assert code == 0


def test_doctor_names_every_right_that_is_missing(
    guarded: KafkaCluster, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    """Access control is where most first starts fail; each right is named with what to allow."""
    code = run(["-c", write(guarded.client_settings), "doctor", "--json"])
    failed = {c["check"].split()[0]: c["remedy"] for c in json.loads(capsys.readouterr().out) if c["status"] == "fail"}
    assert code == 1
    assert failed.keys() == {"input", "scores", "dead", "group", "transactions"}
    assert "WRITE and DESCRIBE on transactional ids" in failed["transactions"]


def test_topics_create_ends_with_3_when_nobody_answers(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    """A script that waits for the broker can tell this from other failures."""
    file = write({"bootstrap.servers": f"127.0.0.1:{free_port()}"})
    assert run(["-c", file, "topics", "create", "--timeout", "1"]) == 3
    assert "Connection refused" in capsys.readouterr().err
    assert doctor(file, capsys, "--timeout", "1")[0] == 3


def test_cluster_admin_says_why_it_is_not_let_in(kafka_secure: KafkaCluster) -> None:
    """A wrong password, a wrong protocol and a misspelt property are three different messages."""
    right = kafka_secure.client_settings
    assert ClusterAdmin(right).cluster().brokers == 1
    with pytest.raises(Refused, match="credentials"):
        ClusterAdmin({**right, "sasl.password": "wrong"}, timeout=2).cluster()
    with pytest.raises(Unreachable, match=r"security\.protocol"):
        ClusterAdmin({**right, "security.protocol": "plaintext"}, timeout=1).cluster()
    with pytest.raises(SettingsError, match=r"sasl\.pasword"):
        ClusterAdmin({**right, "sasl.pasword": "x"})


def test_cluster_admin_asks_without_making_anything(kafka: KafkaCluster) -> None:
    """Looking at a topic that is not there does not create it, whatever the broker allows."""
    admin = ClusterAdmin(kafka.client_settings)
    name = unique_name("absent")
    assert [admin.topics([name]), admin.topics([name])] == [{name: None}] * 2


def test_cluster_admin_knows_the_newest_timestamp(kafka: KafkaCluster) -> None:
    """The clock check compares it with this machine's."""
    admin = ClusterAdmin(kafka.client_settings)
    topic = kafka.create_topic(unique_name("stamped"), partitions=2)
    facts = admin.topics([topic])[topic]
    assert isinstance(facts, TopicFacts)
    assert admin.newest_timestamp_ms(facts) is None
    producer = Producer(kafka.client_settings)
    for partition, stamp in ((0, 2_000), (1, 3_000), (0, 1_000)):
        producer.produce(topic, b"x", partition=partition, timestamp=stamp)
    assert producer.flush(30) == 0
    assert admin.newest_timestamp_ms(facts) == 3_000


def test_cluster_admin_tells_a_denied_topic_from_an_absent_one(guarded: KafkaCluster) -> None:
    """Without rights nobody knows whether it is there."""
    admin = ClusterAdmin(guarded.client_settings)
    assert isinstance(admin.topics(["t"])["t"], Denied)
    with pytest.raises(Refused, match=r"topic t: .*Authorization failed"):
        admin.create_topic("t", partitions=1, replication=1, settings={})
