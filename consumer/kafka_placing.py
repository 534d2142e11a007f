"""Where the partitions of one Kafka client are read from, and which of them are held."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Literal

from confluent_kafka import OFFSET_END, Consumer, KafkaException
from confluent_kafka import TopicPartition as ClientPartition

from consumer.errors import OffsetsLost, PollFailed
from consumer.source import Positions
from producer.records import NextOffsets, TopicPartition

COMMITTED_TIMEOUT_S = 10.0


class KafkaGroup:
    """The group as the broker knows this member now."""

    def __init__(self, client: Consumer) -> None:
        self._client = client

    @property
    def metadata(self) -> object:
        """Return group id, member id and generation as the client holds them at this moment."""
        return self._client.consumer_group_metadata()

    def commit(self, offsets: NextOffsets) -> None:
        """Commit outside a transaction and wait for the answer."""
        for position in self._client.commit(offsets=_positions(offsets), asynchronous=False) or ():
            if position.error is not None:  # the client raises only when every partition was refused
                raise KafkaException(position.error)


class Placing:
    """Puts partitions where the group has committed, or where somebody else says they are read from.

    Attributes:
        unplaced: Owned partitions that are still to be placed.
    """

    def __init__(
        self, conf: Mapping[str, Any], *, start: Literal["earliest", "latest"], positions: Positions | None
    ) -> None:
        """Take what decides; ``start`` is for partitions of which nobody knows anything."""
        strategy = str(conf.get("partition.assignment.strategy", "range,roundrobin"))
        self._is_incremental = conf.get("group.protocol") == "consumer" or "cooperative" in strategy
        self._group_id = str(conf["group.id"])
        self._start = start
        self._positions = positions
        self.unplaced: set[TopicPartition] = set()

    @property
    def is_told(self) -> bool:
        """Return whether somebody else than the group says where partitions are read from."""
        return self._positions is not None

    def assigned(self, partitions: Iterable[TopicPartition]) -> None:
        """Note new partitions: the client itself begins where the group has committed, which is not always right."""
        if self.is_told:
            self.unplaced.update(partitions)

    def readable(self, owned: AbstractSet[TopicPartition]) -> AbstractSet[TopicPartition]:
        """Return the owned partitions whose records are to be kept."""
        return owned - self.unplaced if self.is_told else owned

    def place(self, client: Consumer, owned: AbstractSet[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Place what can be placed now; return where somebody else than the group said it is read from.

        Raises:
            PollFailed: The broker does not answer.
            OffsetsLost: A position is no longer in the log.
        """
        unplaced = self.unplaced & owned
        # An eager assignment is replaced as a whole. That is safe: between two polls all is dealt with.
        found = self._find(client, unplaced if self._is_incremental else owned)
        placed = found.keys() & unplaced
        if not placed:
            self.unplaced = unplaced
            return {}
        try:
            ends = {at: _ends(client, at) for at in found if at in unplaced or found[at] is None}
            known = {at: offset for at, offset in found.items() if offset is not None}
            self._check_in_log({at: (known[at], *ends[at]) for at in ends.keys() & known.keys()})
            begun = {at: ends[at][self._start == "latest"] for at in found.keys() - known.keys()}
            if begun and self._positions is None:
                KafkaGroup(client).commit(begun)
            self._assign(client, {**known, **begun}, owned)
        except KafkaException as exception:
            raise PollFailed(f"the assignment could not be placed: {exception.args[0]}") from exception
        self.unplaced = unplaced - placed
        return {} if self._positions is None else {at: {**known, **begun}[at] for at in placed}

    def move_command(self, at: TopicPartition) -> str:
        """Return the command by which a person moves the position of a partition to OFFSET."""
        if self._positions is not None:
            return self._positions.move_command(at)
        return (
            f"kafka-consumer-groups --group {self._group_id} --topic {at.topic}:{at.partition}"
            " --reset-offsets --to-offset OFFSET --execute"
        )

    def _find(self, client: Consumer, partitions: AbstractSet[TopicPartition]) -> Mapping[TopicPartition, int | None]:
        if self._positions is not None:
            return self._positions.find(partitions)
        return {at: offset if offset >= 0 else None for at, offset in committed(client, partitions).items()}

    def _assign(self, client: Consumer, offsets: NextOffsets, owned: AbstractSet[TopicPartition]) -> None:
        targets = _positions(offsets)
        if self._is_incremental:
            client.incremental_unassign(targets)
            client.incremental_assign(targets)
        else:  # what cannot be placed yet is held and gives nothing, wherever it stands
            client.assign(targets + _positions(dict.fromkeys(owned - offsets.keys(), OFFSET_END)))

    def _check_in_log(self, placed: Mapping[TopicPartition, tuple[int, int, int]]) -> None:
        """Refuse to go on where a position, given with the ends of the log, is outside of them."""
        lost = [at for at, (offset, low, high) in sorted(placed.items()) if not low <= offset <= high]
        if not lost:
            return
        told = ", ".join(f"{at} at {placed[at][0]} (the log has {placed[at][1]} to {placed[at][2]})" for at in lost)
        whose = "committed offset" if self._positions is None else "position in the buffer"
        raise OffsetsLost(
            f"the {whose} is no longer in the log: {told}. Records were deleted before they were read (retention, or "
            f"a recreated topic). Decide where to go on, with all workers stopped: {self.move_command(lost[0])}; "
            "then start again",
            partitions=lost,
        )


