"""Where the buffering worker stands on each partition it owns. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np

from buffer.table import Stretch
from consumer.places import TopicIdentity
from consumer.records import RecordBatch
from producer.records import TopicPartition


@dataclass(slots=True)
class Place:
    """One partition.

    Attributes:
        identity: Of its topic.
        stored: Where the table stands; None if it has nothing of it.
        next: The next offset to read; None before the first record of a partition the table has nothing of.
        first: The first offset that was read; None before that.
    """

    identity: TopicIdentity
    stored: int | None
    next: int | None
    first: int | None = None


class Places:
    """Implements ``Positions``: what is in memory counts first, then what was looked up in the table.

    A partition that is not known yet is remembered as wanted, for somebody to look up.
    """

    def __init__(self, move_command: str) -> None:
        """Know nothing; ``move_command`` is how a person moves a position, with fields for topic and partition."""
        self._places: dict[TopicPartition, Place] = {}
        self._command = move_command
        self._doubted: set[TopicPartition] = set()
        self._confirmed: set[TopicPartition] = set()
        self.wanted: set[TopicPartition] = set()

    def find(self, partitions: AbstractSet[TopicPartition]) -> Mapping[TopicPartition, int | None]:
        """Return the next offsets of those that are known."""
        self.wanted |= partitions - self._places.keys()
        return {at: self._places[at].next for at in (partitions & self._places.keys()) - self._doubted}

    def move_command(self, at: TopicPartition) -> str:
        """Return the command by which a person moves a position to OFFSET."""
        return self._command.format(topic=at.topic, partition=at.partition)

    def __contains__(self, at: TopicPartition) -> bool:
        """Return whether a partition is known."""
        return at in self._places

    def known(self) -> AbstractSet[TopicPartition]:
        """Return the partitions that are known."""
        return frozenset(self._places)

    def identity(self, topic: str) -> TopicIdentity:
        """Return the identity of a topic of which a partition is known."""
        return next(place.identity for at, place in self._places.items() if at.topic == topic)

    def found(self, places: Mapping[TopicPartition, Place]) -> set[TopicPartition]:
        """Take what was looked up; return the partitions known before whose topic turned out to be another."""
        stale = {
            at
            for at, place in self._places.items()
            for fresh, found in places.items()
            if fresh.topic == at.topic and found.identity != place.identity
        }
        self.forget(stale)
        self._places |= places
        self.wanted -= places.keys()
        self._confirmed = self._doubted & places.keys()
        self._doubted -= places.keys()
        return stale

    def doubt(self, partitions: AbstractSet[TopicPartition]) -> bool:
        """Have places that do not lead into the log looked up again; return False where they just were.

        The log may be another one by now, of a topic that was deleted and made again.
        """
        doubted = partitions - self._confirmed
        self._doubted |= doubted
        return bool(doubted)

    def polled(self) -> None:
        """Note that a poll found all places in the log."""
        self._confirmed = set()

    def resolve_doubts(self) -> None:
        """Forget the doubted places once their rows are stored, so that they are looked up."""
        for at in self._doubted & self._places.keys():
            if not _waiting(self._places[at]):
                del self._places[at]

    def forget(self, partitions: Collection[TopicPartition]) -> None:
        """Forget partitions: gone, or to be looked up again."""
        for at in partitions:
            self._places.pop(at, None)
        self._doubted.difference_update(partitions)
        self.wanted.difference_update(partitions)

    def unread(self, records: RecordBatch) -> RecordBatch:
        """Return the records of one topic without those that were read before, which no source should give."""
        topic = records.topics[0]
        again = np.zeros(len(records), dtype=np.bool_)
        for at in records.last_rows():
            place = self._places[TopicPartition(topic, at.partition)]
            of_partition = records.partitions == at.partition
            first = int(records.offsets[of_partition.argmax()])
            place.first = first if place.first is None else place.first
            if place.next is not None and first < place.next:
                again |= of_partition & (records.offsets < place.next)
        return records.pick(np.flatnonzero(~again)) if again.any() else records

    def ahead(self, offsets: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """Return those of these that are further than what was read, of partitions of which something was read."""
        known = {at: self._places[at].next for at in offsets.keys() & self._places.keys()}
        return {at: offsets[at] for at, read in known.items() if read is not None and offsets[at] > read}

    def advance(self, next_offsets: Mapping[TopicPartition, int]) -> dict[TopicPartition, Stretch]:
        """Move on; return by partition from where to where."""
        stretches: dict[TopicPartition, Stretch] = {}
        for at, offset in next_offsets.items():
            place = self._places[at]
            # Before the first record the table has nothing, and it stays so until its first commit.
            expected = place.stored if place.next is None else place.next
            stretches[at] = Stretch(place.identity.app_id(at.partition), expected, offset)
            place.next = offset
        return stretches

    def stored(self, stretches: Mapping[TopicPartition, Stretch]) -> None:
        """Note what is in the table now."""
        for at, stretch in stretches.items():
            place = self._places.get(at)
            if place is not None and place.identity.app_id(at.partition) == stretch.app_id:
                place.stored = stretch.next

    def behind(self) -> Mapping[TopicPartition, int]:
        """Return by partition how many offsets were read and are not in the table."""
        return {at: _waiting(place) for at, place in self._places.items()}

    def of_topics(self, topics: Iterable[str]) -> set[TopicPartition]:
        """Return the known partitions of these topics."""
        names = set(topics)
        return {at for at in self._places if at.topic in names}


def _waiting(place: Place) -> int:
    begin = place.first if place.stored is None else place.stored
    return 0 if place.next is None or begin is None else place.next - begin
