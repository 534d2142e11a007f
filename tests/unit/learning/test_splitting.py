from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning.errors import TrainingError
from learning.examples import Examples
from learning.splitting import Split, SplitRule, split
from models.base import Task
from tests.support.examples import some_examples, some_values


def members(side: Examples) -> set[int]:
    """Return the examples of a side by the column that tells them apart."""
    return set(side.batch.columns["count"].tolist())


def of(examples: Examples, *, task: Task = Task.CLASSIFICATION, seed: int = 0) -> Split:
    """Split with a seeded generator."""
    return split(examples, task=task, rng=np.random.default_rng(seed))


@given(n=st.integers(2, 80), times=st.none() | st.integers(1, 5), seed=st.integers(0, 5))
def test_split_puts_every_example_on_exactly_one_side(n: int, times: int | None, seed: int) -> None:
    """Nothing leaks from validation into the fit, and nothing is lost."""
    instants = None if times is None else [i % times for i in range(n)]
    sides = of(some_examples(n, times=instants, seed=seed))
    assert members(sides.train) & members(sides.validation) == set()
    assert members(sides.train) | members(sides.validation) == set(range(n))


def test_split_by_time_judges_on_the_latest_fifth() -> None:
    """With event times the question is how the model does on what comes next, whatever the file's order."""
    sides = of(some_examples(100, times=[(i * 37) % 100 for i in range(100)]))
    assert (sides.rule, len(sides.validation)) == (SplitRule.TIME, 20)
    assert sides.train.batch.times is not None
    assert sides.validation.batch.times is not None
    assert sides.train.batch.times.max() < sides.validation.batch.times.min()


@given(st.lists(st.integers(0, 6), min_size=5, max_size=60).filter(lambda times: len(set(times)) > 1))
def test_split_by_time_never_divides_an_instant(times: list[int]) -> None:
    """Events of one moment (a bulk import) stand on one side, else the future leaks into the past."""
    sides = of(some_examples(len(times), times=times))
    assert sides.train.batch.times is not None
    assert sides.validation.batch.times is not None
    assert sides.train.batch.times.max() < sides.validation.batch.times.min()


def test_split_without_telling_times_is_stratified() -> None:
    """One instant for all is no order; then every class gives a fifth."""
    examples = some_examples(200, times=[5] * 200)
    sides = of(examples)
    ones = int((examples.labels == "1").sum())
    assert sides.rule is SplitRule.STRATIFIED
    assert int((sides.validation.labels == "1").sum()) == round(ones / 5)


def test_split_learns_from_a_class_with_one_example() -> None:
    """A class seen once is better learnt than set aside."""
    examples = some_examples(20)
    labels = examples.labels.copy().astype("<U5")
    labels[3] = "rare"
    assert "rare" in of(Examples(examples.batch, labels)).train.labels


@pytest.mark.parametrize("task", list(Task))
def test_split_is_the_same_for_the_same_seed(task: Task) -> None:
    """A run can be repeated; another seed gives another validation set."""
    examples = some_values() if task is Task.REGRESSION else some_examples()
    first, second, other = (of(examples, task=task, seed=seed) for seed in (1, 1, 2))
    assert members(first.validation) == members(second.validation)
    assert members(first.validation) != members(other.validation)


def test_split_refuses_a_single_example() -> None:
    """There is nothing to set aside."""
    with pytest.raises(TrainingError, match="nothing to set aside"):
        of(some_examples(1))
