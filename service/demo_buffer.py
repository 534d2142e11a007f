"""The demo's buffer: events, scores and late labels go into tables; what comes of them is held against the truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from features.rejection import Reason
from producer.broker import InMemoryBroker
from producer.simulation import PaymentChunk
from service.bootstrap import epoch_ms
from service.buffer_tables import require_libraries
from service.demo_labels import Label, LateLabels
from service.errors import ServiceError
from service.settings import Settings

if TYPE_CHECKING:
    from buffer.accounts import LabelOutcomes
    from service.embedded_buffer import EmbeddedBuffer


@dataclass(frozen=True, slots=True)
class Buffered:
    """What the tables hold in the end, beside what they must hold.

    Attributes:
        rows: Rows by table.
        wanted_rows: How many there must be.
        outcomes: What became of the labels, by the buffer's account.
        wanted_outcomes: What must have become of them.
        examples: Labelled examples that the buffer gives.
        wanted_examples: How many there must be.
        wrong: Examples whose label, or whose event, is another, or that lack the score of their event.
    """

    rows: Mapping[str, int]
    wanted_rows: Mapping[str, int]
    outcomes: Mapping[str, int]
    wanted_outcomes: Mapping[str, int]
    examples: int
    wanted_examples: int
    wrong: int

    @property
    def is_right(self) -> bool:
        """Return whether the buffer holds the truth."""
        right = (self.wanted_rows, self.wanted_outcomes, self.wanted_examples, 0)
        return (self.rows, self.outcomes, self.examples, self.wrong) == right


class DemoBuffer:
    """Buffers what is on the topics, and publishes the labels."""

    def __init__(self, settings: Settings, broker: InMemoryBroker, *, buffer: EmbeddedBuffer, seed: int) -> None:
        """Take a buffer that does not run yet."""
        self._settings = settings
        self._broker = broker
        self._buffer = buffer
        self._labels = LateLabels(seed)
        self._scored = 0
        self._lacking = 0  # events that only lack a field are kept: a model without the field would score them

    @contextmanager
    def running(self) -> Iterator[None]:
        """Buffer while the block runs."""
        with self._buffer.running():
            yield

    def happened(self, chunk: PaymentChunk, *, now: float) -> None:
        """Hear of events that were published."""
        self._labels.happened(chunk, now=now)
        self._scored += chunk.faults.count(None)
        self._lacking += chunk.faults.count(Reason.MISSING)

    def send_due(self, now: float) -> None:
        """Publish the labels whose time has come."""
        self._send(self._labels.due(now))

    def finish(self) -> None:
        """Publish the labels still to come, and wait until everything is read."""
        self._send(self._labels.rest())
        self._buffer.wait_until_read()

    def result(self) -> Buffered:
        """Return what is in the tables; call it when nothing runs any more."""
        from buffer.accounts import account_labels

        tables = self._buffer.tables
        account = account_labels(
            tables,
            as_of_ms=epoch_ms(),
            max_delay=self._settings.labels.max_delay,
            retention=self._settings.buffer.retention,
        )
        examples, wrong = self._judge_examples()
        return Buffered(
            rows={table.name.value: table.snapshot().dataset().count_rows() for table in tables},
            wanted_rows={
                "features": self._scored + self._lacking,
                "scores": self._scored,
                "labels": self._labels.rows,
            },
            outcomes=_counted(account.outcomes),
            wanted_outcomes=dict(sorted(self._labels.outcomes.items())),
            examples=examples,
            wanted_examples=len(self._labels.labels),
            wrong=wrong,
        )

    def _send(self, labels: Iterable[Label]) -> None:
        topic, now = self._settings.topics.labels, epoch_ms()
        for label in labels:
            self._broker.publish(topic, key=label.key, value=label.value, timestamp_ms=now)

    def _judge_examples(self) -> tuple[int, int]:
        from buffer.examples import ExampleQuery, open_examples

        seen: Counter[str] = Counter()
        wrong = 0
        with open_examples(self._buffer.tables, ExampleQuery(as_of_ms=epoch_ms())) as stream:
            for batch in stream:
                ids, labels = batch.column("event_id").to_pylist(), batch.column("label").to_pylist()
                versions = batch.column("live_version").to_pylist()
                seen.update(ids)
                for event_id, label, version in zip(ids, labels, versions, strict=True):
                    wrong += version is None or self._labels.labels.get(event_id) != label
        doubled = sum(count - 1 for count in seen.values())
        return seen.total(), wrong + doubled + len(self._labels.labels.keys() - seen.keys())


def _counted(outcomes: LabelOutcomes) -> dict[str, int]:
    counts = {**outcomes.counts(), "refused": sum(outcomes.refused.values())}
    return {name: count for name, count in sorted(counts.items()) if count}


def build_demo_buffer(
    settings: Settings, broker: InMemoryBroker, *, seed: int, say: Callable[[str], None]
) -> DemoBuffer | None:
    """Return the buffer, or None, said with the reason, where what it needs is not installed."""
    try:
        require_libraries()
    except ServiceError as error:
        say(f"Nothing is buffered: {error}")
        return None
    from service.embedded_buffer import EmbeddedBuffer

    return DemoBuffer(settings, broker, buffer=EmbeddedBuffer(settings, broker), seed=seed)
