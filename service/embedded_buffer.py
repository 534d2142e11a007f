"""Buffering without a cluster: the same worker and the same tables behind the broker in memory."""

from __future__ import annotations

import random
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from consumer.buffering import BufferingWorker
from consumer.buffering_flow import Flows
from consumer.buffering_limits import BufferingLimits, FlushRule
from consumer.buffering_places import Places
from consumer.buffering_tables import TableWork, ThreadErrands
from consumer.buffering_telemetry import NullBufferingTelemetry
from consumer.buffering_upkeep import NoUpkeep
from consumer.memory import InMemorySource
from consumer.places import TopicIdentity
from consumer.source import PartitionStatus
from consumer.watchdog import Watchdog
from producer.broker import InMemoryBroker
from producer.records import TopicPartition
from service.buffer_tables import build_tables
from service.errors import ServiceError
from service.intakes import build_intakes
from service.schemas import build_schemas
from service.settings import Settings

if TYPE_CHECKING:
    from buffer.delta_tables import DeltaTables

FLUSH_INTERVAL_S: Final = 2.0
CATCH_UP_TIMEOUT_S: Final = 60.0


class EmbeddedBuffer:
    """Puts what is on the topics of a broker in memory into the tables of a service."""

    def __init__(self, settings: Settings, broker: InMemoryBroker) -> None:
        """Put the worker together; nothing runs yet.

        Raises:
            ServiceError: The libraries of the tables are not installed.
            BufferingError: The tables cannot be as the service file describes them.
        """
        self.tables: DeltaTables = build_tables(settings)
        intakes = build_intakes(settings, build_schemas(settings))
        partitions = sum(broker.partition_count(topic) for topic in intakes)
        self._progress = _Progress(partitions)
        places = Places("")
        rule = FlushRule(interval=FLUSH_INTERVAL_S)
        self._worker = BufferingWorker(
            InMemorySource(broker, settings.groups.buffer, list(intakes), positions=places),
            places=places,
            intakes=intakes,
            work=TableWork(
                {table.name: table for table in self.tables},
                _Directory(),
                prepare=self.tables.prepare,
                reached=lambda _step: None,
            ),
            errands=ThreadErrands(),
            flows=Flows(rule, random.Random()),  # noqa: S311 - pauses, not secrets
            upkeep=NoUpkeep(),
            limits=BufferingLimits(flush=rule),
            telemetry=self._progress,
            watchdog=Watchdog(),
            reached=lambda _step: None,
        )
        self._failure: BaseException | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Buffer in a thread while the block runs; what was read by its end is in the tables then."""
        thread = threading.Thread(target=self._run, name="buffering", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._worker.stop()
            thread.join()
        if self._failure is not None:
            raise self._failure

    def wait_until_read(self) -> None:
        """Wait until all that is on the topics now is read, or the worker has failed.

        Raises:
            ServiceError: It is not, after a long while.
        """
        if not self._progress.wait(CATCH_UP_TIMEOUT_S) and self._failure is None:
            raise ServiceError(f"buffering was not done {CATCH_UP_TIMEOUT_S:.0f} s after the end of the stream")

    def _run(self) -> None:
        try:
            self._worker.run()
        except Exception as error:
            self._failure = error
            self._progress.give_up()


class _Directory:
    """Says of each topic in memory that it is one of its own: none is ever made anew."""

    def identities(self, topics: Collection[str]) -> Mapping[str, TopicIdentity]:
        return {topic: TopicIdentity("in-memory", topic) for topic in topics}


class _Progress(NullBufferingTelemetry):
    """Knows when everything is read."""

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self._looks = 0
        self._is_read = threading.Event()

    def wait(self, timeout: float) -> bool:
        self._looks = 0
        self._is_read.clear()
        return self._is_read.wait(timeout)

    def give_up(self) -> None:
        self._is_read.set()

    def partitions(
        self,
        statuses: Sequence[PartitionStatus],
        *,
        behind: Mapping[TopicPartition, int],  # noqa: ARG002 - a stop flushes what was read
        stalled: Sequence[TopicPartition],  # noqa: ARG002 - the port gives it
        blocked: Sequence[TopicPartition],  # noqa: ARG002 - the port gives it
    ) -> None:
        is_read = len(statuses) == self._partitions and all(s.fetch_offset >= s.stable_offset for s in statuses)
        self._looks = self._looks + 1 if is_read else 0
        if self._looks > 1:  # the first may have begun before the last record was there
            self._is_read.set()
