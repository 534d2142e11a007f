"""The Avro schema of an event as the service expects it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from features.errors import CodecError
from features.paths import split
from features.schema import FeatureSchema, Field, NullPolicy

_AVRO_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9_]")
_ANY_SCALAR = ("boolean", "long", "double", "string")


@dataclass(slots=True)
class _Node:
    """A step of some path: either a value of an Avro type or a record of further steps."""

    type: Any = None
    nullable: bool = True
    children: dict[str, _Node] = field(default_factory=dict)


def feature_record_schema(schema: FeatureSchema, *, name: str = "Event") -> dict[str, Any]:
    """Return the Avro record schema of the events this schema reads.

    A step of a dotted path is a nested record. A field is nullable unless it says ``null: reject``, and
    a record is nullable when all it holds is. Where a role shares its path with a field, the field's
    type counts. A label, and what is passed through, may be any scalar.

    Raises:
        CodecError: A step of a path is no Avro name, or two fields read one path as different types.

    >>> from features.schema import Field, FieldType
    >>> feature_record_schema(FeatureSchema((Field("amount", FieldType.DOUBLE, "amount"),)), name="fraud")
    {'type': 'record', 'name': 'fraud', 'fields': [{'name': 'amount', 'type': 'double'}]}
    """
    root = _Node(nullable=False)
    for f in schema.fields:
        _plant(root, f.source, kind=_field_type(f), nullable=f.null is not NullPolicy.REJECT)
    roles = schema.roles
    _plant_role(root, roles.time, kind={"type": "long", "logicalType": "timestamp-millis"}, nullable=False)
    _plant_role(root, roles.id, kind="string", nullable=False)
    _plant_role(root, roles.key, kind="string", nullable=True)
    for path in (roles.label, *roles.passthrough):
        _plant_role(root, path, kind=list(_ANY_SCALAR), nullable=True)
    record_name = _NOT_IN_NAME.sub("_", name)
    return _record(root, record_name if _AVRO_NAME.fullmatch(record_name) else f"_{record_name}", namespace="")


def _field_type(f: Field) -> Any:
    if f.length is None:
        return f.type.value
    return {"type": "array", "items": f.type.value if f.null is NullPolicy.REJECT else ["null", f.type.value]}


def _plant_role(root: _Node, dotted: str | None, *, kind: Any, nullable: bool) -> None:
    """Add a role's path where no field or earlier role has claimed it, or a part of the way to it."""
    if dotted is None:
        return
    node: _Node | None = root
    for step in split(dotted):
        if node is None or node.type is not None:
            break
        node = node.children.get(step)
    if node is None:
        _plant(root, dotted, kind=kind, nullable=nullable)


def _plant(root: _Node, dotted: str, *, kind: Any, nullable: bool) -> None:
    node = root
    for step in split(dotted):
        if not _AVRO_NAME.fullmatch(step):
            raise CodecError(f"path {dotted!r}: {step!r} is no Avro name; use letters, digits and _, or format json")
        node = node.children.setdefault(step, _Node())
    if node.type is not None and (node.type, node.nullable) != (kind, nullable):
        raise CodecError(f"path {dotted!r} is read as two types; give the Avro schema of the topic instead")
    node.type, node.nullable = kind, nullable


def _record(node: _Node, name: str, *, namespace: str) -> dict[str, Any]:
    within = f"{namespace}.{name}" if namespace else name
    record = {"type": "record", "name": name, "namespace": namespace} if namespace else {"type": "record", "name": name}
    return {**record, "fields": [_field(step, child, within) for step, child in node.children.items()]}


def _field(step: str, node: _Node, within: str) -> Mapping[str, Any]:
    kind = node.type if node.type is not None else _record(node, step, namespace=within)
    if not _is_nullable(node):
        return {"name": step, "type": kind}
    branches = kind if isinstance(kind, list) else [kind]
    return {"name": step, "type": ["null", *branches], "default": None}


def _is_nullable(node: _Node) -> bool:
    return node.nullable if node.type is not None else all(_is_nullable(child) for child in node.children.values())
