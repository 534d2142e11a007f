"""Setting a validation set aside, so that nothing of it reaches the fit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from learning.errors import TrainingError
from learning.examples import Examples
from models.base import Task

VALIDATION_FRACTION = 0.2  # the usual fifth: enough to judge, most left to learn from


class SplitRule(StrEnum):
    """How the validation set came to be; recorded in the manifest."""

    GIVEN = "given"
    TIME = "time"
    STRATIFIED = "stratified"
    RANDOM = "random"


@dataclass(frozen=True, slots=True)
class Split:
    """What is learnt from and what is judged on; no example is in both."""

    train: Examples
    validation: Examples
    rule: SplitRule


def split(examples: Examples, *, task: Task, rng: np.random.Generator) -> Split:
    """Set a fifth aside: the latest where times are known, else a fifth of every class, else at random.

    By time is the honest question (how will it do on what comes next); the others are for data that
    has no order. All examples of one instant land on the same side.

    Raises:
        TrainingError: Too few examples for two sides.
    """
    if len(examples) < 2:
        raise TrainingError(f"{len(examples)} labelled example(s): nothing to set aside for validation")
    late = _latest(examples.batch.times)
    if late is not None:
        return _divide(examples, late, SplitRule.TIME)
    if task is Task.CLASSIFICATION:
        return _divide(examples, _fifth_of_every_class(examples.labels, rng), SplitRule.STRATIFIED)
    chosen = np.zeros(len(examples), dtype=np.bool_)
    chosen[rng.permutation(len(examples))[: _share(len(examples))]] = True
    return _divide(examples, chosen, SplitRule.RANDOM)


def _share(n: int) -> int:
    return max(1, math.floor(n * VALIDATION_FRACTION + 0.5))


def _latest(times: npt.NDArray[np.int64] | None) -> npt.NDArray[np.bool_] | None:
    """Return which records are the latest fifth, or None when times do not tell records apart."""
    if times is None or times.min() == times.max():
        return None
    border = np.sort(times)[-_share(len(times))]
    late: npt.NDArray[np.bool_] = times >= border
    return times > border if late.all() else late


def _fifth_of_every_class(labels: npt.NDArray[np.str_], rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Return which examples are set aside; a class with one example is learnt from, not judged on."""
    chosen = np.zeros(len(labels), dtype=np.bool_)
    for name in np.unique(labels):
        members = np.flatnonzero(labels == name)
        if len(members) > 1:
            chosen[rng.permutation(members)[: _share(len(members))]] = True
    return chosen


def _divide(examples: Examples, chosen: npt.NDArray[np.bool_], rule: SplitRule) -> Split:
    return Split(
        train=examples.take(np.flatnonzero(~chosen)),
        validation=examples.take(np.flatnonzero(chosen)),
        rule=rule,
    )
