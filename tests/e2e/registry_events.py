"""Events of somebody else's, written with the registry's own client: two schemas, two framings, and 5 % garbage."""

from __future__ import annotations

import json
import struct
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from uuid import uuid4

import pandas as pd
from confluent_kafka import Message, Producer
from confluent_kafka.schema_registry import (  # type: ignore[attr-defined]  # the stubs are older
    Schema,
    SchemaRegistryClient,
    header_schema_id_serializer,
)
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from tests.faults.judge import Source

GARBAGE_EVERY = 20
UNKNOWN_ID = 4_000_000

Headers: TypeAlias = list[tuple[str, str | bytes]]


@dataclass(frozen=True, slots=True)
class Raw:
    """One record as it is produced; ``reason`` is that of the dead letter it must become, None where it is good."""

    value: bytes | None
    headers: Headers = field(default_factory=list)
    reason: str | None = None


def writer_schema(columns: Sequence[str], **others: Any) -> dict[str, Any]:
    """Return the schema of a measured sample: its name and a double for each column; ``others`` replace types."""
    kinds = dict.fromkeys(columns, "double") | others
    fields = [{"name": "sample", "type": "string"}, *({"name": n, "type": t} for n, t in kinds.items())]
    return {"type": "record", "name": "Sample", "namespace": "lab", "fields": fields}


def later_schema(columns: Sequence[str]) -> dict[str, Any]:
    """Return what a later release writes: numbers may be null, and who measured stands before them."""
    schema = writer_schema(columns)
    for column in schema["fields"][1:]:
        column["type"] = ["null", "double"]
    lab = {"type": "record", "name": "Lab", "fields": [{"name": "city", "type": "string"}]}
    schema["fields"].insert(1, {"name": "lab", "type": ["null", lab]})
    return schema


