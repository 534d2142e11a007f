"""What a model is to the rest of the system: columns in, scores out, nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt

from features.batch import Column
from features.schema import FeatureSchema


class Task(StrEnum):
    """What the score means."""

    CLASSIFICATION = "classification"
    REGRESSION = "regression"


@dataclass(frozen=True, slots=True)
class Scores:
    """What a model says of n records, in their order.

    Attributes:
        score: Shape (n,), float64, finite. The probability of ``positive``; without one that of the
            predicted class; for a regression the value.
        prediction: The predicted class as text, n items; None for a regression.
        probabilities: Shape (n, len(classes)), in the order of ``Model.classes``; None for a regression.
    """

    score: npt.NDArray[np.float64]
    prediction: Sequence[str] | None = None
    probabilities: npt.NDArray[np.float64] | None = None


class Model(Protocol):
    """A fitted model. Pure: the same columns give the same scores, the input is left as it was.

    Thread-safe for reading: several threads may call ``score_many`` at once.
    """

    @property
    def kind(self) -> str:
        """Return the name of the kind in the manifest (``sklearn``)."""
        ...

    @property
    def task(self) -> Task:
        """Return what the score means."""
        ...

    @property
    def schema(self) -> FeatureSchema:
        """Return the model's own fields, in its column order."""
        ...

    @property
    def classes(self) -> Sequence[str]:
        """Return the class names in the order of the probabilities; empty for a regression."""
        ...

    def score_many(self, columns: Mapping[str, Column]) -> Scores:
        """Return the scores of n records.

        ``columns`` holds at least the model's fields, shaped as ``FeatureBatch.columns``. The same
        record scored in a batch of another size may differ in the last bits (1e-12).

        Raises:
            Exception: Whatever the model raises; the caller finds the guilty records by bisection.
        """
        ...
