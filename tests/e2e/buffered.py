"""A service whose events, scores and labels a test publishes itself, and whose tables are judged by a stranger."""

from __future__ import annotations

import json
import random
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from confluent_kafka import Producer
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from tests.e2e.project import Project, ServiceProcess, wait_until
from tests.faults.buffer_collect import read_log, read_table, stands_beyond
from tests.faults.buffer_judge import Log, Record, RowOf, Table, judge_table
from tests.support.kafka import KafkaCluster, unique_name

SETTLE_TIMEOUT_S = 90.0
TABLES = ("features", "scores", "labels")
DAY_MS = 86_400_000
BEGIN = time.time_ns() // 1_000_000 // DAY_MS * DAY_MS - 1000  # events, a millisecond apart, of two days
CHUNK = 20
CHUNK_PAUSE_S = 0.03
ABORTED_EVERY = 5
FIELDS = [
    {"name": "amount", "type": "double"},
    {"name": "count", "type": "long"},
    {"name": "country", "type": "string", "null": "default", "default": "unknown"},
    {"name": "last", "type": "double", "length": 2},
]


class BufferBench:
    """Topics of one test, a service file for them, a transactional publisher, and the verdict on the tables."""

    def __init__(self, kafka: KafkaCluster, folder: Path, *, partitions: int = 4, **buffer: Any) -> None:
        """Make the topics and the service file; ``buffer`` is that section's values beside a short interval."""
        self.kafka = kafka
        self.client: Mapping[str, Any] = kafka.client_settings
        self.name = unique_name("buffered")
        self.project = Project(folder)
        self.past: list[Log] = []  # topics that are no more
        self.published = 0
        self.without: frozenset[str] = frozenset({"extra"})  # fields that events do not carry (yet)
        self._chunks = 0
        self._random = random.Random(self.name)
        self.project.config.write_text(yaml.safe_dump(self._settings(buffer)))
        for table in TABLES:
            kafka.create_topic(self.topic(table), partitions=partitions)
        self._publisher = self._new_publisher()

    def topic(self, table: str) -> str:
        """Return the topic that a table is filled from."""
        return f"{self.name}.{table}"

    @property
    def folder(self) -> Path:
        """Return where the tables are."""
        uri: str = yaml.safe_load(self.project.config.read_text())["buffer"]["uri"]
        return self.project.folder / uri

    def publish(self, chunks: int = 1) -> None:
        """Append events with their scores and labels, a transaction for each chunk; some are aborted."""
        for _ in range(chunks):
            self._chunks += 1
            self._publisher.begin_transaction()
            sent = 0
            for number in range(self._chunks * CHUNK, (self._chunks + 1) * CHUNK):
                for table, key, value in self._records(number):
                    self._publisher.produce(self.topic(table), value, key, timestamp=BEGIN + number)
                    sent += 1
            assert self._publisher.flush(30) == 0  # on the topic, before the transaction is undone
            if self._chunks % ABORTED_EVERY == 0:
                self._publisher.abort_transaction(30)
            else:
                self._publisher.commit_transaction(30)
                self.published += sent

    @contextmanager
    def loading(self) -> Iterator[None]:
        """Publish some hundreds of records a second while the block runs."""
        stopping = threading.Event()

        def load() -> None:
            while not stopping.wait(CHUNK_PAUSE_S):
                self.publish()

        thread = threading.Thread(target=load)
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            thread.join()

    def taken(self) -> int:
        """Return how many rows the three tables hold."""
        return sum(self._count(table) for table in TABLES)

    def wait_for_more(self, rows: int) -> None:
        """Wait until so many more rows have been committed."""
        wanted = self.taken() + rows
        wait_until(lambda: self.taken() >= wanted, what=f"{wanted} rows in {self.folder}")

    def logs(self) -> dict[str, list[Log]]:
        """Return what a stranger reads of each table's topic, in all its incarnations."""
        return {
            table: [log for log in self.past if log.topic == self.topic(table)]
            + [read_log(self.client, self.topic(table))]
            for table in TABLES
        }

    def wait_until_settled(self) -> dict[str, list[Log]]:
        """Wait until the tables have reached the end of the topics; return these."""
        logs = self.logs()
        for table, found in logs.items():
            wait_until(
                lambda table=table, found=found: stands_beyond(self.folder / table, found),
                what=f"{table} at the end of its topic",
                timeout=SETTLE_TIMEOUT_S,
            )
        return logs

    def violations(self) -> str:
        """Wait until all is settled and return what a stranger finds wrong with the tables; empty when nothing is."""
        logs = self.wait_until_settled()
        assert sum(len(log.records) for found in logs.values() for log in found) == self.published
        verdicts = [str(judge_table(self.table(table), logs[table], ROWS_OF[table])) for table in TABLES]
        return "\n".join(verdict for verdict in verdicts if verdict)

    def table(self, table: str) -> Table:
        """Return a table as a stranger reads it; of a refused label only whether it is refused."""
        found = read_table(self.folder / table)
        if table == "labels":
            return Table(found.rows.assign(refused=found.rows["refused"].notna()), found.position_of)
        return found

    def recreate(self, table: str, *, partitions: int = 1) -> None:
        """Delete a topic, whose records were committed to the table or are to be forgotten, and make it again."""
        name = self.topic(table)
        self.kafka.admin.delete_topics([name], operation_timeout=30)[name].result(30)
        wait_until(lambda: name not in self.kafka.admin.list_topics(timeout=10).topics, what=f"{name} deleted")
        self.kafka.create_topic(name, partitions=partitions)
        self._publisher = self._new_publisher()

    def _count(self, table: str) -> int:
        try:
            return DeltaTable(str(self.folder / table)).count()
        except TableNotFoundError:
            return 0

    def _new_publisher(self) -> Producer:
        publisher = Producer({**self.client, "transactional.id": self.name, "linger.ms": 5})
        publisher.init_transactions(30)
        return publisher

    def _settings(self, buffer: Mapping[str, Any]) -> dict[str, Any]:
        member = {"session.timeout.ms": 3000, "heartbeat.interval.ms": 300}
        return {
            "version": 1,
            "name": self.name,
            "kafka": {**self.client, "consumer": member},
            "features": {"id": "id", "time": "at", "fields": FIELDS},
            "labels": {"inline": "verdict", "classes": ["fraud", "ok"]},
            "model": {"positive": "fraud"},
            "buffer": {"uri": "buffer", "flush_interval": "300ms", **buffer},
        }

    def _records(self, number: int) -> Iterator[tuple[str, bytes | None, bytes | None]]:
        """Yield table, key and value of what belongs to one event; now and then something is wrong with it."""
        chance, key, event_id = self._random.random(), b"k%d" % (number % 13), f"e{number}"
        event: dict[str, Any] = {"id": event_id, "at": BEGIN + number, "amount": number / 7, "count": number * 2**40}
        event |= {"last": [number / 3, -1.5], "extra": number / 11}
        event |= {"country": "AT"} if chance < 0.5 else {}
        event |= {"verdict": "fraud" if chance < 0.1 else "ok"} if chance < 0.3 else {}
        yield "features", key, json.dumps({k: v for k, v in event.items() if k not in self.without}).encode()
        if chance < 0.1:
            yield "features", None, self._random.choice([b"", b"{", None, b"[]", json.dumps({"id": "x"}).encode()])
        score = _score(event_id, number, self.topic("features"))
        yield "scores", key, json.dumps({**score, "service": self.name if chance < 0.9 else "another"}).encode()
        if chance < 0.4:
            label = self._random.choice(["fraud", "ok", None, "purple"])
            yield "labels", key, json.dumps({"event_id": event_id, "label": label}).encode()
        if chance < 0.03:
            yield "scores", None, b"{"
            yield "labels", None, b"{"


