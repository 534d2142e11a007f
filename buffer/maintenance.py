"""What keeps the tables fast and small: retention, thinning, compaction, vacuum, checkpoints. Offsets stay as they are.

Each step is a commit of its own that either happens or not, so maintenance may be killed at any moment. Appends go on
meanwhile; where one of them is faster the step is refused and the next run takes it up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Protocol, TypeAlias
from urllib.parse import unquote, urlsplit

from deltalake import DeltaTable

from buffer.care_report import CareReport, Outcome, Step, StepReport, Work
from buffer.cleaning import align_properties, checkpoint, vacuum
from buffer.compaction import CompactionRule, compact_day, days_to_compact
from buffer.delta_durable import make_durable
from buffer.delta_errors import CommitConflict, shortened, translated
from buffer.live_rows import LiveRows
from buffer.retention import drop_old_days, first_kept_day
from buffer.table import TableName
from buffer.thinning import ThinningRule, days_to_thin, thin_day

ATTEMPTS: Final = 3
EARLY_LABELS: Final = timedelta(days=1)  # how much longer they stay: one may come before its event
_PANIC: Final = "PanicException"  # of the table library; not an ``Exception``


class CaredTable(Protocol):
    """A table that is looked after; ``buffer.delta.DeltaBufferTable`` is one."""

    @property
    def name(self) -> TableName:
        """Return which of the three it is."""
        ...

    def handle(self) -> DeltaTable:
        """Return a new object at the newest version; may be called from any thread."""
        ...


@dataclass(frozen=True, slots=True)
class CarePolicy:
    """What is kept and for how long.

    Attributes:
        retention: How long rows are kept, in whole days.
        keep_versions: How long files are kept that no longer belong to the newest version.
        thinning: Which unlabelled events are dropped.
        compaction: When files are merged.
    """

    retention: timedelta
    keep_versions: timedelta
    thinning: ThinningRule
    compaction: CompactionRule = field(default_factory=CompactionRule)


Stopping: TypeAlias = Callable[[], bool]


def maintain(
    tables: Iterable[CaredTable], policy: CarePolicy, now: datetime, *, should_stop: Stopping = lambda: False
) -> CareReport:
    """Do what is due, table by table, always in the same order; a step that fails does not keep the others from it.

    Costs one look at each table's log and a listing of its files where nothing is due. One process at a time should do
    it: two do no harm, but refuse each other.

    Args:
        tables: All three.
        policy: What is kept.
        now: The time.
        should_stop: Asked between two days and two steps.
    """
    by_name = {table.name: table for table in tables}
    runs = [_Run(by_name[name], by_name[TableName.LABELS], policy, now, should_stop) for name in TableName]
    return CareReport(tuple(report for run in runs for report in run.reports()))


@dataclass(frozen=True, slots=True)
class _Run:
    table: CaredTable
    labels: CaredTable
    policy: CarePolicy
    now: datetime
    should_stop: Stopping

    def reports(self) -> Iterator[StepReport]:
        changed = False
        for step, works in self._steps():
            if self.should_stop() or (step is Step.CHECKPOINT and not changed):
                continue
            report = self._taken(step, works)
            changed = changed or bool(report.work)
            if report.outcome is not Outcome.NOTHING:
                yield report
            if step is Step.PROPERTIES and report.outcome is Outcome.FAILED:
                return  # the table cannot even be opened; once is enough to say so

    def _steps(self) -> Iterator[tuple[Step, Callable[[], Iterator[Work]]]]:
        yield Step.PROPERTIES, self._properties
        yield Step.RETENTION, self._retention
        if self.table.name is TableName.FEATURES:
            yield Step.THINNING, self._thinning
        yield Step.COMPACTION, self._compaction
        yield Step.VACUUM, self._vacuum
        yield Step.CHECKPOINT, self._checkpoint

    def _taken(self, step: Step, works: Callable[[], Iterator[Work]]) -> StepReport:
        """Take a step, again where another writer was faster; whatever it did before it failed counts."""
        done = Work()
        outcome, detail = Outcome.NOTHING, ""
        for _ in range(ATTEMPTS):
            try:
                for work in works():
                    done += work
                outcome, detail = (Outcome.DONE if done else Outcome.NOTHING), ""
                break
            except CommitConflict as error:
                outcome, detail = Outcome.REFUSED, shortened(str(error))
            except BaseException as error:  # one step must not keep the others from their work
                if not (isinstance(error, Exception) or type(error).__name__ == _PANIC):
                    raise
                outcome, detail = Outcome.FAILED, shortened(str(error) or type(error).__name__)
                break
        return StepReport(self.table.name, step, outcome, done, detail)

    def _properties(self) -> Iterator[Work]:
        with self._changing() as table:
            yield align_properties(table, self.policy.keep_versions)

    def _retention(self) -> Iterator[Work]:
        kept = self.policy.retention + (EARLY_LABELS if self.table.name is TableName.LABELS else timedelta(0))
        with self._changing() as table:
            yield drop_old_days(table, first_kept_day(self.now, kept))

    def _thinning(self) -> Iterator[Work]:
        rule = self.policy.thinning
        for day in days_to_thin(self.table.handle(), rule, self.now):
            if self.should_stop():
                return
            with self._changing() as table:
                labels = LiveRows(TableName.LABELS, self.labels.handle())
                yield thin_day(table, day, labels=labels, rule=rule, now=self.now)

    def _compaction(self) -> Iterator[Work]:
        rule = self.policy.compaction
        for day in days_to_compact(self.table.handle(), rule, self.now):
            if self.should_stop():
                return
            with self._changing() as table:
                yield compact_day(table, day, rule)

    def _vacuum(self) -> Iterator[Work]:
        with self._changing() as table:
            yield vacuum(table, self.policy.keep_versions)

    def _checkpoint(self) -> Iterator[Work]:
        with self._changing() as table:
            yield checkpoint(table)

    @contextmanager
    def _changing(self) -> Iterator[DeltaTable]:
        with changing(self.table.handle()) as table:
            yield table


@contextmanager
def changing(table: DeltaTable) -> Iterator[DeltaTable]:
    """Let a table be changed; what was committed is on the disk afterwards, errors are the buffer's own.

    Raises:
        CommitConflict: Another commit was faster; nothing was changed.
        BufferingError: It could not be done.
    """
    before = table.version()
    parts = urlsplit(table.table_uri)
    with translated(table.table_uri):
        yield table
        if parts.scheme == "file":
            for version in range(before + 1, table.version() + 1):
                make_durable(Path(unquote(parts.path)), version)
