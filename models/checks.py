"""The conformance suite: what every model must do, whatever it is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from features.batch import Column
from models.artifact import Artifact
from models.base import Model, Scores, Task
from models.build import build_artifact
from models.inputs import count_rows
from models.loading import load_model
from models.sklearn_model import SklearnModel
from models.trial import are_close

TOLERANCE = 1e-12  # batches of another size differ in the last bits (3e-16 seen)
_ONE_BY_ONE = 32  # rows scored alone; more says nothing new
_THREADS = 4


@dataclass(frozen=True, slots=True)
class _Case:
    model: Model
    columns: Mapping[str, Column]
    scored: Mapping[str, Column]  # the copies that the first scores were made from
    rows: int
    scores: Scores
    trusted_types: Sequence[str]


def check_model(model: Model, columns: Mapping[str, Column], *, trusted_types: Sequence[str] = ()) -> list[str]:
    """Return what the model does not keep of the protocol, one line each; empty when it keeps all of it.

    Args:
        model: Any model; one of kind ``sklearn`` is also saved and loaded again.
        columns: At least one row of its fields, as ``FeatureBatch.columns``; more rows show more.
        trusted_types: For loading it again.

    Raises:
        Exception: What the model raises on the whole batch; nothing else can be said then.
    """
    rows = count_rows(columns, model.schema)
    scored = {name: column.copy() for name, column in columns.items()}
    case = _Case(model, columns, scored, rows, model.score_many(scored), trusted_types)
    findings = []
    for rule, holds in _RULES:
        try:
            kept = holds(case)
        except Exception as error:  # a model may fail in one way only
            findings.append(f"{rule}: {type(error).__name__}: {error}")
            continue
        if not kept:
            findings.append(rule)
    return findings


def _gives_one_finite_score_a_row(case: _Case) -> bool:
    score = case.scores.score
    return score.shape == (case.rows,) and score.dtype == np.float64 and bool(np.isfinite(score).all())


def _answers_as_its_task_says(case: _Case) -> bool:
    scores, classes = case.scores, case.model.classes
    if case.model.task is Task.REGRESSION:
        return scores.prediction is None and scores.probabilities is None and not classes
    return (
        scores.prediction is not None
        and len(scores.prediction) == case.rows
        and set(scores.prediction) <= set(classes)
        and scores.probabilities is not None
        and scores.probabilities.shape == (case.rows, len(classes))
    )


def _probabilities_sum_to_one(case: _Case) -> bool:
    values = case.scores.probabilities
    if values is None:
        return True
    within = bool((values >= 0).all() and (values <= 1 + TOLERANCE).all())
    return within and bool((np.abs(values.sum(axis=1) - 1.0) <= 1e-6).all())  # some estimators work in float32


def _score_is_that_of_its_class(case: _Case) -> bool:
    values, predicted, model = case.scores.probabilities, case.scores.prediction, case.model
    if values is None or predicted is None:
        return True
    positive = model.positive if isinstance(model, SklearnModel) else None
    chosen = [positive if positive is not None else name for name in predicted]
    at = [list(model.classes).index(name) for name in chosen]
    return np.array_equal(case.scores.score, values[np.arange(case.rows), at])


def _leaves_its_input_alone(case: _Case) -> bool:
    return all(_same(case.scored[name], column) for name, column in case.columns.items())


def _says_the_same_twice(case: _Case) -> bool:
    return np.array_equal(case.model.score_many(case.columns).score, case.scores.score)


def _scores_one_by_one_as_in_a_batch(case: _Case) -> bool:
    few = min(case.rows, _ONE_BY_ONE)
    alone = [case.model.score_many(_rows(case.columns, slice(row, row + 1))).score for row in range(few)]
    return are_close(np.concatenate(alone), case.scores.score[:few], tolerance=TOLERANCE)


def _keeps_the_order_of_rows(case: _Case) -> bool:
    turned = case.model.score_many(_rows(case.columns, slice(None, None, -1))).score
    return are_close(turned[::-1], case.scores.score, tolerance=TOLERANCE)


def _ignores_columns_that_are_not_its_own(case: _Case) -> bool:
    more = {"not a feature of this model": np.zeros(case.rows), **case.columns}
    return np.array_equal(case.model.score_many(more).score, case.scores.score)


def _takes_an_empty_batch(case: _Case) -> bool:
    nothing = case.model.score_many(_rows(case.columns, slice(0, 0)))
    return nothing.score.shape == (0,)


def _can_be_read_by_several_threads(case: _Case) -> bool:
    def score(_: int) -> npt.NDArray[np.float64]:
        return case.model.score_many(case.columns).score

    with ThreadPoolExecutor(_THREADS) as pool:
        return all(np.array_equal(answer, case.scores.score) for answer in pool.map(score, range(2 * _THREADS)))


def _scores_alike_after_save_and_load(case: _Case) -> bool:
    if not isinstance(case.model, SklearnModel):
        return True
    artifact: Artifact = build_artifact(case.model, name="check", created_ms=0, sample_columns=case.columns)
    again = load_model(artifact, trusted_types=case.trusted_types).model
    same_classes = tuple(again.classes) == tuple(case.model.classes)
    return same_classes and are_close(again.score_many(case.columns).score, case.scores.score, tolerance=TOLERANCE)


def _rows(columns: Mapping[str, Column], which: slice) -> dict[str, Column]:
    return {name: column[which] for name, column in columns.items()}


def _same(left: Column, right: Column) -> bool:
    if left.dtype == object:
        return bool(left.tolist() == right.tolist())
    return np.array_equal(left, right, equal_nan=left.dtype.kind == "f")


_RULES: tuple[tuple[str, Callable[[_Case], bool]], ...] = (
    # first, before a model that scribbles gets at the rows of the other rules
    ("it must leave its input as it was", _leaves_its_input_alone),
    ("it must give one finite score for each row", _gives_one_finite_score_a_row),
    ("it must answer with classes and probabilities, or as a regression with neither", _answers_as_its_task_says),
    ("its probabilities must lie between 0 and 1 and sum to 1", _probabilities_sum_to_one),
    ("its score must be the probability of its class", _score_is_that_of_its_class),
    ("the same rows must give the same scores", _says_the_same_twice),
    ("a row scored alone must have the score it has in a batch", _scores_one_by_one_as_in_a_batch),
    ("scores must be in the order of the rows", _keeps_the_order_of_rows),
    ("columns that are not its own must not matter", _ignores_columns_that_are_not_its_own),
    ("a batch of no rows must give no scores", _takes_an_empty_batch),
    ("several threads must be able to score at once", _can_be_read_by_several_threads),
    ("it must score alike after it was saved and loaded", _scores_alike_after_save_and_load),
)
