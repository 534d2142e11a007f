"""Judging a model on labelled examples through the door the service uses: ``Model.score_many``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from features.batch import FeatureBatch
from features.labels import class_name
from learning.curves import Curve, curves_of
from learning.examples import Examples
from learning.labels import class_counts
from learning.metrics import classification_figures, regression_figures
from models.base import Model, Scores, Task

CHUNK_ROWS = 10_000  # as many records as the service's largest batch by default


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How a model did on a set of examples.

    Attributes:
        metrics: Figures by name; an undefined one is absent.
        n: How many examples.
        class_counts: Examples of each class; empty for a regression.
        spread: Difference between the largest and the smallest score; 0 for a model that always says the same.
        curves: For people: ROC and precision over recall, where there is a positive class.
    """

    metrics: Mapping[str, float]
    n: int
    class_counts: Mapping[str, int]
    spread: float
    curves: tuple[Curve, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Unjudged:
    """A model that could not be evaluated on these examples, and why, in one line."""

    reason: str


Judgement: TypeAlias = Evaluation | Unjudged


def evaluate(model: Model, examples: Examples, *, positive: str | None) -> Judgement:
    """Return the figures of a model, each model with its own columns of the same examples.

    ``positive`` is a class name as ``features.labels.class_name`` spells it.

    Never raises for what the model does: a model that fails, gives something not finite or the wrong
    number of scores is ``Unjudged``.
    """
    obstacle = _obstacle(model, examples.batch, positive=positive) or _strange_labels(model, examples)
    if obstacle is not None:
        return Unjudged(obstacle)
    try:
        scores = _score(model, examples.batch)
    except Exception as error:  # whatever a user's estimator raises
        return Unjudged(f"it failed on the validation set: {type(error).__name__}: {error}")
    if len(scores.score) != len(examples):
        return Unjudged(f"it gave {len(scores.score)} scores for {len(examples)} examples")
    if not _finite(scores):
        return Unjudged("it gave scores that are not finite")
    return _figures(model, examples, scores=scores, positive=positive)


def _obstacle(model: Model, batch: FeatureBatch, *, positive: str | None) -> str | None:
    have = {f.name: (f.type, f.length) for f in batch.schema.fields}
    missing = [f.name for f in model.schema.fields if f.name not in have]
    if missing:
        return f"the data has no field {', '.join(missing)}"
    changed = [f.name for f in model.schema.fields if have[f.name] != (f.type, f.length)]
    if changed:
        return f"the data has another type for field {', '.join(changed)}"
    if positive is not None and positive not in map(class_name, model.classes):
        return f"it does not know the class {positive!r}"
    return None if len(batch) else "the validation set is empty"


def _strange_labels(model: Model, examples: Examples) -> str | None:
    known, labels = {class_name(name) for name in model.classes}, set(map(str, examples.labels))
    if not known or known & labels:
        return None
    return f"the labels {', '.join(sorted(labels)[:5])} are none of its classes, {', '.join(map(str, model.classes))}"


def _score(model: Model, batch: FeatureBatch) -> Scores:
    parts = []
    for start in range(0, len(batch), CHUNK_ROWS):
        columns = {name: batch.columns[name][start : start + CHUNK_ROWS] for name in model.schema.names}
        parts.append(model.score_many(columns))
    return Scores(
        score=np.concatenate([part.score for part in parts]),
        prediction=[name for part in parts for name in part.prediction or ()] or None,
        probabilities=_stacked(parts),
    )


def _stacked(parts: list[Scores]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]] | None:
    found = [part.probabilities for part in parts if part.probabilities is not None]
    return np.concatenate(found) if found else None


def _finite(scores: Scores) -> bool:
    return bool(np.isfinite(scores.score).all()) and (
        scores.probabilities is None or bool(np.isfinite(scores.probabilities).all())
    )


def _figures(model: Model, examples: Examples, *, scores: Scores, positive: str | None) -> Judgement:
    if model.task is Task.REGRESSION:
        metrics = regression_figures(examples.labels, scores.score)
        return Evaluation(metrics, len(examples), {}, float(np.ptp(scores.score)))
    if scores.prediction is None or scores.probabilities is None:
        return Unjudged("it gave no classes or probabilities")
    # a model fitted elsewhere may spell its classes otherwise than our labels: "1.0", "True"
    names = {name: class_name(name) or name for name in model.classes}
    renamed = Scores(scores.score, [names[name] for name in scores.prediction], scores.probabilities)
    metrics = classification_figures(examples.labels, renamed, classes=list(names.values()), positive=positive)
    spread = np.ptp(scores.score if positive is not None else scores.probabilities, axis=0)
    curves = () if positive is None else curves_of(examples.labels == positive, scores.score)
    return Evaluation(metrics, len(examples), class_counts(examples.labels), float(np.max(spread)), curves)
