from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from learning.errors import PositiveUnclear, TrainingError
from learning.evaluation import Evaluation, evaluate
from learning.examples import Examples
from learning.splitting import SplitRule
from learning.training import TrainingSpec, train
from models.base import Task
from tests.support.examples import mixed_examples, some_examples, some_values

CLASSES = TrainingSpec(Task.CLASSIFICATION)


def test_train_learns_what_the_examples_say() -> None:
    """The default estimator finds a plain rule and ranks by the positive class."""
    candidate = train(some_examples(600), spec=CLASSES)
    judged = evaluate(candidate.model, candidate.split.validation, positive="1")
    assert isinstance(judged, Evaluation)
    assert judged.metrics["roc_auc"] > 0.95


def test_train_scores_the_named_class_and_not_its_opposite() -> None:
    """Of 'fraud' and 'legit' the second in the alphabet is not what is looked for."""
    examples = mixed_examples()
    candidate = train(examples, spec=TrainingSpec(Task.CLASSIFICATION, positive="fraud"))
    score = candidate.model.score_many(examples.batch.columns).score
    assert score[examples.labels == "fraud"].mean() > score[examples.labels == "legit"].mean()


def test_train_refuses_labels_that_do_not_say_which_is_positive() -> None:
    """No model is fitted on a guess."""
    with pytest.raises(PositiveUnclear, match=r"model\.positive: fraud"):
        train(mixed_examples(), spec=CLASSES)


def test_train_on_a_given_validation_set_learns_from_everything_else() -> None:
    """With a pre-defined set nothing is split off, and the set itself is untouched by the fit."""
    examples, validation = some_examples(100), some_examples(30, seed=8)
    candidate = train(examples, spec=CLASSES, validation=validation)
    assert (candidate.split.rule, candidate.split.train, candidate.split.validation) == (
        SplitRule.GIVEN,
        examples,
        validation,
    )


def test_train_does_not_let_validation_reach_the_fit() -> None:
    """Another content of the set aside gives the very same model: not even the scaler sees it."""
    examples = some_examples(100, times=range(100))
    changed = {name: column.copy() for name, column in examples.batch.columns.items()}
    changed["amount"][80:] = 1e9
    batch = some_examples(100, times=range(100)).batch
    other = Examples(type(batch)(batch.schema, batch.rows, changed, times=batch.times), examples.labels)
    columns = some_examples(20, seed=5).batch.columns
    first, second = (train(e, spec=CLASSES).model.score_many(columns).score for e in (examples, other))
    np.testing.assert_array_equal(first, second)


def test_train_beats_its_constant_on_a_regression() -> None:
    """The constant is the mean of what was learnt from, and a fitted line is far better."""
    candidate = train(some_values(), spec=TrainingSpec(Task.REGRESSION))
    validation = candidate.split.validation
    mine = evaluate(candidate.model, validation, positive=None)
    constant = evaluate(candidate.constant, validation, positive=None)
    assert isinstance(mine, Evaluation)
    assert isinstance(constant, Evaluation)
    assert candidate.constant.values[0] == pytest.approx(candidate.split.train.labels.mean())
    assert mine.metrics["rmse"] < constant.metrics["rmse"] / 5


def test_train_says_when_the_past_holds_one_class() -> None:
    """A split by time that leaves no second class is told with the way out."""
    batch = some_examples(50, times=range(50)).batch
    labels = np.where(np.arange(50) >= 45, "1", "0")
    with pytest.raises(TrainingError, match="--validation"):
        train(Examples(batch, labels), spec=CLASSES)


def test_train_tells_a_failed_fit_in_the_estimators_own_words() -> None:
    """A schema that lets nulls in and an estimator of the user's that does not take them."""
    from sklearn.linear_model import LogisticRegression

    spec = TrainingSpec(Task.CLASSIFICATION, estimator=lambda _task, _schema: LogisticRegression(), positive="fraud")
    with pytest.raises(TrainingError, match="the fit failed with ValueError"):
        train(mixed_examples(), spec=spec)


def test_train_hands_on_what_the_estimator_complains_of() -> None:
    """A fit that did not converge is told, once, and does not hide among library noise."""
    from sklearn.linear_model import SGDClassifier

    def hasty(_task: str, _schema: object) -> SGDClassifier:
        return SGDClassifier(loss="log_loss", max_iter=1, random_state=0)

    (complaint,) = train(some_examples(), spec=TrainingSpec(Task.CLASSIFICATION, estimator=hasty)).warnings
    assert complaint.startswith("Maximum number of iteration reached")


def test_train_without_a_field_makes_a_model_that_does_not_need_it() -> None:
    """A field that no champion uses can leave the service file; naming one that is not there is told."""
    examples = some_examples(200)
    first, *others = examples.batch.schema.names
    candidate = train(examples, spec=TrainingSpec(Task.CLASSIFICATION, without=(first,)))
    columns = {name: examples.batch.columns[name] for name in others}
    assert candidate.model.schema.names == tuple(others)
    assert len(candidate.model.score_many(columns).score) == 200
    with pytest.raises(TrainingError, match="no such field: nonsense"):
        train(examples, spec=TrainingSpec(Task.CLASSIFICATION, without=("nonsense",)))


def test_train_takes_a_weight_as_so_many_examples() -> None:
    """An example kept for three that were thinned away counts as three."""
    examples, spec = some_examples(60), TrainingSpec(Task.CLASSIFICATION, estimator=lambda *_: LogisticRegression())
    weights = np.where(np.arange(60) % 2, 3.0, 1.0)
    repeated = examples.take(np.repeat(np.arange(60), weights.astype(int)))
    validation = some_examples(20, seed=5)
    scores = [
        train(e, spec=spec, validation=validation).model.score_many(validation.batch.columns).score
        for e in (replace(examples, weights=weights), repeated, examples)
    ]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-4)
    assert abs(scores[0] - scores[2]).max() > 1e-3


def test_train_says_when_an_estimator_takes_no_weights() -> None:
    """Nobody is left to believe that thinned examples were weighted."""
    spec = TrainingSpec(Task.CLASSIFICATION, estimator=lambda *_: KNeighborsClassifier())
    examples = replace(some_examples(60), weights=np.full(60, 2.0))
    assert train(examples, spec=spec).warnings == ("KNeighborsClassifier takes no weights: every example counts once",)
