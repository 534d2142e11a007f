"""What can be asked of a scikit-learn estimator, whatever it is made of."""

from __future__ import annotations

from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from models.base import Task
from models.errors import ModelMismatch

_LEAVES = (str, bytes, int, float, complex, bool, type(None), type, ModuleType, FunctionType, np.dtype)


def task_of(estimator: Any) -> Task:
    """Return whether this is a classifier or a regressor.

    Raises:
        ModelMismatch: It is neither.
    """
    from sklearn.base import is_classifier, is_regressor

    if not callable(getattr(estimator, "predict", None)):
        raise ModelMismatch(f"a {type(estimator).__name__} cannot predict: give a fitted classifier or regressor")
    if is_classifier(estimator):
        return Task.CLASSIFICATION
    if is_regressor(estimator):
        return Task.REGRESSION
    raise ModelMismatch(f"a {type(estimator).__name__} is neither a classifier nor a regressor")


def parts_of(estimator: Any) -> Iterator[Any]:
    """Yield the estimator and everything it holds, each object once: steps, fitted copies, trees, arrays."""
    waiting = [estimator]
    seen: set[int] = set()
    kept: list[Any] = []  # an id is only good while its object lives
    while waiting:
        part = waiting.pop()
        if isinstance(part, _LEAVES) or id(part) in seen:
            continue
        seen.add(id(part))
        kept.append(part)
        yield part
        waiting.extend(_children(part))


def settle(estimator: Any) -> Any:
    """Return the estimator made fit for serving: one thread, nothing printed.

    A worker scores many small batches; starting a pool of threads for each costs more than it saves, and
    several workers on one machine would fight for the same cores.
    """
    for part in parts_of(estimator):
        state = getattr(part, "__dict__", {})
        for name, quiet in (("n_jobs", 1), ("verbose", 0)):
            if name in state and hasattr(part, "get_params"):
                setattr(part, name, quiet)
    return estimator


def first_step(estimator: Any) -> Any:
    """Return what sees the input first: the first step of a pipeline, else the estimator itself."""
    while getattr(estimator, "steps", None):
        estimator = estimator.steps[0][1]
    return estimator


def selects_by_name(estimator: Any) -> bool:
    """Return whether columns are picked by name first, so that their order and further columns do not matter."""
    return type(first_step(estimator)).__name__ == "ColumnTransformer"


def needed_columns(estimator: Any) -> list[str] | None:
    """Return the names of the columns that must be there, in fitted order; None when it was fitted without names.

    A ColumnTransformer that comes first needs only those it hands to a transformer: a wide table from which it
    dropped the rest (ids, the label) does not make the rest features.
    """
    fitted = getattr(estimator, "feature_names_in_", None)
    if fitted is None:
        return None
    names = [str(name) for name in fitted]
    if not selects_by_name(estimator):
        return names
    used = {
        name
        for _, transformer, columns in first_step(estimator).transformers_
        if not (isinstance(transformer, str) and transformer == "drop")
        for name in _resolved(columns, names)
    }
    return [name for name in names if name in used]


def _resolved(columns: Any, names: list[str]) -> list[str]:
    """Return the names that a column specification of a ColumnTransformer stands for."""
    if isinstance(columns, str):
        return [columns]
    if isinstance(columns, slice):
        if isinstance(columns.start, str) or isinstance(columns.stop, str):
            start = names.index(columns.start) if columns.start is not None else 0
            stop = names.index(columns.stop) + 1 if columns.stop is not None else len(names)  # names are inclusive
            return names[start : stop : columns.step]
        return names[columns]
    chosen = np.atleast_1d(np.asarray(columns))
    if chosen.dtype == bool:
        return [name for name, wanted in zip(names, chosen, strict=True) if wanted]
    if chosen.dtype.kind in "iu":
        return [names[position] for position in chosen]
    return [str(name) for name in chosen]


def _children(part: Any) -> list[Any]:
    if isinstance(part, dict):
        return list(part.values())
    if isinstance(part, list | tuple | set | frozenset):
        return list(part)
    if isinstance(part, np.ndarray):
        return list(part.ravel()) if part.dtype == object else []
    state = getattr(part, "__dict__", None)
    return list(state.values()) if isinstance(state, dict) else []
