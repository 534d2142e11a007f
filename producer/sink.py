"""The way out: a sink that publishes records and consumed offsets as one unit."""

from __future__ import annotations

from typing import Protocol

from producer.records import Headers, NextOffsets, RecordColumns


class GroupHandle(Protocol):
    """The consumer group as a sink needs it, taken freshly from the source before each commit.

    A transactional sink reads ``metadata``; a sink without transactions calls ``commit`` after its
    records are delivered.
    """

    @property
    def metadata(self) -> object:
        """Return what the transaction coordinator checks: group, member, generation."""
        ...

    def commit(self, offsets: NextOffsets) -> None:
        """Commit the offsets to the group outside any transaction; return when acknowledged."""
        ...


class RecordSink(Protocol):
    """Publishes records and offsets together. Single-threaded: one owner calls everything.

    The order is ``open``, then for each batch ``begin``, ``produce`` and ``produce_many`` as often as needed,
    ``flush``, ``send_offsets``, ``commit``. Under ``exactly_once`` a ``read_committed`` reader sees all records of
    a batch and the offsets advance, or neither. Under ``at_least_once`` the offsets advance only after
    every record was acknowledged.

    Every method may raise a ``ProducerError``; its class says what to do next.
    """

    def open(self) -> None:
        """Connect, and settle whatever a predecessor with this id left unfinished."""
        ...

    def begin(self) -> None:
        """Start a batch."""
        ...

    def produce(  # noqa: PLR0913 - a record has this many parts
        self,
        topic: str,
        *,
        key: bytes | None,
        value: bytes | None,
        timestamp_ms: int,
        headers: Headers = (),
        partition: int | None = None,
    ) -> None:
        """Hand over one record; it is not yet safe.

        With no ``partition`` the key decides (murmur2, as the Java client does).

        Raises:
            RecordTooLarge: Refused for its size; the batch goes on without it.
        """
        ...

    def produce_many(self, topic: str, records: RecordColumns) -> None:
        """Hand over records in their order, as ``produce`` would one by one.

        Raises:
            RecordTooLarge: One was refused for its size. Its ``index`` says which; those before it are handed
                over, those after it are not.
        """
        ...

    def flush(self) -> None:
        """Return when every record of this batch is acknowledged.

        Raises:
            DeliveryFailed: One was not.
        """
        ...

    def send_offsets(self, offsets: NextOffsets, group: GroupHandle) -> None:
        """Add the consumed offsets to the batch.

        Raises:
            AbortRequired: The group has moved on without this member (stale generation).
        """
        ...

    def commit(self) -> None:
        """Make records and offsets visible as one unit.

        Raises:
            RecreateRequired: It may or may not have happened.
        """
        ...

    def abort(self) -> None:
        """Undo the batch. Raises ``RecreateRequired`` when that cannot be known to have happened."""
        ...

    def reopen(self) -> None:
        """Throw the client away without flushing and open a new one with the same identity.

        After it returns the outcome of the last batch is definite.

        Raises:
            ProducerFenced: Another live process owns the identity.
        """
        ...

    def partition_count(self, topic: str) -> int:
        """Return the number of partitions of a topic.

        Raises:
            SinkRefused: The topic does not exist; topics are never created on the side.
        """
        ...

    def close(self) -> None:
        """Release the client; never raises, never blocks longer than a few seconds."""
        ...
