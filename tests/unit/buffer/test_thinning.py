"""Thinning: which rows stay, with which weight, and that nothing is thinned twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from deltalake import Field
from deltalake.schema import PrimitiveType
from hypothesis import given
from hypothesis import strategies as st

from buffer.delta_tables import DeltaTables
from buffer.maintenance import maintain
from buffer.thinning import is_sampled
from tests.support.buffer_care import LATER, a_policy, add, day_before, noon, read, three_tables

OLD = day_before(60)
EVENTS = 40
SAMPLED = [n for n in range(EVENTS) if is_sampled(f"event-{n}", 0.25)]
OTHER = next(n for n in range(EVENTS) if n not in SAMPLED)


def _weights(tables: DeltaTables) -> dict[str, float | None]:
    return dict(read(tables.features, "event_id", "sample_weight"))


def _thinned(folder: Path, *, share: float = 0.25) -> DeltaTables:
    tables = three_tables(folder)
    add(tables.features, OLD, range(EVENTS))
    maintain(tables, a_policy(share=share), LATER)
    return tables


def test_unlabelled_events_are_kept_by_their_id_with_the_inverse_weight(tmp_path: Path) -> None:
    """Which events stay follows from their ids alone, and their weights stand for those that went."""
    assert _weights(_thinned(tmp_path)) == {f"event-{n}": 4.0 for n in SAMPLED}


def test_choice_by_id_is_the_same_for_ever() -> None:
    """A change of this digest would choose other events on a new version than on the old one."""
    assert [n for n in range(12) if is_sampled(f"event-{n}", 0.5)] == [0, 5, 7, 8, 9]


@given(st.text(max_size=30), st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_smaller_share_is_a_part_of_the_larger(event_id: str, one: float, other: float) -> None:
    """Lowering the share later drops rows, and never wants one back that is gone."""
    if is_sampled(event_id, min(one, other)):
        assert is_sampled(event_id, max(one, other))


LABELLED: dict[str, list[dict[str, Any]]] = {
    "label": [{}],
    "later correction": [{"label_time": noon(day_before(50))}, {"label": "ok", "label_time": noon(day_before(49))}],
    "retraction that came late but is older": [{}, {"label": None, "label_time": noon(day_before(61))}],
    "refused retraction": [{}, {"label": None, "refused": "odd", "label_time": noon(day_before(1))}],
}
UNLABELLED: dict[str, list[dict[str, Any]]] = {
    "retracted": [{}, {"label": None, "label_time": noon(day_before(59))}],
    "retracted by the later arrival": [{}, {"label": None, "record_time": noon(day_before(54))}],
    "refused": [{"label": None, "refused": "odd"}],
}


@pytest.mark.parametrize("labels", [*LABELLED.values(), *UNLABELLED.values()], ids=[*LABELLED, *UNLABELLED])
def test_event_stays_whole_if_the_label_that_wins_is_one(labels: list[dict[str, Any]], tmp_path: Path) -> None:
    """The last label by its time counts, of two the later arrived; a retraction and a refused value are none."""
    tables = three_tables(tmp_path)
    add(tables.features, OLD, [OTHER])
    for offset, columns in enumerate(labels):
        add(
            tables.labels, day_before(55), [offset], **{"event_id": f"event-{OTHER}", "label_time": noon(OLD)} | columns
        )
    maintain(tables, a_policy(share=0.25), LATER)
    assert _weights(tables) == ({f"event-{OTHER}": 1.0} if labels in LABELLED.values() else {})


def test_inline_label_keeps_an_event(tmp_path: Path) -> None:
    """An event that carries its label needs none from the topic."""
    tables = three_tables(tmp_path)
    add(tables.features, OLD, [OTHER], inline_label="ok")
    maintain(tables, a_policy(share=0.25), LATER)
    assert _weights(tables) == {f"event-{OTHER}": 1.0}


def test_young_events_are_not_touched(tmp_path: Path) -> None:
    """Neither a day within max_delay, nor an event of an old day whose own time is within it, waits in vain."""
    tables = three_tables(tmp_path)
    add(tables.features, OLD, [OTHER], event_time=noon(day_before(29)))
    add(tables.features, day_before(30), [OTHER + 100])
    maintain(tables, a_policy(share=0.01), LATER)
    assert _weights(tables) == {f"event-{OTHER}": None, f"event-{OTHER + 100}": None}


def test_label_that_came_in_time_has_a_day_to_get_into_the_table(tmp_path: Path) -> None:
    """It waits in memory until the next flush, or in its topic while a worker is started again."""
    tables = three_tables(tmp_path)
    add(tables.features, OLD, [OTHER], event_time=LATER - timedelta(days=30, hours=23))
    maintain(tables, a_policy(share=0.01), LATER)
    add(tables.labels, day_before(0), [1], event_id=f"event-{OTHER}")
    maintain(tables, a_policy(share=0.01), LATER + timedelta(hours=2))
    assert _weights(tables) == {f"event-{OTHER}": 1.0}


def test_weights_are_never_written_again(tmp_path: Path) -> None:
    """Neither a second run, nor a smaller share, nor a label that comes after all changes what a row stands for."""
    tables = _thinned(tmp_path)
    add(tables.labels, day_before(0), [1], event_id=f"event-{SAMPLED[0]}")
    report = maintain(tables, a_policy(share=0.01), LATER)
    assert (report.changed, _weights(tables)) == (False, {f"event-{n}": 4.0 for n in SAMPLED})


def test_rows_that_come_late_to_a_thinned_day_are_thinned_alone(tmp_path: Path) -> None:
    """Old rows keep their weights when a day is taken up again for new ones."""
    tables = _thinned(tmp_path)
    add(tables.features, OLD, range(EVENTS, 2 * EVENTS), inline_label="ok")
    maintain(tables, a_policy(share=0.25), LATER)
    late = {f"event-{n}": 1.0 for n in range(EVENTS, 2 * EVENTS)}
    assert _weights(tables) == {f"event-{n}": 4.0 for n in SAMPLED} | late


def test_day_written_to_lately_is_left_alone(tmp_path: Path) -> None:
    """History is loaded before its labels are: it is not thinned in between."""
    tables = three_tables(tmp_path)
    add(tables.features, OLD, range(EVENTS))
    maintain(tables, a_policy(share=0.25), datetime.now(UTC) + timedelta(hours=23))
    assert set(_weights(tables).values()) == {None}


def test_share_of_one_keeps_everything_as_it_is(tmp_path: Path) -> None:
    """Without thinning no row is rewritten and none has a weight."""
    assert set(_weights(_thinned(tmp_path, share=1.0)).values()) == {None}


def test_other_columns_survive_thinning(tmp_path: Path) -> None:
    """A kept row is the row it was, but for its weight; a column that the files lack stays null."""
    tables = three_tables(tmp_path)
    add(tables.features, OLD, range(EVENTS), record_key=b"\x00\xff'\"")
    columns = [name for name in tables.features.schema.names if name != "sample_weight"]
    before = read(tables.features, *columns)
    tables.features.handle().alter.add_columns([Field("added", PrimitiveType("double"))])
    maintain(tables, a_policy(share=0.25), LATER)
    after = read(tables.features, *columns, "added")
    assert after == [(*row, None) for row in before if row[columns.index("event_id")] in _weights(tables)]
