from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fastavro
import pytest

from consumer import worker as worker_module
from consumer.memory import InMemorySource
from consumer.source import PartitionStatus
from consumer.watchdog import Watchdog
from consumer.worker import Limits, ScoringWorker
from features.registry_framing import SCHEMA_HEADER, prefix_of
from models.champion import StaticChampion
from producer.broker import InMemoryBroker
from producer.encoding import score_record_schema
from producer.memory import InMemorySink
from producer.records import Headers, TopicPartition
from service.bootstrap import build_event_codec, build_score_encoder, build_score_schema, build_worker
from service.lag import LagTracker
from service.schemas import build_schemas
from service.settings import Settings, settings_from
from tests.support.kafka import KafkaCluster
from tests.support.kafka_scoring import KafkaBench, running, wait_until
from tests.support.registry import LOGIN_PAGE, NO_ANSWERS, UNAVAILABLE, Answer, HttpRegistry
from tests.support.scoring import Bench, RecordingTelemetry, live, scoring_worker
from tests.support.world import RegistryCodec

EVENT = {
    "type": "record",
    "name": "Event",
    "fields": [{"name": "id", "type": "string"}, {"name": "x", "type": "double"}],
}
SUBJECT, SCORES = "fraud.features-value", "fraud.scores-value"


@pytest.fixture(autouse=True)
def _no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pause is as long as its next question."""
    monkeypatch.setattr(worker_module, "WAIT_FOR_SCHEMAS_S", 0.0)


@dataclass
class Scene:
    """A service as its file describes it, on a broker in memory and a registry over HTTP."""

    registry: HttpRegistry
    broker: InMemoryBroker = field(default_factory=InMemoryBroker)
    telemetry: RecordingTelemetry = field(default_factory=RecordingTelemetry)

    def __post_init__(self) -> None:
        """Make the topics and register both schemas."""
        self.settings = settings(self.registry.url)
        for topic in ("fraud.features", "fraud.scores", "fraud.dead-letters"):
            self.broker.create_topic(topic, 2 if topic == "fraud.features" else 1)
        self.event_id = self.registry.add(SUBJECT, EVENT)
        self.score_id = self.registry.add(SCORES, score_record_schema())
        self.worker = self._worker()

    def _worker(self) -> ScoringWorker:
        schemas = build_schemas(self.settings)
        return build_worker(
            self.settings,
            source=InMemorySource(self.broker, "fraud.score", ["fraud.features"]),
            sink=InMemorySink(self.broker, "w"),
            champion=StaticChampion(live()),
            telemetry=self.telemetry,
            watchdog=Watchdog(),
            codec=build_event_codec(self.settings, schemas),
            encoder=build_score_encoder(self.settings, build_score_schema(self.settings, schemas)),
        )

    def publish(self, value: bytes, headers: Headers = ()) -> None:
        """Put an event on the input."""
        self.broker.publish("fraud.features", key=None, value=value, timestamp_ms=1, headers=headers, partition=0)

    def scores(self) -> list[float]:
        """Return the committed scores, read as any subscriber would."""
        records = self.broker.read(TopicPartition("fraud.scores", 0)).records
        return [read_score(record.value or b"", self.score_id)["score"] for record in records]

    def reasons(self) -> list[bytes | None]:
        """Return why the committed dead letters are dead."""
        records = self.broker.read(TopicPartition("fraud.dead-letters", 0)).records
        return [dict(record.headers)["tidemill.reason"] for record in records]


@pytest.fixture
def scene(registry: HttpRegistry) -> Scene:
    """A scene of its own for each test."""
    return Scene(registry)


def settings(url: str) -> Settings:
    """Return the service file."""
    features = {"id": "id", "fields": [{"name": "x", "type": "double"}]}
    registry = {"url": url, "max.retries": 0}
    data = {"name": "fraud", "features": features, "schema_registry": registry, "output": {"format": "avro"}}
    return settings_from(data, folder=Path())


def event(x: float) -> bytes:
    """Return the bare bytes of one event."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(EVENT), {"id": f"e{x}", "x": x})
    return out.getvalue()


def read_score(value: bytes, schema_id: int) -> dict[str, Any]:
    """Return a score record that must have been written by this schema."""
    assert value[:5] == prefix_of(schema_id)
    parsed = fastavro.parse_schema(score_record_schema())
    found = fastavro.schemaless_reader(io.BytesIO(value[5:]), parsed, None)
    assert isinstance(found, dict)
    return found


def test_worker_reads_and_writes_in_the_registrys_framing(scene: Scene) -> None:
    """Prefix and header on the way in, prefix on the way out, and only what is at fault is buried."""
    scene.publish(prefix_of(scene.event_id) + event(1))
    scene.publish(event(2), [(SCHEMA_HEADER, prefix_of(scene.event_id))])
    scene.publish(prefix_of(4711) + event(3))
    scene.publish(prefix_of(scene.score_id) + event(4))
    assert scene.worker.run_once() == 4
    assert scene.scores() == [2.0, 4.0]
    assert scene.reasons() == [b"unknown_schema", b"schema_not_allowed"]


