"""A reader of whole topics from outside any group."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaException
from confluent_kafka import TopicPartition as ClientPartition

from consumer.errors import ConsumerError, SourceRefused, SourceUnreachable
from consumer.kafka import COMMITTED_TIMEOUT_S, REFUSED
from consumer.messages import columns_of
from consumer.records import RecordBatch


class KafkaReader:
    """Reads all partitions of some topics from outside any group."""

    def __init__(self, conf: Mapping[str, Any], *, topics: Sequence[str], start: Literal["earliest", "latest"]) -> None:
        """Connect and begin at one end of the topics, or raise ``SourceRefused`` or ``SourceUnreachable``."""
        self._client = Consumer(
            {**conf, "group.id": "tidemill-reader", "enable.auto.commit": False, "isolation.level": "read_committed"}
        )
        offset = OFFSET_BEGINNING if start == "earliest" else OFFSET_END
        try:
            self._client.assign([ClientPartition(t, p, offset) for t in topics for p in self._partitions(t)])
        except ConsumerError:
            self.close()
            raise

    def read(self, *, max_records: int, timeout: float) -> RecordBatch | None:
        """Block for one record, then take what is there."""
        messages = self._client.consume(1, timeout)
        if messages:
            messages += self._client.consume(max_records - 1, 0) if max_records > 1 else []
        for message in messages:
            error = message.error()
            if error is not None and (error.code() in REFUSED or error.fatal()):
                raise SourceRefused(f"reading {message.topic()}: {error.str()} ({error.name()})")
        return columns_of([message for message in messages if message.error() is None])

    def close(self) -> None:
        """Release the client."""
        with contextlib.suppress(KafkaException, RuntimeError):
            self._client.close()

    def _partitions(self, topic: str) -> list[int]:
        try:
            found = self._client.list_topics(topic, timeout=COMMITTED_TIMEOUT_S).topics[topic]
        except KafkaException as exception:
            raise SourceUnreachable(f"topic {topic}: no Kafka broker answers; run 'tidemill doctor'") from exception
        if found.error is not None:
            raise SourceRefused(f"topic {topic}: {found.error.str()}; create it with 'tidemill topics create'")
        return list(found.partitions)
