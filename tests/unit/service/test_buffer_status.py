from __future__ import annotations

import json
from pathlib import Path

from service.buffer_status import buffer_status
from tests.unit.buffer.histories import Event, History, Label
from tests.unit.service.made_up_buffer import NOW_MS, filled, settings_in

LABELS = [
    Label("labels", 0, 0, 30, "e0", time=30, label="ok"),
    Label("labels", 0, 1, 31, "e0", time=31, label="fraud"),
    Label("labels", 0, 2, 31, "unknown", time=31, label="ok"),
    Label("labels", 0, 3, 31, "e1", time=31, refused="unknown_class"),
]
EVENTS = [Event("pay", 0, n, 20, f"e{n}", time=20, weight=4.0 if n else None) for n in range(4)]


def test_status_accounts_for_tables_labels_and_days(tmp_path: Path) -> None:
    """What a program reads: sizes, one outcome for every label row, delays, coverage, thinning."""
    filled(tmp_path, History(events=EVENTS, labels=LABELS))
    found = json.loads(json.dumps(buffer_status(settings_in(tmp_path), now_ms=NOW_MS).as_json()))
    assert {name: table["rows"] for name, table in found["tables"].items()} == {"features": 4, "scores": 0, "labels": 4}
    assert found["tables"]["features"]["bytes_at_retention"] == 180 * found["tables"]["features"]["bytes"]
    counted = {name: count for name, count in found["labels"].items() if count}
    assert counted == {"matched": 1, "corrected": 1, "pending": 1, "refused": {"unknown_class": 1}}
    assert [bucket for bucket in found["label_delays"] if bucket["labels"]] == [{"at_most_seconds": 60.0, "labels": 1}]
    assert found["coverage"] == [{"day": "2026-01-31", "events": 4, "labelled": 1, "share": 1 / 13}]
    assert found["thinned_rows"] == 3


def test_status_is_aligned_and_says_what_each_number_is(tmp_path: Path) -> None:
    """A person reads it without a manual."""
    filled(tmp_path, History(events=EVENTS, labels=LABELS))
    lines = list(buffer_status(settings_in(tmp_path), now_ms=NOW_MS).lines())
    text = "\n".join(lines)
    assert lines[0] == f"{tmp_path / 'buffer'}: kept for 180d"
    assert "corrected  1  25.0%  says something else than the one before it" in text
    assert "2026-01-31       4         1  7.7%  ██▎" in text
    assert max(map(len, lines)) <= 110


def test_status_of_empty_tables_is_zero(tmp_path: Path) -> None:
    """The first look comes before the first event."""
    filled(tmp_path, History())
    found = buffer_status(settings_in(tmp_path), now_ms=NOW_MS)
    assert [table.rows for table in found.tables] == [0, 0, 0]
    assert any(line.startswith("features     0") for line in found.lines())