@pytest.mark.parametrize("fault", NO_ANSWERS, ids=lambda a: f"{a.status}-{a.body[:12]!r}")
def test_worker_pauses_while_the_registry_gives_no_answer_and_buries_nothing(scene: Scene, fault: Answer) -> None:
    """Whatever the registry says or does not say: the events wait, and are scored when it is well."""
    scene.publish(prefix_of(scene.event_id) + event(1))
    scene.registry.fault = fault
    assert [scene.worker.run_once() for _ in range(3)] == [0, 0, 0]
    assert (scene.telemetry.waiting_for, scene.worker.lacks_schemas) == ("schema_registry", True)
    assert scene.broker.committed("fraud.score").get(TopicPartition("fraud.features", 0), 0) == 0
    scene.registry.fault = None
    assert scene.worker.run_once() == 1
    assert (scene.telemetry.waiting_for, scene.worker.lacks_schemas) == ("", False)
    assert (scene.scores(), scene.reasons()) == ([2.0], [])


def test_worker_pauses_where_only_the_schema_of_the_scores_is_lacking(scene: Scene) -> None:
    """The events are read already; their scores wait for an id, and nothing is written without it."""
    scene.publish(prefix_of(scene.event_id) + event(1))
    scene.publish(b"garbage")
    asked = len(scene.registry.asked)
    scene.registry.fault = UNAVAILABLE
    scene.worker.run_once()
    scene.registry.fault = None
    scene.registry.drops = True
    scene.worker.run_once()
    assert (scene.scores(), scene.reasons(), len(scene.registry.asked) > asked) == ([], [], True)
    scene.registry.drops = False
    assert scene.worker.run_once() == 2
    assert (scene.scores(), scene.reasons()) == ([2.0], [b"undecodable"])


def test_worker_scores_on_while_the_registry_is_away_and_every_schema_is_known(scene: Scene) -> None:
    """A registry is asked once for an id: its outage is felt by new schemas alone."""
    scene.publish(prefix_of(scene.event_id) + event(1))
    scene.worker.run_once()
    scene.registry.stop()
    scene.publish(prefix_of(scene.event_id) + event(2))
    assert scene.worker.run_once() == 1
    assert scene.scores() == [2.0, 4.0]


def test_worker_is_well_again_when_what_it_waited_for_is_not_its_own_any_more(scene: Scene) -> None:
    """A member that lost the partition has nothing to wait for."""
    scene.publish(prefix_of(scene.event_id) + event(1))  # on partition 0, which a newcomer is given
    scene.registry.fault = LOGIN_PAGE
    scene.worker.run_once()
    assert scene.worker.lacks_schemas
    scene.broker.join("fraud.score", frozenset({"fraud.features"}))
    rounds = [scene.worker.run_once() for _ in range(3)]
    assert (rounds, scene.worker.lacks_schemas, scene.telemetry.waiting_for) == ([0, 0, 0], False, "")


class Looks(RecordingTelemetry):
    """Remembers the last look at the partitions and every one that was said to stand still."""

    def __init__(self) -> None:
        """Begin with none."""
        super().__init__()
        self.statuses: Sequence[PartitionStatus] = ()
        self.accused: list[TopicPartition] = []

    def partitions(
        self,
        statuses: Sequence[PartitionStatus],
        *,
        stalled: Sequence[TopicPartition],
        blocked: Sequence[TopicPartition],
    ) -> None:
        """Remember."""
        self.statuses = statuses
        self.accused += [*stalled, *blocked]


def test_long_wait_for_a_schema_is_no_stall() -> None:
    """A partition that waits for the registry is not accused, and its client is not thrown away."""
    bench, looks = Bench(), Looks()
    bench.publish(*map(float, range(20)))
    source = InMemorySource(bench.broker, "group", ["in"])
    worker = scoring_worker(
        source,
        InMemorySink(bench.broker, "worker"),
        limits=Limits(max_records=5, linger=0.0, stall_after=2.0),
        codec=RegistryCodec(is_away=True),
        telemetry=looks,
    )
    worker._monotonic = lambda: worker._reported_at + 2.0  # two seconds from look to look
    for _ in range(20):
        worker.run_once()
    assert (looks.accused, source.assignments, looks.waiting_for) == ([], 1, "schema_registry")


@pytest.mark.kafka
def test_lag_is_told_while_a_schema_is_waited_for(kafka: KafkaCluster) -> None:
    """What waits is behind: an outage of the registry is seen in the lag, by alerts and by autoscaling."""
    bench, looks = KafkaBench(kafka, partitions=1), Looks()
    bench.publish(50)
    bench.flush()
    with running(bench.worker(codec=RegistryCodec(is_away=True), telemetry=looks)):
        lag = LagTracker()

        def all_behind() -> bool:
            looks_now = lag.observe(looks.statuses, 0.0)
            lag.forget_looks()
            return [found.records for found in looks_now.values()] == [50]

        for _ in range(3):  # and again and again, not only before the first rewind
            looks.statuses = ()
            wait_until(all_behind, "a look that tells of 50 records")
