from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import LinearSVC

from features.schema import FieldType
from models.base import Task
from models.errors import ModelMismatch, ScoresNotUsable
from models.inputs import to_frame
from models.sklearn_model import SklearnModel
from tests.support.models import labels_of, number_columns, number_schema, schema_of

ONE = schema_of(("x", FieldType.DOUBLE))
X: npt.NDArray[np.float64] = np.array([[0.1], [0.4], [0.5], [0.9]])


class Says(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier whose input is the probability of its last class, and which can misbehave."""

    def __init__(self, classes: Any, answer: Any = None) -> None:
        self.classes_ = np.array(classes)
        self.answer = answer

    def predict(self, X: Any) -> Any:
        """Return the last class for all: a score's prediction must come from the probabilities."""
        return [self.classes_[-1]] * len(X)

    def predict_proba(self, X: Any) -> Any:
        """Return the answer set, or the input as the last class's probability, the rest on the others."""
        if self.answer is not None:
            return self.answer
        others = (1.0 - X) / (len(self.classes_) - 1)
        return np.hstack([np.repeat(others, len(self.classes_) - 1, axis=1), X])


class SaysValue(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """A regressor that gives the answer it was made with."""

    def __init__(self, answer: Any = None) -> None:
        self.answer = answer

    def predict(self, X: Any) -> Any:  # noqa: ARG002 - the interface of scikit-learn
        """Return the answer."""
        return self.answer


def test_two_classes_are_predicted_by_the_threshold() -> None:
    """A score at the threshold is positive, one below it is not."""
    model = SklearnModel(Says(["a", "fraud"]), schema=ONE, positive="fraud", threshold=0.5)
    scores = model.score_many({"x": X[:, 0]})
    assert scores.score.tolist() == [0.1, 0.4, 0.5, 0.9]
    assert scores.prediction == ["a", "a", "fraud", "fraud"]


def test_positive_may_be_the_first_class() -> None:
    """The score is the probability of what was asked for, not of the class that sorts last."""
    model = SklearnModel(Says(["fraud", "ok"]), schema=ONE, positive="fraud", threshold=0.6)
    scores = model.score_many({"x": X[:, 0]})
    assert scores.score.tolist() == [0.9, 0.6, 0.5, 1.0 - 0.9]
    assert scores.prediction == ["fraud", "fraud", "ok", "ok"]


def test_many_classes_without_positive_score_the_predicted_one() -> None:
    """Without a class of interest the score is how sure the prediction is."""
    scores = SklearnModel(Says(["a", "b", "c"]), schema=ONE).score_many({"x": np.array([0.0, 0.8])})
    assert (scores.score.tolist(), scores.prediction) == ([0.5, 0.8], ["a", "c"])


def test_many_classes_with_positive_score_it_and_predict_the_likeliest() -> None:
    """The threshold is for two classes; of three the likeliest is predicted."""
    scores = SklearnModel(Says(["a", "b", "c"]), schema=ONE, positive="c").score_many({"x": np.array([0.0, 0.8])})
    assert (scores.score.tolist(), scores.prediction) == ([0.0, 0.8], ["a", "c"])


def test_scores_equal_the_estimators_own() -> None:
    """What comes out of the service is what the data scientist saw offline, bit for bit on the same rows."""
    columns = number_columns()
    frame = to_frame(columns, number_schema())
    estimator = LogisticRegression().fit(frame, labels_of(columns).astype(bool))
    scores = SklearnModel(estimator, schema=number_schema()).score_many(columns)
    assert np.array_equal(scores.score, estimator.predict_proba(frame)[:, 1])
    assert scores.prediction == ["true" if yes else "false" for yes in estimator.predict(frame)]


def test_regression_gives_values_alone() -> None:
    """A regression has no classes to predict."""
    estimator = LinearRegression().fit(X, 2.0 * X)  # two-dimensional values, as a frame of one column gives them
    scores = SklearnModel(estimator, schema=ONE).score_many({"x": X[:, 0]})
    assert np.allclose(scores.score, 2.0 * X[:, 0], rtol=0, atol=1e-12)
    assert (scores.prediction, scores.probabilities) == (None, None)


@pytest.mark.parametrize("task", list(Task))
def test_no_rows_give_no_scores(task: Task) -> None:
    """scikit-learn refuses an empty matrix; an empty batch is nothing unusual."""
    estimator = Says(["0", "1"]) if task is Task.CLASSIFICATION else SaysValue()
    scores = SklearnModel(estimator, schema=ONE).score_many({"x": np.empty(0)})
    assert scores.score.shape == (0,)
    assert (scores.probabilities is None) == (task is Task.REGRESSION)


@pytest.mark.parametrize("answer", [[[0.5, np.nan]], [[0.5, np.inf]], [[0.5]], [[0.2, 0.3, 0.5]], [[0.5, 0.5]] * 2])
def test_unusable_probabilities_are_raised(answer: Any) -> None:
    """A score that is not a number, or is another row's, must not go out."""
    model = SklearnModel(Says(["0", "1"], answer=np.array(answer)), schema=ONE)
    with pytest.raises(ScoresNotUsable, match="probabilities"):
        model.score_many({"x": np.array([0.5])})


@pytest.mark.parametrize("answer", [[np.nan], [-np.inf], [1.0, 2.0], [[1.0, 2.0]], 1.0])
def test_unusable_values_are_raised(answer: Any) -> None:
    """A value that is not a number, or one for another number of rows, must not go out."""
    model = SklearnModel(SaysValue(np.array(answer)), schema=ONE)
    with pytest.raises(ScoresNotUsable, match="values"):
        model.score_many({"x": np.array([0.5])})


@pytest.mark.parametrize(
    ("estimator", "settings", "message"),
    [
        (LinearSVC().fit(X, [0, 0, 1, 1]), {}, "CalibratedClassifierCV"),
        (LogisticRegression().fit(X, [0, 0, 1, 1]), {"positive": "yes"}, "0, 1"),
        (LogisticRegression().fit(X, ["a", "a", "b", "b"]), {}, "a, b"),
        (LogisticRegression().fit(X, [0, 0, 1, 1]), {"threshold": 1.5}, "threshold"),
        (LogisticRegression(), {}, "not fitted"),
        (LinearRegression().fit(X, X), {"positive": "1"}, "no classes"),
        (LinearRegression().fit(np.hstack([X, X]), X), {}, "2 columns"),
        (KMeans(2, n_init=1).fit(X), {}, "neither"),
        (object(), {}, "cannot predict"),
    ],
)
def test_what_cannot_be_a_model_is_refused(estimator: Any, settings: dict[str, Any], message: str) -> None:
    """What would fail or mislead at the first event is said when the model is made."""
    with pytest.raises(ModelMismatch, match=message):
        SklearnModel(estimator, schema=ONE, **settings)


def test_columns_in_another_order_are_refused() -> None:
    """An estimator fitted on a, b must not be given b, a."""
    columns = number_columns()
    estimator = LogisticRegression().fit(to_frame(columns, number_schema()), labels_of(columns))
    with pytest.raises(ModelMismatch, match="fitted on columns amount, hour, age; the schema has age, hour, amount"):
        SklearnModel(estimator, schema=number_schema().subset(["age", "hour", "amount"]))


def test_everything_inside_uses_one_thread() -> None:
    """A pool of threads for every small batch costs more than it saves."""
    forest = RandomForestClassifier(3, n_jobs=2, verbose=1)  # threads, no processes
    vote = VotingClassifier([("forest", forest)], voting="soft").fit(X, [0, 0, 1, 1])
    SklearnModel(vote.set_params(n_jobs=-1), schema=ONE)
    assert [part.n_jobs for part in (vote, *vote.estimators_)] == [1, 1]
    assert vote.estimators_[0].verbose == 0
