"""Scoring without a cluster: the same worker over the broker in memory, all in this process.

For demos and tours. Nothing survives the process, so it says nothing about exactly-once; the tests of
that run on Apache Kafka.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from consumer.memory import InMemoryReader, InMemorySource
from consumer.watchdog import Watchdog
from models.champion import ChampionHandle
from producer.broker import InMemoryBroker
from producer.memory import InMemorySink
from service.bootstrap import (
    build_champion,
    build_event_codec,
    build_score_encoder,
    build_score_schema,
    build_worker,
    epoch_ms,
)
from service.schemas import build_schemas
from service.settings import Settings
from service.stream_stats import StreamStats
from service.topics import wanted_topics

PARTITIONS = 3
CATCH_UP_TIMEOUT_S = 60.0
FIRST_LOOK_S = 60.0


class EmbeddedService:
    """A broker in memory with the service's topics, and a worker that scores what is published to it."""

    def __init__(self, settings: Settings) -> None:
        """Make the topics and put the worker together; nothing runs yet."""
        self._settings = settings
        self.broker = InMemoryBroker()
        for topic in wanted_topics(settings):
            self.broker.create_topic(topic, PARTITIONS)
        self.stats = StreamStats()
        self.champion: ChampionHandle = build_champion(settings, listener=self.stats)
        schemas = build_schemas(settings)
        self._worker = build_worker(
            settings,
            source=InMemorySource(
                self.broker,
                settings.groups.score,
                list(settings.topics.features),
                on_rebalance=self.stats.rebalanced,
            ),
            sink=InMemorySink(self.broker, f"{settings.name}-embedded"),
            champion=self.champion,
            telemetry=self.stats,
            watchdog=Watchdog(),
            codec=build_event_codec(settings, schemas),
            encoder=build_score_encoder(settings, build_score_schema(settings, schemas)),
        )
        self._failure: BaseException | None = None
        self.published = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Score in a thread while the block runs; an error of the worker is raised at the end of it."""
        thread = threading.Thread(target=self._run, name="worker", daemon=True)
        self.champion.start()
        self.champion.wait_for_first_look(FIRST_LOOK_S)
        thread.start()
        try:
            yield
        finally:
            self._worker.stop()
            thread.join()
            self.champion.stop()
        if self._failure is not None:
            raise self._failure

    def publish(self, records: Iterable[tuple[bytes | None, bytes | None]]) -> None:
        """Put records, as (key, value), on the features topic, stamped with this moment."""
        topic, now = self._settings.topics.features[0], epoch_ms()
        for key, value in records:
            self.broker.publish(topic, key=key, value=value, timestamp_ms=now)
            self.published += 1

    def wait_until_done(self) -> None:
        """Wait until every published record has its outcome, or the worker has failed."""
        deadline = time.monotonic() + CATCH_UP_TIMEOUT_S
        while self._failure is None and time.monotonic() < deadline:
            committed = self.broker.committed(self._settings.groups.score)
            if sum(committed.values()) >= self.published:
                return
            time.sleep(0.05)

    def read(self, topic: str) -> Iterator[tuple[bytes | None, dict[str, bytes | None]]]:
        """Yield value and headers of every committed record of a topic."""
        reader = InMemoryReader(self.broker, topics=[topic], start="earliest")
        try:
            while (batch := reader.read(max_records=10_000, timeout=0.0)) is not None:
                for row in range(len(batch)):
                    yield batch.values[row], dict(batch.headers(row))
        finally:
            reader.close()

    def _run(self) -> None:
        try:
            self._worker.run()
        except Exception as error:
            self._failure = error
