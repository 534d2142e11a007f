"""What maintenance did, and what it left for the next time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from buffer.table import TableName


class Step(StrEnum):
    """The steps of maintenance, in the order they are taken."""

    PROPERTIES = "properties"
    RETENTION = "retention"
    THINNING = "thinning"
    COMPACTION = "compaction"
    VACUUM = "vacuum"
    CHECKPOINT = "checkpoint"


class Outcome(StrEnum):
    """How a step ended."""

    DONE = "done"
    NOTHING = "nothing"  # there was nothing to do
    REFUSED = "refused"  # another writer was faster; the next run tries again
    FAILED = "failed"  # disk full, storage away; the next run tries again


@dataclass(frozen=True, slots=True)
class Work:
    """What a step changed; all zero means that there was nothing to do.

    Attributes:
        days: How many days were changed.
        rows: Rows dropped.
        files: Files removed from the newest version, or from the folder by the vacuum.
        new_files: Files written in their place.
        bytes: Bytes of ``files``; 0 where nobody knows.
        new_bytes: Bytes of ``new_files``.
        versions: Commits that the table needed, for steps that change no rows.
    """

    days: int = 0
    rows: int = 0
    files: int = 0
    new_files: int = 0
    bytes: int = 0
    new_bytes: int = 0
    versions: int = 0

    def __bool__(self) -> bool:
        """Return whether anything was done."""
        return self != Work()

    def __add__(self, other: Work) -> Work:
        """Return both together."""
        return Work(
            self.days + other.days,
            self.rows + other.rows,
            self.files + other.files,
            self.new_files + other.new_files,
            self.bytes + other.bytes,
            self.new_bytes + other.new_bytes,
            self.versions + other.versions,
        )


@dataclass(frozen=True, slots=True)
class StepReport:
    """One step on one table.

    Attributes:
        table: Which table.
        step: Which step.
        outcome: How it ended; what was done before a refusal or failure is in ``work`` all the same.
        work: What it changed.
        detail: Why it was refused or failed, in one line; else empty.
    """

    table: TableName
    step: Step
    outcome: Outcome
    work: Work
    detail: str = ""


@dataclass(frozen=True, slots=True)
class CareReport:
    """One run of maintenance, in the order things were done."""

    steps: tuple[StepReport, ...]

    @property
    def changed(self) -> bool:
        """Return whether any table was changed."""
        return any(step.work for step in self.steps)

    @property
    def is_complete(self) -> bool:
        """Return whether no step was refused or failed."""
        return not any(step.outcome in (Outcome.REFUSED, Outcome.FAILED) for step in self.steps)
