from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.classes import choose_positive, class_text, class_texts
from models.errors import ModelMismatch


@pytest.mark.parametrize(
    ("label", "text"),
    [
        (0, "0"),
        (np.int64(1), "1"),
        (1.0, "1"),
        (np.float32(0.5), "0.5"),
        (True, "true"),
        (np.bool_(False), "false"),
        ("fraud", "fraud"),
        (np.str_("ok"), "ok"),
        (-1, "-1"),
    ],
)
def test_label_becomes_the_text_a_reader_expects(label: Any, text: str) -> None:
    """A score names its class the same way, whether the labels were numbers, booleans or NumPy scalars."""
    assert class_text(label) == text


@pytest.mark.parametrize("label", [None, float("nan"), float("inf"), (1, 2)])
def test_label_without_text_is_refused(label: Any) -> None:
    """A class called nan would be a bug in the training data, shown to every reader."""
    with pytest.raises(ModelMismatch, match="has no text"):
        class_text(label)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0], "at least two"),
        (np.array([1, "1"], dtype=object), "same text"),
        ([np.array([0, 1])] * 2, "several outputs"),
    ],
)
def test_classes_that_cannot_be_told_apart_are_refused(labels: Any, message: str) -> None:
    """Every class needs a name of its own, and a score needs two."""
    with pytest.raises(ModelMismatch, match=message):
        class_texts(labels if isinstance(labels[0], np.ndarray) else np.asarray(labels))


@pytest.mark.parametrize(
    ("classes", "positive", "chosen"),
    [
        (("0", "1"), None, "1"),
        (("false", "true"), None, "true"),
        (("0", "1"), "0", "0"),
        (("fraud", "ok"), "fraud", "fraud"),
        (("a", "b", "c"), None, None),
        (("a", "b", "c"), "b", "b"),
    ],
)
def test_positive_is_taken_or_known(classes: tuple[str, ...], positive: str | None, chosen: str | None) -> None:
    """0/1 and false/true need no word; of three classes none need be the positive one."""
    assert choose_positive(classes, positive) == chosen


@pytest.mark.parametrize(("classes", "positive"), [(("fraud", "ok"), None), (("-1", "1"), None), (("0", "1"), "yes")])
def test_positive_that_must_be_said_is_asked_for(classes: tuple[str, ...], positive: str | None) -> None:
    """Sorted classes would silently make the score the probability of ok."""
    with pytest.raises(ModelMismatch, match=f"{classes[0]}, {classes[1]}") as caught:
        choose_positive(classes, positive)
    assert "model.positive" in str(caught.value)
