"""From labels as they stand in events to class names or numbers, and which class is the positive one."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from features.labels import class_name
from learning.errors import LabelError, PositiveUnclear
from models.base import Task

MAX_CLASSES = 100  # beyond it somebody trains a classifier on a number
_NATURAL_POSITIVES: Mapping[frozenset[str], str] = {frozenset({"0", "1"}): "1", frozenset({"false", "true"}): "true"}


def class_counts(names: Sequence[str] | npt.NDArray[np.str_]) -> dict[str, int]:
    """Return how many examples each class has, the most frequent first."""
    return dict(Counter(str(name) for name in names).most_common())


def choose_positive(counts: Mapping[str, int], wanted: str | None) -> str | None:
    """Return the class whose probability is the score; None for more than two classes without a wish.

    Raises:
        LabelError: Fewer than two classes, or so many that they are rather numbers.
        PositiveUnclear: An unknown wish, or two classes that do not say by themselves which is positive.
            Sorted classes would silently invert the score, so it is never guessed.
    """
    if len(counts) < 2:
        only = next(iter(counts), None)
        raise LabelError(
            "no labels found: a classifier needs two classes"
            if only is None
            else f"every label is {only!r}: a classifier needs two classes, add examples of the other"
        )
    if len(counts) > MAX_CLASSES:
        raise LabelError(
            f"{len(counts)} classes, at most {MAX_CLASSES} are taken: set 'model.task: regression' if it is a number"
        )
    if wanted is not None:
        return _known(class_name(wanted), counts)
    if len(counts) > 2:
        return None
    return _natural_positive(counts)


def _known(wanted: str | None, counts: Mapping[str, int]) -> str:
    if wanted is None or wanted not in counts:
        raise PositiveUnclear(f"model.positive is {wanted!r}, but the labels are {', '.join(sorted(counts))}")
    return wanted


def _natural_positive(counts: Mapping[str, int]) -> str:
    natural = _NATURAL_POSITIVES.get(frozenset(counts))
    if natural is not None:
        return natural
    listed = " and ".join(repr(name) for name in sorted(counts))
    rarer = min(sorted(counts), key=lambda name: counts[name])
    raise PositiveUnclear(
        f"the labels are {listed}: say which one the score is the probability of, with --positive or "
        f"'model.positive: {rarer}' (the rarer, {counts[rarer]} of {sum(counts.values())})"
    )


def class_names(labels: Sequence[Any]) -> list[str | None]:
    """Return the class name of every label."""
    return [class_name(value) for value in labels]


def numbers(labels: Sequence[Any]) -> list[float | None]:
    """Return every label as a finite number, None where there is none.

    Raises:
        LabelError: A label is not a number.
    """
    found: list[float | None] = []
    for position, value in enumerate(labels):
        if class_name(value) is None:
            found.append(None)
            continue
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            raise LabelError(
                f"example {position + 1}: label {value!r} is not a finite number, which 'model.task: "
                f"{Task.REGRESSION.value}' needs"
            )
        found.append(number)
    return found
