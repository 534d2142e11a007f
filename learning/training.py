"""From labelled examples to a candidate: a fitted model that nobody has judged yet."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from features.schema import FeatureSchema
from learning.constant import ConstantModel, constant_of
from learning.errors import TrainingError
from learning.estimators import DEFAULT_ESTIMATOR, EstimatorFactory, Unfitted, build_from_factory, build_named
from learning.examples import Examples
from learning.labels import choose_positive, class_counts
from learning.splitting import Split, SplitRule, split
from models.base import Task
from models.inputs import to_input
from models.sklearn_model import DEFAULT_THRESHOLD, SklearnModel


@dataclass(frozen=True, slots=True)
class TrainingSpec:
    """How to learn.

    Attributes:
        task: What the score means.
        estimator: A name of ``learning.estimators.FAMILIES``, or a user's factory.
        positive: The class whose probability is the score; None: see ``choose_positive``.
        threshold: Score at and above which it is predicted.
        seed: Of the split and of the estimator.
        without: Fields the model shall not use, though the examples have them.
    """

    task: Task
    estimator: str | EstimatorFactory = DEFAULT_ESTIMATOR
    positive: str | None = None
    threshold: float = DEFAULT_THRESHOLD
    seed: int = 0
    without: tuple[str, ...] = ()

    def fields(self, schema: FeatureSchema) -> FeatureSchema:
        """Return the fields that are learnt from.

        Raises:
            TrainingError: ``without`` names a field that is not there, or leaves none.
        """
        absent = [name for name in self.without if name not in schema.names]
        if absent:
            raise TrainingError(f"no such field: {', '.join(absent)}; the service file has {', '.join(schema.names)}")
        kept = [name for name in schema.names if name not in self.without]
        if not kept:
            raise TrainingError("no field is left to learn from")
        return schema.subset(kept)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A fitted model with what it was and was not learnt from.

    Attributes:
        model: The model, as the service would score with it.
        split: The examples on both sides; ``split.validation`` never touched the fit.
        constant: The model that ignores its input, of the same training examples.
        warnings: What the estimator complained of while it was fitted, each once.
    """

    model: SklearnModel
    split: Split
    constant: ConstantModel
    warnings: tuple[str, ...] = ()


def train(examples: Examples, *, spec: TrainingSpec, validation: Examples | None = None) -> Candidate:
    """Fit a model on the examples, with a validation set apart.

    Args:
        examples: What there is to learn from.
        spec: How to learn.
        validation: A set given beforehand; then all examples are learnt from. None: one is split off.

    Raises:
        LabelError: The labels do not say what the score should be.
        TrainingError: The split leaves nothing to learn, or the fit fails.
        EstimatorError: The estimator cannot be built.
    """
    positive = check_labels(examples, spec=spec)
    sides = _sides(examples, spec=spec, validation=validation)
    if spec.task is Task.CLASSIFICATION and len(np.unique(sides.train.labels)) < 2:
        raise TrainingError(
            f"after setting validation aside ({sides.rule.value}) all training examples are of one class: "
            f"give a validation set of your own with --validation"
        )
    unfitted = _unfitted(spec, sides.train)
    estimator, complaints = _fit(unfitted, sides.train, spec)
    model = SklearnModel(
        estimator,
        schema=spec.fields(sides.train.batch.schema),
        task=spec.task,
        input=unfitted.input_kind,
        positive=positive,
        threshold=spec.threshold,
    )
    return Candidate(model, sides, constant_of(sides.train, task=spec.task, positive=positive), complaints)


def check_labels(examples: Examples, *, spec: TrainingSpec) -> str | None:
    """Return the positive class, or None for a regression and for many classes without a wish.

    Raises:
        LabelError: See ``choose_positive``.
    """
    if spec.task is Task.REGRESSION:
        return None
    return choose_positive(class_counts(examples.labels), spec.positive)


def _weights(estimator: Any, examples: Examples) -> dict[str, Any]:
    """Return the argument of ``fit`` that has the weights, in a pipeline that of its last step."""
    if examples.weights is None or bool((examples.weights == 1).all()):
        return {}
    last, prefix = estimator, ""
    while isinstance(last, Pipeline):
        name, last = last.steps[-1]
        prefix += f"{name}__"
    if not has_fit_parameter(last, "sample_weight"):
        warnings.warn(f"{type(last).__name__} takes no weights: every example counts once", stacklevel=2)
        return {}
    return {f"{prefix}sample_weight": examples.weights}


def _sides(examples: Examples, *, spec: TrainingSpec, validation: Examples | None) -> Split:
    if validation is None:
        return split(examples, task=spec.task, rng=np.random.default_rng(spec.seed))
    if len(validation) == 0:
        raise TrainingError("the validation set holds no labelled example")
    return Split(examples, validation, SplitRule.GIVEN)


def _unfitted(spec: TrainingSpec, examples: Examples) -> Unfitted:
    schema = spec.fields(examples.batch.schema)
    if isinstance(spec.estimator, str):
        return build_named(spec.estimator, task=spec.task, schema=schema, seed=spec.seed)
    return build_from_factory(spec.estimator, task=spec.task, schema=schema)


def _fit(unfitted: Unfitted, examples: Examples, spec: TrainingSpec) -> tuple[object, tuple[str, ...]]:
    given = to_input(examples.batch.columns, schema=spec.fields(examples.batch.schema), kind=unfitted.input_kind)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            fitted = unfitted.estimator.fit(given, examples.labels, **_weights(unfitted.estimator, examples))
    except Exception as error:  # whatever an estimator raises; its own words are the best we have
        raise TrainingError(f"the fit failed with {type(error).__name__}: {error}") from error
    return fitted, tuple(dict.fromkeys(" ".join(str(warning.message).split()) for warning in caught))
