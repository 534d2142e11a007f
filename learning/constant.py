"""The model that ignores its input: what the first candidate must beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from features.batch import Column
from features.schema import FeatureSchema
from learning.examples import Examples
from models.base import Scores, Task


@dataclass(frozen=True, slots=True)
class ConstantModel:
    """Says of every record what was most usual among the examples that the candidate learnt from.

    Attributes:
        task: What the score means.
        schema: Any schema; only the number of records is looked at.
        classes: Class names, sorted; empty for a regression.
        values: The share of each class, or the one mean value.
        positive: The class whose share is the score, if there is one.
        kind: Always ``constant``; such a model is never stored.
    """

    task: Task
    schema: FeatureSchema
    classes: Sequence[str]
    values: tuple[float, ...]
    positive: str | None = None
    kind: str = "constant"

    def score_many(self, columns: Mapping[str, Column]) -> Scores:
        """Return the same score for every record."""
        n = len(next(iter(columns.values())))
        if self.task is Task.REGRESSION:
            return Scores(np.full(n, self.values[0]))
        usual = int(np.argmax(self.values))
        shown = usual if self.positive is None else self.classes.index(self.positive)
        return Scores(
            score=np.full(n, self.values[shown]),
            prediction=[self.classes[usual]] * n,
            probabilities=np.tile(np.array(self.values), (n, 1)),
        )


def constant_of(train: Examples, *, task: Task, positive: str | None) -> ConstantModel:
    """Return the constant model of these examples: the shares of the classes, or the mean value."""
    if task is Task.REGRESSION:
        return ConstantModel(task, train.batch.schema, (), (float(np.mean(train.labels)),))
    names, counts = np.unique(train.labels, return_counts=True)
    shares = tuple(float(share) for share in counts / counts.sum())
    return ConstantModel(task, train.batch.schema, tuple(str(name) for name in names), shares, positive)
