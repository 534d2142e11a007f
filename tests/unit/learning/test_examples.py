from __future__ import annotations

import numpy as np
import pytest

from learning.errors import LabelError
from learning.examples import Examples, labelled
from models.base import Task
from tests.support.examples import a_batch

COLUMNS = {"amount": np.array([0.0, 1.0, 2.0, 3.0]), "count": np.array([0, 1, 2, 3], dtype=np.int32)}


def test_labelled_keeps_each_label_with_its_record() -> None:
    """A record without a label is left out together with its columns."""
    examples = labelled(a_batch(COLUMNS, labels=["a", None, "b", ""]), task=Task.CLASSIFICATION)
    assert list(examples.labels) == ["a", "b"]
    assert list(examples.batch.columns["amount"]) == [0.0, 2.0]


def test_labelled_gives_numbers_to_a_regression() -> None:
    """The same labels are numbers where a number is learnt."""
    examples = labelled(a_batch(COLUMNS, labels=["1", 2.5, None, 4]), task=Task.REGRESSION)
    assert examples.labels.tolist() == [1.0, 2.5, 4.0]


def test_labelled_says_where_to_name_the_label() -> None:
    """Events without a label role cannot be learnt from, and the setting to mend is named."""
    with pytest.raises(LabelError, match=r"labels\.inline"):
        labelled(a_batch(COLUMNS), task=Task.CLASSIFICATION)


def test_examples_refuse_another_number_of_labels() -> None:
    """Shifted pairs of record and label would silently teach nonsense."""
    with pytest.raises(LabelError, match="4 records with 3 labels"):
        Examples(a_batch(COLUMNS), np.array(["a", "b", "a"]))
