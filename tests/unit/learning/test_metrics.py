from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

from learning.errors import PolicyError
from learning.metrics import METRICS, classification_figures, metric_of, regression_figures
from models.base import Scores, Task

RNG = np.random.default_rng(3)
P = RNG.random(60)
TRUTH = RNG.random(60) < P
BINARY = Scores(P, ["1" if p >= 0.5 else "0" for p in P], np.column_stack([1 - P, P]))
THREE = RNG.dirichlet((1.0, 1.0, 1.0), 90)
NAMES = np.array(["a", "b", "c"])


def test_binary_figures_are_those_of_scikit_learn() -> None:
    """A figure of this name means here what it means everywhere."""
    figures = classification_figures(TRUTH.astype(int).astype(str), BINARY, classes=("0", "1"), positive="1")
    assert figures == pytest.approx(
        {
            "average_precision": reference.average_precision_score(TRUTH, P),
            "roc_auc": reference.roc_auc_score(TRUTH, P),
            "log_loss": reference.log_loss(TRUTH, P),
            "brier": reference.brier_score_loss(TRUTH, P),
            "accuracy": reference.accuracy_score(TRUTH, P >= 0.5),
            "f1": reference.f1_score(TRUTH, P >= 0.5),
        }
    )


def test_multiclass_figures_are_the_means_over_classes() -> None:
    """Without a positive class every class counts the same."""
    labels = NAMES[RNG.integers(0, 3, 90)]
    predicted = NAMES[THREE.argmax(axis=1)]
    scores = Scores(THREE.max(axis=1), list(predicted), THREE)
    figures = classification_figures(labels, scores, classes=("a", "b", "c"), positive=None)
    assert figures["roc_auc"] == pytest.approx(reference.roc_auc_score(labels, THREE, multi_class="ovr"))
    assert figures["log_loss"] == pytest.approx(reference.log_loss(labels, THREE))
    assert figures["f1"] == pytest.approx(reference.f1_score(labels, predicted, average="macro"))
    assert figures["accuracy"] == pytest.approx(reference.accuracy_score(labels, predicted))


def test_figures_of_one_class_leave_the_undefined_out() -> None:
    """A validation set without positives has no ranking figures, and no NaN that would compare as fine."""
    figures = classification_figures(np.array(["0"] * 60), BINARY, classes=("0", "1"), positive="1")
    assert set(figures) == {"accuracy", "f1", "log_loss", "brier"}


def test_log_loss_survives_an_impossible_event() -> None:
    """One class that the model does not know makes the figure bad, not infinite."""
    scores = Scores(np.array([1.0, 1.0]), ["a", "a"], np.array([[1.0, 0.0], [1.0, 0.0]]))
    figures = classification_figures(np.array(["a", "new"]), scores, classes=("a", "b"), positive=None)
    assert np.isfinite(list(figures.values())).all()
    assert figures["log_loss"] > 10


def test_regression_figures_are_those_of_scikit_learn() -> None:
    """A figure of this name means here what it means everywhere."""
    truth, predicted = RNG.normal(size=50), RNG.normal(size=50)
    assert regression_figures(truth, predicted) == pytest.approx(
        {
            "mae": reference.mean_absolute_error(truth, predicted),
            "rmse": reference.root_mean_squared_error(truth, predicted),
            "r2": reference.r2_score(truth, predicted),
        }
    )


@pytest.mark.parametrize(
    ("name", "candidate", "other", "loss"),
    [
        ("roc_auc", 0.8, 0.9, 0.1),
        ("log_loss", 0.5, 0.4, 0.1),
        ("rmse", 110.0, 100.0, 0.1),
        ("rmse", 90.0, 100.0, -0.1),
        ("rmse", 1.0, 0.0, np.inf),
    ],
)
def test_loss_is_positive_where_the_candidate_is_worse(name: str, candidate: float, other: float, loss: float) -> None:
    """The direction of a figure is looked up, never assumed; errors count as a share, for they have a unit."""
    assert METRICS[name].loss(candidate, other) == pytest.approx(loss)


def test_metric_of_names_what_fits_the_task() -> None:
    """The default of the other task is a mistake that is told with the choice."""
    with pytest.raises(PolicyError, match="choose one of mae, rmse, r2"):
        metric_of("average_precision", Task.REGRESSION)
