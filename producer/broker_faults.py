"""Faults on cue: what the next call of a kind to the in-memory broker shall suffer."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, TypeAlias

Call: TypeAlias = Literal["open", "begin", "produce", "flush", "send_offsets", "commit", "abort", "poll", "rewind"]
"""The calls of a sink or a source that can be made to fail."""


class Fault(Enum):
    """How a call fails. The call decides what each means for it; where two would be equal they are.

    Attributes:
        ABORT: Refused, and known to have had no effect: the transaction must be aborted.
        TIMEOUT_APPLIED: It took effect; the answer was lost.
        TIMEOUT_LATE: It reached the coordinator, which finishes it later, at the latest when the
            transactional id is opened again. Until then nothing of it is visible.
        TIMEOUT_LOST: It never arrived; what was open stays open until somebody ends it.
        FENCED: For a sink: another process opened the same transactional id just before.
            For a poll: the group has expelled the member.
    """

    ABORT = "abort"
    TIMEOUT_APPLIED = "timeout_applied"
    TIMEOUT_LATE = "timeout_late"
    TIMEOUT_LOST = "timeout_lost"
    FENCED = "fenced"


@dataclass(slots=True)
class _Cue:
    call: Call
    fault: Fault
    client: str | None
    skip: int


@dataclass(slots=True)
class FaultScript:
    """The faults still to come, each used once, in the order they were asked for."""

    _cues: list[_Cue] = field(default_factory=list)

    def fail_next(self, call: Call, fault: Fault, *, client: str | None = None, skip: int = 0) -> None:
        """Make a later ``call`` fail.

        Args:
            call: The kind of call.
            fault: What happens to it.
            client: Only when this client makes it (a sink's transactional id, a source's group id);
                None for whoever comes first.
            skip: How many such calls pass unharmed before.
        """
        self._cues.append(_Cue(call, fault, client, skip))

    def take(self, call: Call, client: str) -> Fault | None:
        """Return what ``call`` by ``client`` shall suffer now, and forget it; None nearly always."""
        for position, cue in enumerate(self._cues):
            if cue.call != call or cue.client not in {None, client}:
                continue
            if cue.skip == 0:
                del self._cues[position]
                return cue.fault
            cue.skip -= 1
        return None

    def clear(self) -> None:
        """Forget every fault still to come."""
        self._cues.clear()
