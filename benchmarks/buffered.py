"""The buffering worker on the same topic, until every row is in the table. Prints one JSON line."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from benchmarks.run import Clock, Order, Run, order_from
from buffer.table import TableName
from consumer.buffering_places import Places
from consumer.buffering_telemetry import FlushOutcome, NullBufferingTelemetry
from consumer.buffering_upkeep import NoUpkeep
from consumer.intake import Intake, Taken
from consumer.kafka import KafkaSource
from consumer.kafka_places import KafkaTopicDirectory
from consumer.records import RecordBatch
from consumer.watchdog import Watchdog
from service.buffer_tables import build_tables
from service.buffering import build_buffering_worker
from service.clients import admin_conf, consumer_conf
from service.intakes import build_intakes
from service.process import settle_process
from service.settings import load_settings


@dataclass(frozen=True)
class TimedIntake:
    """Starts the clock at the first record, as the bare client does."""

    intake: Intake
    clock: Clock

    @property
    def table(self) -> TableName:
        """Return the table of the rows."""
        return self.intake.table

    def take(self, records: RecordBatch, *, topic_id: str) -> Taken:
        """Return the rows."""
        self.clock.start()
        return self.intake.take(records, topic_id=topic_id)


@dataclass
class BenchTelemetry(NullBufferingTelemetry):
    """Counts rows and the time of flushes."""

    rows: int = 0
    stages: dict[str, float] = field(default_factory=dict)

    def flushed(
        self,
        table: TableName,  # noqa: ARG002 - there is one
        outcome: FlushOutcome,  # noqa: ARG002 - rows say it
        *,
        rows: int,
        seconds: float,
        detail: str = "",  # noqa: ARG002 - rows say it
    ) -> None:
        """Add up."""
        self.rows += rows
        self.stages["flush"] = self.stages.get("flush", 0.0) + seconds


def main(order: Order) -> Run:
    """Buffer ``order.events`` records; return what it took."""
    uri = str(Path(order.config).parent / order.target)
    overrides = {"groups.buffer": order.group, "buffer.uri": uri}
    settings = load_settings(Path(order.config), overrides).settings
    telemetry, clock, places = BenchTelemetry(), Clock(), Places("{topic} {partition}")
    features = set(settings.topics.features)
    worker = build_buffering_worker(
        settings,
        source=KafkaSource(
            consumer_conf(settings, client_id="bench"),
            group_id=order.group,
            topics=sorted(features),
            positions=places,
        ),
        places=places,
        intakes={
            topic: TimedIntake(intake, clock) for topic, intake in build_intakes(settings).items() if topic in features
        },
        tables=build_tables(settings),
        directory=KafkaTopicDirectory(admin_conf(settings, client_id="bench")),
        telemetry=telemetry,
        watchdog=Watchdog(),
        upkeep=NoUpkeep(),
        reached=lambda _step: None,
    )
    settle_process()
    done = 0
    while done < order.events:
        done += worker.run_once()
    worker.close()
    taken = clock.stop(done, stages=telemetry.stages)
    if telemetry.rows != order.events:
        raise SystemExit(f"{telemetry.rows} of {order.events} rows are in the table: this is no measurement")
    return taken


if __name__ == "__main__":
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    print(msgspec.json.encode(main(order_from(sys.argv[1]))).decode())
