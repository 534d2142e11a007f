from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.labels import MAX_LABEL_CHARS, ClassRules, LabelRules, NumberRules, class_name, read_labels
from features.rejection import Problem, Reason
from tests.unit.features.strategies import json_values

MAPPED = ClassRules(mapping={"CB_LOST": "fraud", "1": "fraud", "CB_WON": "ok"})
LISTED = ClassRules(classes=["fraud", "ok", "1"])
ANY = ClassRules()
NUMBERS = NumberRules()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((True, "True", "TRUE", " true "), "true"),
        ((1, 1.0, "1", "1.0", "1.00"), "1"),
        (("fraud", " fraud "), "fraud"),
        ((None, "", "  ", float("nan")), None),
        ((1.5, "1.5"), "1.5"),
        ((0, 0.0, -0.0, "-0.0", "-0"), "0"),
    ],
)
def test_class_name_is_one_whatever_source_spells_it(values: tuple[object, ...], expected: str | None) -> None:
    """A CSV, a Parquet file and an event that mean the same class give one class name."""
    assert {class_name(value) for value in values} == {expected}


@given(st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False), st.text()))
def test_class_name_is_settled_after_one_pass(value: object) -> None:
    """A class name read back from a manifest is the same class."""
    once = class_name(value)
    assert class_name(once) == once


@pytest.mark.parametrize(
    ("rules", "value", "label"),
    [
        (MAPPED, "CB_LOST", "fraud"),
        (MAPPED, " CB_WON ", "ok"),
        (MAPPED, 1.0, "fraud"),
        (MAPPED, "ok", "ok"),
        (MAPPED, None, None),
        (LISTED, "ok", "ok"),
        (LISTED, 1, "1"),
        (ANY, True, "true"),
        (ANY, 0.5, "0.5"),
        (ANY, "x" * MAX_LABEL_CHARS, "x" * MAX_LABEL_CHARS),
        (ANY, "", None),
        (ClassRules(classes=["NaN"]), "NaN", "NaN"),
        (NUMBERS, 12, "12.0"),
        (NUMBERS, " 0.1 ", "0.1"),
        (NUMBERS, -0.0, "-0.0"),
        (NUMBERS, "", None),
        (NUMBERS, None, None),
    ],
)
def test_a_label_has_one_spelling(rules: LabelRules, value: Any, label: str | None) -> None:
    """Maps and classes are compared by class name; a number is written so that it reads back as itself."""
    assert rules.label(value) == label


@pytest.mark.parametrize(
    ("rules", "value", "reason"),
    [
        (MAPPED, "CB_OPEN", Reason.OUT_OF_RANGE),
        (MAPPED, 0, Reason.OUT_OF_RANGE),
        (LISTED, True, Reason.OUT_OF_RANGE),
        (ANY, float("nan"), Reason.NOT_FINITE),
        (ANY, float("-inf"), Reason.NOT_FINITE),
        (ANY, "NaN", Reason.NOT_FINITE),
        (ANY, "x" * (MAX_LABEL_CHARS + 1), Reason.TOO_LARGE),
        (ANY, [1], Reason.WRONG_TYPE),
        (ANY, {"label": 1}, Reason.WRONG_TYPE),
        (NUMBERS, "many", Reason.WRONG_TYPE),
        (NUMBERS, True, Reason.WRONG_TYPE),
        (NUMBERS, [1], Reason.WRONG_TYPE),
        (NUMBERS, float("nan"), Reason.NOT_FINITE),
        (NUMBERS, "1e999", Reason.NOT_FINITE),
        (NUMBERS, 10**400, Reason.NOT_FINITE),
    ],
)
def test_what_is_no_label_is_refused_with_a_reason(rules: LabelRules, value: Any, reason: Reason) -> None:
    """It is neither guessed at nor taken for a retraction."""
    problem = rules.label(value)

    assert isinstance(problem, Problem)
    assert problem.reason is reason


@pytest.mark.parametrize("rules", [MAPPED, LISTED, ANY, NUMBERS], ids=["map", "classes", "any", "numbers"])
@given(values=st.lists(json_values() | st.floats(), max_size=8))
def test_a_column_is_read_as_each_of_its_values(rules: LabelRules, values: list[Any]) -> None:
    """Asking once for each different value changes nothing: 1, 1.0 and true stay three values."""
    labels = read_labels(values, rules)

    one_by_one = [rules.label(value) for value in values]
    assert labels.texts == [None if isinstance(label, Problem) else label for label in one_by_one]
    assert labels.refused == {at: label for at, label in enumerate(one_by_one) if isinstance(label, Problem)}


@pytest.mark.parametrize("rules", [MAPPED, LISTED, ANY, NUMBERS], ids=["map", "classes", "any", "numbers"])
@given(value=json_values())
def test_a_label_read_again_is_the_same_label(rules: LabelRules, value: Any) -> None:
    """What stands in the tables is what the rules that wrote it would say again."""
    label = rules.label(value)

    assert isinstance(label, Problem) or rules.label(label) == label
