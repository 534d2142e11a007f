from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from buffer.accounts import BUCKETS, LabelAccount, LabelOutcomes, account_labels
from buffer.delta_tables import DeltaTables
from tests.unit.buffer.examples_oracle import arrival, judge_all
from tests.unit.buffer.histories import Event, History, Label, at, fill, random_history, tables_in

DELAY = 8
NOW = 40


def account(tables: DeltaTables, *, retention: timedelta = timedelta(days=9), now: int = NOW) -> LabelAccount:
    """Return the account at the end of every made-up history."""
    return account_labels(
        tables, as_of_ms=int(at(now).timestamp() * 1000), max_delay=timedelta(seconds=DELAY), retention=retention
    )


def outcomes(history: History) -> Counter[str]:
    """Return what became of each row that is not refused, by loops."""
    found: Counter[str] = Counter()
    for event_id in {row.event_id for row in history.labels}:
        rows = [row for row in history.labels if row.event_id == event_id and row.refused is None]
        rows.sort(key=lambda row: (row.time, arrival(row), *row.place))
        events = [event.time for event in history.events if event.event_id == event_id]
        for before, row in zip([None, *rows], rows, strict=False):
            found[outcome(row, before, min(events, default=None))] += 1
    return found


def outcome(row: Label, before: Label | None, happened: int | None) -> str:
    """Return what became of one row."""
    arrived = row.time if row.written is None else row.written
    if before is not None and before.label == row.label:
        return "duplicate"
    if row.label is None:
        return "retracted"
    if before is not None:
        return "corrected"
    if happened is None:
        return "pending" if NOW - arrived <= DELAY else "orphan"
    return "late" if arrived - happened > DELAY else "matched"


@pytest.mark.parametrize("seed", range(8))
def test_every_label_row_has_one_outcome(tmp_path: Path, seed: int) -> None:
    """The account adds up to the table, and says of each row what loops over the rows say."""
    history = random_history(random.Random(seed), size=80)
    history.labels[:5] = [Label(**{**vars(row), "event_id": f"unknown-{row.offset}"}) for row in history.labels[:5]]
    tables = tables_in(tmp_path)
    fill(tables, history)
    found = account(tables).outcomes
    assert {name: count for name, count in found.counts().items() if count} == dict(outcomes(history))
    assert found.rows == len(history.labels)
    assert found.refused == {"unknown_class": sum(row.refused is not None for row in history.labels)}


@pytest.mark.parametrize("seed", range(3))
def test_coverage_is_of_the_events_there_were(tmp_path: Path, seed: int) -> None:
    """By day of the event; a row that stands for ten unlabelled ones counts as ten."""
    history = random_history(random.Random(seed))
    tables = tables_in(tmp_path)
    fill(tables, history)
    labelled = judge_all(history)
    for day in account(tables).coverage:
        events = [event for event in history.events if at(event.time).date() == day.day]
        known = [event for event in events if event.place in labelled]
        weights = [sum(e.weight or 1.0 for e in some) for some in (known, events)]
        assert (day.events, day.labelled) == (len(events), len(known))
        assert day.share == pytest.approx(weights[0] / weights[1])


def test_an_unmatched_label_expires_when_retention_may_have_dropped_its_event(tmp_path: Path) -> None:
    """Labels outlive their events: what nobody can tell any more is no orphan."""
    tables = tables_in(tmp_path)
    fill(tables, History(labels=[Label("labels", 0, 0, 0, "e", time=0, label="ok")]))
    expected = [LabelOutcomes(pending=1), LabelOutcomes(orphan=1), LabelOutcomes(expired=1)]
    found = [account(tables, retention=timedelta(seconds=20), now=now).outcomes for now in (DELAY, 12, 13)]
    assert found == expected


def test_delays_are_counted_by_bucket(tmp_path: Path) -> None:
    """From the event to the arrival of its first label; the first number is of labels before their event."""
    tables = tables_in(tmp_path)
    arrivals = (-5, 0, 60, 61, 86_400, 400 * 86_400)
    events = [Event("pay", 0, n, 5, f"e{n}", time=0) for n in range(len(arrivals))]
    labels = [Label("labels", 0, n, a, f"e{n}", time=0, label="ok") for n, a in enumerate(arrivals)]
    fill(tables, History(events=events, labels=labels))
    delays = account(tables, now=401 * 86_400).delays
    counted = {bound: count for bound, count in zip([*BUCKETS, None], delays, strict=True) if count}
    minute, ten, day = timedelta(minutes=1), timedelta(minutes=10), timedelta(days=1)
    assert counted == {timedelta(0): 2, minute: 1, ten: 1, day: 1, None: 1}


def test_thinned_rows_are_those_that_stand_for_others(tmp_path: Path) -> None:
    """A labelled row gets weight 1 when its day is thinned: it stands for itself."""
    tables = tables_in(tmp_path)
    weights = (None, 1.0, 10.0)
    fill(tables, History(events=[Event("pay", 0, n, 5, "e", weight=w) for n, w in enumerate(weights)]))
    assert account(tables).thinned == 1


def test_the_account_of_empty_tables_is_empty(tmp_path: Path) -> None:
    """The first look comes before the first event."""
    found = account(tables_in(tmp_path))
    assert (found.outcomes, found.coverage, sum(found.delays)) == (LabelOutcomes(), (), 0)
