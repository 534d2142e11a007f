"""What an event carries: fields with types and policies, and the roles of the others.

The schema belongs to the service file; each model sees its own subset, named in its manifest.
A model fits a service when its fields are a subset of the service's with the same types, so the
fingerprint is of names, types and lengths only: a changed default or range does not orphan a model.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from features.errors import SchemaError

MAX_SEQUENCE_LENGTH = 65_536  # one event; a longer vector is a different kind of system


class FieldType(StrEnum):
    """The types a feature can have; the names are Avro's."""

    DOUBLE = "double"
    FLOAT = "float"
    INT = "int"
    LONG = "long"
    BOOLEAN = "boolean"
    STRING = "string"

    @property
    def dtype(self) -> npt.DTypeLike:
        """Return the NumPy type of a column of this type; strings are objects."""
        return _DTYPES[self]

    @property
    def is_numeric(self) -> bool:
        """Return whether a column of this type can stand in a numeric matrix."""
        return self is not FieldType.STRING


_DTYPES: Mapping[FieldType, npt.DTypeLike] = {
    FieldType.DOUBLE: np.float64,
    FieldType.FLOAT: np.float32,
    FieldType.INT: np.int32,
    FieldType.LONG: np.int64,
    FieldType.BOOLEAN: np.bool_,
    FieldType.STRING: np.object_,
}


class NullPolicy(StrEnum):
    """What becomes of a field that is null, absent or (for numbers) NaN."""

    REJECT = "reject"
    DEFAULT = "default"
    KEEP = "keep"  # the model sees NaN (double, float) or None (string) and must cope


Scalar: TypeAlias = float | int | bool | str


@dataclass(frozen=True, slots=True)
class Field:
    """One feature: where it is in the event, its type, and what values are let in.

    Attributes:
        name: The model's name for it.
        type: Its type; with ``length`` the type of each item of a sequence.
        source: Dotted path into the user's event (``from`` in the service file).
        length: None for a scalar, else the exact number of items of the sequence.
        null: What becomes of null, absent and NaN.
        default: The value taken under ``null: default``.
        minimum: Smallest value let in, inclusive; numeric fields only.
        maximum: Largest value let in, inclusive; numeric fields only.
    """

    name: str
    type: FieldType
    source: str
    length: int | None = None
    null: NullPolicy = NullPolicy.REJECT
    default: Scalar | None = None
    minimum: float | None = None
    maximum: float | None = None

    def __post_init__(self) -> None:
        """Refuse a field that contradicts itself, naming the field and the mend."""
        if not self.name or not self.source or ".." in f".{self.source}.":
            raise SchemaError(f"field {self.name!r}: name and path must be non-empty, got path {self.source!r}")
        if self.length is not None and not 1 <= self.length <= MAX_SEQUENCE_LENGTH:
            raise SchemaError(f"field {self.name!r}: length must be between 1 and {MAX_SEQUENCE_LENGTH}")
        if self.length is not None and self.type is FieldType.STRING:
            raise SchemaError(f"field {self.name!r}: a sequence must hold numbers or booleans, not strings")
        if (self.default is None) == (self.null is NullPolicy.DEFAULT):
            raise SchemaError(f"field {self.name!r}: 'default' and 'null: default' go together")
        if self.null is NullPolicy.KEEP and self.type not in _CAN_KEEP_NULL:
            raise SchemaError(f"field {self.name!r}: 'null: keep' needs double, float or string, not {self.type}")
        self._check_range()
        self._check_default()

    def _check_range(self) -> None:
        bounds = [bound for bound in (self.minimum, self.maximum) if bound is not None]
        if bounds and self.type in (FieldType.STRING, FieldType.BOOLEAN):
            raise SchemaError(f"field {self.name!r}: min and max need a numeric type, not {self.type}")
        if any(not math.isfinite(bound) for bound in bounds):
            raise SchemaError(f"field {self.name!r}: min and max must be finite")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise SchemaError(f"field {self.name!r}: min {self.minimum} is above max {self.maximum}")

    def _check_default(self) -> None:
        value = self.default
        if value is None:
            return
        if not isinstance(value, _PYTHON_TYPES[self.type]) or (
            isinstance(value, bool) and self.type is not FieldType.BOOLEAN
        ):
            raise SchemaError(f"field {self.name!r}: default {value!r} is not a {self.type}")
        if isinstance(value, int | float) and not isinstance(value, bool):
            below = self.minimum is not None and value < self.minimum
            above = self.maximum is not None and value > self.maximum
            if below or above or not _LIMITS[self.type][0] <= value <= _LIMITS[self.type][1]:
                raise SchemaError(f"field {self.name!r}: default {value!r} is outside its own range")

    @property
    def path(self) -> tuple[str, ...]:
        """Return the steps of the path into the event."""
        return tuple(self.source.split("."))


