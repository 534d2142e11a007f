"""Bounds of trees that were read from a file.

scikit-learn walks a tree by the numbers stored in it, without looking whether they exist: a crafted or
damaged file would crash the process, or read memory that is not the tree's, at the first score.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from models.errors import ArtifactRefused
from models.estimators import parts_of

_TREE = "sklearn.tree._tree.Tree"
_PREDICTOR = "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"
_NEIGHBOURS = ("sklearn.neighbors._kd_tree.KDTree", "sklearn.neighbors._ball_tree.BallTree")


def check_trees(estimator: Any) -> None:
    """Refuse an estimator with a tree that leads out of itself, out of a row, or in a circle.

    Raises:
        ArtifactRefused: ``format``.
    """
    for part in parts_of(estimator):
        kind = _kind(part)
        if kind == _TREE:
            _check_tree(part)
        elif kind == _PREDICTOR:
            _check_predictor(part)
        elif kind in _NEIGHBOURS:
            _check_neighbours(part)
        else:
            _check_width(part)


def _check_tree(tree: Any) -> None:
    count = int(tree.node_count)
    left, right = np.asarray(tree.children_left), np.asarray(tree.children_right)
    inner = left != -1
    if count < 1 or len(left) != count:
        raise _refused("has no nodes")
    _check_children(left[inner], right[inner], np.flatnonzero(inner), count)
    feature = np.asarray(tree.feature)[inner]
    if feature.size and (feature.min() < 0 or feature.max() >= tree.n_features):
        raise _refused("asks for a feature that does not exist")


def _check_predictor(predictor: Any) -> None:
    nodes = predictor.nodes
    inner = nodes["is_leaf"] == 0
    if not len(nodes):
        raise _refused("has no nodes")
    left, right = nodes["left"][inner].astype(np.int64), nodes["right"][inner].astype(np.int64)
    _check_children(left, right, np.flatnonzero(inner), len(nodes))
    if (nodes["feature_idx"][inner].astype(np.int64) < 0).any():
        raise _refused("asks for a feature that does not exist")
    categorical = inner & (nodes["is_categorical"] != 0)
    bitsets = min(len(predictor.raw_left_cat_bitsets), len(predictor.binned_left_cat_bitsets))
    if (nodes["bitset_idx"][categorical].astype(np.int64) >= bitsets).any():
        raise _refused("asks for a set of categories that does not exist")


def _check_neighbours(tree: Any) -> None:
    data, order, nodes, bounds = (np.asarray(array) for array in tree.get_arrays())
    inner = np.flatnonzero(nodes["is_leaf"] == 0)
    rows_exist = len(order) == len(data) and (not order.size or (order.min() >= 0 and order.max() < len(data)))
    spans_exist = (nodes["idx_start"] >= 0).all() and (nodes["idx_end"] <= len(data)).all()
    if not len(nodes) or not rows_exist or not spans_exist or bounds.shape[-2:] != (len(nodes), data.shape[1]):
        raise _refused("names rows that do not exist")
    if inner.size and 2 * inner.max() + 2 >= len(nodes):  # children are found by counting, not by name
        raise _refused("names a child node that does not exist")


def _check_width(part: Any) -> None:
    """Refuse trees that read further into a row than the estimator that hands them rows allows."""
    state = getattr(part, "__dict__", {})
    held = state.get("estimators_", ())
    members = held.ravel() if isinstance(held, np.ndarray) else held  # not np.ravel: a pipeline has a length too
    trees: list[Any] = [state.get("tree_"), *(getattr(member, "tree_", None) for member in members)]
    widest = max((tree.n_features for tree in trees if _kind(tree) == _TREE), default=0)
    for predictor in (predictor for stage in state.get("_predictors", ()) for predictor in stage):
        widest = max(widest, 1 + int(predictor.nodes["feature_idx"].max(initial=0)))
    if widest > int(state.get("n_features_in_", 0)):
        raise _refused("asks for a feature that its estimator does not have")


def _check_children(left: Any, right: Any, parents: Any, count: int) -> None:
    """Children come after their parents in every tree that scikit-learn builds, so there is no circle."""
    for children in (left, right):
        if children.size and ((children <= parents).any() or children.max() >= count):
            raise _refused("names a child node that does not exist")


def _kind(part: Any) -> str:
    return f"{type(part).__module__}.{type(part).__name__}"


def _refused(what: str) -> ArtifactRefused:
    return ArtifactRefused("format", f"a tree in the model file {what}: the file is damaged or forged")