class Lab:
    """Writes a frame's rows to a topic, with garbage among them, and remembers what became of each record."""

    def __init__(self, client: dict[str, Any], *, registry_url: str, topic: str, frame: pd.DataFrame) -> None:
        """Register the schemas under the topic's subject."""
        self._client = client
        self._topic = topic
        self._rows = frame.to_dict("records")
        self._columns = [name for name in frame.columns if name != "sample"]
        self._registry = SchemaRegistryClient({"url": registry_url})
        self._registry.set_compatibility(f"{topic}-value", "NONE")  # anything goes, so that anything comes
        self._traps = self._set_traps(f"{topic}-value")
        first, later = writer_schema(self._columns), later_schema(self._columns)
        self._later_id = self._register(f"{topic}-value", later)
        self._id = self._register(f"{topic}-value", first)  # the newest is what `init` goes by
        self._framings = [
            self._serializer(schema, **conf)
            for schema in (first, later)
            for conf in ({}, {"schema.id.serializer": header_schema_id_serializer})
        ]
        for number in range(len(self._framings)):
            self._good(number)  # from here on the registry is not asked
        self._kinds = self._garbage()
        self.planted: dict[Source, str] = {}
        self._sender = ThreadPoolExecutor(1)
        self._sent: Future[None] | None = None
        self._rest = threading.Event()

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Send the first half while the block runs; ``send_the_rest`` lets the second follow."""
        self._sent = self._sender.submit(self._send)
        try:
            yield
        finally:
            self._rest.set()
            self._sender.shutdown()

    def send_the_rest(self) -> None:
        """Let the second half follow the first."""
        self._rest.set()

    def wait(self) -> None:
        """Wait until every record is delivered, or fail as the sending failed."""
        assert self._sent is not None
        self._sent.result()

    @property
    def kinds(self) -> int:
        """Return how many kinds of garbage there are."""
        return len(self._kinds)

    def _register(self, subject: str, schema: Any, kind: str = "AVRO") -> int:
        return self._registry.register_schema(subject, Schema(json.dumps(schema), kind))

    def _serializer(self, schema: Any, **conf: Any) -> AvroSerializer:
        return AvroSerializer(self._registry, json.dumps(schema), conf={"subject.name.strategy.type": "TOPIC", **conf})

    def _good(self, number: int) -> Raw:
        headers: Headers = []
        context = SerializationContext(self._topic, MessageField.VALUE, headers)
        row = self._rows[number]
        event = {**row, "lab": {"city": "Ulm"} if number % 3 else None}
        return Raw(self._framings[number % len(self._framings)](event, context), headers)

    def _set_traps(self, subject: str) -> dict[str, int]:
        """Register what nobody should: schemas that cannot be read safely, or do not say what is needed."""
        columns = self._columns
        tree = {"type": "record", "name": "Tree", "fields": [{"name": "child", "type": ["null", "Tree"]}]}
        return {
            "recursive": self._register(subject, tree),
            "bomb": self._register(subject, writer_schema(columns, bomb={"type": "array", "items": "null"})),
            "of another kind": self._register(subject, {"type": "object"}, "JSON"),
            "of others": self._register("others-value", {**writer_schema(columns), "name": "Foreign"}),
            "without a field": self._register(subject, writer_schema(columns[1:])),
            "text for a number": self._register(subject, writer_schema(columns, **{columns[0]: "string"})),
        }

    def _garbage(self) -> list[Raw]:
        good = self._framings[0](self._rows[0], SerializationContext(self._topic, MessageField.VALUE)) or b""
        body = good[5:]
        numbers = body[-8 * len(self._columns) :]
        name = body[: -len(numbers)]
        traps = self._traps
        return [
            Raw(None, reason="empty"),
            Raw(b"", reason="empty"),
            Raw(b"\x07" + good[1:], reason="undecodable"),
            Raw(good[:3], reason="undecodable"),
            Raw(json.dumps(self._rows[0]).encode(), reason="undecodable"),
            Raw(framed(UNKNOWN_ID, body), reason="unknown_schema"),
            Raw(body, [("__value_schema_id", b"\x01" + uuid4().bytes)], reason="unknown_schema"),
            Raw(body, [("__value_schema_id", b"\x05none")], reason="undecodable"),
            Raw(framed(traps["of others"], body), reason="schema_not_allowed"),
            Raw(framed(traps["recursive"], b"\x02" * 1000 + b"\x00"), reason="schema_not_allowed"),
            Raw(framed(traps["bomb"], body + b"\x80\x80\x80\x80\x10\x00"), reason="schema_not_allowed"),
            Raw(framed(traps["of another kind"], b"{}"), reason="schema_not_allowed"),
            Raw(good[:-1], reason="undecodable"),
            Raw(good + b"\x00", reason="undecodable"),
            Raw(framed(self._later_id, name + b"\x01" + numbers), reason="undecodable"),
            Raw(framed(self._id, b"\x04\xff\xfe" + numbers), reason="undecodable"),
            Raw(framed(self._id, name + struct.pack("<d", float("nan")) + numbers[8:]), reason="missing"),
            Raw(framed(self._id, name + struct.pack("<d", float("inf")) + numbers[8:]), reason="not_finite"),
            Raw(framed(traps["without a field"], name + numbers[8:]), reason="missing"),
            Raw(framed(traps["text for a number"], name + b"\x0412" + numbers[8:]), reason="wrong_type"),
        ]

    def _send(self) -> None:
        producer = Producer({**self._client, "linger.ms": 5, "enable.idempotence": True})
        for number in range(len(self._rows)):
            self._produce(producer, self._good(number))
            if number % GARBAGE_EVERY == 0:
                self._produce(producer, self._kinds[(number // GARBAGE_EVERY) % len(self._kinds)])
            producer.poll(0)
            if number == len(self._rows) // 2:
                self._rest.wait()
        producer.flush()

    def _produce(self, producer: Producer, raw: Raw) -> None:
        def delivered(error: Any, message: Message) -> None:
            assert error is None, error
            if raw.reason is not None:
                place = Source(message.topic() or "", message.partition() or 0, message.offset() or 0)
                self.planted[place] = raw.reason

        producer.produce(self._topic, raw.value, headers=raw.headers, on_delivery=delivered)


def framed(schema_id: int, body: bytes) -> bytes:
    """Return a body behind the prefix that names its schema."""
    return struct.pack(">bI", 0, schema_id) + body
