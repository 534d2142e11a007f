"""A first feature schema for a writer's Avro schema: what ``tidemill init --from-subject`` proposes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

from features.avro_types import AvroType, NamedTypes
from features.column_profile import field_name
from features.envelope import NOTE as ENVELOPE_NOTE
from features.envelope import inside, is_envelope
from features.errors import TableError
from features.inference import NO_LABEL, Inferred
from features.registered import load_registered
from features.registry import RegisteredSchema
from features.schema import FeatureSchema, Field, FieldType, NullPolicy, Roles

_PLAIN = {kind.value: kind for kind in FieldType}
_KEEPS_NULL = frozenset({FieldType.DOUBLE, FieldType.FLOAT, FieldType.STRING})
_TIMES = frozenset({FieldType.LONG, FieldType.STRING})
_INSTANT = ("timestamp", "local-timestamp")


@dataclass(frozen=True, slots=True)
class Leaf:
    """A value that a writer's schema has, by its dotted path.

    Attributes:
        path: Where it is.
        type: The type a field for it has; of an array, that of its items. None where no field can hold it.
        is_nullable: Whether it, or a record around it, may be null.
        is_array: Whether it is an array.
        logical: The logical type, empty where it has none.
        refusal: Why no field can hold it.
    """

    path: str
    type: FieldType | None
    is_nullable: bool = False
    is_array: bool = False
    logical: str = ""
    refusal: str = ""


def leaves_of(schema: RegisteredSchema) -> list[Leaf]:
    """Return every value of a registered schema, in the order of the schema.

    Raises:
        CodecError: It is not Avro, not a record, not valid, or not safe to decode by.
    """
    parsed, named = load_registered(schema)
    fields = [_row(field) if is_envelope(f["name"] for f in parsed["fields"]) else field for field in parsed["fields"]]
    return list(_of_record(fields, "", named, is_nullable=False))


def _row(field: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a field of an envelope; the new row is null in deletes, which says nothing of the values in it."""
    kind = field["type"]
    if field["name"] != "after" or not isinstance(kind, list):
        return field
    return {**field, "type": [branch for branch in kind if branch != "null"]}


def infer_schema(
    schema: RegisteredSchema, roles: Roles, *, origin: str, lengths: Mapping[str, int] | None = None
) -> Inferred:
    """Return the proposal for events of a writer's schema; ``lengths`` are those of arrays, by path.

    Raises:
        CodecError: The schema cannot be used to decode by.
        TableError: A path named in ``roles`` or ``lengths`` is not there, or nothing can be a field.
    """
    leaves = leaves_of(schema)
    by_path = {leaf.path: leaf for leaf in leaves}
    given = lengths or {}
    for path in (roles.label, roles.id, roles.key, roles.time, *given):
        _require(path, by_path, origin)
    _require_instant(roles.time, by_path, origin)
    within = inside(by_path)
    notes = [*_label_notes(by_path, roles.label)] + ([] if within is None else [ENVELOPE_NOTE.format(path=within)])
    fields: list[Field] = []
    for leaf in leaves:
        if leaf.path in {roles.label, roles.id, roles.key, roles.time} or not leaf.path.startswith(within or ""):
            continue
        field, said = _proposed(leaf, {f.name for f in fields}, given.get(leaf.path))
        fields += [] if field is None else [field]
        notes += said
    if not fields:
        raise TableError(f"{origin}: nothing in it can be a feature: {'; '.join(notes)}")
    task = _task(by_path, roles.label)
    return Inferred(FeatureSchema(tuple(fields), roles), task, {}, None, 0, notes)


def _require(path: str | None, leaves: Mapping[str, Leaf], origin: str) -> None:
    if path is None or path in leaves:
        return
    near = meant_by(path, leaves)
    there = f"did you mean {', '.join(near)}?" if near else f"there are {', '.join(list(leaves)[:50])}"
    raise TableError(f"{origin}: no value at {path!r}; {there}")


def meant_by(path: str, leaves: Mapping[str, Leaf]) -> list[str]:
    """Return the paths, the likeliest first, that somebody may have meant by one that is not there."""
    return get_close_matches(path, leaves, n=3) or [known for known in leaves if known.endswith(f".{path}")][:3]


def _require_instant(path: str | None, leaves: Mapping[str, Leaf], origin: str) -> None:
    if path is None:
        return
    leaf = leaves[path]
    if leaf.is_array or leaf.type not in _TIMES or leaf.logical.startswith("local-timestamp"):
        what = leaf.logical or leaf.type or "nothing that tells a time"
        raise TableError(
            f"{origin}: the time {path!r} is {what}; it must be a timestamp, epoch milliseconds or ISO 8601"
        )


def _label_notes(leaves: Mapping[str, Leaf], label: str | None) -> Iterator[str]:
    if label is None:
        yield NO_LABEL
    elif leaves[label].type is FieldType.STRING:
        yield f"the label {label!r} is text: name the class that the score is about in model.positive"
    elif leaves[label].type in {FieldType.LONG, FieldType.INT}:
        yield f"the label {label!r} is taken for a class; for a quantity set 'task: regression'"