class Pauses:
    """What the client was told to hold. It never lets go of what is not held: that can lose the client's place.

    A client keeps a pause of a partition that goes and comes back, so this does, too.
    """

    def __init__(self) -> None:
        """Hold nothing."""
        self.holds_all = False
        self._held: set[TopicPartition] = set()

    def settle(
        self, client: Consumer, owned: AbstractSet[TopicPartition], unplaced: AbstractSet[TopicPartition]
    ) -> None:
        """Hold what is to be held now of what is owned, and only that."""
        wanted = owned if self.holds_all else unplaced & owned
        if wanted == self._held & owned:
            return
        self.lift(client, owned - wanted)
        try:
            client.pause(_bare(wanted - self._held))
        except KafkaException as exception:
            raise PollFailed(f"partitions could not be held: {exception.args[0]}") from exception
        self._held |= wanted

    def lift(self, client: Consumer, partitions: AbstractSet[TopicPartition]) -> None:
        """Let go of those of these that are held."""
        held = self._held & partitions
        if not held:
            return
        self._held -= held
        try:
            client.resume(_bare(held))
        except KafkaException as exception:
            raise PollFailed(f"partitions could not be let go: {exception.args[0]}") from exception

    def forget(self) -> None:
        """Forget what was held of a client that is gone; what is to be held stays the same."""
        self._held = set()


def committed(client: Consumer, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
    """Return the group's committed next offsets, below 0 where there is none, or raise ``PollFailed``."""
    wanted = _bare(partitions)
    if not wanted:
        return {}
    try:
        found = client.committed(wanted, timeout=COMMITTED_TIMEOUT_S)
    except KafkaException as exception:
        raise PollFailed(f"committed offsets are not to be had: {exception.args[0]}") from exception
    for position in found:
        if position.error is not None:
            raise PollFailed(f"committed offset of {position.topic}[{position.partition}]: {position.error}")
    return {TopicPartition(position.topic, position.partition): position.offset for position in found}


def _ends(client: Consumer, at: TopicPartition) -> tuple[int, int]:
    """Return the first offset of the log and the next one that a reader of our kind would see."""
    ends = client.get_watermark_offsets(ClientPartition(at.topic, at.partition), COMMITTED_TIMEOUT_S)
    if ends is None:
        raise PollFailed(f"the broker does not say where {at} begins and ends")
    return ends


def _positions(offsets: NextOffsets) -> list[ClientPartition]:
    return [ClientPartition(at.topic, at.partition, offset) for at, offset in offsets.items()]


def _bare(partitions: Iterable[TopicPartition]) -> list[ClientPartition]:
    return [ClientPartition(at.topic, at.partition) for at in partitions]
