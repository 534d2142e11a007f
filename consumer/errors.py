"""Errors of the stream engine; the class is the policy."""

from __future__ import annotations

from collections.abc import Iterable

from producer.records import TopicPartition


class ConsumerError(Exception):
    """Something on the way in failed."""


class PollFailed(ConsumerError):
    """A poll raised and may have dropped records on the way: rewind to what is committed."""


class OffsetsLost(ConsumerError):
    """The committed offset is no longer in the log: records were deleted before they were read.

    Policy: stop and say so; skipping them in silence would break the first promise.

    Attributes:
        partitions: Where, as far as the source says.
    """

    def __init__(self, message: str, *, partitions: Iterable[TopicPartition] = ()) -> None:
        """Keep which partitions it is."""
        super().__init__(message)
        self.partitions = frozenset(partitions)


class SourceRefused(ConsumerError):
    """The cluster will not let us read: authorisation, a fatal client error. Policy: stop."""


class SourceUnreachable(ConsumerError):
    """No broker answers. Policy: a command stops (exit code 3); the service's own source just waits."""


class WorkerStopped(ConsumerError):
    """The worker cannot go on and says why."""


class StuckBatch(WorkerStopped):
    """One record, alone in its batch, fails again and again at the same step of publishing."""


class IdentityTaken(WorkerStopped):
    """Another live process uses the same transactional id (exit code 4)."""