def _task(leaves: Mapping[str, Leaf], label: str | None) -> Literal["classification", "regression"]:
    quantity = label is not None and leaves[label].type in {FieldType.DOUBLE, FieldType.FLOAT}
    return "regression" if quantity else "classification"


def _proposed(leaf: Leaf, taken: set[str], length: int | None) -> tuple[Field | None, list[str]]:
    """Return the field for a value, None where there is none, and what a person should know."""
    path = repr(leaf.path)
    if leaf.type is None:
        return None, [f"{path} is left out: {leaf.refusal}"]
    if leaf.is_array and length is None:
        return None, [f"{path} is left out: an array has a length; say it with --length {leaf.path}=N"]
    if length is not None and not leaf.is_array:
        raise TableError(f"{path} is no array, so it has no length")
    if leaf.is_array and leaf.type is FieldType.STRING:
        return None, [f"{path} is left out: a sequence must hold numbers or truth values, not text"]
    notes = []
    if leaf.logical.startswith((*_INSTANT, "date")):
        notes.append(f"{path} is an instant, given as epoch milliseconds; remove it if it is no feature")
    null = NullPolicy.REJECT
    if leaf.is_nullable and leaf.type in _KEEPS_NULL:
        null = NullPolicy.KEEP
        notes.append(f"{path} may be null: nulls are kept, and the model must cope with them")
    elif leaf.is_nullable:
        notes.append(f"{path} may be null: such an event is a dead letter; 'null: default' takes a value instead")
    return Field(field_name(leaf.path, taken), leaf.type, leaf.path, length=length, null=null), notes


def _of_record(
    fields: Sequence[Mapping[str, Any]], within: str, named: NamedTypes, *, is_nullable: bool
) -> Iterator[Leaf]:
    for field in fields:
        yield from _of_type(field["type"], f"{within}{field['name']}", named, is_nullable=is_nullable)


def _of_type(node: AvroType, path: str, named: NamedTypes, *, is_nullable: bool) -> Iterator[Leaf]:
    if isinstance(node, list):
        branches = [branch for branch in node if branch != "null"]
        is_nullable = is_nullable or len(branches) < len(node)
        if len(branches) == 1:
            yield from _of_type(branches[0], path, named, is_nullable=is_nullable)
        else:
            yield Leaf(path, _widest(branches), is_nullable, refusal="it may be of several types")
        return
    resolved = named[node] if isinstance(node, str) and node in named else node
    if isinstance(resolved, dict) and resolved["type"] in ("record", "error"):
        yield from _of_record(resolved["fields"], f"{path}.", named, is_nullable=is_nullable)
    else:
        yield _leaf(resolved, path, named, is_nullable=is_nullable)


def _leaf(node: AvroType, path: str, named: NamedTypes, *, is_nullable: bool) -> Leaf:  # noqa: PLR0911 - one a type
    if isinstance(node, str):
        return _plain_leaf(node, path, is_nullable=is_nullable)
    if not isinstance(node, dict):
        return Leaf(path, None, is_nullable, refusal="it may be of several types")
    kind, logical = node["type"], str(node.get("logicalType") or "")
    if kind == "enum":
        return Leaf(path, FieldType.STRING, is_nullable)
    if kind == "array":
        return _array_leaf(node, path, named, is_nullable=is_nullable)
    if kind == "map":
        return Leaf(path, None, is_nullable, refusal=f"the schema does not name its keys; take one as {path}.KEY")
    if logical == "decimal":
        return Leaf(path, FieldType.DOUBLE, is_nullable, logical=logical)
    if logical == "uuid":
        return Leaf(path, None, is_nullable, logical=logical, refusal="a UUID names an event, it does not describe it")
    if kind == "fixed":
        return Leaf(path, None, is_nullable, refusal="it holds raw bytes")
    if kind == "int" and logical == "date":  # as epoch milliseconds it needs more than 32 bits
        return Leaf(path, FieldType.LONG, is_nullable, logical=logical)
    found = _plain_leaf(kind, path, is_nullable=is_nullable)
    return Leaf(path, found.type, is_nullable, logical=logical, refusal=found.refusal)


def _array_leaf(node: dict[str, Any], path: str, named: NamedTypes, *, is_nullable: bool) -> Leaf:
    (item, *others) = list(_of_type(node["items"], path, named, is_nullable=False))
    if others or item.is_array or item.path != path:
        return Leaf(path, None, is_nullable, refusal="an array of other things than single values")
    return Leaf(path, item.type, is_nullable or item.is_nullable, is_array=True, refusal=item.refusal)


def _plain_leaf(kind: Any, path: str, *, is_nullable: bool) -> Leaf:
    if kind in _PLAIN:
        return Leaf(path, _PLAIN[kind], is_nullable)
    return Leaf(path, None, is_nullable, refusal="it holds raw bytes" if kind == "bytes" else f"it is always {kind}")


def _widest(branches: Sequence[AvroType]) -> FieldType | None:
    """Return the type that holds every branch of a union of numbers."""
    kinds = {branch for branch in branches if isinstance(branch, str)}
    if len(kinds) < len(branches) or not kinds <= {"int", "long", "float", "double"}:
        return None
    return FieldType.DOUBLE if kinds & {"float", "double"} else FieldType.LONG
