from __future__ import annotations

import pytest

from learning.errors import LabelError, PositiveUnclear
from learning.labels import choose_positive, numbers


@pytest.mark.parametrize(
    ("counts", "wanted", "expected"),
    [
        ({"0": 90, "1": 10}, None, "1"),
        ({"0": 10, "1": 90}, None, "1"),
        ({"false": 5, "true": 9}, None, "true"),
        ({"fraud": 5, "legit": 9}, "legit", "legit"),
        ({"0": 5, "1": 9}, "0", "0"),
        ({"a": 1, "b": 2, "c": 3}, None, None),
        ({"a": 1, "b": 2, "c": 3}, "b", "b"),
    ],
)
def test_choose_positive_follows_the_wish_or_the_plain_meaning(
    counts: dict[str, int], wanted: str | None, expected: str | None
) -> None:
    """1 and true are positive by themselves, whichever is rarer; else the user's word holds."""
    assert choose_positive(counts, wanted) == expected


def test_choose_positive_asks_and_proposes_the_rarer() -> None:
    """Labels that do not say it themselves are never sorted into an inverted score."""
    with pytest.raises(PositiveUnclear, match=r"'legit'.*model\.positive: fraud' \(the rarer, 5 of 14\)"):
        choose_positive({"legit": 9, "fraud": 5}, None)


def test_choose_positive_refuses_an_unknown_wish() -> None:
    """A misspelled positive class is told with the classes there are."""
    with pytest.raises(PositiveUnclear, match="'froud', but the labels are fraud, legit"):
        choose_positive({"legit": 9, "fraud": 5}, "froud")


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({}, "no labels found"),
        ({"0": 5}, "every label is '0'"),
        ({str(i): 1 for i in range(101)}, "101 classes.*task: regression"),
    ],
)
def test_choose_positive_refuses_what_is_no_classification(counts: dict[str, int], message: str) -> None:
    """One class, none, or a number taken for a class is told before anything is fitted."""
    with pytest.raises(LabelError, match=message):
        choose_positive(counts, None)


def test_numbers_reads_text_and_keeps_gaps() -> None:
    """A regression's labels may come as text from a CSV; an absent one stays absent."""
    assert numbers(["1.5", 2, None, "", 3.0]) == [1.5, 2.0, None, None, 3.0]


@pytest.mark.parametrize("label", ["fraud", float("inf"), [1]])
def test_numbers_refuses_what_is_no_finite_number(label: object) -> None:
    """The line says which example, so that it can be found."""
    with pytest.raises(LabelError, match="example 2"):
        numbers([1.0, label])
