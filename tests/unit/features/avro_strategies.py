"""Random writer schemas, records that fit them, bytes that no longer do, and feature schemas that pick from them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from itertools import count
from typing import Any

import fastavro
from hypothesis import strategies as st

from features.avro_types import load_writer_schema
from features.errors import CodecError
from features.schema import FeatureSchema, Field, FieldType, NullPolicy, Roles
from features.values import INT_BOUNDS, LONG_BOUNDS
from tests.unit.features.strategies import text

PRIMITIVES = ["null", "boolean", "int", "long", "float", "double", "string", "bytes"]
LOGICALS = [
    {"type": "int", "logicalType": "date"},
    {"type": "long", "logicalType": "timestamp-millis"},
    {"type": "long", "logicalType": "timestamp-micros"},
    {"type": "long", "logicalType": "local-timestamp-nanos"},
    {"type": "string", "logicalType": "uuid"},
    {"type": "bytes", "logicalType": "decimal", "precision": 30, "scale": 3},
]
OFTEN_NULLABLE = ["double", "long", "string", "boolean", *LOGICALS]


@st.composite
def kinds(draw: st.DrawFn, names: Iterator[int], depth: int) -> Any:  # noqa: PLR0911 - one per kind
    """Return a type of any kind; named types get a name of their own."""
    shape = draw(st.integers(0, 15 if depth else 8))
    if shape <= 3:
        return draw(st.sampled_from(PRIMITIVES))
    if shape == 4:
        return draw(st.sampled_from(LOGICALS))
    if shape == 5:
        return draw(named(names))
    if shape <= 8:
        branches = ["null", draw(st.sampled_from(OFTEN_NULLABLE) | named(names))]
        return branches if draw(st.booleans()) else branches[::-1]
    inner = draw(kinds(names, depth - 1))
    if shape <= 10:
        return {"type": "array", "items": inner if inner != "null" else "double"}
    if shape == 11:
        return {"type": "map", "values": inner if inner != "null" else "int"}
    if shape == 12:
        return draw(st.permutations(["null", "long", "string", draw(records(names, depth - 1))]))
    record = draw(records(names, depth - 1))
    return record if shape <= 14 else ["null", record]


@st.composite
def named(draw: st.DrawFn, names: Iterator[int]) -> dict[str, Any]:
    """Return an enum or a fixed, perhaps with a meaning."""
    name = f"n{next(names)}"
    size = draw(st.sampled_from([0, 1, 3, 8, 12]))
    return draw(
        st.sampled_from(
            [
                {"type": "enum", "name": name, "symbols": ["a", "b", "c"]},
                {"type": "fixed", "name": name, "size": size},
                {
                    "type": "fixed",
                    "name": name,
                    "size": size or 1,
                    "logicalType": "decimal",
                    "precision": 2,
                    "scale": 1,
                },
                {"type": "fixed", "name": name, "size": 16, "logicalType": "uuid"},
            ]
        )
    )


@st.composite
def records(draw: st.DrawFn, names: Iterator[int], depth: int) -> dict[str, Any]:
    """Return a record of a few fields."""
    fields = [draw(kinds(names, depth)) for _ in range(draw(st.integers(1, 5)))]
    return {
        "type": "record",
        "name": f"n{next(names)}",
        "fields": [{"name": f"f{i}", "type": kind} for i, kind in enumerate(fields)],
    }


def is_safe(schema: dict[str, Any]) -> bool:
    """Return whether a schema is one that a codec takes."""
    try:
        load_writer_schema(schema)
    except CodecError:
        return False
    return True


writer_schemas = st.builds(count).flatmap(lambda names: records(names, 2)).filter(is_safe)


@st.composite
def damaged_schemas(draw: st.DrawFn) -> dict[str, Any]:
    """Return what was a writer schema: somewhere in it stands what does not belong there."""
    schema: dict[str, Any] = json.loads(json.dumps(draw(writer_schemas)))
    places = list(_places(schema))
    for _ in range(draw(st.integers(1, 2))):
        holder, key = draw(st.sampled_from(places))
        holder[key] = draw(_JUNK)
    return schema


_JUNK: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, -1, 0, 1.5, 10**9, "", "x", "null", "record", "\ud800", [], ["null"], {}, {"type": []}]
)


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every place of a schema: what holds it, and by which key."""
    for key, value in enumerate(node) if isinstance(node, list) else node.items():
        yield node, key
        if isinstance(value, list | dict):
            yield from _places(value)


