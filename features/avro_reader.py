"""Strict reading of schemaless Avro: one function per type of the writer schema, built once.

fastavro reads malformed bytes as if nothing were wrong: a negative union or enum index counts from the
end, an over-long varint wraps round, an ``int`` may have 64 bits. A wrong number scored in silence is
worse than a dead letter, so the bytes are read here and fastavro serves to check the schema and to write.

Each reader takes the bytes and a position and returns the value and the position after it. Truncated
bytes raise ``IndexError`` or ``struct.error``; whatever else is malformed raises ``ValueError``. No reader
allocates more than the bytes that are there can hold.

Logical types are read as plain values: decimals as doubles, dates and timestamps as epoch milliseconds,
UUIDs as text.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias
from uuid import UUID

from features.avro_logical import DAY_MS, LogicalKind, decimal_as_double, logical_type
from features.avro_types import AvroType, NamedTypes
from features.values import INT_BOUNDS, ZonelessMillis

Reader: TypeAlias = Callable[[bytes, int], tuple[Any, int]]
Convert: TypeAlias = Callable[[Any], Any]

MAX_VARINT_SHIFT = 63  # ten bytes of seven bits hold 64
_FIXED_WIDTH = {"double": "d", "float": "f"}
_unpack_double = struct.Struct("<d").unpack_from
_unpack_float = struct.Struct("<f").unpack_from


class MalformedAvro(ValueError):
    """The bytes are not what the writer schema says."""


def read_long(data: bytes, at: int) -> tuple[int, int]:
    r"""Read a zig-zag varint of at most 64 bits.

    >>> read_long(b"\x03", 0)
    (-2, 1)
    """
    byte = data[at]
    at += 1
    if byte < 0x80:
        return (byte >> 1) ^ -(byte & 1), at
    number = byte & 0x7F
    shift = 7
    while byte >= 0x80:
        if shift > MAX_VARINT_SHIFT:
            raise MalformedAvro("a varint of more than 10 bytes")
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        shift += 7
    if number >= 1 << 64:
        raise MalformedAvro("a varint of more than 64 bits")
    return (number >> 1) ^ -(number & 1), at


def _read_int(data: bytes, at: int) -> tuple[int, int]:
    number, at = read_long(data, at)
    if not INT_BOUNDS[0] <= number <= INT_BOUNDS[1]:
        raise MalformedAvro(f"an int of value {number}, beyond 32 bits")
    return number, at


def _read_null(_data: bytes, at: int) -> tuple[None, int]:
    return None, at


def _read_boolean(data: bytes, at: int) -> tuple[bool, int]:
    byte = data[at]
    if byte > 1:
        raise MalformedAvro(f"a boolean of value {byte}")
    return byte == 1, at + 1


def _read_bytes(data: bytes, at: int) -> tuple[bytes, int]:
    length, at = read_long(data, at)
    if not 0 <= length <= len(data) - at:
        raise MalformedAvro(f"a length of {length} with {len(data) - at} bytes left")
    return data[at : at + length], at + length


def _read_string(data: bytes, at: int) -> tuple[str, int]:
    raw, at = _read_bytes(data, at)
    return raw.decode(), at  # UnicodeDecodeError is a ValueError


def _read_double(data: bytes, at: int) -> tuple[float, int]:
    return _unpack_double(data, at)[0], at + 8


def _read_float(data: bytes, at: int) -> tuple[float, int]:
    return _unpack_float(data, at)[0], at + 4


def read_whole(read: Reader, data: bytes) -> Any:
    """Return what the bytes say, used up to the last one.

    Raises:
        MalformedAvro: They are not what the writer schema says; whatever it is, it is theirs alone.
    """
    try:
        found, end = read(data, 0)
    except (IndexError, struct.error):
        raise MalformedAvro("not Avro of the writer schema: the bytes end too early") from None
    except Exception as error:
        raise MalformedAvro(f"not Avro of the writer schema: {error}") from error
    if end != len(data):
        raise MalformedAvro(f"not Avro of the writer schema: {len(data) - end} bytes are left over")
    return found


_PRIMITIVES: dict[str, Reader] = {
    "null": _read_null,
    "boolean": _read_boolean,
    "int": _read_int,
    "long": read_long,
    "float": _read_float,
    "double": _read_double,
    "bytes": _read_bytes,
    "string": _read_string,
}


def build_reader(node: AvroType, named: NamedTypes) -> Reader:  # noqa: PLR0911 - one line per kind of type
    """Return the reader of a type of an audited schema (see ``features.avro_types``)."""
    if isinstance(node, str):
        return _PRIMITIVES[node] if node in _PRIMITIVES else build_reader(named[node], named)
    if isinstance(node, list):
        return _union([build_reader(branch, named) for branch in node], nullable_double=node == ["null", "double"])
    kind = node["type"]
    if kind in ("record", "error"):
        return _record(node["fields"], named)
    if kind == "enum":
        return _enum(node["symbols"])
    if kind == "array":
        return _array(node["items"], named)
    if kind == "map":
        return _map(build_reader(node["values"], named))
    reader = _fixed(int(node["size"])) if kind == "fixed" else build_reader(kind, named)
    convert = _conversion(node)
    return reader if convert is None else _converted(reader, convert)


def _union(branches: Sequence[Reader], *, nullable_double: bool) -> Reader:
    if nullable_double:
        return _nullable_double
    count = len(branches)

    def read(data: bytes, at: int) -> tuple[Any, int]:
        index, at = read_long(data, at)
        if not 0 <= index < count:
            raise MalformedAvro(f"index {index} into a union of {count}")
        return branches[index](data, at)

    return read


def _nullable_double(data: bytes, at: int) -> tuple[float | None, int]:
    """Read by far the most frequent union without a call into its branch."""
    index = data[at]
    if index == 2:
        return _unpack_double(data, at + 1)[0], at + 9
    if index == 0:
        return None, at + 1
    raise MalformedAvro(f"index byte {index} into a union of 2")


def _enum(symbols: Sequence[str]) -> Reader:
    def read(data: bytes, at: int) -> tuple[str, int]:
        index, at = read_long(data, at)
        if not 0 <= index < len(symbols):
            raise MalformedAvro(f"index {index} into an enum of {len(symbols)}")
        return symbols[index], at

    return read


def _fixed(size: int) -> Reader:
    def read(data: bytes, at: int) -> tuple[bytes, int]:
        if size > len(data) - at:
            raise MalformedAvro(f"{size} fixed bytes with {len(data) - at} left")
        return data[at : at + size], at + size

    return read


def _record(fields: Sequence[dict[str, Any]], named: NamedTypes) -> Reader:
    """Read fields in order; a run of plain doubles and floats is unpacked in one go."""
    steps: list[tuple[tuple[str, ...], Any]] = []
    run: list[dict[str, Any]] = []

    def close_run() -> None:
        if run:
            codes = struct.Struct("<" + "".join(_FIXED_WIDTH[field["type"]] for field in run))
            steps.append((tuple(field["name"] for field in run), codes))
            run.clear()

    for field in fields:
        if isinstance(field["type"], str) and field["type"] in _FIXED_WIDTH:
            run.append(field)
        else:
            close_run()
            steps.append(((field["name"],), build_reader(field["type"], named)))
    close_run()

    def read(data: bytes, at: int) -> tuple[dict[str, Any], int]:
        record: dict[str, Any] = {}
        for names, step in steps:
            if isinstance(step, struct.Struct):
                record.update(zip(names, step.unpack_from(data, at), strict=True))
                at += step.size
            else:
                record[names[0]], at = step(data, at)
        return record, at

    return read


def _block_size(data: bytes, at: int) -> tuple[int, int]:
    """Read how many items follow; every item takes at least a byte, so more than that is a lie."""
    count, at = read_long(data, at)
    if count < 0:
        count = -count
        _, at = read_long(data, at)  # the block's length in bytes, for those who skip it
    if count > len(data) - at:
        raise MalformedAvro(f"a block of {count} items with {len(data) - at} bytes left")
    return count, at


def _array(items: AvroType, named: NamedTypes) -> Reader:
    item = build_reader(items, named)
    code = _FIXED_WIDTH.get(items) if isinstance(items, str) else None

    def read(data: bytes, at: int) -> tuple[list[Any], int]:
        values: list[Any] = []
        count, at = _block_size(data, at)
        while count:
            if code is not None:
                block = struct.Struct(f"<{count}{code}")
                values.extend(block.unpack_from(data, at))
                at += block.size
            else:
                for _ in range(count):
                    value, at = item(data, at)
                    values.append(value)
            count, at = _block_size(data, at)
        return values, at

    return read


def _map(item: Reader) -> Reader:
    def read(data: bytes, at: int) -> tuple[dict[str, Any], int]:
        values: dict[str, Any] = {}
        count, at = _block_size(data, at)
        while count:
            for _ in range(count):
                key, at = _read_string(data, at)
                values[key], at = item(data, at)
            count, at = _block_size(data, at)
        return values, at

    return read


def _converted(reader: Reader, convert: Convert) -> Reader:
    def read(data: bytes, at: int) -> tuple[Any, int]:
        value, at = reader(data, at)
        return convert(value), at

    return read


def _conversion(node: dict[str, Any]) -> Convert | None:
    """Return how a logical type becomes a plain value; None where it is one."""
    logical = logical_type(node)
    if logical is None:
        return None
    divisor = logical.divisor
    conversions: dict[LogicalKind, Convert] = {
        LogicalKind.DECIMAL: lambda raw: decimal_as_double(raw, divisor),
        LogicalKind.UUID: lambda raw: str(UUID(bytes=raw)),
        LogicalKind.DATE: lambda days: days * DAY_MS,
        LogicalKind.INSTANT: lambda count: count // divisor,
        LogicalKind.LOCAL: lambda count: ZonelessMillis(count // divisor),
    }
    return conversions[logical.kind]
