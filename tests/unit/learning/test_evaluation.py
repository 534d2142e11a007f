from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest

from features.batch import Column
from features.schema import FeatureSchema, Field, FieldType
from learning.evaluation import CHUNK_ROWS, Evaluation, Unjudged, evaluate
from learning.examples import Examples
from models.base import Scores, Task
from tests.support.examples import SCHEMA, FakeModel, a_batch, some_examples

UNIFORM = a_batch({"amount": np.linspace(0.0, 1.0, 50), "count": np.arange(50, dtype=np.int32)})
EXAMPLES = Examples(UNIFORM, np.where(np.arange(50) > 25, "1", "0"))


@dataclass
class SpoilingModel(FakeModel):
    """Gives scores that are spoiled in one way."""

    way: str = "raise"

    def score_many(self, columns: Mapping[str, Column]) -> Scores:
        """Return something unusable."""
        good = FakeModel.score_many(self, columns)
        if self.way == "raise":
            raise ZeroDivisionError("by zero")
        if self.way == "fewer":
            return Scores(good.score[1:], good.prediction, good.probabilities)
        if self.way == "classless":
            return Scores(good.score)
        return Scores(np.full(len(good.score), np.nan), good.prediction, good.probabilities)


class OddlySpelledModel(FakeModel):
    """Says 1.0 where another says 1."""

    def score_many(self, columns: Mapping[str, Column]) -> Scores:
        """Return the same scores under other names."""
        plain = FakeModel.score_many(self, columns)
        return Scores(plain.score, [f"{name}.0" for name in plain.prediction or ()], plain.probabilities)


def test_evaluate_gives_each_model_its_own_columns() -> None:
    """A champion with fewer fields is judged on the same examples through what it would see in the stream."""
    model = FakeModel(schema=SCHEMA.subset(["amount"]))
    judged = evaluate(model, EXAMPLES, positive="1")
    assert isinstance(judged, Evaluation)
    assert model.seen == [{"amount"}]
    assert (judged.n, judged.class_counts, judged.metrics["roc_auc"]) == (50, {"0": 26, "1": 24}, 1.0)


def test_evaluate_scores_in_batches_as_the_service_does() -> None:
    """A large validation set does not need one huge batch, and the pieces are put together in order."""
    n = CHUNK_ROWS + 5
    amount = np.linspace(0.0, 1.0, n)
    batch = a_batch({"amount": amount, "count": np.arange(n, dtype=np.int32)})
    model = FakeModel()
    judged = evaluate(model, Examples(batch, np.where(amount >= 0.5, "1", "0")), positive="1")
    assert isinstance(judged, Evaluation)
    assert (len(model.seen), judged.n, judged.metrics["accuracy"]) == (2, n, 1.0)


@pytest.mark.parametrize(
    ("way", "reason"),
    [
        ("raise", "ZeroDivisionError: by zero"),
        ("fewer", "49 scores for 50 examples"),
        ("nan", "not finite"),
        ("classless", "no classes"),
    ],
)
def test_evaluate_never_raises_for_what_a_model_does(way: str, reason: str) -> None:
    """A broken champion must not stop the judging; it is said why it has no figures."""
    judged = evaluate(SpoilingModel(way=way), EXAMPLES, positive="1")
    assert isinstance(judged, Unjudged)
    assert reason in judged.reason


@pytest.mark.parametrize(
    ("fields", "positive", "reason"),
    [
        ((Field("gone", FieldType.DOUBLE, "gone"),), "1", "the data has no field gone"),
        ((Field("amount", FieldType.STRING, "amount"),), "1", "another type for field amount"),
        ((Field("amount", FieldType.DOUBLE, "amount"),), "fraud", "does not know the class 'fraud'"),
    ],
)
def test_evaluate_says_why_a_model_cannot_be_judged_on_this_data(
    fields: tuple[Field, ...], positive: str, reason: str
) -> None:
    """A champion whose fields or classes are not in the data has no figures rather than wrong ones."""
    judged = evaluate(FakeModel(schema=FeatureSchema(fields)), EXAMPLES, positive=positive)
    assert isinstance(judged, Unjudged)
    assert reason in judged.reason


def test_evaluate_knows_a_class_by_another_spelling() -> None:
    """A model fitted elsewhere on the texts 0.0 and 1.0 is judged as one fitted on 0 and 1."""
    spelled = evaluate(OddlySpelledModel(classes=("0.0", "1.0")), EXAMPLES, positive="1")
    assert spelled == evaluate(FakeModel(), EXAMPLES, positive="1")


def test_evaluate_of_nothing_is_no_evaluation() -> None:
    """An empty set gives no figures and no error."""
    nothing = EXAMPLES.take(np.array([], dtype=np.int64))
    assert evaluate(FakeModel(), nothing, positive="1") == Unjudged("the validation set is empty")


def test_evaluate_judges_a_regression_by_its_values() -> None:
    """The value is the score; there are no classes to count."""
    examples = some_examples(40)
    values = Examples(examples.batch, examples.batch.columns["amount"] + 1.0)
    judged = evaluate(FakeModel(task=Task.REGRESSION, classes=()), values, positive=None)
    assert isinstance(judged, Evaluation)
    assert judged.metrics["mae"] == pytest.approx(1.0)
    assert judged.class_counts == {}


def test_labels_that_are_no_class_of_the_model_are_told_and_not_counted_as_errors() -> None:
    """A model of 0 and 1 judged by 'fraud' and 'legit' was given the wrong labels: figures of it would be lies."""
    strange = Examples(UNIFORM, np.where(np.arange(50) > 25, "fraud", "legit"))
    judged = evaluate(FakeModel(), strange, positive="1")
    assert isinstance(judged, Unjudged)
    assert "fraud, legit are none of its classes" in judged.reason
