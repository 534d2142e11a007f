from __future__ import annotations

import pytest

from models.store import LogEntry
from service.model_history import failed_checks, forced_by, last_gate, past_champions, was_champion


def log_of(*decisions: str) -> list[LogEntry]:
    """Return a log written as ``promoted v1``."""
    pairs = [decision.split() for decision in decisions]
    return [LogEntry(at, event, version, "ann@host", "why", {}) for at, (event, version) in enumerate(pairs)]


@pytest.mark.parametrize(
    ("log", "current", "expected"),
    [
        ((), None, []),
        (("promoted v1",), "v1", []),
        (("promoted v1", "promoted v2", "forced v3"), "v3", ["v1", "v2"]),
        (("promoted v1", "promoted v2", "promoted v3", "rolled_back v2"), "v2", ["v1"]),
        (("promoted v1", "promoted v2", "rolled_back v1", "promoted v3"), "v3", ["v1"]),
        (("promoted v1", "promoted v2", "promoted v1"), "v1", ["v2"]),
        (("promoted v1", "rejected v2", "published v3"), "v1", []),
        (("promoted v2", "rolled_back v1"), "v1", []),
    ],
)
def test_past_champions_never_leads_back_to_what_was_left(
    log: tuple[str, ...], current: str | None, expected: list[str]
) -> None:
    """Rolling back twice goes two steps back; a version left for a reason is not returned to by itself."""
    assert past_champions(log_of(*log), current) == expected


def test_was_champion_holds_for_what_stood_there_once() -> None:
    """Being stored or rejected does not make a champion."""
    log = log_of("promoted v1", "forced v2", "rejected v3", "published v4")
    assert [was_champion(log, version) for version in ("v1", "v2", "v3", "v4")] == [True, True, False, False]


def test_last_gate_is_the_latest_verdict_of_that_version() -> None:
    """A version judged again is known by what was found last."""
    old = LogEntry(1, "published", "v1", "a", "r", {"gate": {"promote": False}})
    new = LogEntry(2, "promoted", "v1", "a", "r", {"gate": {"promote": True}})
    assert last_gate([old, new, *log_of("promoted v1")], "v1") == {"promote": True}
    assert last_gate([old, new], "v2") is None


def test_forced_by_names_who_forced_a_version_last() -> None:
    """Whoever looks at a version sees that a person, not the gate, chose it."""
    assert forced_by(log_of("promoted v1"), "v1") is None
    entry = forced_by(log_of("forced v1", "forced v2"), "v1")
    assert entry is not None
    assert (entry.at_ms, entry.actor, entry.reason) == (0, "ann@host", "why")


def test_failed_checks_are_told_by_name_and_figure() -> None:
    """Only what failed is repeated."""
    gate = {"checks": [{"name": "a", "passed": True, "detail": "x"}, {"name": "b", "passed": False, "detail": "y"}]}
    assert failed_checks(gate) == ["b: y"]
