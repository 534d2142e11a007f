from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier
from sklearn.tree._tree import Tree

from models.errors import ArtifactRefused
from models.trees import check_trees

RNG = np.random.default_rng(5)
X = RNG.normal(size=(200, 3))
Y = (X[:, 0] * X[:, 1] > 0).astype(np.int64)


def forge(tree: Any, change: Callable[[Any], None]) -> Any:
    """Return a copy of a tree whose nodes went through ``change``."""
    state = tree.__getstate__()
    state["nodes"] = state["nodes"].copy()
    change(state["nodes"])
    copy = Tree(tree.n_features, np.atleast_1d(tree.n_classes).astype(np.intp), tree.n_outputs)
    copy.__setstate__(state)
    return copy


def put(field: str, value: int) -> Callable[[Any], None]:
    """Return a change of one field of the first node."""

    def change(nodes: Any) -> None:
        nodes[field][0] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        put("left_child", 10**6),
        put("right_child", 10**6),
        put("left_child", 0),
        put("right_child", -7),
        put("feature", 3),
        put("feature", -5),
    ],
)
def test_tree_that_leads_out_of_itself_is_refused(change: Callable[[Any], None]) -> None:
    """scikit-learn follows node and feature numbers without looking whether they exist."""
    model = DecisionTreeClassifier(random_state=1).fit(X, Y)
    model.tree_ = forge(model.tree_, change)
    with pytest.raises(ArtifactRefused, match="damaged or forged"):
        check_trees([model])


@pytest.mark.parametrize("family", [DecisionTreeClassifier, RandomForestClassifier, GradientBoostingClassifier])
def test_tree_of_more_features_than_its_estimator_is_refused(family: Callable[..., Any]) -> None:
    """A wider tree would read past the end of each row; a forest does not look at its trees' own widths."""
    model, wide = family(random_state=1).fit(X, Y), family(random_state=1).fit(np.hstack([X, X]), Y)
    if hasattr(model, "tree_"):
        model.tree_ = wide.tree_
    else:
        np.ravel(np.asarray(model.estimators_, dtype=object))[0].__dict__.update(np.ravel(wide.estimators_)[0].__dict__)
    with pytest.raises(ArtifactRefused, match="its estimator does not have"):
        check_trees(model)


@pytest.mark.parametrize(("algorithm", "array"), [("kd_tree", 1), ("ball_tree", 1), ("kd_tree", 2)])
def test_tree_of_neighbours_that_leads_out_of_itself_is_refused(algorithm: str, array: int) -> None:
    """The rows in a tree of neighbours are found by number too."""
    model = KNeighborsClassifier(algorithm=algorithm).fit(X, Y)
    numbers = np.asarray(model._tree.get_arrays()[array])
    if array == 1:
        numbers[0] = 10**6
    else:
        numbers["is_leaf"][-1] = 0
    with pytest.raises(ArtifactRefused, match="damaged or forged"):
        check_trees(model)


@pytest.mark.parametrize(
    ("field", "value"), [("left", 10**6), ("right", 10**6), ("left", 0), ("feature_idx", -1), ("feature_idx", 3)]
)
def test_boosted_tree_that_leads_out_of_itself_is_refused(field: str, value: int) -> None:
    """The trees of histogram boosting are followed as blindly."""
    model = HistGradientBoostingClassifier(max_iter=2, min_samples_leaf=2).fit(X, Y)
    model._predictors[1][0].nodes[field][0] = value
    with pytest.raises(ArtifactRefused, match="damaged or forged"):
        check_trees(model)


def test_trees_that_scikit_learn_builds_are_taken() -> None:
    """Best-first trees and trees on categories are built in other orders, and are sound."""
    grown = DecisionTreeClassifier(max_leaf_nodes=9, random_state=1).fit(X, Y)
    categories = HistGradientBoostingClassifier(max_iter=3, min_samples_leaf=2, categorical_features=[0])
    categories.fit(np.column_stack([RNG.integers(0, 9, 200), X[:, 1]]), Y)
    neighbours = KNeighborsClassifier(leaf_size=2).fit(X, Y)
    for model in (grown, categories, neighbours, GradientBoostingRegressor(n_estimators=3).fit(X, Y)):
        check_trees(model)
