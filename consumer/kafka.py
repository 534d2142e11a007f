"""A source on Apache Kafka: one group member, classic or consumer protocol.

Callbacks only take notes: an exception that leaves a callback makes the client drop the records it has
already dequeued while its position moves on. For the same reason any exception out of ``consume`` means
going back to what is committed.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from confluent_kafka import Consumer, KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as ClientPartition

from consumer.damage import DamageWatch, damage_line
from consumer.errors import PollFailed, SourceRefused
from consumer.kafka_placing import COMMITTED_TIMEOUT_S, KafkaGroup, Pauses, Placing, committed
from consumer.messages import columns_of, place_of
from consumer.records import RecordBatch
from consumer.slices import next_slice
from consumer.source import PartitionStatus, Positions
from producer.records import NextOffsets, TopicPartition

SEEK_ATTEMPTS = 20  # a partition just assigned cannot be sought for a moment
SEEK_PAUSE_S = 0.1
DAMAGE_PAUSE_S = 0.2

Change: TypeAlias = Literal["assigned", "revoked", "lost"]
RebalanceListener: TypeAlias = Callable[[Change, Sequence[TopicPartition]], None]

REFUSED = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError._AUTHENTICATION,
    }
)
# The client goes on behind such a batch, or asks for it again for ever: both without another word.
DAMAGED: Mapping[int, str] = {  # with what else may be behind the error
    KafkaError._BAD_MSG: "",
    KafkaError._BAD_COMPRESSION: "; or unpacked it exceeds receive.message.max.bytes: raise that under kafka.consumer",
}
_NO_TOPIC = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_EXCEPTION})


class KafkaSource:
    """One member of a consumer group, read in columns."""

    def __init__(  # noqa: PLR0913 - the composition root wires it by name
        self,
        conf: Mapping[str, Any],
        *,
        group_id: str,
        topics: Sequence[str],
        start: Literal["earliest", "latest"] = "earliest",
        optional: Collection[str] = (),
        positions: Positions | None = None,
        on_rebalance: RebalanceListener | None = None,
    ) -> None:
        """Keep the configuration; ``start`` is where a group begins on a partition it never committed.

        Topics that are ``optional`` need not exist; they are read from when they do. ``positions`` says where
        partitions are read from in place of the group's committed offsets, also after ``rewind``.

        ``auto.offset.reset`` is always ``error``: a position that has vanished from the log must stop the
        worker, not move it. ``start`` is applied by us, once, where nothing is committed, and committed before
        the first record is read: whoever takes over, or goes back, begins at the same record.
        """
        self._conf = {
            **conf,
            "group.id": group_id,
            "auto.offset.reset": "error",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": positions is not None,
            "stats_cb": self._on_stats,
            "error_cb": self._on_error,
        }
        self._topics = list(topics)
        self._optional = frozenset(optional)
        self._placing = Placing(self._conf, start=start, positions=positions)
        self._pauses = Pauses()
        self._listener = on_rebalance
        self._client: Consumer | None = None
        self._assignments = 0
        self._owned: set[TopicPartition] = set()
        self._refusal: KafkaError | None = None
        self._damage = DamageWatch()
        self._damage_detail = ""
        self._passed: dict[TopicPartition, int] = {}
        self._delivered: dict[TopicPartition, int] = {}
        self._delivered_ms: dict[TopicPartition, int] = {}
        self._stats: Mapping[str, Any] = {}

    @property
    def owned(self) -> set[TopicPartition]:
        """Return the partitions assigned now."""
        return self._owned

    @property
    def assignments(self) -> int:
        """Return the number of rebalances seen."""
        return self._assignments

    def open(self) -> None:
        """Create the client and subscribe; ``SourceRefused`` when that cannot work: a setting, a missing topic."""
        self._refusal = None
        try:
            self._client = Consumer(self._conf)
        except KafkaException as exception:
            raise SourceRefused(f"the Kafka consumer cannot be made: {exception.args[0]}") from exception
        self._check_topics(self._client)
        self._client.subscribe(
            self._topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    def poll(self, *, max_records: int, max_bytes: int, timeout: float, linger: float) -> RecordBatch | None:
        """Block for one record, then take what is there or arrives within ``linger``."""
        self._passed = {}
        if self._damage.ahead:
            self._try_damage_again()
        if self._placing.unplaced:
            self._place()
        self._pauses.settle(self._consumer, self._owned, self._placing.unplaced)
        messages = self._consume(1, timeout)
        if not messages:
            if self._refusal is not None and not self._owned:  # it would go on trying, and say nothing more
                raise SourceRefused(f"reading: {self._refusal.str()} ({self._refusal.name()})")
            return None
        self._refusal = None
        deadline, assignments = time.monotonic() + linger, self._assignments
        size = sum(map(len, messages))
        while count := next_slice(len(messages), size, max_records=max_records, max_bytes=max_bytes):
            more = self._consume(count, max(deadline - time.monotonic(), 0))
            if not more:
                break
            messages += more
            size += sum(map(len, more))
        if self._assignments != assignments:
            # A partition may have gone and come back between two calls, committed further by somebody else:
            # what was read of it before is no longer ours to score. (Within one call the client sees to it.)
            raise PollFailed("the group was rebalanced while a batch was collected")
        return self._kept(messages)

    def rewind(self) -> None:
        """Seek every owned partition to its committed offset; where there is none, nothing has been read yet."""
        if self._placing.is_told:
            self.go_back(self._owned)
            return
        for at, offset in committed(self._consumer, self._owned - self._placing.unplaced).items():
            if offset >= 0:
                self._seek(at, offset)
                self._delivered[at] = offset

    def go_back(self, partitions: Collection[TopicPartition]) -> None:
        """Have these placed anew at the next poll."""
        self._placing.unplaced |= self._owned.intersection(partitions)

    def pause(self) -> None:
        """Hold all partitions from the next poll on."""
        self._pauses.holds_all = True

    def resume(self) -> None:
        """Let go of them at the next poll."""
        self._pauses.holds_all = False

    def passed(self) -> NextOffsets:
        """Return where the last poll came to the end of partitions that are still ours, with no damage before it."""
        readable = self._placing.readable(self._owned) - self._damage.ahead.keys()
        return {at: offset for at, offset in self._passed.items() if at in readable}

    def show(self, offsets: NextOffsets) -> None:
        """Commit to the group for those who watch it; without waiting, and a failure is nobody's."""
        positions = [ClientPartition(at.topic, at.partition, offset) for at, offset in offsets.items()]
        with contextlib.suppress(KafkaException, PollFailed, RuntimeError):
            self._consumer.commit(offsets=positions, asynchronous=True)

    def group(self) -> KafkaGroup:
        """Return the group handle; its metadata is read when it is used."""
        return KafkaGroup(self._consumer)

    def statuses(self) -> list[PartitionStatus]:
        """Return the positions of the last statistics of the client, for owned partitions."""
        return [
            PartitionStatus(
                partition=at,
                fetch_offset=entry["next_offset"],
                delivered_offset=self._delivered.get(at, -1),
                committed_offset=max(entry["committed_offset"], -1),
                stable_offset=entry["ls_offset"],
                end_offset=entry["hi_offset"],
                delivered_ms=self._delivered_ms.get(at, -1),
            )
            for at, entry in self._partition_stats()
            if entry["hi_offset"] >= 0 and entry["next_offset"] >= 0
        ]

    def restart(self) -> None:
        """Leave, forget everything, and join again."""
        self.close()
        self.open()

    def close(self) -> None:
        """Leave the group; a failure to do so cleanly is not the caller's to handle."""
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(KafkaException, RuntimeError):  # the session timeout will tell the broker
                client.close()
        self._forget(list(self._owned))
        self._pauses.forget()

    @property
    def _consumer(self) -> Consumer:
        if self._client is None:
            raise PollFailed("the consumer is not open")
        return self._client

    def _consume(self, count: int, timeout: float) -> list[Message]:
        """Return good records; turn errors in the stream into ours."""
        try:
            messages = self._consumer.consume(count, timeout)
        except (KafkaException, RuntimeError, SystemError) as exception:
            raise PollFailed(f"consume: {exception}") from exception
        if not [error for error in map(Message.error, messages) if error is not None]:
            return messages
        self._judge(message for message in messages if message.error() is not None)
        return [message for message in messages if message.error() is None]

    def _judge(self, failures: Iterable[Message]) -> None:
        for message in failures:
            error = message.error()
            if error is None:
                continue
            if error.code() == KafkaError._PARTITION_EOF:
                self._passed[place_of(message)] = message.offset() or 0
            elif error.code() == KafkaError._AUTO_OFFSET_RESET:
                # Placed at the next poll: here there may be records in hand that a failure would lose.
                self._placing.unplaced.add(place_of(message))
            elif error.code() in REFUSED or error.fatal():
                raise SourceRefused(f"reading {message.topic() or 'the group'}: {error.str()} ({error.name()})")
            elif error.code() in DAMAGED:
                # Tried again at the next poll: what came before it may be in hand, and is to be dealt with first.
                self._damage.found(place_of(message), message.offset() or 0)
                self._damage_detail = error.str() + DAMAGED[error.code()]
            elif error.code() == KafkaError._MAX_POLL_EXCEEDED:
                raise PollFailed(f"this member was too slow and left the group: {error.str()}")
            # The rest (a broker away, a coordinator moving) passes by itself.

    def _place(self) -> None:
        """Begin at ``start`` where nobody knows of a position; elsewhere the log may have lost records."""
        self._pauses.lift(self._consumer, self._placing.unplaced & self._owned)
        self._delivered |= self._placing.place(self._consumer, self._owned)

    def _try_damage_again(self) -> None:
        """Have the partitions placed anew, between two polls, when all that came before the damage is committed.

        Seeking is not enough: the client reads on from within a damaged batch, takes its bytes for offsets, and
        may by now wait for a position that does not exist.
        """
        hopeless = self._damage.hopeless()
        if hopeless is not None:
            command = self._placing.move_command(hopeless[0])
            raise SourceRefused(damage_line(*hopeless, command=command, detail=self._damage_detail))
        time.sleep(DAMAGE_PAUSE_S)
        self.go_back(self._damage.ahead)
        self._damage.tried_again()

    def _check_topics(self, client: Consumer) -> None:
        for topic in [name for name in self._topics if name not in self._optional]:
            try:
                error = client.list_topics(topic, timeout=COMMITTED_TIMEOUT_S).topics[topic].error
            except KafkaException:
                return  # no broker answers yet: the polls will wait for one
            if error is not None and error.code() in _NO_TOPIC:
                raise SourceRefused(f"topic {topic}: {error.str()}; create it with 'tidemill topics create'")

    def _kept(self, messages: list[Message]) -> RecordBatch | None:
        """Return the records of partitions that are still ours, in front of any damage, and note what was delivered."""
        if self._damage.ahead:
            messages = [m for m in messages if not self._damage.is_behind(place_of(m), m.offset() or 0)]
        topic = self._topics[0] if len(self._topics) == 1 else None
        batch = columns_of(messages, topic=topic)
        readable = self._placing.readable(self._owned)
        if batch is not None and not batch.last_rows().keys() <= readable:
            batch = columns_of([m for m in messages if place_of(m) in readable], topic=topic)
        if batch is None:
            return None
        for at, row in batch.last_rows().items():
            self._delivered[at] = int(batch.offsets[row]) + 1
            self._delivered_ms[at] = int(batch.timestamps_ms[row])
            self._damage.passed(at)
        return batch

    def _seek(self, at: TopicPartition, offset: int) -> None:
        for attempt in range(SEEK_ATTEMPTS):
            try:
                self._consumer.seek(ClientPartition(at.topic, at.partition, offset))
            except KafkaException as exception:
                if attempt == SEEK_ATTEMPTS - 1:
                    raise PollFailed(f"seek {at} to {offset}: {exception.args[0]}") from exception
                time.sleep(SEEK_PAUSE_S)
            else:
                return

    def _on_assign(self, _client: Consumer, partitions: Sequence[ClientPartition]) -> None:
        # No assign() here: the client does it itself, with the committed offsets, after this returns.
        self._owned |= (changed := {TopicPartition(p.topic, p.partition) for p in partitions})
        self._placing.assigned(changed)
        self._tell("assigned", changed)

    def _on_revoke(self, _client: Consumer, partitions: Sequence[ClientPartition]) -> None:
        self._forget(changed := [TopicPartition(p.topic, p.partition) for p in partitions])
        self._tell("revoked", changed)

    def _on_lost(self, _client: Consumer, partitions: Sequence[ClientPartition]) -> None:
        self._forget(changed := [TopicPartition(p.topic, p.partition) for p in partitions])
        self._tell("lost", changed)

    def _forget(self, partitions: Iterable[TopicPartition]) -> None:
        for at in partitions:
            self._owned.discard(at)
            self._placing.unplaced.discard(at)
            self._damage.forget(at)
            self._delivered.pop(at, None)
            self._delivered_ms.pop(at, None)

    def _tell(self, change: Change, partitions: Iterable[TopicPartition]) -> None:
        self._assignments += 1
        if self._listener is not None:
            with contextlib.suppress(Exception):  # a callback that raises would lose records
                self._listener(change, sorted(partitions))

    def _on_stats(self, text: str) -> None:
        try:
            self._stats = json.loads(text).get("topics", {})
        except ValueError:
            self._stats = {}

    def _on_error(self, error: KafkaError) -> None:
        if error.code() in REFUSED:
            self._refusal = error

    def _partition_stats(self) -> Iterable[tuple[TopicPartition, Mapping[str, Any]]]:
        for topic, entry in self._stats.items():
            for number, partition in entry.get("partitions", {}).items():
                at = TopicPartition(topic, int(number))
                if at in self._owned:
                    yield at, partition
