"""Composition of the buffering process, and its run."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from buffer.delta_tables import DeltaTables
from consumer.buffering import BufferingWorker
from consumer.buffering_flow import Flows
from consumer.buffering_limits import BufferingLimits, FlushRule
from consumer.buffering_places import Places
from consumer.buffering_tables import TableWork, ThreadErrands
from consumer.buffering_telemetry import BufferingTelemetry
from consumer.buffering_upkeep import Upkeep, UpkeepThread
from consumer.intake import Intake
from consumer.kafka import KafkaSource
from consumer.kafka_places import KafkaTopicDirectory
from consumer.places import TopicDirectory
from consumer.source import PositionedSource
from consumer.watchdog import Watchdog
from producer.records import TopicPartition
from service.admin import AdminServer
from service.bootstrap import max_batch_records
from service.buffer_care import build_maintainer
from service.buffer_reseek import MOVE_COMMAND
from service.buffer_tables import build_tables
from service.buffering_chores import TableChores
from service.buffering_metrics import PrometheusBufferingTelemetry
from service.buffering_probes import BufferingProbes
from service.clients import admin_conf, consumer_conf
from service.failpoints import failpoint
from service.identity import POD_VARIABLE, SLOT_VARIABLE
from service.instruments import build_registry
from service.intakes import build_intakes
from service.process import settle_process
from service.runner import signals_stop
from service.schemas import build_schemas
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class BufferingService:
    """Everything one buffering process runs."""

    worker: BufferingWorker
    admin: AdminServer
    watchdog: Watchdog


def build_buffering_service(settings: Settings, *, slot: str | None = None) -> BufferingService:
    """Put a buffering process together on Apache Kafka; nothing is connected or started yet.

    Raises:
        ServiceError: The libraries of the tables are not installed, or a setting is wrong.
        BufferingError: The address of the tables is none, or a field is called like a column of ours.
    """
    client_id = f"{settings.name}-buffer-{_slot(slot)}"
    reached = failpoint()
    tables = build_tables(settings, reached=_in_table(reached))
    registry = build_registry()
    telemetry = PrometheusBufferingTelemetry(settings.name, registry)
    watchdog = Watchdog()
    places = Places(MOVE_COMMAND)
    intakes = build_intakes(settings, build_schemas(settings))
    source = KafkaSource(
        consumer_conf(settings, client_id=client_id),
        group_id=settings.groups.buffer,
        topics=list(intakes),
        optional=[settings.topics.shadow_scores],
        positions=places,
        on_rebalance=telemetry.rebalanced,
    )
    worker = build_buffering_worker(
        settings,
        source=source,
        places=places,
        intakes=intakes,
        tables=tables,
        directory=KafkaTopicDirectory(admin_conf(settings, client_id=client_id)),
        telemetry=telemetry,
        watchdog=watchdog,
        upkeep=build_upkeep(settings, tables, telemetry=telemetry),
        reached=reached,
    )
    probes = BufferingProbes(worker, watchdog=watchdog)
    admin = AdminServer(settings.admin.host, settings.admin.port, probes=probes, registry=registry)
    return BufferingService(worker, admin, watchdog)


def build_buffering_worker(  # noqa: PLR0913 - the parts differ between Kafka, tests and benchmarks
    settings: Settings,
    *,
    source: PositionedSource,
    places: Places,
    intakes: Mapping[str, Intake],
    tables: DeltaTables,
    directory: TopicDirectory,
    telemetry: BufferingTelemetry,
    watchdog: Watchdog,
    upkeep: Upkeep,
    reached: Callable[[str], None],
) -> BufferingWorker:
    """Put a worker together around a source; ``places`` are its positions."""
    rule = FlushRule(
        interval=settings.buffer.flush_interval.total_seconds(),
        max_records=settings.buffer.flush_max_records,
        max_bytes=settings.buffer.flush_max_bytes,
    )
    return BufferingWorker(
        source,
        places=places,
        intakes=intakes,
        work=TableWork({table.name: table for table in tables}, directory, prepare=tables.prepare, reached=reached),
        errands=ThreadErrands(),
        flows=Flows(rule, random.Random()),  # noqa: S311 - spreads out retries, keeps no secret
        upkeep=upkeep,
        limits=BufferingLimits(flush=rule, max_records=max_batch_records(settings), max_bytes=settings.batch.max_bytes),
        telemetry=telemetry,
        watchdog=watchdog,
        reached=reached,
    )


def build_upkeep(settings: Settings, tables: DeltaTables, *, telemetry: BufferingTelemetry) -> UpkeepThread:
    """Return who maintains the tables: the member that owns the first partition of the first features topic."""
    interval = settings.buffer.maintain_interval.total_seconds()
    chores = TableChores(tables, build_maintainer(settings, tables), interval=interval, telemetry=telemetry)
    return UpkeepThread(chores, keeper_of=TopicPartition(settings.topics.features[0], 0))


def run_buffering_service(service: BufferingService) -> None:
    """Run until SIGTERM or SIGINT; what was read is flushed first. A second signal ends the process at once.

    Raises:
        ConsumerError: The worker cannot go on.
        BufferingError: A table refuses; likewise.
    """
    log = structlog.stdlib.get_logger("tidemill")
    with signals_stop(service.worker):
        service.watchdog.start()
        service.admin.start()
        log.info("Buffering service started", admin_port=service.admin.port)
        try:
            settle_process()
            service.worker.run()
        finally:
            service.admin.stop()
            service.watchdog.stop()
    log.info("Buffering service stopped")


def _slot(given: str | None) -> str:
    """Return the name of this process in the broker's logs; nothing depends on it."""
    return given or os.environ.get(SLOT_VARIABLE) or os.environ.get(POD_VARIABLE) or socket.gethostname()


def _in_table(reached: Callable[[str], None]) -> Callable[[str, str], None]:
    """Return what tables tell their steps to: once for any table, once for this one."""

    def tell(table: str, step: str) -> None:
        reached(step)
        reached(f"{step}_{table}")

    return tell
