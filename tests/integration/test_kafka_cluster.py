from __future__ import annotations

import time
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from tests.support.kafka import KafkaCluster, unique_name

pytestmark = pytest.mark.kafka


def consume_values(cluster: KafkaCluster, topic: str, *, count: int, **settings: str) -> list[bytes | None]:
    """Return the first `count` committed values of a topic, or as many as came within 30 s."""
    consumer = Consumer(
        {
            **cluster.client_settings,
            "group.id": unique_name("group"),
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            **settings,
        }
    )
    consumer.subscribe([topic])
    values: list[bytes | None] = []
    deadline = time.monotonic() + 30
    while len(values) < count and time.monotonic() < deadline:
        values += [message.value() for message in consumer.consume(count, 0.2)]
    consumer.close()
    return values


def produce_in_transaction(cluster: KafkaCluster, topic: str, values: list[bytes]) -> None:
    """Produce the values and commit them."""
    producer = Producer({**cluster.client_settings, "transactional.id": unique_name("writer")})
    producer.init_transactions(30)
    producer.begin_transaction()
    for value in values:
        producer.produce(topic, value)
    producer.commit_transaction(30)


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_cluster_serves_transactions_and_both_group_protocols(kafka: KafkaCluster, protocol: str) -> None:
    """What every other test relies on: a committed transaction is read by a group of either protocol."""
    topic = kafka.create_topic(unique_name("events"))
    produce_in_transaction(kafka, topic, [b"one", b"two"])

    assert consume_values(kafka, topic, count=2, **{"group.protocol": protocol}) == [b"one", b"two"]


def test_cluster_refuses_to_create_topics_by_itself(kafka: KafkaCluster) -> None:
    """A misspelt topic fails in a test as it does in production."""
    known = kafka.admin.list_topics(unique_name("misspelt"), timeout=10).topics

    assert [topic.error.name() for topic in known.values() if topic.error] == ["UNKNOWN_TOPIC_OR_PART"]


def test_cluster_keeps_what_it_acknowledged_through_kill_and_restart(kafka3: KafkaCluster) -> None:
    """Of three brokers any one may die: what was acknowledged is there, and the broker comes back in sync."""
    topic = kafka3.create_topic(unique_name("events"))
    leader = kafka3.admin.list_topics(topic, timeout=10).topics[topic].partitions[0].leader
    produce_in_transaction(kafka3, topic, [b"kept"])

    kafka3.kill(leader)
    while_down = consume_values(kafka3, topic, count=1)
    kafka3.restart(leader)

    partition = kafka3.admin.list_topics(topic, timeout=10).topics[topic].partitions[0]
    assert (while_down, sorted(partition.isrs)) == ([b"kept"], [1, 2, 3])


def test_secure_cluster_lets_in_its_user(kafka_secure: KafkaCluster) -> None:
    """The secured settings are complete: SCRAM user, certificate, host name check."""
    topic = kafka_secure.create_topic(unique_name("events"))
    produce_in_transaction(kafka_secure, topic, [b"secret"])

    assert consume_values(kafka_secure, topic, count=1) == [b"secret"]


def test_secure_cluster_refuses_a_wrong_password(kafka_secure: KafkaCluster) -> None:
    """The lock is a lock: the same client with another password gets nothing."""
    intruder = AdminClient({**kafka_secure.client_settings, "sasl.password": "guess", "log_level": 0})

    with pytest.raises(KafkaException):
        intruder.list_topics(timeout=3)


def test_cluster_leaves_no_process_and_no_file(tmp_path: Path) -> None:
    """A closed cluster is gone, paused or not: nothing listens and nothing lies about."""
    directory = tmp_path / "cluster"
    with KafkaCluster(directory) as cluster:
        address = cluster.bootstrap_servers
        cluster.pause()

    stranger = AdminClient({"bootstrap.servers": address, "log_level": 0})
    with pytest.raises(KafkaException):
        stranger.list_topics(timeout=1)
    assert not directory.exists()
