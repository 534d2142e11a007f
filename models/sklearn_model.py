"""The kind ``sklearn``: any fitted classifier, regressor or Pipeline behind the model protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from features.batch import Column
from features.schema import FeatureSchema
from models.base import Scores, Task
from models.classes import choose_positive, class_texts
from models.errors import ModelMismatch, ScoresNotUsable
from models.estimators import selects_by_name, settle, task_of
from models.inputs import InputKind, column_names, count_rows, input_for, to_input

KIND = "sklearn"
DEFAULT_THRESHOLD = 0.5


class SklearnModel:
    """A fitted scikit-learn estimator that scores columns.

    It takes the estimator over: ``n_jobs`` becomes 1 and ``verbose`` 0 everywhere inside it.

    Args:
        estimator: Fitted; a classifier must have ``predict_proba``.
        schema: The model's own fields, in the order it was fitted on.
        task: What the score means; None: asked of the estimator.
        input: ``matrix`` or ``frame``; None: ``models.inputs.input_for`` decides.
        positive: The class whose probability is the score. May be left out for 0/1 and false/true, and
            for more than two classes (then the score is the probability of the predicted class).
        threshold: Score at and above which ``positive`` is predicted; for two classes only.

    Raises:
        ModelMismatch: Something of this does not go together; the message says what and the mend.
    """

    __slots__ = ("_classes", "_estimator", "_input", "_positive", "_positive_at", "_schema", "_task", "_threshold")

    def __init__(  # noqa: PLR0913 - each is a property of the model
        self,
        estimator: Any,
        *,
        schema: FeatureSchema,
        task: Task | None = None,
        input: InputKind | str | None = None,  # noqa: A002 - its name in the manifest
        positive: str | None = None,
        threshold: float = DEFAULT_THRESHOLD,
    ) -> None:
        self._task = task_of(estimator) if task is None else Task(task)
        self._schema = schema
        self._input = input_for(schema, estimator) if input is None else InputKind(input)
        self._threshold = _checked_threshold(threshold)
        _check_columns(estimator, schema, self._input)
        self._classes: tuple[str, ...] = ()
        self._positive: str | None = None
        if self._task is Task.CLASSIFICATION:
            self._classes = _classes_of(estimator)
            self._positive = choose_positive(self._classes, positive)
        elif positive is not None:
            raise ModelMismatch(f"a regression has no classes: remove model.positive ({positive!r})")
        self._positive_at = None if self._positive is None else self._classes.index(self._positive)
        self._estimator = settle(estimator)

    @property
    def kind(self) -> str:
        """Return ``sklearn``."""
        return KIND

    @property
    def task(self) -> Task:
        """Return what the score means."""
        return self._task

    @property
    def schema(self) -> FeatureSchema:
        """Return the model's own fields, in its column order."""
        return self._schema

    @property
    def classes(self) -> Sequence[str]:
        """Return the class names in the order of the probabilities; empty for a regression."""
        return self._classes

    @property
    def positive(self) -> str | None:
        """Return the class whose probability is the score, or None."""
        return self._positive

    @property
    def threshold(self) -> float:
        """Return the score at and above which ``positive`` is predicted."""
        return self._threshold

    @property
    def input(self) -> InputKind:
        """Return the shape of input the estimator takes."""
        return self._input

    @property
    def estimator(self) -> Any:
        """Return the fitted estimator itself, for saving and for continuing its training on a copy."""
        return self._estimator

    def score_many(self, columns: Mapping[str, Column]) -> Scores:
        """Return the scores of n records; none for none, without asking the estimator.

        Raises:
            ModelMismatch: A column is absent or of another shape.
            ScoresNotUsable: The estimator gave another number of scores, or one that is not finite.
            Exception: Whatever the estimator raises.
        """
        rows = count_rows(columns, self._schema)
        if rows == 0:
            return self._no_scores()
        given = to_input(columns, schema=self._schema, kind=self._input)
        if self._task is Task.REGRESSION:
            return Scores(score=_checked_values(self._estimator.predict(given), rows))
        probabilities = _checked_probabilities(self._estimator.predict_proba(given), (rows, len(self._classes)))
        return Scores(*self._judge(probabilities), probabilities=probabilities)

    def _judge(self, probabilities: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], list[str]]:
        names = np.array(self._classes, dtype=object)
        best = probabilities.argmax(axis=1)
        at = self._positive_at
        if at is None:
            return probabilities.max(axis=1), names[best].tolist()
        score = np.ascontiguousarray(probabilities[:, at])
        if len(self._classes) == 2:
            best = np.where(score >= self._threshold, at, 1 - at)
        return score, names[best].tolist()

    def _no_scores(self) -> Scores:
        empty = np.empty(0, dtype=np.float64)
        if self._task is Task.REGRESSION:
            return Scores(score=empty)
        return Scores(score=empty, prediction=[], probabilities=np.empty((0, len(self._classes)), dtype=np.float64))


def _checked_threshold(threshold: float) -> float:
    if not 0.0 <= threshold <= 1.0:
        raise ModelMismatch(f"the threshold must be between 0 and 1, got {threshold}: set model.threshold")
    return float(threshold)


def _check_columns(estimator: Any, schema: FeatureSchema, kind: InputKind) -> None:
    """Refuse a schema whose columns are not those the estimator was fitted on, in their order."""
    given = column_names(schema)
    fitted = getattr(estimator, "feature_names_in_", None)
    if kind is InputKind.FRAME and fitted is not None and not selects_by_name(estimator):
        wanted = tuple(str(name) for name in fitted)
        if wanted != given:
            raise ModelMismatch(f"the model was fitted on columns {_listed(wanted)}; the schema has {_listed(given)}")
        return
    width = getattr(estimator, "n_features_in_", None)
    if kind is InputKind.MATRIX and width is not None and width != len(given):
        raise ModelMismatch(f"the model was fitted on {width} columns, the schema has {len(given)}: {_listed(given)}")


def _classes_of(estimator: Any) -> tuple[str, ...]:
    if not hasattr(estimator, "predict_proba"):
        raise ModelMismatch(
            f"a {type(estimator).__name__} gives no probabilities: wrap it in "
            "sklearn.calibration.CalibratedClassifierCV and fit again"
        )
    if not hasattr(estimator, "classes_"):
        raise ModelMismatch(f"this {type(estimator).__name__} has no classes_: it is not fitted, or not a classifier")
    return class_texts(estimator.classes_)


def _checked_values(answer: Any, rows: int) -> npt.NDArray[np.float64]:
    values = np.array(answer, dtype=np.float64)  # a copy: an estimator may keep what it returns
    if values.shape == (rows, 1):
        values = values.reshape(rows)
    if values.shape != (rows,):
        raise ScoresNotUsable(f"the model gave values of shape {values.shape} for {rows} records, expected ({rows},)")
    if not np.isfinite(values).all():
        raise ScoresNotUsable(f"the model gave {_bad_count(values)} values that are not finite for {rows} records")
    return values


def _checked_probabilities(answer: Any, shape: tuple[int, int]) -> npt.NDArray[np.float64]:
    values = np.array(answer, dtype=np.float64)
    if values.shape != shape:
        raise ScoresNotUsable(f"the model gave probabilities of shape {values.shape}, expected {shape}")
    if not np.isfinite(values).all():
        raise ScoresNotUsable(f"the model gave {_bad_count(values)} probabilities that are not finite")
    return values


def _bad_count(values: npt.NDArray[np.float64]) -> int:
    return int(np.count_nonzero(~np.isfinite(values)))


def _listed(names: Sequence[str], limit: int = 10) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
