"""What a simulation needs of the world its workers live in; there is one in memory and one on Apache Kafka."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from consumer.source import RecordSource
from consumer.worker import ScoringWorker
from features.batch import Decoded
from features.codec import HeadersOf
from features.errors import SchemasUnavailable
from features.json_codec import JsonCodec
from features.schema import FeatureSchema
from models.live import LiveModel
from producer.broker_faults import Call, Fault, FaultScript
from tests.faults.judge import Source
from tests.support.scoring import BEAST, RecordingTelemetry, live


class Killed(BaseException):
    """SIGKILL: no handler of the worker may catch it."""


class Event(NamedTuple):
    """One record of the input."""

    partition: int
    offset: int


class Outcome(NamedTuple):
    """What a ``read_committed`` reader finds of one event: a score by a version, or (neither) a dead letter."""

    event: Event
    score: float | None
    version: str | None


@dataclass(slots=True)
class Member:
    """One live worker in a slot, and what it was built from."""

    slot: str
    worker: ScoringWorker
    source: RecordSource
    telemetry: RecordingTelemetry


@dataclass
class Interrupts(FaultScript):
    """Faults, and things that happen to the rest of the world just before a call."""

    suffered: int = 0
    _actions: list[tuple[Call, str, Callable[[], None]]] = field(default_factory=list)

    def interrupt_next(self, call: Call, client: str, action: Callable[[], None]) -> None:
        """Run ``action`` when ``client`` makes its next ``call``."""
        self._actions.append((call, client, action))

    def take(self, call: Call, client: str) -> Fault | None:
        """Let happen what is to happen, then fail the call or not."""
        for place, (wanted, whose, action) in enumerate(self._actions):
            if (wanted, whose) == (call, client):
                del self._actions[place]
                self.suffered += 1
                action()
                break
        fault = super().take(call, client)
        self.suffered += fault is not None
        return fault

    def clear(self) -> None:
        """Forget everything still to come."""
        self._actions.clear()
        super().clear()


@dataclass
class Versions:
    """A champion that can be swapped at any moment, as the store's alias can."""

    latest: int = 1

    def current(self) -> LiveModel:
        """Return the live model."""
        return live(f"v{self.latest}")

    def swap(self) -> None:
        """Promote the next version."""
        self.latest += 1

    def reject(self, version: str, detail: str) -> None:
        """Fail: no model here is broken."""
        raise AssertionError(f"{version} was rejected: {detail}")


@dataclass
class RegistryCodec:
    """A codec that must ask a schema registry, which may be away."""

    is_away: bool = False
    returns: int = 0
    _codec: JsonCodec = field(default_factory=JsonCodec)

    def go_away(self) -> None:
        """Stop answering."""
        self.is_away = True

    def come_back(self) -> None:
        """Answer again."""
        self.is_away = False
        self.returns += 1

    def decode(
        self, values: Sequence[bytes | None], schema: FeatureSchema, *, headers: HeadersOf | None = None
    ) -> Decoded:
        """Decode, or say that the registry does not answer."""
        if self.is_away:
            raise SchemasUnavailable("the registry gives no answer")
        return self._codec.decode(values, schema, headers=headers)


class HastyStop(threading.Event):
    """A stop flag whose waits are over nearly at once."""

    def __init__(self, longest_wait: float) -> None:
        super().__init__()
        self._longest = longest_wait

    def wait(self, timeout: float | None = None) -> bool:
        """Return whether it is set, after a moment at most."""
        if self._longest == 0:
            return self.is_set()
        return super().wait(self._longest if timeout is None else min(timeout, self._longest))


class World(Protocol):
    """A broker with an input of two partitions, and everything that can happen to the workers on it.

    Every worker is a member of one group; its slot makes its transactional id. All workers share the champion and
    the codec. Used from one thread.
    """

    script: Interrupts
    champion: Versions
    registry: RegistryCodec

    def publish(self, partition: int, values: Sequence[bytes | None]) -> None:
        """Append events outside any transaction."""
        ...

    def publish_in_transaction(self, partition: int, value: bytes, outcome: Literal["committed", "aborted"]) -> None:
        """Append one event in a transaction of somebody else, and end it."""
        ...

    def member(self, slot: str) -> Member:
        """Return a new worker that has not connected yet."""
        ...

    def client_of(self, slot: str, call: Call) -> str:
        """Return the name under which the script knows who makes this call."""
        ...

    def do_round(self, member: Member) -> int:
        """Let a worker do a round, with time enough to be given records; return how many it committed."""
        ...

    def kill(self, member: Member) -> None:
        """End a process: its group and the coordinator do not know it yet."""
        ...

    def forget_the_dead(self) -> None:
        """Let the sessions of the killed time out."""
        ...

    def expel(self, member: Member) -> None:
        """Let the group give up on a live member; it does not know."""
        ...

    def expire(self, slot: str) -> None:
        """Let the coordinator abort the open transaction of a slot and fence its producer."""
        ...

    def finish_late(self, slot: str) -> None:
        """Let a commit in flight arrive, if there is one."""
        ...

    def events(self) -> Mapping[Event, bytes | None]:
        """Return every event that a reader of the input can see."""
        ...

    def outcomes(self) -> list[Outcome]:
        """Return what a reader of the outputs has seen so far, each partition in its order."""
        ...

    def committed(self) -> Mapping[int, int] | None:
        """Return the group's next offset by partition; None while an open transaction may still move one."""
        ...

    def rounds_to_recover(self) -> Iterable[int]:
        """Yield until recovery without new trouble has taken too long."""
        ...

    def verdict(self) -> str:
        """Return what a stranger finds wrong now that all is settled; empty when nothing is."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...


def event_value(x: float) -> bytes:
    """Return an event with that feature."""
    return json.dumps({"id": "e", "x": x}).encode()


def expected_score(value: bytes | None) -> float | None:
    """Return what the model says of an event; None for one that must be a dead letter."""
    if value in {None, b"{"}:
        return None
    x: float = json.loads(value or b"")["x"]
    return None if x == BEAST else 2 * x


def scored(value: bytes | None) -> Outcome:
    """Return what a score record says."""
    record = json.loads(value or b"")
    event = Event(record["source_partition"], record["source_offset"])
    return Outcome(event, record["score"], record["model_version"])


def buried(headers: Iterable[tuple[str, bytes | None]]) -> Outcome:
    """Return what a dead letter says."""
    named = dict(headers)
    partition, offset = (int(named[f"__connect.errors.{name}"] or b"") for name in ("partition", "offset"))
    return Outcome(Event(partition, offset), None, None)


def expected_dead(topic: str, events: Mapping[Event, bytes | None]) -> list[Source]:
    """Return the events that must be dead letters, as the judge names them."""
    return [Source(topic, *event) for event, value in events.items() if expected_score(value) is None]