def gauge(process: ServiceProcess, name: str) -> dict[str, float]:
    """Return the samples of a metric that a process shows now, by their label text."""
    started = next(line for line in process.log.splitlines() if '"admin_port"' in line)
    url = f"http://127.0.0.1:{json.loads(started)['admin_port']}/metrics"
    with urllib.request.urlopen(url, timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    samples = (line.rpartition(" ") for line in lines if line.startswith((f"{name}{{", f"{name} ")))
    return {labels: float(value) for labels, _, value in samples}


def _score(event_id: str, number: int, source: str) -> dict[str, Any]:
    return {
        "event_id": event_id,
        "event_time": BEGIN + number,
        "score": number / 1e6,
        "prediction": "ok" if number % 2 else None,
        "probabilities": None,
        "decision": None,
        "model_name": "model",
        "model_version": f"v{number % 3}",
        "role": "champion" if number % 5 else "challenger",
        "scored_at": BEGIN + number + 5,
        "source_topic": source,
        "source_partition": number % 4,
        "source_offset": number,
    }


def _event_row(record: Record) -> Mapping[str, Any] | None:
    try:
        event = json.loads(record.value or b"")
    except ValueError:
        return None
    if not isinstance(event, dict) or "amount" not in event:
        return None
    fields = {name: event[name] for name in ("amount", "count", "last")}
    named = {"event_id": event["id"], "event_time": event["at"], "inline_label": event.get("verdict")}
    extra = {"extra": event["extra"]} if "extra" in event else {}
    return {**named, **fields, "country": event.get("country", "unknown"), "sample_weight": None, **extra}


def _score_row(record: Record) -> Mapping[str, Any] | None:
    if record.value == b"{":
        return None
    score: dict[str, Any] = json.loads(record.value or b"")
    if score["service"] == "another":
        return None
    return {name: value for name, value in score.items() if name not in {"probabilities", "service"}}


def _label_row(record: Record) -> Mapping[str, Any]:
    label = {"event_id": "", "label": "purple"} if record.value == b"{" else json.loads(record.value or b"")
    said = None if label["label"] == "purple" else label["label"]
    refused = label["label"] == "purple"
    value = record.value if refused else None
    named = {"event_id": label["event_id"], "label": said, "label_time": record.time_ms}
    return {**named, "refused": refused, "refused_value": value}


ROWS_OF: Mapping[str, RowOf] = {"features": _event_row, "scores": _score_row, "labels": _label_row}
