"""Unfitted estimators by name.

Classes are not weighted by their frequency. Weighting moves the probabilities away from the frequencies that
users read them as (and makes log_loss and brier worse) while it hardly changes the order of the scores; a rare
positive class is answered with ``model.threshold``. Who wants weights writes a ``module:factory``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier, SGDRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from features.schema import FeatureSchema, NullPolicy
from learning.errors import EstimatorError
from models.base import Task
from models.inputs import InputKind

DEFAULT_ESTIMATOR = "sgd"
MAX_CATEGORIES = 50  # per text field; the rarer ones and those never seen share one column
FOREST_TREES = 200  # a hundred more than the default: smoother probabilities at a size that still loads at once


# The library's own step size leaves probabilities near 0 and 1 on some hundred examples: log_loss 0.88 on the
# breast cancer data, where a constant has 0.66, logistic regression 0.09 and these steps 0.10.
_STEPS: Mapping[str, Any] = {"learning_rate": "adaptive", "eta0": 0.01}

EstimatorFactory: TypeAlias = Callable[[str, FeatureSchema], Any]
"""A user's own: given ``classification`` or ``regression`` and the fields, it returns an unfitted estimator."""


@dataclass(frozen=True, slots=True)
class Family:
    """An estimator by name, and what must be done to the columns before it.

    Attributes:
        build: From the seed to the last step, per task.
        takes_nan: Whether it copes with NaN by itself.
        wants_scaling: Whether columns of very different size hurt it.
    """

    build: Mapping[Task, Callable[[int], BaseEstimator]]
    takes_nan: bool
    wants_scaling: bool


FAMILIES: Mapping[str, Family] = {
    "sgd": Family(
        {
            Task.CLASSIFICATION: lambda seed: SGDClassifier(loss="log_loss", random_state=seed, **_STEPS),
            Task.REGRESSION: lambda seed: SGDRegressor(random_state=seed, **_STEPS),
        },
        takes_nan=False,
        wants_scaling=True,
    ),
    "logistic": Family(
        {
            Task.CLASSIFICATION: lambda seed: LogisticRegression(max_iter=1000, random_state=seed),
            Task.REGRESSION: lambda seed: Ridge(random_state=seed),
        },
        takes_nan=False,
        wants_scaling=True,
    ),
    "forest": Family(
        {
            Task.CLASSIFICATION: lambda seed: RandomForestClassifier(FOREST_TREES, random_state=seed),
            Task.REGRESSION: lambda seed: RandomForestRegressor(FOREST_TREES, random_state=seed),
        },
        takes_nan=True,
        wants_scaling=False,
    ),
    "boosting": Family(
        {
            Task.CLASSIFICATION: lambda seed: HistGradientBoostingClassifier(random_state=seed),
            Task.REGRESSION: lambda seed: HistGradientBoostingRegressor(random_state=seed),
        },
        takes_nan=True,
        wants_scaling=False,
    ),
}


@dataclass(frozen=True, slots=True)
class Unfitted:
    """An estimator to be fitted, and the shape of input it must be fitted on."""

    estimator: Any
    input_kind: InputKind


def build_named(name: str, *, task: Task, schema: FeatureSchema, seed: int) -> Unfitted:
    """Return an unfitted estimator of one of the ``FAMILIES`` for these fields.

    The same seed and examples give the same model.

    Raises:
        EstimatorError: No such name.
    """
    family = FAMILIES.get(name)
    if family is None:
        raise EstimatorError(f"no estimator {name!r}: choose one of {', '.join(FAMILIES)}, or module:factory")
    texts = [f.name for f in schema.fields if not f.type.is_numeric]
    steps = _numeric_steps(family, schema)
    if texts:
        steps = [("columns", _columns(texts, steps))]
    pipeline = Pipeline([*steps, ("model", family.build[task](seed))])
    return Unfitted(pipeline, InputKind.FRAME if texts else InputKind.MATRIX)


def build_from_factory(factory: EstimatorFactory, *, task: Task, schema: FeatureSchema) -> Unfitted:
    """Return what a user's factory makes, to be fitted on a frame; seeding it is the factory's own affair.

    Raises:
        EstimatorError: It fails, or returns something that cannot be fitted for this task.
    """
    name = getattr(factory, "__qualname__", repr(factory))
    try:
        estimator = factory(task.value, schema)
    except Exception as error:  # whatever a user's function raises
        called = f"{name}({task.value!r}, fields)"
        raise EstimatorError(f"the factory failed when called as {called}: {type(error).__name__}: {error}") from error
    wanted = ("fit", "predict_proba") if task is Task.CLASSIFICATION else ("fit", "predict")
    lacking = [method for method in wanted if not hasattr(estimator, method)]
    if lacking:
        raise EstimatorError(
            f"the factory {name} returned a {type(estimator).__name__} without {', '.join(lacking)}, "
            f"which a {task.value} needs"
        )
    return Unfitted(estimator, InputKind.FRAME)


def _numeric_steps(family: Family, schema: FeatureSchema) -> list[tuple[str, Any]]:
    steps: list[tuple[str, Any]] = []
    keeps_null = any(f.type.is_numeric and f.null is NullPolicy.KEEP for f in schema.fields)
    if keeps_null and not family.takes_nan:
        steps.append(("impute", SimpleImputer(strategy="median", keep_empty_features=True)))
    if family.wants_scaling:
        steps.append(("scale", StandardScaler()))
    return steps


def _columns(texts: Sequence[str], numeric_steps: Sequence[tuple[str, Any]]) -> ColumnTransformer:
    one_hot = OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=MAX_CATEGORIES, sparse_output=False)
    numeric = Pipeline(list(numeric_steps)) if numeric_steps else "passthrough"
    # the numeric columns are "all others": a sequence stands in the frame as several columns
    return ColumnTransformer([("text", one_hot, list(texts))], remainder=numeric)
