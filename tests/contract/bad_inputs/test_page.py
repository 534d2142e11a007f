"""The page for users says what the tests hold."""

from __future__ import annotations

import re
from pathlib import Path

from features.rejection import Reason
from tests.contract.bad_inputs import avro_inputs, json_inputs, label_inputs, registry_inputs
from tests.contract.bad_inputs.case import SCORED

PAGE = Path(__file__).parents[3] / "docs" / "bad-inputs.md"
ELSEWHERE = {8, 41, 42}  # what they end in is no outcome of a record
CASES = [
    *(*json_inputs.DECODED, *json_inputs.TOO_LARGE_TO_ANSWER, *json_inputs.REFUSED),
    *(*avro_inputs.DECODED, *registry_inputs.DECODED),
    *(*label_inputs.JSON_REFUSED, *label_inputs.AVRO_REFUSED),
]


def outcomes_of_the_page() -> dict[int, set[str]]:
    """Return the outcomes named in the last column, by number."""
    records = PAGE.read_text().partition("## Files")[0]
    rows = [line.strip().strip("|").split("|") for line in records.splitlines() if re.match(r"\| \d", line)]
    return {int(row[0]): set(re.findall(r"`(\w+)`", row[-1])) for row in rows}


def test_page_has_every_number() -> None:
    """Nothing of the list is passed over in silence."""
    assert sorted(outcomes_of_the_page()) == list(range(1, 47))


def test_page_states_the_outcomes_that_are_tested() -> None:
    """What a user reads is what the worker does, no outcome more and none less."""
    tested: dict[int, set[str]] = {number: set() for number in ELSEWHERE}
    for case in CASES:
        tested.setdefault(case.number, set()).add(str(case.outcome))
    assert outcomes_of_the_page() == tested


def test_page_names_every_reason() -> None:
    """A reason that a dead letter can have is met by some row."""
    assert set().union(*outcomes_of_the_page().values()) == {*Reason, SCORED}
