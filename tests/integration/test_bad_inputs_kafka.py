"""The bad inputs that need a real broker: sizes, headers, compression and timestamps. Numbered as in the page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Message, Producer

from consumer.errors import SourceRefused
from consumer.worker import Limits
from producer.dead_letters import MAX_ORIGINAL_HEADERS, REASON_HEADER, TRUNCATED_HEADER, TRUNCATED_VALUE_BYTES
from tests.faults.collect import headers_of, read_all
from tests.support.kafka import KafkaCluster
from tests.support.kafka_batch import append
from tests.support.kafka_scoring import KafkaBench, Running, now_ms, running, wait_until

pytestmark = pytest.mark.kafka

GOOD = b'{"id":"good","x":1.5}'
RAISED = {"max.message.bytes": "20000000"}
PRODUCER = {"message.max.bytes": 20_000_000, "linger.ms": 50}
SMALL = Limits(max_records=10_000, max_bytes=4 << 20, transaction_timeout=10.0)


class Bench:
    """One input partition of a test's own, with good records around the bad ones, and what became of them."""

    def __init__(
        self,
        kafka: KafkaCluster,
        *,
        inputs: Mapping[str, str] | None = None,
        outputs: Mapping[str, str] | None = None,
    ) -> None:
        """Make the topics, with these settings."""
        self.kafka = kafka
        self.bench = KafkaBench(kafka, partitions=1, output_config=outputs)
        if inputs:
            self.bench.inputs = kafka.create_topic(self.bench.inputs + "-own", config=inputs)
        self.published = 0

    def publish(self, *records: Mapping[str, Any], **settings: Any) -> None:
        """Append records, a good one before and after them, all of them in as few batches as can be."""
        producer = Producer({**self.kafka.client_settings, **PRODUCER, **settings})
        for record in ({"value": GOOD}, *records, {"value": GOOD}):
            producer.produce(self.bench.inputs, **{"partition": 0, "key": b"k", **record})
        assert producer.flush(30) == 0
        self.published += len(records) + 2

    def score(self, *, limits: Limits | None = None, member: Mapping[str, Any] | None = None) -> None:
        """Let a worker run until all is committed."""
        with running(self.bench.worker(limits=limits, member=member)) as worker:
            wait_until(lambda: not worker.is_alive or self.bench.committed() >= self.published, "all committed")
        assert worker.failure is None

    def scores(self) -> dict[int, Message]:
        """Return the scores by source offset."""
        found = read_all(self.kafka.client_settings, self.bench.scores)
        return {json.loads(message.value() or b"")["source_offset"]: message for message in found}

    def dead(self) -> dict[int, Message]:
        """Return the dead letters by source offset."""
        found = read_all(self.kafka.client_settings, self.bench.dead)
        return {int(named(message)["__connect.errors.offset"]): message for message in found}


def named(message: Message) -> dict[str, bytes]:
    """Return the headers by name."""
    return {name: value or b"" for name, value in headers_of(message)}


def event(**fields: Any) -> bytes:
    """Return a good event with these fields changed."""
    return json.dumps({"id": "e", "x": 1.5, **fields}).encode()


@pytest.mark.parametrize("limit", [1_048_588, 100_000], ids=["the client's limit", "the broker's limit"])
def test_39_a_record_whose_dead_letter_no_topic_takes_is_cut(kafka: KafkaCluster, limit: int) -> None:
    """A record as large as its topic allows leaves no room for headers: a piece of it, and its size, are kept."""
    bench = Bench(kafka, outputs={"max.message.bytes": str(limit)})
    value = b"{" * (1_048_588 - 200)
    bench.publish({"value": value}, {"value": b"{"})
    bench.score()
    dead = bench.dead()
    assert (sorted(bench.scores()), sorted(dead)) == ([0, 3], [1, 2])
    assert dead[1].value() == value[:TRUNCATED_VALUE_BYTES]
    assert named(dead[1])[TRUNCATED_HEADER] == b"%d" % len(value)
    assert named(dead[1])[REASON_HEADER] == b"too_large"
    assert dead[2].value() == b"{"


