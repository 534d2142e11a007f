"""Dotted paths into nested events: reading one value, and gathering a batch by purpose."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from features.rejection import Problem, Reason
from features.schema import FeatureSchema
from features.typed_values import TypedValues, concatenated
from features.values import describe

Path: TypeAlias = tuple[str, ...]
Values: TypeAlias = Sequence[Any] | TypedValues
Rows: TypeAlias = Sequence[int] | npt.NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True)
class Gathered:
    """Plain values of n events by purpose, not yet checked; every list or array has n items.

    A value that could not even be reached is a ``Problem`` in its place, in a list.

    Attributes:
        rows: Row number of each event in the batch it came from.
        fields: The values of each field, in the order of the schema.
        ids: None when the schema names no id path; likewise ``times`` and ``labels``.
        times: Whatever stood at the time path.
        labels: Whatever stood at the label path.
        passthrough: By output name.
    """

    rows: Rows
    fields: Sequence[Values]
    ids: Values | None
    times: Values | None
    labels: Values | None
    passthrough: Mapping[str, Values]


def listed(values: Values) -> Sequence[Any]:
    """Return values as Python's own."""
    return values.tolist() if isinstance(values, TypedValues) else values


def split(dotted: str) -> Path:
    """Return the steps of a dotted path.

    >>> split("payment.amount")
    ('payment', 'amount')
    """
    return tuple(dotted.split("."))


def value_at(event: Any, path: Path, *, behind: Path = ()) -> Any:
    """Return the value at a path: None where it is null or absent, a problem where a step is no object.

    ``behind`` are the steps that led to ``event`` itself, for the problem's line.

    >>> value_at({"payment": {"amount": 3}}, ("payment", "amount"))
    3
    >>> value_at({"payment": 12}, ("payment", "amount")).detail
    'payment: expected an object, got the number 12'
    """
    node = event
    for depth, step in enumerate(path):
        if node is None:
            return None
        if not isinstance(node, dict):
            where = ".".join((*behind, *path[:depth])) or "the event"
            return Problem(Reason.WRONG_TYPE, f"{where}: expected an object, got {describe(node)}")
        node = node.get(step)
    return node


def values_at(events: Sequence[Mapping[str, Any]], path: Path) -> list[Any]:
    """Return the value at a path of each event, as ``value_at`` gives it."""
    if len(path) == 1:
        step = path[0]
        return [event.get(step) for event in events]
    return [value_at(event, path) for event in events]


def gather(events: Sequence[Mapping[str, Any]], schema: FeatureSchema, *, rows: Rows) -> Gathered:
    """Return what a schema needs of these events, by purpose."""
    return gathered_by(lambda path: values_at(events, path), schema, rows=rows)


def gathered_by(take: Callable[[Path], Values], schema: FeatureSchema, *, rows: Rows) -> Gathered:
    """Return what a schema needs, where ``take`` gives the values at a path."""
    roles = schema.roles

    def role(dotted: str | None) -> Values | None:
        return None if dotted is None else take(split(dotted))

    return Gathered(
        rows=rows,
        fields=[take(f.path) for f in schema.fields],
        ids=role(roles.id),
        times=role(roles.time),
        labels=role(roles.label),
        passthrough={split(path)[-1]: take(split(path)) for path in roles.passthrough},
    )


def in_sequence(parts: Sequence[Gathered]) -> Gathered:
    """Return what was gathered in at least one part, in order, as gathered in one go."""
    first = parts[0]
    if len(parts) == 1:
        return first
    return Gathered(
        rows=np.concatenate([np.asarray(part.rows) for part in parts]),
        fields=[_joined([part.fields[number] for part in parts]) or [] for number in range(len(first.fields))],
        ids=_joined([part.ids for part in parts]),
        times=_joined([part.times for part in parts]),
        labels=_joined([part.labels for part in parts]),
        passthrough={name: _joined([part.passthrough[name] for part in parts]) or [] for name in first.passthrough},
    )


def _joined(parts: Sequence[Values | None]) -> Values | None:
    present = [part for part in parts if part is not None]
    if len(present) < len(parts):
        return None
    typed = [part for part in present if isinstance(part, TypedValues)]
    together = concatenated(typed) if len(typed) == len(parts) else None
    return list(chain.from_iterable(map(listed, present))) if together is None else together
