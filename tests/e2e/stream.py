"""A service on a real broker for one test: its topics, its events, what came out of them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import fastavro
from confluent_kafka import Message, Producer

from producer.encoding import score_record_schema
from tests.e2e.project import wait_until
from tests.faults.collect import SourceOf, collect, committed_offsets, end_of_data, source_in_json
from tests.faults.judge import Evidence, Source
from tests.support.kafka import KafkaCluster

SETTLE_TIMEOUT_S = 120.0
_SCORE_SCHEMA = fastavro.parse_schema(score_record_schema())


@dataclass(frozen=True, slots=True)
class Stream:
    """The topics of one service, named by its name, as the defaults of the service file do."""

    kafka: KafkaCluster
    name: str
    form: str = "json"

    @property
    def features(self) -> str:
        """Return the input topic."""
        return f"{self.name}.features"

    def settings(self, **consumer: Any) -> Mapping[str, Any]:
        """Return the ``kafka`` section: the test's broker, and a member is missed after six seconds."""
        timeout = {} if consumer.get("group.protocol") == "consumer" else {"session.timeout.ms": 6000}
        return {**self.kafka.client_settings, "consumer": {**timeout, **consumer}}

    def send(self, values: Sequence[bytes | None]) -> None:
        """Put raw values on the input topic."""
        producer = Producer(self.kafka.client_settings)
        for value in values:
            producer.produce(self.features, value, key=b"planted")
        producer.flush()

    def wait_until_done(self) -> None:
        """Wait until the group has committed past every input record."""
        ends = end_of_data(self.kafka.client_settings, self.features)

        def is_done() -> bool:
            committed = committed_offsets(self.kafka.client_settings, f"{self.name}.score", [self.features])
            return all(committed.get(lane, -1) >= end for lane, end in ends.items() if end > 0)

        wait_until(is_done, what=f"all of {self.features} committed", timeout=SETTLE_TIMEOUT_S)

    def evidence(self, score_source: SourceOf | None = None) -> Evidence:
        """Return everything that went in and came out; ``score_source`` reads scores that are written otherwise."""
        return collect(
            self.kafka.client_settings,
            group=f"{self.name}.score",
            inputs=[self.features],
            scores=f"{self.name}.scores",
            dead_letters=f"{self.name}.dead-letters",
            score_source=score_source or (source_in_json if self.form == "json" else self._source_in_avro),
        )

    @property
    def decode(self) -> Callable[[bytes], dict[str, Any]]:
        """Return what reads a score of this stream."""
        return json.loads if self.form == "json" else self._decode_avro

    def _decode_avro(self, value: bytes) -> dict[str, Any]:
        found = fastavro.schemaless_reader(io.BytesIO(value), _SCORE_SCHEMA, None)
        assert isinstance(found, dict)
        return found

    def _source_in_avro(self, message: Message) -> Source:
        score = self._decode_avro(message.value() or b"")
        return Source(score["source_topic"], score["source_partition"], score["source_offset"])