def test_40_headers_of_every_kind_stop_nobody(kafka: KafkaCluster) -> None:
    """A thousand headers, one of a megabyte, doubled ones: the event is scored, its trace goes along, no more."""
    bench = Bench(kafka, inputs=RAISED)
    many: list[tuple[str, Any]] = [(f"h{number}", b"v") for number in range(1_000)]
    doubled: list[tuple[str, Any]] = [("traceparent", b"1"), ("traceparent", b"2"), ("none", None)]
    crowds = [many, [("large", b"h" * 1_000_000)], doubled]
    for value in (event(), b"{"):
        bench.publish(*({"value": value, "headers": headers} for headers in crowds))
    bench.score()
    scores, dead = bench.scores(), bench.dead()
    assert (sorted(scores), sorted(dead)) == ([0, 1, 2, 3, 4, 5, 9], [6, 7, 8])
    assert [headers_of(scores[offset]) for offset in (1, 2, 3)] == [(), (), doubled[:2]]
    assert headers_of(dead[6])[:MAX_ORIGINAL_HEADERS] == many[:MAX_ORIGINAL_HEADERS]
    assert "large" not in named(dead[7])
    assert headers_of(dead[8])[:3] == doubled


def test_40_a_header_name_that_is_no_text_stops_nobody(kafka: KafkaCluster) -> None:
    """The headers of such a record are passed over; it is scored, or buried with its value as it came."""
    bench = Bench(kafka)
    address = str(kafka.client_settings["bootstrap.servers"])
    for value in (event(), b"{"):
        append(address, bench.bench.inputs, value, headers=[(b"good", b"1"), (b"\xff\xfe", b"2")])
    bench.published = 2
    bench.publish()
    bench.score()
    dead = bench.dead()
    assert (sorted(bench.scores()), sorted(dead)) == ([0, 2, 3], [1])
    assert (dead[1].value(), named(dead[1])[REASON_HEADER]) == (b"{", b"undecodable")


def test_33_a_text_of_10_mb_is_buried_cut(kafka: KafkaCluster) -> None:
    """Where limits were raised to let it in, it is not decoded, and of its value a piece and the size are kept."""
    bench = Bench(kafka, inputs=RAISED, outputs=RAISED)
    value = event(text="x" * 10_000_000)
    bench.publish({"value": value})
    bench.score()
    (letter,) = bench.dead().values()
    assert sorted(bench.scores()) == [0, 2]
    assert named(letter)[REASON_HEADER] == b"too_large"
    assert named(letter)[TRUNCATED_HEADER] == b"%d" % len(value)
    assert letter.value() == value[:TRUNCATED_VALUE_BYTES]


