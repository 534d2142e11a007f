"""The writer schema, looked at before any byte: what a record of it can cost, and what it may not contain.

Bytes from a stranger are decoded in this process, so a schema by which a few bytes could become millions
of items, or a stack without end, is refused when it is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import fastavro.schema

from features.errors import CodecError

AvroType: TypeAlias = str | list[Any] | dict[str, Any]
NamedTypes: TypeAlias = Mapping[str, dict[str, Any]]

MAX_EXPANDED_TYPES = 10_000  # a schema whose named types are used in each other can grow as 2^n
MAX_SCHEMA_DEPTH = 100  # of types in each other, names followed; it becomes depth of the stack
MAX_DECIMAL_SCALE = 16_383  # as PostgreSQL has it; ten to the power of a scale without bound is never worked out
MAX_SAID = 200  # characters of what is wrong with a schema
_MIN_BYTES = {"boolean": 1, "int": 1, "long": 1, "float": 4, "double": 8, "string": 1, "bytes": 1, "enum": 1}


def load_writer_schema(
    schema: Mapping[str, Any], references: Sequence[Mapping[str, Any]] = ()
) -> tuple[dict[str, Any], NamedTypes]:
    """Return the parsed record schema and its named types by full name.

    ``references`` are the schemas that this one names without holding them; each stands after those that
    it names itself.

    Raises:
        CodecError: It is not a valid Avro record schema, is recursive, or could be made to allocate
            without reading.
    """
    try:
        return _audited(schema, references)
    except CodecError:
        raise
    except RecursionError:
        raise CodecError("the Avro writer schema is nested too deeply") from None
    except Exception as error:  # whatever a stranger wrote in the place of a name, a size or a list of fields
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise CodecError(f"the Avro writer schema is not valid: {said[:MAX_SAID]}") from error


def _audited(schema: Mapping[str, Any], references: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], NamedTypes]:
    known: dict[str, Any] = {}
    named: dict[str, dict[str, Any]] = {}
    for reference in references:
        _name_types(_parsed(reference, known), named)
    parsed = _parsed(schema, known)
    if not isinstance(parsed, dict) or parsed.get("type") not in ("record", "error"):
        raise CodecError("the Avro writer schema must be a record: events have named fields")
    _name_types(parsed, named)
    _Audit(named).cost(parsed, frozenset())
    return parsed, named


def _parsed(schema: Mapping[str, Any], known: dict[str, Any]) -> AvroType:
    """Return a schema with its names in full; ``known`` are the types named so far, and gains its own."""
    own = {key: value for key, value in schema.items() if not key.startswith("__")}  # its "parsed" mark skips checks
    parsed: AvroType = fastavro.schema.parse_schema(own, named_schemas=known, _write_hint=False)
    return parsed


def _name_types(node: AvroType, named: dict[str, dict[str, Any]]) -> None:
    """Put the types that are defined in a type under their names, and look at what fastavro does not."""
    if isinstance(node, list):
        for branch in node:
            _name_types(branch, named)
    elif isinstance(node, dict):
        if node["type"] in ("record", "error"):
            _check_fields(node)
        elif node["type"] == "fixed" and (type(node["size"]) is not int or node["size"] < 0):
            raise CodecError(f"the Avro writer schema is not valid: {node['name']} has no size")
        if node.get("logicalType") == "decimal":
            _check_scale(node.get("scale", 0))
        if node["type"] in ("record", "error", "enum", "fixed"):
            named[node["name"]] = node
        for child in _children(node):
            _name_types(child, named)


def _check_fields(node: dict[str, Any]) -> None:
    names = [field["name"] for field in node["fields"]]
    if len(set(names)) < len(names):
        raise CodecError(f"the Avro writer schema is not valid: {node['name']} has two fields of one name")


def _check_scale(scale: Any) -> None:
    if type(scale) is not int or not 0 <= scale <= MAX_DECIMAL_SCALE:
        raise CodecError(f"the Avro writer schema has a decimal whose scale is no number up to {MAX_DECIMAL_SCALE}")


def _children(node: dict[str, Any]) -> list[AvroType]:
    kind = node["type"]
    if kind in ("record", "error"):
        return [field["type"] for field in node["fields"]]
    if kind == "array":
        return [node["items"]]
    return [node["values"]] if kind == "map" else [] if isinstance(kind, str) else [kind]


class _Cost(NamedTuple):
    """What a type can cost: the fewest bytes it takes, the types it expands to, how deep they stand in each other."""

    min_bytes: int
    types: int
    depth: int


class _Audit:
    """Finds what each type can cost."""

    def __init__(self, named: NamedTypes) -> None:
        self._named = named
        self._known: dict[str, _Cost] = {}

    def cost(self, node: AvroType, within: frozenset[str]) -> _Cost:
        """Return the cost of a type that stands within these named types."""
        if isinstance(node, str):
            return self._named_cost(node, within) if node in self._named else _Cost(_MIN_BYTES.get(node, 0), 1, 1)
        if isinstance(node, list):
            costs = [self.cost(branch, within) for branch in node]
            return self._around(costs, 1 + min((c.min_bytes for c in costs), default=0))
        if node["type"] in ("record", "error", "enum", "fixed"):
            return self._named_cost(node["name"], within)
        return self._unnamed_cost(node, within)

    def _named_cost(self, name: str, within: frozenset[str]) -> _Cost:
        if name in within:
            raise CodecError(f"the Avro writer schema is recursive: {name} contains itself")
        if name not in self._known:
            node = self._named[name]
            if node["type"] == "fixed":
                self._known[name] = _Cost(node["size"], 1, 1)
            elif node["type"] == "enum":
                self._known[name] = _Cost(1, 1, 1)
            else:
                costs = [self.cost(field["type"], within | {name}) for field in node["fields"]]
                self._known[name] = self._around(costs, sum(c.min_bytes for c in costs))
        return self._known[name]

    def _unnamed_cost(self, node: dict[str, Any], within: frozenset[str]) -> _Cost:
        kind = node["type"]
        if kind not in ("array", "map"):
            return self.cost(kind, within)
        item = self.cost(node["items"] if kind == "array" else node["values"], within)
        if item.min_bytes == 0:
            raise CodecError(f"the Avro writer schema has an {kind} of items of no size: a few bytes could be millions")
        return self._around([item], 1)

    @staticmethod
    def _around(parts: list[_Cost], min_bytes: int) -> _Cost:
        """Return the cost of a type that holds some others."""
        cost = _Cost(min_bytes, 1 + sum(c.types for c in parts), 1 + max((c.depth for c in parts), default=0))
        if cost.types > MAX_EXPANDED_TYPES:
            raise CodecError(f"the Avro writer schema expands to more than {MAX_EXPANDED_TYPES} types")
        if cost.depth > MAX_SCHEMA_DEPTH:
            raise CodecError(f"the Avro writer schema is nested deeper than {MAX_SCHEMA_DEPTH}")
        return cost