_CAN_KEEP_NULL = frozenset({FieldType.DOUBLE, FieldType.FLOAT, FieldType.STRING})
_FLOAT32_MAX = float(np.finfo(np.float32).max)
_LIMITS: Mapping[FieldType, tuple[float, float]] = {
    FieldType.DOUBLE: (-sys.float_info.max, sys.float_info.max),
    FieldType.FLOAT: (-_FLOAT32_MAX, _FLOAT32_MAX),
    FieldType.INT: (-(2**31), 2**31 - 1),
    FieldType.LONG: (-(2**63), 2**63 - 1),
}
_PYTHON_TYPES: Mapping[FieldType, type | tuple[type, ...]] = {
    FieldType.DOUBLE: (int, float),
    FieldType.FLOAT: (int, float),
    FieldType.INT: int,
    FieldType.LONG: int,
    FieldType.BOOLEAN: bool,
    FieldType.STRING: str,
}


@dataclass(frozen=True, slots=True)
class Roles:
    """Where an event keeps what is not a feature; dotted paths, None where it does not carry it.

    Attributes:
        id: The event's identity; None means ``topic/partition/offset``.
        key: The record key to publish with (grouping and order); read by ``publish`` only.
        time: Event time, epoch milliseconds by type or ISO 8601 with zone; None: the record's timestamp.
        label: The label carried inline; read by training only, never by a model.
        passthrough: Paths copied from the event into its score, under their last step's name.
    """

    id: str | None = None
    key: str | None = None
    time: str | None = None
    label: str | None = None
    passthrough: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse an empty path, and two passthrough paths that would share one output name."""
        for path in (self.id, self.key, self.time, self.label, *self.passthrough):
            if path is not None and ".." in f".{path}.":
                raise SchemaError(f"path {path!r}: every step of a dotted path must be non-empty")
        names = [path.rpartition(".")[2] for path in self.passthrough]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise SchemaError(f"output.passthrough has two paths ending in {', '.join(doubled)}: keep one of them")


@dataclass(frozen=True, slots=True)
class FeatureSchema:
    """The fields of an event in the order a model sees them, and the roles beside them.

    A record that carries no features, a label for one, has roles alone.
    """

    fields: tuple[Field, ...]
    roles: Roles = field(default_factory=Roles)

    def __post_init__(self) -> None:
        """Refuse a schema of nothing, two fields of one name, the label as a feature, a field within a field."""
        if not self.fields and self.roles == Roles():
            raise SchemaError("the schema is empty: it names no field and no role")
        names = [f.name for f in self.fields]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise SchemaError(f"features.fields names {', '.join(doubled)} more than once")
        if self.roles.label is not None and any(f.source == self.roles.label for f in self.fields):
            raise SchemaError(f"the label {self.roles.label!r} must not be a feature: remove it from features.fields")
        sources = {f.source for f in self.fields}
        for f in self.fields:
            parents = [".".join(f.path[:depth]) for depth in range(1, len(f.path))]
            if not sources.isdisjoint(parents):
                raise SchemaError(f"field {f.name!r}: {f.source} lies inside another field's value")

    @property
    def names(self) -> tuple[str, ...]:
        """Return the field names in order."""
        return tuple(f.name for f in self.fields)

    @property
    def width(self) -> int:
        """Return the number of values that all columns have for one record."""
        return sum(f.length or 1 for f in self.fields)

    def subset(self, names: Iterable[str]) -> FeatureSchema:
        """Return the schema of these fields, in the order given, with the same roles.

        Raises:
            SchemaError: A name is not a field of this schema, or there is none.
        """
        by_name = {f.name: f for f in self.fields}
        wanted = list(names)
        absent = [name for name in wanted if name not in by_name]
        if absent:
            raise SchemaError(f"no such field: {', '.join(absent)}; the service has {', '.join(by_name)}")
        if not wanted:
            raise SchemaError("a model needs at least one field")
        return FeatureSchema(tuple(by_name[name] for name in wanted), self.roles)

    @property
    def fingerprint(self) -> str:
        """Return 16 hex digits that change when a name, type, length or the order changes."""
        shape = [[f.name, f.type.value, f.length] for f in self.fields]
        return hashlib.sha256(json.dumps(shape).encode()).hexdigest()[:16]
