"""Maintenance of the three tables: each step does what is due and no more, and offsets stay."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from deltalake import DeltaTable, write_deltalake

from buffer.care_report import Outcome, Step
from buffer.delta_tables import DeltaTables
from buffer.maintainer import Maintainer
from buffer.maintenance import maintain
from buffer.table import Stretch, TableName
from tests.support.buffer_care import (
    LATER,
    a_policy,
    add,
    day_before,
    offsets_of,
    rows_of,
    source_of,
    three_tables,
)


def _days(tables: DeltaTables, name: TableName) -> set[object]:
    return set(tables.of(name).snapshot().dataset().to_table(columns=["record_day"])["record_day"].to_pylist())


def test_old_days_are_dropped_from_all_three_tables(tmp_path: Path) -> None:
    """A day goes once its last moment is older than the retention; the day before that limit stays."""
    tables = three_tables(tmp_path)
    for table in tables:
        add(table, day_before(181), range(3))
        add(table, day_before(180), range(3, 6))
    add(tables.labels, day_before(182), range(6, 9))
    maintain(tables, a_policy(), LATER)
    kept = {name: {day_before(180)} for name in TableName}
    kept[TableName.LABELS].add(day_before(181))  # a label that came shortly before its event stays as long
    assert {name: _days(tables, name) for name in TableName} == kept


def test_dropping_days_touches_no_file(tmp_path: Path) -> None:
    """Retention is one commit of names; files go later, when no version kept needs them."""
    tables = three_tables(tmp_path)
    add(tables.features, day_before(200), range(3))
    files = set(tables.features.snapshot().files or ())
    maintain(tables, a_policy(), LATER)
    assert {file for file in files if Path(file).exists()} == files


def test_files_of_a_busy_day_are_merged(tmp_path: Path) -> None:
    """A day of many small files becomes one file with the same rows."""
    tables = three_tables(tmp_path)
    for number in range(6):
        add(tables.scores, LATER.date(), [number])
    maintain(tables, a_policy(), LATER)
    assert (len(tables.scores.snapshot().files or ()), offsets_of(tables.scores)) == (1, list(range(6)))


def test_nothing_is_committed_when_nothing_is_due(tmp_path: Path) -> None:
    """A second run finds every day done: it says nothing and leaves every version as it was."""
    tables = three_tables(tmp_path)
    for day in (200, 60, 0):
        add(tables.features, day_before(day), range(day, day + 20))
        add(tables.features, day_before(day), range(day + 20, day + 40))
    maintain(tables, a_policy(share=0.5), LATER)
    before = [table.snapshot().version for table in tables]
    second = maintain(tables, a_policy(share=0.5), LATER)
    assert ([table.snapshot().version for table in tables], second.steps) == (before, ())


def test_commits_do_not_grow_dear_over_600_appends(tmp_path: Path) -> None:
    """Live files stay few however many appends there were, and no row is lost."""
    tables = three_tables(tmp_path)
    most = 0
    writer = tables.labels.handle()
    for number in range(600):
        write_deltalake(writer, rows_of(TableName.LABELS, LATER.date(), [number]), mode="append")
        if number % 25 == 0:
            most = max(most, len(writer.file_uris()))
            maintain(tables, a_policy(), LATER)
            writer.update_incremental()
    assert (most, offsets_of(tables.labels)) == (26, list(range(600)))


def test_offsets_outlive_every_step(tmp_path: Path) -> None:
    """Positions are the same after retention, thinning, compaction, vacuum, checkpoint and the end of the old log."""
    tables = three_tables(tmp_path)
    for day in (200, 60, 60, 0, 0, 0, 0, 0):
        first = tables.features.positions([source_of(TableName.FEATURES)]).get(source_of(TableName.FEATURES), 0)
        add(tables.features, day_before(day), range(first, first + 20))
    tables.features.append(rows_of(TableName.FEATURES, day_before(0), []), [Stretch("other/source/1", None, 77)])
    steps = {step.step for step in maintain(tables, a_policy(share=0.5), LATER).steps}
    _age(tmp_path)  # a log is cleaned up to a checkpoint that is old enough itself
    maintain(tables, a_policy(keep_versions=timedelta(hours=2)), LATER)
    assert steps == {Step.RETENTION, Step.THINNING, Step.COMPACTION, Step.CHECKPOINT}
    assert not (tmp_path / "features/_delta_log/00000000000000000001.json").exists()
    assert tables.features.positions([source_of(TableName.FEATURES), "other/source/1"]) == {
        source_of(TableName.FEATURES): 160,
        "other/source/1": 77,
    }


def test_appends_during_maintenance_come_through_once(tmp_path: Path) -> None:
    """A writer that appends to young and old days during merging and thinning loses and doubles nothing."""
    tables = three_tables(tmp_path)
    last = threading.Event()

    def write() -> None:
        for number in range(120):
            add(tables.features, day_before((0, 1, 60)[number % 3]), [number], inline_label="fraud")
        last.set()

    writer = threading.Thread(target=write)
    writer.start()
    reports = []
    others = three_tables(tmp_path)
    while not last.is_set():
        reports.append(maintain(others, a_policy(share=0.5), LATER))
    writer.join()
    assert any(report.changed for report in reports)
    assert offsets_of(tables.features) == list(range(120))


def test_killed_maintenance_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """SIGKILL at any moment leaves every row once and the position where it was."""
    tables = three_tables(tmp_path)
    rng = random.Random(5)
    following = 0
    for _ in range(5):
        with subprocess.Popen(
            [sys.executable, "-m", "tests.support.buffer_caretaker", str(tmp_path)], stdout=subprocess.PIPE
        ) as caretaker:
            assert caretaker.stdout is not None
            caretaker.stdout.readline()  # it has begun
            for _ in range(rng.randint(5, 25)):
                add(tables.features, day_before(rng.choice((0, 60))), [following], inline_label="ok")
                following += 1
            caretaker.send_signal(signal.SIGKILL)
    assert offsets_of(tables.features) == list(range(following))
    assert tables.features.positions([source_of(TableName.FEATURES)]) == {source_of(TableName.FEATURES): following}


@dataclass
class _BusyTable:
    """A table to which somebody appends right after every look at it."""

    tables: DeltaTables
    name: TableName = TableName.FEATURES
    number: int = 100

    def handle(self) -> DeltaTable:
        table = self.tables.features.handle()
        add(self.tables.features, day_before(200), [self.number])
        self.number += 1
        return table


def test_refused_step_is_told_and_left_for_the_next_run(tmp_path: Path) -> None:
    """A day that somebody keeps writing to is not dropped from under the writer, and the other steps are taken."""
    tables = three_tables(tmp_path)
    add(tables.features, day_before(200), [1])
    for number in range(6):
        add(tables.labels, LATER.date(), [number])
    report = maintain([_BusyTable(tables), tables.scores, tables.labels], a_policy(), LATER)
    assert (TableName.FEATURES, Step.RETENTION, Outcome.REFUSED) in {(s.table, s.step, s.outcome) for s in report.steps}
    assert (TableName.LABELS, Step.COMPACTION, Outcome.DONE) in {(s.table, s.step, s.outcome) for s in report.steps}
    assert not report.is_complete


def test_full_disk_fails_the_step_and_changes_nothing(tmp_path: Path) -> None:
    """Maintenance that cannot write says so in its report; rows and positions are as before."""
    tables = three_tables(tmp_path)
    for number in range(6):
        add(tables.labels, LATER.date(), [number])
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.buffer_caretaker", str(tmp_path), "no-room"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "labels compaction failed" in done.stdout
    assert (offsets_of(tables.labels), len(tables.labels.snapshot().files or ())) == (list(range(6)), 6)


def test_maintenance_stops_between_steps_when_told(tmp_path: Path) -> None:
    """A worker that ends does not wait for the whole run."""
    tables = three_tables(tmp_path)
    add(tables.features, day_before(200), [1])
    assert maintain(tables, a_policy(), LATER, should_stop=lambda: True).steps == ()
    assert offsets_of(tables.features) == [1]


def test_maintainer_is_due_after_each_interval_and_never_raises(tmp_path: Path) -> None:
    """A table that cannot be opened is a line of the report; the next run is due an interval later."""
    tables = three_tables(tmp_path)
    moment = LATER
    maintainer = Maintainer(tables, a_policy(), interval=timedelta(minutes=5), clock=lambda: moment)
    assert [maintainer.due(moment), maintainer.due(moment + timedelta(minutes=5))] == [False, True]
    moment += timedelta(minutes=7)
    (tmp_path / "scores").rename(tmp_path / "away")
    failed = {step.table for step in maintainer.run().steps if step.outcome is Outcome.FAILED}
    assert failed == {TableName.SCORES}
    assert [maintainer.due(moment), maintainer.due(moment + timedelta(minutes=5))] == [False, True]


def test_changed_keep_versions_reaches_the_table(tmp_path: Path) -> None:
    """The log and the list of removed files are kept as long as the setting says, from the next run on."""
    tables = three_tables(tmp_path)
    maintain(tables, a_policy(keep_versions=timedelta(days=9)), LATER)
    kept = {table.handle().metadata().configuration["delta.logRetentionDuration"] for table in tables}
    assert kept == {"interval 777600 seconds"}


def _age(folder: Path) -> None:
    """Let every file of the log look 90 days old."""
    for file in folder.glob("*/_delta_log/*"):
        old = file.stat().st_mtime - 90 * 86_400
        os.utime(file, (old, old))
