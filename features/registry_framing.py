"""Confluent's framing: which schema a record was written with, said before its body or in a header."""

from __future__ import annotations

import operator
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from uuid import UUID

from features.codec import HeadersOf
from features.rejection import Problem, Reason, Rejection

SCHEMA_HEADER: Final = "__value_schema_id"
PREFIX_BYTES: Final = 5
_HEADER_BYTES: Final = {0: 5, 1: 17}  # by magic byte: an id of 4 bytes, a globally unique one of 16
_SHOWN_BYTES: Final = 17
_HEAD: Final[Callable[[Any], bytes]] = operator.itemgetter(slice(PREFIX_BYTES))
_BODY: Final[Callable[[Any], bytes]] = operator.itemgetter(slice(PREFIX_BYTES, None))

SchemaKey: TypeAlias = int | str
"""An id, or a globally unique id as the text of a UUID."""


@dataclass(slots=True)
class Group:
    """The records of a batch that were written with one schema: their rows, ascending, and their bodies."""

    rows: Sequence[int]
    bodies: list[bytes]


def prefix_of(schema_id: int) -> bytes:
    """Return what stands before a body of this schema.

    >>> prefix_of(7).hex()
    '0000000007'
    """
    return struct.pack(">bI", 0, schema_id)


def unframed(
    values: Sequence[bytes | None], headers: HeadersOf | None
) -> tuple[Mapping[SchemaKey, Group], list[Rejection]]:
    """Return the bodies by schema, and a rejection for each record that names none.

    A header that names the schema wins over what the value begins with; then the whole value is the body.
    """
    named = {} if headers is None else _named_in_headers(headers, len(values))
    if values and not named:  # nearly every batch of nearly everybody is of one schema, and pays for no more
        first = (values[0] or b"")[:PREFIX_BYTES]
        if _is_prefix(first) and (bodies := _bodies_of_one(values, first)) is not None:
            return {_id_in(first): Group(range(len(bodies)), bodies)}, []
    return _sorted_out(values, named)


def _bodies_of_one(values: Sequence[bytes | None], prefix: bytes) -> list[bytes] | None:
    """Return all bodies where every value has this prefix and a body, else None."""
    try:
        if set(map(_HEAD, values)) != {prefix}:
            return None
        bodies = list(map(_BODY, values))
    except TypeError:  # a record without a value
        return None
    return bodies if all(bodies) else None


def _sorted_out(
    values: Sequence[bytes | None], named: Mapping[int, bytes | None]
) -> tuple[Mapping[SchemaKey, Group], list[Rejection]]:
    groups: dict[SchemaKey, Group] = {}
    rejections: list[Rejection] = []
    keys: dict[bytes, SchemaKey | Problem] = {}
    for row, value in enumerate(values):
        key: SchemaKey | Problem
        if not value:
            key, body = _nothing(value), b""
        elif row in named:
            key, body = _header_key(named[row]), value
        else:
            head = value[:PREFIX_BYTES]
            if head not in keys:
                keys[head] = _prefix_key(head)
            key, body = keys[head], value[PREFIX_BYTES:]
            if not body and not isinstance(key, Problem):
                key = Problem(Reason.EMPTY, f"nothing follows the schema id {key}")
        if isinstance(key, Problem):
            rejections.append(key.at(row))
        elif key in groups:
            group = groups[key]
            group.rows.append(row)  # type: ignore[attr-defined]  # a list, made below
            group.bodies.append(body)
        else:
            groups[key] = Group([row], [body])
    return groups, rejections


def _named_in_headers(headers: HeadersOf, count: int) -> dict[int, bytes | None]:
    """Return the header that names the schema, of the rows that have one; of several the last holds."""
    found = list(map(headers, range(count)))
    if not any(found):
        return {}
    return {row: value for row, of_row in enumerate(found) for name, value in of_row if name == SCHEMA_HEADER}


def _is_prefix(head: bytes) -> bool:
    return len(head) == PREFIX_BYTES and head[0] == 0


def _id_in(head: bytes) -> int:
    return int.from_bytes(head[1:], "big")


def _prefix_key(head: bytes) -> SchemaKey | Problem:
    if _is_prefix(head):
        return _id_in(head)
    if len(head) < PREFIX_BYTES and head[:1] in (b"\0", b""):
        return Problem(
            Reason.UNDECODABLE,
            f"the value ends within the schema id: {_shown(head)}; {PREFIX_BYTES} bytes stand before a body",
        )
    return Problem(
        Reason.UNDECODABLE,
        f"the value begins with {_shown(head)}, not with the magic byte 00 of a schema registry's framing",
    )


def _header_key(value: bytes | None) -> SchemaKey | Problem:
    if value and _HEADER_BYTES.get(value[0]) == len(value):
        return _id_in(value) if value[0] == 0 else str(UUID(bytes=value[1:]))
    said = "nothing" if not value else _shown(value)
    return Problem(
        Reason.UNDECODABLE,
        f"the header {SCHEMA_HEADER} holds {said}, neither 00 and an id of 4 bytes nor 01 and one of 16",
    )


def _nothing(value: bytes | None) -> Problem:
    return Problem(Reason.EMPTY, "the record has no value" if value is None else "the value has no bytes")


def _shown(found: bytes) -> str:
    more = f" and {len(found) - _SHOWN_BYTES} bytes more" if len(found) > _SHOWN_BYTES else ""
    return found[:_SHOWN_BYTES].hex(" ") + more
