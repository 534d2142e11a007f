from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import numpy as np
import pytest

from features.batch import Column
from features.schema import FeatureSchema
from models.base import Scores, Task
from models.checks import check_model
from tests.support.models import number_columns, number_schema


@dataclass
class Sums:
    """A sound regression, the sum of the columns, or one with a fault put in."""

    fault: Callable[[Any, Mapping[str, Column]], Any] = lambda sums, _: sums
    kind: str = "sums"
    task: Task = Task.REGRESSION
    schema: FeatureSchema = field(default_factory=number_schema)
    classes: Sequence[str] = ()

    def score_many(self, columns: Mapping[str, Column]) -> Scores:
        """Return the sum of each row, exactly the same in any batch."""
        sums = np.zeros(len(columns["age"]))
        for name in self.schema.names:
            sums = sums + columns[name]
        given = self.fault(sums, columns)
        return given if isinstance(given, Scores) else Scores(np.asarray(given))


def scribble(sums: Any, columns: Mapping[str, Column]) -> Any:
    """Return the sums, and spoil the batch."""
    columns["age"][:] = 0.0
    return sums


def drifting() -> Callable[[Any, Mapping[str, Column]], Any]:
    """Return a fault that is larger with every call."""
    calls = count()
    return lambda sums, _: sums + next(calls)


def test_sound_model_has_no_findings() -> None:
    """The suite is for models of any kind, not of one library."""
    assert check_model(Sums(), number_columns()) == []


@pytest.mark.parametrize(
    ("fault", "finding"),
    [
        (scribble, "leave its input"),
        (drifting(), "same rows"),
        (lambda sums, columns: sums - columns["age"].sum() * 1e-6, "scored alone"),
        (lambda sums, _: np.sort(sums), "order of the rows"),
        (lambda sums, columns: sums * len(columns), "not its own"),
        (lambda sums, columns: sums + 0.0 * columns["age"][0], "no rows"),
        (lambda sums, _: Scores(sums, prediction=["a"] * len(sums)), "neither"),
        (lambda sums, _: sums * np.nan, "finite"),
        (lambda sums, _: sums[:, np.newaxis], "one finite score"),
    ],
)
def test_broken_rule_is_found(fault: Callable[[Any, Mapping[str, Column]], Any], finding: str) -> None:
    """A suite that finds nothing protects nothing."""
    findings = check_model(Sums(fault), number_columns())
    assert any(finding in line for line in findings), findings


@pytest.mark.parametrize(
    ("probabilities", "predicted", "finding"),
    [([0.6, 0.6], "b", "sum to 1"), ([1.5, -0.5], "a", "between 0 and 1"), ([0.4, 0.6], "a", "of its class")],
)
def test_broken_classifier_is_found(probabilities: list[float], predicted: str, finding: str) -> None:
    """Probabilities must be some, and the score that of the class which is named."""

    def answer(sums: Any, _: Mapping[str, Column]) -> Scores:
        values = np.tile(np.array(probabilities), (len(sums), 1))
        return Scores(values[:, 1], [predicted] * len(sums), values)

    model = replace(Sums(answer), task=Task.CLASSIFICATION, classes=("a", "b"))
    findings = check_model(model, number_columns())
    assert any(finding in line for line in findings), findings
