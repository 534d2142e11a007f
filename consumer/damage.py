"""Damaged record batches of a log: tried again a few times, never skipped. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from producer.records import TopicPartition

TRIES = 5  # damage on the way to us passes with the next fetch; damage on the disk does not


@dataclass(slots=True)
class DamageWatch:
    """Remembers where reading a partition ran into a damaged batch.

    What comes from behind the damage must not be taken before the batch itself was read: a commit of it would
    skip the records of the batch in silence.
    """

    ahead: dict[TopicPartition, int] = field(default_factory=dict)
    _tries: dict[TopicPartition, int] = field(default_factory=dict)

    def found(self, at: TopicPartition, offset: int) -> None:
        """Note that the batch that begins at this offset is damaged; one fetch may report it several times."""
        if at not in self.ahead:
            self._tries[at] = self._tries.get(at, 0) + 1
        self.ahead.setdefault(at, offset)  # what follows in the same fetch may be read from within the batch

    def is_behind(self, at: TopicPartition, offset: int) -> bool:
        """Return whether a record lies behind damage that has not been read yet."""
        return offset >= self.ahead.get(at, offset + 1)

    def hopeless(self) -> tuple[TopicPartition, int] | None:
        """Return a batch that was damaged ``TRIES`` times with no record before it left to read, if there is one."""
        return next(((at, offset) for at, offset in self.ahead.items() if self._tries.get(at, 0) >= TRIES), None)

    def tried_again(self) -> None:
        """Note that every damaged partition is read again from what is committed."""
        self.ahead.clear()

    def passed(self, at: TopicPartition) -> None:
        """Note that the partition gave a record: whatever is damaged lies further on, or is not any more."""
        self._tries.pop(at, None)

    def forget(self, at: TopicPartition) -> None:
        """Forget a partition that is no longer ours."""
        self.ahead.pop(at, None)
        self._tries.pop(at, None)


def damage_line(at: TopicPartition, offset: int, *, command: str, detail: str) -> str:
    """Return what to tell a person about a batch that stays damaged; ``command`` moves a position to OFFSET."""
    return (
        f"topic {at.topic} partition {at.partition}: the record batch at offset {offset} is damaged and was so "
        f"{TRIES} times ({detail}). All before it is done, nothing behind it was touched. Restore the log segment on "
        "the broker, or let an undamaged replica lead. To give the records of this batch up, stop the workers and "
        f"go on behind it (kafka-dump-log tells where it ends): {command}"
    )
