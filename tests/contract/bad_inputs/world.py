"""A worker with a real codec and a real estimator over the in-memory broker, and what became of what it read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sklearn.tree import DecisionTreeRegressor

from consumer.memory import InMemorySource
from consumer.outgoing import Outbox
from consumer.scoring import BatchScorer
from consumer.telemetry import Telemetry
from consumer.watchdog import Watchdog
from consumer.worker import Limits, ScoringWorker
from features.batch import Column
from features.codec import FeatureCodec
from features.schema import FeatureSchema
from models.base import Scores, Task
from models.champion import StaticChampion
from models.live import LiveModel
from models.manifest import Manifest
from producer.broker import InMemoryBroker
from producer.broker_log import LogRecord
from producer.encoding import JsonScoreEncoder
from producer.memory import InMemorySink
from producer.records import TopicPartition
from tests.contract.bad_inputs.case import SCHEMA, Case
from tests.support.scoring import RecordingTelemetry

TREE = DecisionTreeRegressor().fit([[0.0], [1.5]], [0.0, 3.0])  # holds its numbers as float32, as trees do
INPUT = TopicPartition("in", 0)


@dataclass(frozen=True, slots=True)
class TreeModel:
    """Scores twice ``x``, by a tree, plus ``count``."""

    kind: str = "test"
    task: Task = Task.REGRESSION
    schema: FeatureSchema = SCHEMA
    classes: Sequence[str] = ()

    def score_many(self, columns: Mapping[str, Column]) -> Scores:
        """Return the scores; raises what the tree raises."""
        return Scores(TREE.predict(columns["x"].reshape(-1, 1)) + columns["count"])


@dataclass
class World:
    """One input partition in which bad records stand between good ones.

    Attributes:
        good: The value of a good record.
        broker: With the topics ``in``, ``out`` and ``dead``.
    """

    good: bytes
    broker: InMemoryBroker = field(default_factory=lambda: InMemoryBroker(max_record_bytes=16_000_000))

    def __post_init__(self) -> None:
        """Make the topics."""
        for topic in ("in", "out", "dead"):
            self.broker.create_topic(topic, 1)

    def publish(self, cases: Iterable[Case]) -> None:
        """Put a good record before each case, and one after the last."""
        for case in cases:
            self._append(self.good)
            self._append(case.value, case)
        self._append(self.good)

    def _append(self, value: bytes | None, case: Case | None = None) -> None:
        self.broker.publish(
            "in",
            key=b"k" if case is None else case.key,
            value=value,
            timestamp_ms=1_000 if case is None else case.timestamp_ms,
            headers=() if case is None else case.headers,
            partition=0,
        )

    def worker(self, codec: FeatureCodec, *, telemetry: Telemetry | None = None) -> ScoringWorker:
        """Return a worker of the one group."""
        manifest = Manifest("test", "test", Task.REGRESSION, SCHEMA, "matrix", 0, version="v1")
        return ScoringWorker(
            InMemorySource(self.broker, "group", ["in"]),
            InMemorySink(self.broker, "worker-0"),
            champion=StaticChampion(LiveModel("v1", manifest, TreeModel())),
            scorer=BatchScorer(codec, SCHEMA),
            outbox=Outbox(
                JsonScoreEncoder(service="test", model_name="test"),
                scores_topic="out",
                dead_letters_topic="dead",
                service="test",
                now_ms=lambda: 2_000,
            ),
            limits=Limits(linger=0.0, max_bytes=1 << 30),
            telemetry=RecordingTelemetry() if telemetry is None else telemetry,
            watchdog=Watchdog(),
            output_topics=("out", "dead"),
            now_ms=lambda: 2_000,
        )

    @property
    def committed(self) -> int:
        """Return the next offset of the group."""
        return self.broker.committed("group").get(INPUT, 0)

    def scores(self) -> dict[int, tuple[LogRecord, Mapping[str, Any]]]:
        """Return the committed scores by source offset, as records and as what they say."""
        records = self.broker.read(TopicPartition("out", 0)).records
        found = [(record, json.loads(record.value or b"")) for record in records]
        assert [said["source_offset"] for _, said in found] == sorted({said["source_offset"] for _, said in found})
        return {said["source_offset"]: (record, said) for record, said in found}

    def dead(self) -> dict[int, LogRecord]:
        """Return the committed dead letters by source offset."""
        records = self.broker.read(TopicPartition("dead", 0)).records
        found = {int(dict(record.headers)["__connect.errors.offset"] or b""): record for record in records}
        assert len(found) == len(records)
        return found
