"""The figures a model is judged by: one table of names, directions and tasks, and how each is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from learning.errors import PolicyError
from models.base import Scores, Task


@dataclass(frozen=True, slots=True)
class Metric:
    """What a figure means to the gate.

    Attributes:
        task: The task it judges.
        higher_is_better: Its direction.
        relative: Whether a loss is a fraction of the other's figure (errors have the label's unit) or a difference.
    """

    task: Task
    higher_is_better: bool
    relative: bool = False

    def loss(self, candidate: float, other: float) -> float:
        """Return how much worse the candidate is; negative where it is better."""
        worse_by = (other - candidate) if self.higher_is_better else (candidate - other)
        if not self.relative:
            return worse_by
        return worse_by / abs(other) if other else (np.inf if worse_by > 0 else 0.0)


METRICS: Mapping[str, Metric] = {
    "average_precision": Metric(Task.CLASSIFICATION, higher_is_better=True),
    "roc_auc": Metric(Task.CLASSIFICATION, higher_is_better=True),
    "log_loss": Metric(Task.CLASSIFICATION, higher_is_better=False),
    "brier": Metric(Task.CLASSIFICATION, higher_is_better=False),
    "accuracy": Metric(Task.CLASSIFICATION, higher_is_better=True),
    "f1": Metric(Task.CLASSIFICATION, higher_is_better=True),
    "mae": Metric(Task.REGRESSION, higher_is_better=False, relative=True),
    "rmse": Metric(Task.REGRESSION, higher_is_better=False, relative=True),
    "r2": Metric(Task.REGRESSION, higher_is_better=True),
}
DEFAULT_METRICS: Mapping[Task, str] = {Task.CLASSIFICATION: "average_precision", Task.REGRESSION: "rmse"}
_SMALLEST_PROBABILITY = 1e-15  # one impossible event must not make log_loss infinite


def metric_of(name: str, task: Task) -> Metric:
    """Return the row of the table.

    Raises:
        PolicyError: No such metric, or one of the other task.
    """
    metric = METRICS.get(name)
    if metric is None or metric.task is not task:
        fitting = ", ".join(known for known, row in METRICS.items() if row.task is task)
        raise PolicyError(f"metric {name!r} does not judge a {task.value}: choose one of {fitting}")
    return metric


def classification_figures(
    labels: npt.NDArray[np.str_], scores: Scores, *, classes: Sequence[str], positive: str | None
) -> dict[str, float]:
    """Return the figures of a classifier; one that these labels leave undefined is absent.

    With a positive class everything is of that class against the rest, from the score as it is published.
    Without one, average_precision, roc_auc and f1 are the mean over the classes that occur.
    """
    probabilities = np.zeros((len(labels), 0)) if scores.probabilities is None else scores.probabilities
    predicted = np.array([] if scores.prediction is None else scores.prediction, dtype=np.str_)
    by_class = {name: probabilities[:, i] for i, name in enumerate(classes)}
    if positive is not None:
        by_class = {positive: scores.score}
    occurring = [positive] if positive is not None else [str(name) for name in np.unique(labels)]
    figures = {"accuracy": float(np.mean(predicted == labels)), "f1": _f1(labels, predicted, occurring)}
    figures |= _ranking(labels, by_class, occurring)
    figures |= _calibration(labels, by_class, positive)
    return figures


def _f1(labels: npt.NDArray[np.str_], predicted: npt.NDArray[np.str_], classes: Sequence[str]) -> float:
    return float(np.mean([f1_score(labels == name, predicted == name, zero_division=0.0) for name in classes]))


def _ranking(
    labels: npt.NDArray[np.str_], by_class: Mapping[str, npt.NDArray[np.float64]], classes: Sequence[str]
) -> dict[str, float]:
    truths = {name: labels == name for name in classes}
    defined = [name for name, truth in truths.items() if truth.any() and not truth.all()]
    if not defined:
        return {}
    never = np.zeros(len(labels))  # a class that the model does not know
    pairs = [(truths[name], by_class.get(name, never)) for name in defined]
    return {
        "average_precision": float(np.mean([average_precision_score(truth, p) for truth, p in pairs])),
        "roc_auc": float(np.mean([roc_auc_score(truth, p) for truth, p in pairs])),
    }


def _calibration(
    labels: npt.NDArray[np.str_], by_class: Mapping[str, npt.NDArray[np.float64]], positive: str | None
) -> dict[str, float]:
    if positive is not None:
        truth = (labels == positive).astype(np.float64)
        p = by_class[positive]
        of_truth = np.where(truth == 1.0, p, 1.0 - p)
        brier = float(np.mean((p - truth) ** 2))
    else:
        of_truth = np.zeros(len(labels))
        squares = np.zeros(len(labels))
        for name in {*by_class, *(str(label) for label in np.unique(labels))}:
            truth = (labels == name).astype(np.float64)
            p = by_class.get(name, np.zeros(len(labels)))
            of_truth += truth * p
            squares += (p - truth) ** 2
        brier = float(np.mean(squares))
    clipped = np.clip(of_truth, _SMALLEST_PROBABILITY, 1.0)
    return {"log_loss": float(-np.mean(np.log(clipped))), "brier": brier}


def regression_figures(values: npt.NDArray[np.float64], predicted: npt.NDArray[np.float64]) -> dict[str, float]:
    """Return the figures of a regression; r2 is absent where all values are equal."""
    errors = predicted - values
    figures = {"mae": float(np.mean(np.abs(errors))), "rmse": float(np.sqrt(np.mean(errors**2)))}
    spread = float(np.sum((values - values.mean()) ** 2))
    if spread > 0.0:
        figures["r2"] = 1.0 - float(np.sum(errors**2)) / spread
    return figures
