"""A scoring worker over the in-memory broker with a model whose scores a test can foretell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from consumer.memory import InMemorySource
from consumer.outgoing import Outbox
from consumer.scoring import BatchScorer
from consumer.source import RecordSource
from consumer.telemetry import NullTelemetry, Telemetry
from consumer.watchdog import Watchdog
from consumer.worker import Limits, ScoringWorker
from features.batch import Column
from features.codec import FeatureCodec
from features.json_codec import JsonCodec
from features.schema import FeatureSchema, Field, FieldType, Roles
from models.base import Scores, Task
from models.champion import Champion, StaticChampion
from models.live import LiveModel
from models.manifest import Manifest
from producer.broker import InMemoryBroker
from producer.encoding import JsonScoreEncoder
from producer.memory import InMemorySink
from producer.sink import RecordSink

SCHEMA = FeatureSchema((Field("x", FieldType.DOUBLE, "x"),), Roles(id="id"))
BEAST = 666.0  # a value the model raises on


@dataclass(frozen=True, slots=True)
class DoublingModel:
    """Scores twice the value; raises on the beast, and on everything when ``is_broken``."""

    is_broken: bool = False
    kind: str = "test"
    task: Task = Task.REGRESSION
    schema: FeatureSchema = SCHEMA
    classes: Sequence[str] = ()

    def score_many(self, columns: Mapping[str, Column]) -> Scores:
        """Return 2 x, or raise."""
        x = columns["x"]
        if self.is_broken or (x == BEAST).any():
            raise ValueError("the number of the beast")
        return Scores(np.asarray(x * 2, dtype=np.float64))


def live(version: str = "v1", *, model: DoublingModel | None = None) -> LiveModel:
    """Return a live model that needs no store."""
    chosen = DoublingModel() if model is None else model
    manifest = Manifest("test", "test", Task.REGRESSION, SCHEMA, "matrix", 0, version=version)
    return LiveModel(version, manifest, chosen)


@dataclass
class RecordingTelemetry(NullTelemetry):
    """Remembers how transactions ended, and why; and what is waited for, empty for nothing."""

    outcomes: list[tuple[str, str]] = field(default_factory=list)
    waiting_for: str = ""

    def transaction(self, outcome: str, cause: str = "") -> None:
        """Remember."""
        self.outcomes.append((outcome, cause))

    def waiting(self, cause: str, detail: str = "") -> None:  # noqa: ARG002 - the port gives both
        """Remember."""
        self.waiting_for = cause


def scoring_worker(
    source: RecordSource,
    sink: RecordSink,
    *,
    limits: Limits,
    scores: str = "out",
    dead_letters: str = "dead",
    champion: Champion | None = None,
    codec: FeatureCodec | None = None,
    telemetry: Telemetry | None = None,
    watchdog: Watchdog | None = None,
    now_ms: Callable[[], int] = lambda: 2000,
) -> ScoringWorker:
    """Return a worker that scores with the doubling model, whatever it reads from and writes to."""
    return ScoringWorker(
        source,
        sink,
        champion=StaticChampion(live()) if champion is None else champion,
        scorer=BatchScorer(JsonCodec() if codec is None else codec, SCHEMA),
        outbox=Outbox(
            JsonScoreEncoder(service="test", model_name="test"),
            scores_topic=scores,
            dead_letters_topic=dead_letters,
            service="test",
            now_ms=now_ms,
        ),
        limits=limits,
        telemetry=RecordingTelemetry() if telemetry is None else telemetry,
        watchdog=Watchdog() if watchdog is None else watchdog,
        output_topics=(scores, dead_letters),
        now_ms=now_ms,
    )


@dataclass
class Bench:
    """A broker with an input of two partitions, and workers on it."""

    broker: InMemoryBroker = field(default_factory=InMemoryBroker)

    def __post_init__(self) -> None:
        """Make the topics."""
        for topic in ("in", "out", "dead"):
            self.broker.create_topic(topic, 2)

    def publish(self, *values: bytes | float | None, partition: int = 0) -> None:
        """Put events on the input: a number is an event with that feature, bytes are a raw value."""
        for value in values:
            raw = msgspec.json.encode({"id": str(value), "x": value}) if isinstance(value, int | float) else value
            self.broker.publish("in", key=None, value=raw, timestamp_ms=1000, partition=partition)

    def worker(
        self,
        *,
        champion: Champion | None = None,
        sink: RecordSink | None = None,
        telemetry: Telemetry | None = None,
        max_records: int = 100,
        slot: str = "0",
        limits: Limits | None = None,
    ) -> ScoringWorker:
        """Return a worker of the one group."""
        return scoring_worker(
            InMemorySource(self.broker, "group", ["in"]),
            InMemorySink(self.broker, f"worker-{slot}") if sink is None else sink,
            champion=champion,
            limits=Limits(max_records=max_records, linger=0.0) if limits is None else limits,
            telemetry=telemetry,
        )
