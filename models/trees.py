"""Bounds of decision trees that were read from a file.

scikit-learn walks a tree by the node numbers stored in it, without looking whether they exist: a crafted
or damaged file would crash the process, or read memory that is not the tree's, at the first score.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from models.errors import ArtifactRefused
from models.estimators import parts_of


def check_trees(estimator: Any) -> None:
    """Refuse an estimator with a tree that leads out of itself or in a circle.

    Raises:
        ArtifactRefused: ``format``.
    """
    for part in parts_of(estimator):
        kind = f"{type(part).__module__}.{type(part).__name__}"
        if kind == "sklearn.tree._tree.Tree":
            _check_tree(part)
        elif kind == "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor":
            _check_predictor(part)
        features, tree = getattr(part, "n_features_in_", None), getattr(part, "tree_", None)
        if features is not None and tree is not None and tree.n_features != features:
            raise _refused("was made for another number of features than its estimator")


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
    _check_children(
        nodes["left"][inner].astype(np.int64), nodes["right"][inner].astype(np.int64), np.flatnonzero(inner), len(nodes)
    )
    if (nodes["feature_idx"][inner].astype(np.int64) < 0).any():
        raise _refused("asks for a feature that does not exist")
    categorical = inner & (nodes["is_categorical"] != 0)
    bitsets = min(len(predictor.raw_left_cat_bitsets), len(predictor.binned_left_cat_bitsets))
    if (nodes["bitset_idx"][categorical].astype(np.int64) >= bitsets).any():
        raise _refused("asks for a set of categories that does not exist")


def _check_children(left: Any, right: Any, parents: Any, count: int) -> None:
    """Children come after their parents in every tree that scikit-learn builds, so there is no circle."""
    for children in (left, right):
        if children.size and ((children <= parents).any() or children.max() >= count):
            raise _refused("names a child node that does not exist")


def _refused(what: str) -> ArtifactRefused:
    return ArtifactRefused("format", f"a decision tree in the model file {what}: the file is damaged or forged")
