"""Errors of the way out; the class is the policy."""

from __future__ import annotations


class ProducerError(Exception):
    """Something on the way out failed."""


class RecordTooLarge(ProducerError):
    """The broker or the client would refuse this record for its size; nothing of it was written.

    Policy: the transaction is still usable; route the record elsewhere.

    Attributes:
        index: Which of the records handed over in one call it is. Those before it were taken, those after it not.
    """

    def __init__(self, message: str, *, index: int = 0) -> None:
        """Keep which record it is."""
        super().__init__(message)
        self.index = index


class AbortRequired(ProducerError):
    """The transaction cannot be committed, and the outcome is known: nothing of it is visible.

    Policy: abort, rewind to what is committed, read again.
    """


class DeliveryFailed(AbortRequired):
    """A record was not acknowledged.

    Attributes:
        record_at_fault: The broker refused this very record (its size, its timestamp); sending it
            again cannot help.
        too_large: It was refused for its size, so a smaller one may pass.
    """

    def __init__(self, message: str, *, record_at_fault: bool = False, too_large: bool = False) -> None:
        """Keep whether the record, not the moment, is to blame."""
        super().__init__(message)
        self.record_at_fault = record_at_fault
        self.too_large = too_large


class RecreateRequired(ProducerError):
    """The outcome is not known, or the producer is dead.

    Policy: throw the producer away without flushing, open a new one with the same transactional id
    (which settles the old transaction one way or the other), then rewind to what is committed.
    Retrying on the old producer could let a delayed request land in a later transaction.
    """


class BrokerUnreachable(RecreateRequired):
    """No broker answers. Policy: try again for as long as the service runs; a command stops (exit code 3)."""


class ProducerFenced(RecreateRequired):
    """Another live process has opened a producer with the same transactional id.

    Policy: recreate once; a second time within a minute means a configuration error, so stop.
    """


class SinkRefused(ProducerError):
    """The cluster will not let us write: authorisation, a missing topic, an impossible setting.

    Policy: stop with the message; a person must act.
    """
