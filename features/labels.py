"""From labels as they stand in records to class names or numbers, in the one spelling that all sources agree on."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

import numpy as np

from features.cells import parse_number
from features.rejection import Problem, Reason, Rejection
from features.values import describe

MAX_LABEL_CHARS: Final = 200
_WHOLE_NUMBER = re.compile(r"([+-]?\d+)\.0+")
_LISTED_CLASSES: Final = 5

Label: TypeAlias = str | Problem | None
"""A label's text; None where there is none, which retracts; a problem where it is refused."""


def class_name(value: Any) -> str | None:
    """Return the one spelling of a label that all sources agree on, or None where there is no label.

    A table says ``1.0`` or ``True`` where an event says ``1`` or ``true``; they are one class.

    >>> [class_name(value) for value in (True, 1.0, "1.0", "TRUE", " fraud ", "", None)]
    ['true', '1', '1', 'true', 'fraud', None, None]
    """
    if value is None or (isinstance(value, float | np.floating) and math.isnan(value)):
        return None
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    text = str(value).strip()
    if text.lower() in {"true", "false"}:
        return text.lower()
    whole = _WHOLE_NUMBER.fullmatch(text)
    name = whole.group(1) if whole else text
    return "0" if name == "-0" else name or None


class LabelRules(Protocol):
    """What counts as a label of a service."""

    def label(self, value: Any) -> Label:
        """Return what one plain value means; nothing that a record can hold makes it raise."""
        ...


class ClassRules:
    """Implements ``LabelRules`` for classes.

    A label is one of the classes, as they are called or as ``mapping`` calls them; any text, number or boolean
    where there is neither. All are compared by ``class_name``.
    """

    def __init__(self, *, mapping: Mapping[str, str] | None = None, classes: Collection[str] = ()) -> None:
        """Take the class of each label that is written otherwise, and the classes; none: any."""
        mapped = {class_name(written): class_name(name) for written, name in (mapping or {}).items()}
        named = {name: name for name in (*map(class_name, classes), *mapped.values())}
        self._known: Mapping[str | None, str | None] = named | mapped
        self._listed = ", ".join(sorted(str(name) for name in named)[:_LISTED_CLASSES])

    def label(self, value: Any) -> Label:
        """Return the class, None for null or a blank text."""
        if value is None or isinstance(value, Problem):
            return value
        if not isinstance(value, str | int | float):
            return Problem(Reason.WRONG_TYPE, f"label: expected a text, a number or a boolean, got {describe(value)}")
        name = class_name(value)
        if name in self._known:
            return self._known[name]
        return self._objection(value, name) or name

    def _objection(self, value: float | str, name: str | None) -> Problem | None:
        """Return why a value that is none of the known classes is no label either, or None."""
        if (isinstance(value, float) and not math.isfinite(value)) or (name or "").lower() == "nan":
            return Problem(Reason.NOT_FINITE, f"label: {describe(value)} is no class; null retracts")
        if name is None:
            return None
        if len(name) > MAX_LABEL_CHARS:
            return Problem(Reason.TOO_LARGE, f"label: {len(name)} characters; at most {MAX_LABEL_CHARS} are taken")
        if self._known:
            return Problem(Reason.OUT_OF_RANGE, f"label: {describe(value)} is none of the classes ({self._listed})")
        return None


class NumberRules:
    """Implements ``LabelRules`` for a regression: a label is a finite number, also as a text."""

    def label(self, value: Any) -> Label:
        """Return the number as ``repr`` writes it, None for null or a blank text."""
        if value is None or isinstance(value, Problem):
            return value
        if isinstance(value, str) and not value.strip():
            return None
        number = parse_number(value.strip()) if isinstance(value, str) else value
        if isinstance(number, bool) or not isinstance(number, int | float):
            return Problem(Reason.WRONG_TYPE, f"label: expected a number, got {describe(value)}")
        try:
            told = float(number)
        except OverflowError:
            told = math.inf
        if not math.isfinite(told):
            return Problem(Reason.NOT_FINITE, f"label: {describe(value)} is not a finite number; null retracts")
        return repr(told)


@dataclass(frozen=True, slots=True)
class Labels:
    """What a column of labels means.

    Attributes:
        texts: The label of each; None where there is none, or it is refused.
        refused: Why, by position, ascending.
    """

    texts: list[str | None]
    refused: Mapping[int, Problem]


def read_labels(values: Sequence[Any], rules: LabelRules) -> Labels:
    """Return what each plain value of a column means.

    >>> read_labels([1, "ok", None, "?"], ClassRules(mapping={"1": "fraud"}, classes=["ok"])).texts
    ['fraud', 'ok', None, None]
    """
    found = _found(values, rules)
    refused = {position: label for position, label in enumerate(found) if isinstance(label, Problem)}
    return Labels([None if isinstance(label, Problem) else label for label in found], refused)


def refusal_text(rejection: Rejection) -> str:
    """Return what the column ``refused`` says: one of the documented reasons, a colon, one line for a person."""
    return f"{rejection.reason}: {rejection.detail}"


def _found(values: Sequence[Any], rules: LabelRules) -> list[Label]:
    """Ask the rules once for each different value: most columns hold a few classes."""
    try:
        different = dict.fromkeys(zip(map(type, values), values, strict=True))
    except TypeError:  # one of them is a list or an object
        return [rules.label(value) for value in values]
    meanings = {each: rules.label(each[1]) for each in different}
    return [meanings[each] for each in zip(map(type, values), values, strict=True)]
