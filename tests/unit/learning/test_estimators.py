from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, RidgeClassifier

from features.schema import FeatureSchema
from learning.errors import EstimatorError
from learning.estimators import FAMILIES, build_from_factory, build_named
from learning.examples import Examples
from learning.training import TrainingSpec, train
from models.base import Task
from models.inputs import InputKind
from models.skops_format import dump_estimator, load_estimator
from tests.support.examples import MIXED, SCHEMA, mixed_examples, some_examples

CLASSES = TrainingSpec(Task.CLASSIFICATION, positive="fraud")


def values_of(examples: Examples) -> Examples:
    """Return the same records with a number to learn."""
    return Examples(examples.batch, (examples.labels == "fraud").astype(np.float64))


@pytest.mark.parametrize("task", list(Task))
@pytest.mark.parametrize("name", list(FAMILIES))
def test_every_family_copes_with_text_nulls_and_sequences(name: str, task: Task) -> None:
    """What the schema lets in the model scores: unseen text and nulls in any field too, not only in training."""
    examples = mixed_examples() if task is Task.CLASSIFICATION else values_of(mixed_examples())
    spec = TrainingSpec(task, estimator=name, positive="fraud" if task is Task.CLASSIFICATION else None)
    model = train(examples, spec=spec).model
    strange = {
        "amount": np.array([np.nan, 1e6]),
        "is_new": np.array([True, False]),
        "country": np.array([None, "never seen"], dtype=object),
        "last": np.zeros((2, 3)),
    }
    assert np.isfinite(model.score_many(strange).score).all()


@pytest.mark.parametrize("name", list(FAMILIES))
def test_every_family_is_stored_without_trusting_anything_more(name: str) -> None:
    """What we train by ourselves never asks the user to trust a type, and comes back as it was."""
    model = train(mixed_examples(), spec=TrainingSpec(Task.CLASSIFICATION, estimator=name, positive="fraud")).model
    again = load_estimator(dump_estimator(model.estimator))
    given = mixed_examples(seed=9).batch.columns
    original = model.score_many(given)
    model._estimator = again
    np.testing.assert_allclose(model.score_many(given).score, original.score, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", list(FAMILIES))
def test_every_family_is_the_same_for_the_same_seed(name: str) -> None:
    """A training run can be repeated."""
    columns = some_examples(50, seed=3).batch.columns
    spec = TrainingSpec(Task.CLASSIFICATION, estimator=name, seed=11)
    first, second = (train(some_examples(), spec=spec).model.score_many(columns).score for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(("schema", "kind"), [(SCHEMA, InputKind.MATRIX), (MIXED, InputKind.FRAME)])
def test_build_named_takes_a_matrix_where_all_is_numbers(schema: FeatureSchema, kind: InputKind) -> None:
    """The frame and its cost per batch are paid only where there is text."""
    assert build_named("sgd", task=Task.CLASSIFICATION, schema=schema, seed=0).input_kind is kind


def test_build_named_lists_the_names() -> None:
    """A misspelled estimator is told with the choice."""
    with pytest.raises(EstimatorError, match="no estimator 'sdg': choose one of sgd, logistic, forest, boosting"):
        build_named("sdg", task=Task.CLASSIFICATION, schema=SCHEMA, seed=0)


def test_build_from_factory_is_told_task_and_fields() -> None:
    """A user's factory can choose by what it is asked for."""
    asked: list[Any] = []

    def factory(task: str, schema: FeatureSchema) -> LogisticRegression:
        asked.append((task, schema.names))
        return LogisticRegression()

    built = build_from_factory(factory, task=Task.CLASSIFICATION, schema=SCHEMA)
    assert (asked, built.input_kind) == ([("classification", ("amount", "count"))], InputKind.FRAME)


def failing_factory(_task: str, _schema: FeatureSchema) -> Any:
    """Fail."""
    raise KeyError("no such thing")


def unscorable_factory(_task: str, _schema: FeatureSchema) -> RidgeClassifier:
    """Return a classifier without probabilities."""
    return RidgeClassifier()


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (failing_factory, r"failing_factory\('classification', fields\): KeyError"),
        (unscorable_factory, "without predict_proba"),
    ],
)
def test_build_from_factory_says_what_is_wrong_with_it(factory: Any, message: str) -> None:
    """The user's mistake is told in one line before any fitting."""
    with pytest.raises(EstimatorError, match=message):
        build_from_factory(factory, task=Task.CLASSIFICATION, schema=SCHEMA)
