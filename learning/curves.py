"""ROC and precision over recall as points for a drawing, thinned so that a report stays small."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.metrics import precision_recall_curve, roc_curve

MAX_POINTS = 200  # more cannot be told apart on a screen


@dataclass(frozen=True, slots=True)
class Curve:
    """A line in the unit square.

    Attributes:
        title: What is drawn.
        x_label: What lies along.
        y_label: What rises.
        points: From left to right.
    """

    title: str
    x_label: str
    y_label: str
    points: tuple[tuple[float, float], ...]


def curves_of(truth: npt.NDArray[np.bool_], score: npt.NDArray[np.float64]) -> tuple[Curve, ...]:
    """Return both curves; none where the truth is all of one kind and they are undefined."""
    if truth.all() or not truth.any():
        return ()
    false_rate, true_rate, _ = roc_curve(truth, score)
    precision, recall, _ = precision_recall_curve(truth, score)
    return (
        Curve("ROC", "false positive rate", "true positive rate", _thinned(false_rate, true_rate)),
        Curve("Precision over recall", "recall", "precision", _thinned(recall[::-1], precision[::-1])),
    )


def _thinned(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> tuple[tuple[float, float], ...]:
    chosen = np.unique(np.linspace(0, len(x) - 1, min(len(x), MAX_POINTS)).round().astype(np.int64))
    return tuple((float(x[i]), float(y[i])) for i in chosen)
