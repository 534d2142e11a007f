from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer

from consumer.kafka_places import KafkaTopicDirectory
from service.buffer_reseek import Destination, Order, reseek
from service.buffer_tables import build_tables
from service.errors import Refused, UsageError
from service.settings import Settings, settings_from
from tests.support.kafka import KafkaCluster, unique_name

pytestmark = pytest.mark.kafka

TIMES = (1_000_000, 2_000_000, 3_000_000)


@pytest.fixture
def settings(kafka: KafkaCluster, tmp_path: Path) -> Settings:
    """Return settings of a service with a labels topic of two partitions, three labels on the first."""
    name = unique_name("fraud")
    kafka.create_topic(f"{name}.labels", partitions=2)
    producer = Producer(kafka.client_settings)
    for time in TIMES:
        producer.produce(f"{name}.labels", b"{}", partition=0, timestamp=time)
    producer.flush(30)
    return settings_from(
        {
            "name": name,
            "kafka": {"bootstrap.servers": kafka.bootstrap_servers},
            "features": {"fields": [{"name": "amount", "type": "double"}]},
        },
        folder=tmp_path,
    )


def positions(settings: Settings) -> list[int | None]:
    """Return where the table of labels stands on the two partitions of its topic."""
    topic = settings.topics.labels
    brokers = {"bootstrap.servers": settings.kafka.common["bootstrap.servers"]}
    identity = KafkaTopicDirectory(brokers).identities([topic])[topic]
    found = build_tables(settings).labels.positions([identity.app_id(0), identity.app_id(1)])
    return [found.get(identity.app_id(partition)) for partition in (0, 1)]


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        (Destination(place="earliest"), [0, 0]),
        (Destination(place="latest"), [3, 0]),
        (Destination(time_ms=TIMES[1]), [1, 0]),
        (Destination(time_ms=TIMES[2] + 1), [3, 0]),
    ],
    ids=["earliest", "latest", "time", "after the last"],
)
def test_reseek_sets_every_partition(settings: Settings, to: Destination, expected: list[int]) -> None:
    """The place is asked of the cluster and kept under its id and the topic's."""
    reseek(settings, Order(settings.topics.labels, None, to), say=lambda _: None)
    assert positions(settings) == expected


def test_reseek_shows_before_it_sets(settings: Settings) -> None:
    """A dry run says what would be, and the table stays as it is; an offset needs its partition, and must exist."""
    said: list[str] = []
    build_tables(settings).prepare()
    reseek(settings, Order(settings.topics.labels, 0, Destination(offset=2), is_dry=True), say=said.append)
    assert (said[0], positions(settings)) == ("partition 0: nothing -> 2", [None, None])
    with pytest.raises(UsageError, match="has 2 partitions; name one"):
        reseek(settings, Order(settings.topics.labels, None, Destination(offset=2)), say=said.append)
    with pytest.raises(UsageError, match="has offsets 0 to 3, not 4"):
        reseek(settings, Order(settings.topics.labels, 0, Destination(offset=4)), say=said.append)


def test_reseek_waits_until_the_workers_are_stopped(kafka: KafkaCluster, settings: Settings) -> None:
    """A member of the group would go on from where it is, and be fenced by our commit."""
    member = Consumer({**kafka.client_settings, "group.id": settings.groups.buffer})
    member.subscribe([settings.topics.labels])
    while not member.assignment():
        member.poll(0.1)
    with pytest.raises(Refused, match="has 1 member: stop the buffering workers first"):
        reseek(settings, Order(settings.topics.labels, None, Destination()), say=lambda _: None)
    member.close()
    reseek(settings, Order(settings.topics.labels, None, Destination()), say=lambda _: None)
    assert positions(settings) == [3, 0]
