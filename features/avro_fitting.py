"""How plain values of ours become what a given Avro schema wants: its clocks, its decimals, its texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from decimal import Decimal
from typing import Any, TypeAlias

from features.avro_types import AvroType, NamedTypes
from features.cells import parse_number
from features.errors import EncodeError
from features.identity import event_time_ms
from features.labels import class_name
from features.paths import Path, split
from features.rejection import Problem
from features.schema import FeatureSchema

Convert: TypeAlias = Callable[[Any], Any]

MS_PER_DAY = 86_400_000
_TEXTS = ("string", "enum")
_NUMBERS = ("int", "long", "float", "double")
_TICKS_PER_MS = {"millis": 1, "micros": 1_000, "nanos": 1_000_000}


def conversions(parsed: AvroType, named: NamedTypes, schema: FeatureSchema) -> list[tuple[Path, Convert]]:
    """Return how values are adapted, by path, where the Avro schema wants something else for them."""
    roles = schema.roles
    features = {f.source for f in schema.fields}
    texts = {path for path in (roles.id, roles.key) if path is not None and path not in features}
    found: list[tuple[Path, Convert]] = [
        (split(path), _written_out) for path in texts if "string" in _kinds_at(parsed, split(path), named)
    ]
    if roles.time is not None and roles.time not in features:
        ticks = next(filter(None, map(_ticks_per_ms, _types_at(parsed, split(roles.time), named))), None)
        found += [] if ticks is None else [(split(roles.time), _clock(ticks, roles.time))]
    if roles.label is not None and roles.label not in features:
        found.append((split(roles.label), _label_as(_kinds_at(parsed, split(roles.label), named))))
    for source in features:
        convert = next(filter(None, map(_of_logical, _types_at(parsed, split(source), named))), None)
        found += [] if convert is None else [(split(source), convert)]
    return found


def missing_paths(parsed: AvroType, named: NamedTypes, schema: FeatureSchema) -> list[str]:
    """Return the paths that every record must have and no event of this feature schema has."""
    roles = schema.roles
    paths = (*(f.source for f in schema.fields), roles.id, roles.key, roles.time, roles.label, *roles.passthrough)
    return list(_missing(parsed, (), named, {split(path) for path in paths if path is not None}))


def _missing(node: AvroType, within: Path, named: NamedTypes, known: set[Path]) -> Iterator[str]:
    record = _resolved(node, named)
    for field in record["fields"]:
        path = (*within, field["name"])
        branches = _branches(field["type"], named)
        if "default" in field or "null" in branches or path in known:
            continue
        if any(other[: len(path)] == path for other in known) and _is_record(branches[0]):
            yield from _missing(branches[0], path, named, known)
        else:
            yield ".".join(path)


def _resolved(node: AvroType, named: NamedTypes) -> Any:
    return named[node] if isinstance(node, str) and node in named else node


def _branches(node: AvroType, named: NamedTypes) -> list[Any]:
    return [_resolved(branch, named) for branch in (node if isinstance(node, list) else [node])]


def _is_record(node: Any) -> bool:
    return isinstance(node, Mapping) and node["type"] in ("record", "error")


def _types_at(node: AvroType, path: Path, named: NamedTypes) -> list[Any]:
    """Return the types a path can have, looking through unions, names and nested records."""
    branches = _branches(node, named)
    if not path:
        return branches
    found: list[Any] = []
    for branch in branches:
        for field in branch["fields"] if _is_record(branch) else ():
            if field["name"] == path[0]:
                found += _types_at(field["type"], path[1:], named)
    return found


def _kinds_at(node: AvroType, path: Path, named: NamedTypes) -> list[Any]:
    """Return the types at a path without what they stand for: a UUID of text is text."""
    return [
        kind["type"] if isinstance(kind, Mapping) and isinstance(kind["type"], str) else kind
        for kind in _types_at(node, path, named)
    ]


def _ticks_per_ms(kind: Any) -> int | None:
    """Return what a time counts in: a long alone in milliseconds, a timestamp in its own unit."""
    if not isinstance(kind, Mapping):
        return 1 if kind == "long" else None
    stem, _, unit = str(kind.get("logicalType", "")).rpartition("-")
    return _TICKS_PER_MS.get(unit) if kind["type"] == "long" and stem == "timestamp" else None


def _of_logical(kind: Any) -> Convert | None:
    """Return how a feature's plain value becomes one of a logical type; None where it is one."""
    logical = str(kind.get("logicalType", "")) if isinstance(kind, Mapping) else ""
    if logical == "decimal":
        exponent = Decimal(1).scaleb(-int(kind.get("scale", 0)))
        return lambda value: Decimal(repr(value)).quantize(exponent) if isinstance(value, float | int) else value
    if logical == "date" and kind["type"] == "int":
        return lambda value: int(value) // MS_PER_DAY if isinstance(value, float | int) else value
    stem, _, unit = logical.rpartition("-")
    ticks = _TICKS_PER_MS.get(unit, 1) if stem in ("timestamp", "local-timestamp") else 1
    if ticks == 1:
        return None
    return lambda value: int(value) * ticks if isinstance(value, float | int) else value


def _label_as(kinds: Sequence[Any]) -> Convert:
    """Return how a label as somebody wrote it becomes one of the types that the schema has for it.

    A file says ``1`` or ``true`` in words where the schema counts, and the reverse. What fits is left as it is, and so
    is what no type is found for.
    """
    names = {str(kind) for kind in kinds}
    takes_text, takes_numbers = not names.isdisjoint(_TEXTS), not names.isdisjoint(_NUMBERS)

    def convert(value: Any) -> Any:
        if isinstance(value, str):
            return value if takes_text else _meant(value, names)
        if isinstance(value, bool):
            return value if "boolean" in names or not takes_text else class_name(value)
        if isinstance(value, float) and value.is_integer() and names.isdisjoint(("float", "double")):
            return int(value) if takes_numbers else class_name(value)
        return value if takes_numbers or not isinstance(value, int | float) else class_name(value)

    return convert


def _meant(text: str, names: AbstractSet[str]) -> Any:
    """Return the number or truth value that a text spells, where the schema has such a type; else the text."""
    name = class_name(text)
    if "boolean" in names and name in {"true", "false"}:
        return name == "true"
    number = None if names.isdisjoint(_NUMBERS) else parse_number(name or "")
    return text if number is None else number


def _written_out(value: Any) -> Any:
    return str(value) if type(value) is int else value


def _clock(ticks_per_ms: int, path: str) -> Convert:
    def ticks(value: Any) -> int | None:
        if value is None:
            return None
        ms = event_time_ms(value, path=path)
        if isinstance(ms, Problem):
            raise EncodeError(ms.detail)
        return ms * ticks_per_ms

    return ticks
