"""What one column of an unknown file or topic holds, seen value by value, and the field it suggests."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec

from features.cells import parse_number
from features.schema import MAX_SEQUENCE_LENGTH, Field, FieldType, NullPolicy, Scalar
from features.values import LONG_BOUNDS, describe

MAX_DISTINCT = 100_000  # a column with more different values has "many"
NEARLY_ALL = 0.9  # share of different values from which text is a name, not a category
FEW_ROWS = 20  # with fewer, every text column looks like names
STRAY_TEXT = 0.05  # share of texts in a column of numbers that is taken for dirt
_NOT_IN_NAME = re.compile(r"[^0-9A-Za-z_]+")


class Kind(StrEnum):
    """What a single cell can be."""

    INTEGER = "integer"
    FRACTION = "fraction"
    BOOLEAN = "boolean"
    TEXT = "text"
    SEQUENCE = "sequence"
    INSTANT = "instant"
    OTHER = "other"


class ColumnProfile:
    """Counts what the values of a column are; ``read`` makes a value of what stands there, None of nothing."""

    def __init__(self, name: str, *, read: Callable[[Any], Any]) -> None:
        self.name = name
        self._read = read
        self.nulls = 0
        self.kinds: Counter[Kind] = Counter()
        self.distinct: set[Any] = set()
        self.lengths: set[int] = set()
        self.is_beyond_long = False
        self.a_text = ""

    @property
    def filled(self) -> int:
        """Return how many cells are not empty."""
        return self.kinds.total()

    def see(self, cell: Any) -> None:
        """Take one cell into account."""
        value = self._read(cell)
        if value is None:
            self.nulls += 1
            return
        kind = _kind(value)
        self.kinds[kind] += 1
        if kind is Kind.SEQUENCE:
            self.lengths.add(len(value) if all(_kind(item) in _NUMERIC for item in value) else -1)
        elif kind is Kind.INTEGER:
            self.is_beyond_long |= not LONG_BOUNDS[0] <= value <= LONG_BOUNDS[1]
        elif kind is Kind.TEXT:
            self.a_text = self.a_text or value
        if len(self.distinct) < MAX_DISTINCT:
            self.distinct.add(value if kind in _HASHABLE else str(value))

    @property
    def is_constant(self) -> bool:
        """Return whether every cell holds the same value."""
        return self.nulls == 0 and len(self.distinct) == 1

    @property
    def is_mixed(self) -> bool:
        """Return whether values of different types stand here, where none stands for another."""
        return len(self.kinds) > 1 and self._read is read_value

    @property
    def is_nearly_unique(self) -> bool:
        """Return whether nearly every cell holds a value of its own."""
        enough = min(self.filled, MAX_DISTINCT)
        return self.filled >= FEW_ROWS and len(self.distinct) >= NEARLY_ALL * enough


_NUMERIC = frozenset({Kind.INTEGER, Kind.FRACTION})
_HASHABLE = frozenset({Kind.INTEGER, Kind.FRACTION, Kind.BOOLEAN, Kind.TEXT})


def read_cell(cell: Any) -> Any:
    """Return the value of a cell of a file, in which every text may stand for something else.

    >>> read_cell("12"), read_cell("")
    (12, None)
    """
    if cell is None or cell == "" or cell != cell:  # noqa: PLR0124 - NaN counts as null
        return None
    return looks_like(cell) if isinstance(cell, str) else cell


def read_value(value: Any) -> Any:
    """Return a value of an event, which is what it is: nothing is coerced on the stream either.

    >>> read_value("12"), read_value(float("nan"))
    ('12', None)
    """
    return None if value != value else value  # noqa: PLR0124 - NaN counts as null


def looks_like(text: str) -> Any:
    """Return the number, truth value or list that a text is written as, else the text.

    >>> looks_like("12"), looks_like("True"), looks_like("[1, 2]"), looks_like("N/A")
    (12, True, [1, 2], 'N/A')
    """
    stripped = text.strip()
    number = parse_number(stripped)
    if number is not None:
        return number
    if stripped.lower() in ("true", "false"):
        return stripped.lower() == "true"
    if stripped.startswith("[") and stripped.endswith("]"):
        try:
            return msgspec.json.decode(stripped)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            return text
    return text


def _kind(value: Any) -> Kind:
    for kind, types in _KINDS:
        if isinstance(value, types):
            return kind
    return Kind.OTHER


_KINDS: tuple[tuple[Kind, tuple[type, ...]], ...] = (
    (Kind.BOOLEAN, (bool,)),  # before int, of which bool is one
    (Kind.INTEGER, (int,)),
    (Kind.FRACTION, (float, Decimal)),
    (Kind.TEXT, (str,)),
    (Kind.SEQUENCE, (list, tuple)),
    (Kind.INSTANT, (date,)),
)


def field_name(column: str, taken: set[str]) -> str:
    """Return a name a model can have for a column, different from those taken.

    >>> field_name("mean radius", set()), field_name("payment.amount", {"payment_amount"})
    ('mean_radius', 'payment_amount_2')
    """
    stem = _NOT_IN_NAME.sub("_", column).strip("_") or "field"
    name, number = stem, 1
    while name in taken:
        number += 1
        name = f"{stem}_{number}"
    return name


def propose(profile: ColumnProfile, *, name: str) -> tuple[Field | None, list[str]]:
    """Return the field a column suggests, None where it is of no use, and what a person should know."""
    column = repr(profile.name)
    refusal = _useless(profile)
    if refusal is not None:
        return None, [f"{column} is left out: {refusal}"]
    notes: list[str] = []
    kind, length = _type_of(profile)
    strays = profile.kinds[Kind.TEXT]
    if kind is not FieldType.STRING and strays:
        notes.append(f"{column} is taken for numbers; {strays} texts like {profile.a_text[:30]!r} will not fit")
    policy, default, note = _null_policy(profile, kind)
    notes += [note] if note else []
    return Field(name, kind, profile.name, length=length, null=policy, default=default), notes


def _useless(profile: ColumnProfile) -> str | None:  # noqa: PLR0911 - one line per cause
    if ".." in f".{profile.name}.":
        return "its name is no path; give it one"
    if profile.filled == 0:
        return "it has no values"
    if profile.is_constant:
        return f"it has the same value everywhere ({describe(next(iter(profile.distinct)))})"
    if Kind.SEQUENCE in profile.kinds:
        return _bad_sequence(profile)
    if Kind.INSTANT in profile.kinds or Kind.OTHER in profile.kinds:
        return "it holds neither numbers, truth values nor text"
    if _is_numeric(profile):
        return "its integers are beyond 64 bits" if profile.is_beyond_long else None
    if profile.is_mixed:
        return f"its values are of several types: {', '.join(sorted(profile.kinds))}"
    if Kind.TEXT in profile.kinds and profile.is_nearly_unique:
        return "nearly every one is a text of its own, so it names events rather than describes them"
    return None


def _bad_sequence(profile: ColumnProfile) -> str | None:
    length = next(iter(profile.lengths))
    if len(profile.kinds) > 1 or len(profile.lengths) > 1 or not 1 <= length <= MAX_SEQUENCE_LENGTH:
        return "its lists are not all of one length, or hold other things than numbers"
    return None


def _is_numeric(profile: ColumnProfile) -> bool:
    numbers = sum(profile.kinds[kind] for kind in _NUMERIC)
    strays = profile.filled - numbers
    return numbers > 0 and strays <= STRAY_TEXT * profile.filled and strays == profile.kinds[Kind.TEXT]


def _type_of(profile: ColumnProfile) -> tuple[FieldType, int | None]:
    if Kind.SEQUENCE in profile.kinds:
        return FieldType.DOUBLE, next(iter(profile.lengths))
    if _is_numeric(profile):
        return (FieldType.DOUBLE if profile.kinds[Kind.FRACTION] else FieldType.LONG), None
    return (FieldType.BOOLEAN if set(profile.kinds) == {Kind.BOOLEAN} else FieldType.STRING), None


def _null_policy(profile: ColumnProfile, kind: FieldType) -> tuple[NullPolicy, Scalar | None, str | None]:
    if profile.nulls == 0:
        return NullPolicy.REJECT, None, None
    column = f"{profile.name!r} is empty {profile.nulls} times"
    if kind is FieldType.LONG:
        return NullPolicy.DEFAULT, 0, f"{column}: 0 is taken for them; choose another default if 0 means something"
    if kind is FieldType.BOOLEAN:
        return NullPolicy.DEFAULT, False, f"{column}: false is taken for them"
    return NullPolicy.KEEP, None, f"{column}: they are kept, and the model must cope with them"
