"""Consumer groups of the in-memory broker: members, generations, assignment, committed offsets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from producer.errors import AbortRequired
from producer.records import NextOffsets, TopicPartition


class GroupMetadata(NamedTuple):
    """What a commit shows to the group: who commits, and which generation it believes in."""

    group_id: str
    member_id: str = ""
    generation: int = -1


@dataclass(slots=True)
class _Member:
    topics: frozenset[str]
    generation: int = -1
    held: frozenset[TopicPartition] = frozenset()


@dataclass(slots=True)
class ConsumerGroup:
    """One group. Not thread-safe: the broker holds its lock around every call.

    A change of membership starts a new generation with new targets. A member learns of it at its next
    ``sync``; a partition goes to its new owner only when the old one has synced, left or been expelled, as
    under Kafka's cooperative protocols.
    """

    group_id: str
    generation: int = 0
    committed: dict[TopicPartition, int] = field(default_factory=dict)
    _members: dict[str, _Member] = field(default_factory=dict)
    _targets: dict[TopicPartition, str] = field(default_factory=dict)
    _pending: list[NextOffsets] = field(default_factory=list)
    _joined: int = 0

    @property
    def members(self) -> tuple[str, ...]:
        """Return the member ids in the order they joined."""
        return tuple(self._members)

    def join(self, topics: frozenset[str], partitions: Iterable[TopicPartition]) -> str:
        """Add a member and return its id."""
        self._joined += 1
        member_id = f"{self.group_id}-member-{self._joined}"
        self._members[member_id] = _Member(topics)
        self.rebalance(partitions)
        return member_id

    def leave(self, member_id: str, partitions: Iterable[TopicPartition]) -> None:
        """Remove a member, by its wish or because it is dead; what it held is free at once."""
        if self._members.pop(member_id, None) is not None:
            self.rebalance(partitions)

    def rebalance(self, partitions: Iterable[TopicPartition]) -> None:
        """Start a new generation: everyone keeps what it can, loads differ by one at most."""
        self.generation += 1
        targets: dict[TopicPartition, str] = {}
        for partition in sorted(partitions):
            willing = [name for name, member in self._members.items() if partition.topic in member.topics]
            if willing:
                before = self._targets.get(partition)
                targets[partition] = before if before in willing else _least_loaded(willing, targets)
        self._targets = self._levelled(targets)

    def _levelled(self, targets: dict[TopicPartition, str]) -> dict[TopicPartition, str]:
        for partition in sorted(targets):
            willing = [name for name, member in self._members.items() if partition.topic in member.topics]
            load = list(targets.values())
            idlest = _least_loaded(willing, targets)
            if load.count(targets[partition]) - load.count(idlest) > 1:
                targets[partition] = idlest
        return targets

    def sync(self, member_id: str) -> tuple[int, frozenset[TopicPartition]] | None:
        """Tell a member its generation and what it owns now; None when the group does not know it."""
        member = self._members.get(member_id)
        if member is None:
            return None
        taken: set[TopicPartition] = set()
        for name, other in self._members.items():
            if name != member_id:
                taken |= other.held
        member.held = frozenset(p for p, name in self._targets.items() if name == member_id and p not in taken)
        member.generation = self.generation
        return member.generation, member.held

    def held_by(self, member_id: str) -> frozenset[TopicPartition]:
        """Return what a member owned when it last synced."""
        member = self._members.get(member_id)
        return member.held if member is not None else frozenset()

    def check(self, metadata: GroupMetadata) -> None:
        """Refuse a commit by somebody the group has moved on from.

        Raises:
            AbortRequired: The member is unknown, or has another generation.
        """
        if metadata.generation < 0 and not metadata.member_id:
            # Kafka's classic coordinator lets a commit without identity pass, even into a live group. So does
            # this one, or a worker that forgot to join would look safe here and double records there.
            return
        member = self._members.get(metadata.member_id)
        if member is None or member.generation != metadata.generation:
            raise AbortRequired(
                f"group {self.group_id}: the commit of {metadata.member_id or 'an unnamed member'}, generation "
                f"{metadata.generation}, is refused: the group is at generation {self.generation}; read again"
            )

    def hold(self, offsets: NextOffsets) -> None:
        """Take offsets of an open transaction; they count only once ``release`` is followed by a commit."""
        self._pending.append(offsets)

    def release(self, offsets: NextOffsets) -> None:
        """Forget offsets taken by ``hold``: their transaction has ended."""
        self._pending = [held for held in self._pending if held is not offsets]

    def is_unstable(self, partition: TopicPartition) -> bool:
        """Return whether an open transaction may still move the committed offset of a partition."""
        return any(partition in held for held in self._pending)


def _least_loaded(willing: list[str], targets: dict[TopicPartition, str]) -> str:
    load = list(targets.values())
    return min(willing, key=load.count)