def values_of(kind: Any) -> st.SearchStrategy[Any]:  # noqa: PLR0911 - one per kind
    """Return values that fastavro writes for a type, given as the plain type below a logical one."""
    if isinstance(kind, list):
        return st.one_of([values_of(branch) for branch in kind])
    if isinstance(kind, str):
        return {
            "null": st.none(),
            "boolean": st.booleans(),
            "int": st.integers(*INT_BOUNDS) | st.integers(-3, 200),
            "long": st.integers(*LONG_BOUNDS) | st.integers(-3, 200) | st.integers(2**53 - 1, 2**53 + 1),
            "float": st.floats(width=32),
            "double": st.floats() | st.integers(-(2**54), 2**54).map(float),
            "string": text | st.text("ab\0", max_size=40) | st.just("x" * 300),
            "bytes": st.binary(max_size=12),
        }[kind]
    if kind["type"] == "record":
        return st.fixed_dictionaries({f["name"]: values_of(f["type"]) for f in kind["fields"]})
    if kind["type"] == "array":
        return st.lists(values_of(kind["items"]), min_size=2, max_size=2) | st.lists(
            values_of(kind["items"]), max_size=4
        )
    if kind["type"] == "map":
        return st.dictionaries(text, values_of(kind["values"]), max_size=3)
    if kind["type"] == "enum":
        return st.sampled_from(kind["symbols"])
    size = kind.get("size")
    return values_of(kind["type"]) if size is None else st.binary(min_size=size, max_size=size)


def record(*fields: tuple[str, Any], name: str = "r") -> dict[str, Any]:
    """Return a record schema of these fields."""
    return {"type": "record", "name": name, "fields": [{"name": n, "type": kind} for n, kind in fields]}


def written(schema: dict[str, Any], event: Any) -> bytes:
    """Return what fastavro writes for an event."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(dict(schema)), event)
    return out.getvalue()


@st.composite
def damaged(draw: st.DrawFn, value: bytes) -> bytes:
    """Return bytes that were a record: cut, extended, changed in a place, or joined with themselves."""
    at = draw(st.integers(0, len(value)))
    piece = draw(st.binary(min_size=1, max_size=4) | st.sampled_from([b"\xff" * 9 + b"\x01", b"\x80\x00", b"\x03"]))
    return draw(
        st.sampled_from(
            [value[:at], value + piece, value[:at] + piece + value[at + len(piece) :], value[:at] + piece + value[at:]]
        )
    )


def paths_of(kind: Any, behind: str) -> list[str]:
    """Return the paths of a type and what is below it, and some that lead nowhere."""
    branches = kind if isinstance(kind, list) else [kind]
    inner = [b for b in branches if isinstance(b, dict) and b["type"] == "record"]
    below = [path for r in inner for f in r["fields"] for path in paths_of(f["type"], f"{behind}.{f['name']}")]
    return [behind, *below] if inner else [behind, *([f"{behind}.nowhere"] if behind.endswith("1") else [])]


@st.composite
def feature_schemas(draw: st.DrawFn, writer: dict[str, Any]) -> FeatureSchema:
    """Return a schema that picks from the records of a writer schema, whether its types fit or not."""
    paths = [path for f in writer["fields"] for path in paths_of(f["type"], f["name"])]
    some = st.sampled_from([*paths, "absent"])
    sources = draw(st.lists(some, min_size=1, max_size=4))
    outer = [s for s in sources if not any(s != o and s.startswith(f"{o}.") for o in sources)]
    fields = [draw(fields_of(f"x{number}", source)) for number, source in enumerate(outer)]
    role = st.none() | some
    taken = {f.source for f in fields}
    roles = Roles(
        id=draw(role), time=draw(role), label=draw(role.filter(lambda p: p not in taken)), passthrough=(draw(some),)
    )
    return FeatureSchema(tuple(fields), roles)


@st.composite
def fields_of(draw: st.DrawFn, name: str, source: str) -> Field:
    """Return a field of any type and policy."""
    kind = draw(st.sampled_from(FieldType))
    policies = [NullPolicy.REJECT]
    if kind in (FieldType.DOUBLE, FieldType.FLOAT, FieldType.STRING):
        policies.append(NullPolicy.KEEP)
    if kind.is_numeric and kind is not FieldType.BOOLEAN:
        policies.append(NullPolicy.DEFAULT)
    policy = draw(st.sampled_from(policies))
    length = draw(st.sampled_from([None, None, 1, 2])) if kind.is_numeric else None
    default = 1 if policy is NullPolicy.DEFAULT else None
    minimum = draw(st.sampled_from([None, -1.0])) if kind in (FieldType.DOUBLE, FieldType.LONG) else None
    return Field(name, kind, source, length=length, null=policy, default=default, minimum=minimum)
