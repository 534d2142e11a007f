"""Labelled examples: the columns of a batch with one usable label each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from features.batch import FeatureBatch
from learning.errors import LabelError
from learning.labels import class_names, numbers
from models.base import Task


@dataclass(frozen=True, slots=True)
class Examples:
    """Records with their labels, in the order they were read.

    Attributes:
        batch: The columns, and the event times where the schema names one.
        labels: One per record: class names (str) or values (float64).
        weights: How many events each example stands for, float64; None: one each.
    """

    batch: FeatureBatch
    labels: npt.NDArray[Any]
    weights: npt.NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        """Refuse a different number of labels or weights: every later figure would be of shifted pairs."""
        if len(self.labels) != len(self.batch):
            raise LabelError(f"{len(self.batch)} records with {len(self.labels)} labels")
        if self.weights is not None and len(self.weights) != len(self.batch):
            raise LabelError(f"{len(self.batch)} records with {len(self.weights)} weights")

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.labels)

    def take(self, positions: npt.NDArray[np.int64]) -> Examples:
        """Return the examples at these positions, in that order."""
        weights = None if self.weights is None else self.weights[positions]
        return Examples(self.batch.take(positions), self.labels[positions], weights)


def labelled(batch: FeatureBatch, *, task: Task) -> Examples:
    """Return the records of a batch that carry a label; ``len`` of both tells how many do not.

    Raises:
        LabelError: The schema names no label, or a regression meets a label that is not a number.
    """
    if batch.labels is None:
        raise LabelError("the events carry no label: name its field as 'labels.inline' in the service file")
    values: Sequence[Any] = numbers(batch.labels) if task is Task.REGRESSION else class_names(batch.labels)
    kept = np.array([i for i, value in enumerate(values) if value is not None], dtype=np.int64)
    dtype = np.float64 if task is Task.REGRESSION else np.str_
    return Examples(batch.take(kept), np.array([values[int(i)] for i in kept], dtype=dtype))