def memory(name: str) -> int:
    """Return the bytes this process has in memory (``VmRSS``) or had at most (``VmHWM``)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def publish_swollen(bench: Bench, count: int) -> int:
    """Publish one batch of so many records of half a megabyte in a few kilobytes; return what they come to."""
    value = event(pad="0" * 500_000)
    settings = {"compression.type": "zstd", "batch.size": 200_000_000, "message.max.bytes": 100_000_000}
    bench.publish(*[{"value": value}] * count, **settings, **{"linger.ms": 2_000})
    (log,) = bench.kafka._directory.glob(f"**/{bench.bench.inputs}-0/*.log")
    assert log.stat().st_size * 1_000 < len(value) * count
    return len(value) * count


def test_41_a_batch_that_swells_a_thousandfold_is_bounded(kafka: KafkaCluster) -> None:
    """What a compressed batch holds is scored in pieces of `batch.max_bytes`; the client holds it once."""
    bench = Bench(kafka, inputs=RAISED)
    swollen = publish_swollen(bench, 80)
    before = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    bench.score(limits=SMALL)
    assert memory("VmHWM") - before < 3 * swollen
    assert len(bench.scores()) == 82


def test_41_a_batch_that_swells_beyond_the_clients_limit_is_named(kafka: KafkaCluster) -> None:
    """More than `receive.message.max.bytes` is not unpacked: the worker stops and says where, and skips nothing."""
    bench = Bench(kafka, inputs=RAISED)
    publish_swollen(bench, 400)
    worker = Running(bench.bench.worker())
    wait_until(lambda: not worker.is_alive, "the end of the worker")
    assert isinstance(worker.failure, SourceRefused)
    assert f"{bench.bench.inputs} partition 0: the record batch at offset 0" in str(worker.failure)
    assert "receive.message.max.bytes: raise that" in str(worker.failure)
    assert bench.bench.committed() == 0
    bench.score(limits=SMALL, member={"receive.message.max.bytes": 300_000_000})
    assert len(bench.scores()) == 402


def test_43_a_record_without_timestamp_is_answered_under_the_time_of_now(kafka: KafkaCluster) -> None:
    """Kafka says -1 where a record has no timestamp; its score and its dead letter have one all the same."""
    bench, before = Bench(kafka), now_ms()
    for value in (event(), b"{"):
        append(str(kafka.client_settings["bootstrap.servers"]), bench.bench.inputs, value, timestamp_ms=-1)
    bench.published = 2
    bench.publish()
    bench.score()
    found = [bench.scores()[0], bench.dead()[1]]
    assert all(before <= message.timestamp()[1] <= now_ms() for message in found)


@pytest.mark.parametrize("timestamp", [1, 253_402_300_799_000], ids=["1970", "9999"])
def test_43_any_timestamp_goes_along(kafka: KafkaCluster, timestamp: int) -> None:
    """A score and a dead letter have the timestamp of their record, where their topics take it."""
    anything = {"message.timestamp.after.max.ms": str(2**63 - 1)}
    bench = Bench(kafka, inputs=anything, outputs=anything)
    bench.publish({"value": event(), "timestamp": timestamp}, {"value": b"{", "timestamp": timestamp})
    bench.score()
    found = [bench.scores()[1], bench.dead()[2]]
    assert [message.timestamp()[1] for message in found] == [timestamp, timestamp]


def test_43_a_timestamp_that_the_score_topic_refuses_stops_nobody(kafka: KafkaCluster) -> None:
    """Brokers refuse what is more than an hour ahead of them: such a record is buried under the time of now."""
    bench = Bench(kafka, inputs={"message.timestamp.after.max.ms": str(2**63 - 1)})
    odd = {"timestamp": 253_402_300_799_000, "headers": [("trace", b"t")]}
    bench.publish({"value": event(), **odd}, {"value": b"{", **odd})
    bench.score()
    dead = bench.dead()
    assert (sorted(bench.scores()), sorted(dead)) == ([0, 3], [1, 2])
    for offset, value in ((1, event()), (2, b"{")):
        headers = named(dead[offset])
        assert (dead[offset].value(), dead[offset].key(), headers["trace"]) == (value, b"k", b"t")
        assert (headers[REASON_HEADER], TRUNCATED_HEADER in headers) == (b"refused", False)
        assert b"(INVALID_TIMESTAMP)" in headers["__connect.errors.exception.message"]


def test_43_a_record_that_a_compacted_topic_refuses_stops_nobody(kafka: KafkaCluster) -> None:
    """A topic that keeps one record for each key takes none without: its event is buried, and says so."""
    bench = Bench(kafka)
    bench.bench.scores = kafka.create_topic(bench.bench.scores + "-own", config={"cleanup.policy": "compact"})
    bench.publish({"value": event(), "key": None})
    bench.score()
    (letter,) = bench.dead().values()
    assert (sorted(bench.scores()), named(letter)[REASON_HEADER]) == ([0, 2], b"refused")
