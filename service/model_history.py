"""What the log of a model store says: who was champion when, which gate a version passed, who forced what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from models.store import LogEntry

PUBLISHED: Final = "published"
PROMOTED: Final = "promoted"
REJECTED: Final = "rejected"
ROLLED_BACK: Final = "rolled_back"
FORCED: Final = "forced"
GATE: Final = "gate"  # in the details of an entry: the verdict, as ``Verdict.as_json`` has it
PREVIOUS: Final = "previous"  # likewise: the champion before


def past_champions(log: Sequence[LogEntry], current: str | None) -> list[str]:
    """Return the champions that a roll back can go to, the latest last; the current one is not among them.

    A roll back takes what it left off the list, so that rolling back twice goes two steps back and never
    forth again to the version that was left for a reason.
    """
    line: list[str] = []
    for entry in log:
        if entry.event in (PROMOTED, FORCED):
            line = [*(version for version in line if version != entry.version), entry.version]
        elif entry.event == ROLLED_BACK:
            line = line[: line.index(entry.version) + 1] if entry.version in line else [entry.version]
    return [version for version in line if version != current]


def was_champion(log: Sequence[LogEntry], version: str) -> bool:
    """Return whether a version has been champion at any time."""
    return any(entry.version == version and entry.event in (PROMOTED, FORCED, ROLLED_BACK) for entry in log)


def last_gate(log: Sequence[LogEntry], version: str) -> Mapping[str, Any] | None:
    """Return the latest verdict recorded of a version, or None where it was never judged."""
    for entry in reversed(log):
        if entry.version == version and isinstance(entry.details.get(GATE), Mapping):
            gate: Mapping[str, Any] = entry.details[GATE]
            return gate
    return None


def forced_by(log: Sequence[LogEntry], version: str) -> LogEntry | None:
    """Return the entry of the last time somebody forced a version, or None."""
    return next((e for e in reversed(log) if e.version == version and e.event == FORCED), None)


def failed_checks(gate: Mapping[str, Any]) -> list[str]:
    """Return the lines of the checks that failed in a recorded verdict."""
    checks = gate.get("checks", [])
    return [f"{check['name']}: {check['detail']}" for check in checks if not check.get("passed", False)]
