"""The way in: a source of record batches that belongs to a consumer group."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Protocol

from consumer.records import RecordBatch
from producer.records import NextOffsets, TopicPartition
from producer.sink import GroupHandle


@dataclass(frozen=True, slots=True)
class PartitionStatus:
    """Where one assigned partition stands; all offsets are those of a *next* record.

    Attributes:
        partition: Which one.
        fetch_offset: The next offset the client will ask the broker for.
        delivered_offset: One past the last record handed to the worker; -1 before the first.
        committed_offset: What the group has committed; -1 if nothing.
        stable_offset: The last stable offset: a ``read_committed`` reader cannot pass it.
        end_offset: The high watermark.
        delivered_ms: Timestamp of the last record handed to the worker, epoch milliseconds; -1 before the first.
    """

    partition: TopicPartition
    fetch_offset: int
    delivered_offset: int
    committed_offset: int
    stable_offset: int
    end_offset: int
    delivered_ms: int = -1


class RecordSource(Protocol):
    """Delivers records of the partitions this member owns. Single-threaded: one owner calls everything.

    Rebalances happen only inside ``poll`` and ``close``. A source commits nothing by itself, except where a
    group begins on a partition that it never committed.
    """

    @property
    def owned(self) -> AbstractSet[TopicPartition]:
        """Return the partitions assigned to this member now."""
        ...

    @property
    def assignments(self) -> int:
        """Return a number that grows with every rebalance seen; equal numbers mean nothing moved."""
        ...

    def open(self) -> None:
        """Join the group. The first poll completes the join."""
        ...

    def poll(self, *, max_records: int, max_bytes: int, timeout: float, linger: float) -> RecordBatch | None:
        """Return the records at hand, or None after ``timeout`` seconds without any.

        Blocks for the first record only, then takes what arrives within ``linger`` seconds until one of
        the limits is reached. Only records of owned partitions are returned.

        Raises:
            PollFailed: Records may have been dropped; call ``rewind`` before the next poll.
            OffsetsLost: The committed position is gone from the log.
            SourceRefused: The cluster refuses us.
        """
        ...

    def rewind(self) -> None:
        """Go back to what is committed on every owned partition (or to where this member began).

        Call only when the outcome of the last batch is definite. Everything read since is forgotten.

        Raises:
            PollFailed: It could not be done now; try again.
        """
        ...

    def group(self) -> GroupHandle:
        """Return the group as the broker knows this member now.

        Take it after the poll and before the next one, never keep it.
        """
        ...

    def statuses(self) -> list[PartitionStatus]:
        """Return where each owned partition stands, as last heard from the broker."""
        ...

    def restart(self) -> None:
        """Throw the client away, join again with a new one; for a partition that is stuck."""
        ...

    def close(self) -> None:
        """Leave the group and release the client; never raises."""
        ...


class Positions(Protocol):
    """Knows where partitions are read from, when that is not what the group has committed.

    Called by the source inside ``poll``, from its thread; must answer at once.
    """

    def find(self, partitions: AbstractSet[TopicPartition]) -> Mapping[TopicPartition, int | None]:
        """Return the next offset of each of these, None for one that nothing is known of: it begins at ``start``.

        One that is absent cannot be told yet: it gives no records, and is asked for again at the next poll.
        """
        ...

    def move_command(self, at: TopicPartition) -> str:
        """Return the command by which a person moves a position to OFFSET."""
        ...


class PositionedSource(RecordSource, Protocol):
    """A source that reads from where its ``Positions`` say, and can be held.

    ``rewind`` goes back to these positions. A partition that is newly assigned, or was sent back, gives no record
    before it is placed.
    """

    def go_back(self, partitions: Collection[TopicPartition]) -> None:
        """Have these, as far as they are owned, placed anew at the next poll. What is read meanwhile is dropped."""
        ...

    def pause(self) -> None:
        """Hold all partitions from the next poll on, also those that come later; polls keep the membership.

        A record that comes nevertheless was taken out of the client before and has to be kept.
        """
        ...

    def resume(self) -> None:
        """Let go of what ``pause`` held; does nothing where nothing is."""
        ...

    def passed(self) -> NextOffsets:
        """Return where reading stands on partitions of which the last poll came to the end.

        That is behind what no reader sees, too: markers of transactions, aborted records. All before it was given to
        the caller, by the last poll at the latest.
        """
        ...

    def show(self, offsets: NextOffsets) -> None:
        """Commit offsets to the group for those who watch its lag; does not wait, never fails."""
        ...
