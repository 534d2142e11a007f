"""Class names: from the labels an estimator was fitted on to the text that stands in a score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from models.errors import ModelMismatch

_KNOWN_BINARY = {frozenset({"0", "1"}): "1", frozenset({"false", "true"}): "true"}


def class_text(label: Any) -> str:
    """Return a label as text: ``0`` and ``0.0`` are ``"0"``, ``False`` is ``"false"``, text is itself.

    Raises:
        ModelMismatch: The label is null, NaN or of a type that has no plain text.

    Example:
        >>> [class_text(label) for label in (True, np.int64(1), 1.0, "fraud")]
        ['true', '1', '1', 'fraud']
    """
    if isinstance(label, np.generic):
        label = label.item()
    if isinstance(label, bool):
        return "true" if label else "false"
    if isinstance(label, float) and math.isfinite(label) and label.is_integer():
        return str(int(label))
    if isinstance(label, str | int) or (isinstance(label, float) and math.isfinite(label)):
        return str(label)
    raise ModelMismatch(f"the class {label!r} has no text: labels must be text, whole numbers or booleans")


def class_texts(labels: Any) -> tuple[str, ...]:
    """Return the class names of a fitted classifier, in the order of its probabilities.

    Raises:
        ModelMismatch: Fewer than two classes, several outputs, or two labels with the same text.
    """
    if isinstance(labels, list) or np.ndim(labels) != 1:
        raise ModelMismatch("the model predicts several outputs: a score has one; fit one model for each")
    names = tuple(class_text(label) for label in labels)
    if len(names) < 2:
        raise ModelMismatch(f"the model knows only the class {', '.join(names) or '(none)'}: it needs at least two")
    if len(set(names)) < len(names):
        raise ModelMismatch(f"two labels have the same text: {', '.join(names)}; make them differ before fitting")
    return names


def choose_positive(classes: Sequence[str], positive: str | None) -> str | None:
    """Return the class whose probability is the score, or None where the predicted class's is meant.

    Sorted class names say nothing about meaning: of ``fraud`` and ``ok`` the second is not what is looked
    for, so two classes other than 0/1 and false/true need to be told.

    Raises:
        ModelMismatch: ``positive`` is not a class, or is needed and not given.
    """
    listed = ", ".join(classes)
    if positive is not None and positive not in classes:
        raise ModelMismatch(f"positive {positive!r} is not a class of this model; it has {listed}: set model.positive")
    if positive is not None or len(classes) != 2:
        return positive
    known = _KNOWN_BINARY.get(frozenset(classes))
    if known is None:
        raise ModelMismatch(f"which class is the score the probability of? Set model.positive to one of {listed}")
    return known
