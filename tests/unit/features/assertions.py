"""Saying that two outcomes of decoding are the same."""

from __future__ import annotations

import numpy as np

from features.batch import Decoded, FeatureBatch
from features.rejection import Rejection


def assert_same_batch(actual: FeatureBatch, expected: FeatureBatch) -> None:
    """Compare two batches column by column; NaN equals NaN."""
    np.testing.assert_array_equal(actual.rows, expected.rows)
    assert list(actual.columns) == list(expected.columns)
    for name, column in expected.columns.items():
        assert actual.columns[name].dtype == column.dtype
        np.testing.assert_array_equal(actual.columns[name], column)
    assert actual.ids == expected.ids
    np.testing.assert_array_equal(np.asarray(actual.times), np.asarray(expected.times))
    for given, wanted in ((actual.labels, expected.labels), (actual.passthrough, expected.passthrough)):
        assert given == wanted or repr(given) == repr(wanted)  # which says that NaN is NaN


def assert_same_outcome(actual: Decoded, expected: Decoded) -> None:
    """Compare batches and rejections."""
    assert list(actual.rejections) == list(expected.rejections)
    assert_same_batch(actual.batch, expected.batch)


def only_rejection(decoded: Decoded) -> Rejection:
    """Return the one rejection of a batch of one."""
    assert len(decoded.batch) == 0
    (rejection,) = decoded.rejections
    return rejection
