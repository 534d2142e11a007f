"""The bad inputs that are, or try to be, Avro: good records of which one field's bytes are replaced."""

from __future__ import annotations

import struct
from typing import Any

from features.rejection import Reason
from producer.avro_layout import varint
from tests.contract.bad_inputs.case import SCORED, Case

WRITER: dict[str, Any] = {
    "type": "record",
    "name": "Event",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "x", "type": "double"},
        {"name": "big", "type": "long"},
        {"name": "count", "type": ["null", "int"]},
        {"name": "rate", "type": "double"},
        {"name": "country", "type": {"type": "enum", "name": "Country", "symbols": ["DE", "FR"]}},
        {"name": "last", "type": ["null", {"type": "array", "items": "double"}]},
        {"name": "note", "type": ["null", "string"]},
        {"name": "unread", "type": {"type": "map", "values": "long"}},
    ],
}
RECURSIVE: dict[str, Any] = {
    "type": "record",
    "name": "Node",
    "fields": [{"name": "x", "type": "double"}, {"name": "next", "type": ["null", "Node"]}],
}
BOMB: dict[str, Any] = {
    "type": "record",
    "name": "Bomb",
    "fields": [{"name": "x", "type": "double"}, {"name": "all", "type": {"type": "array", "items": "null"}}],
}


def text(content: bytes) -> bytes:
    """Return a string as Avro writes it."""
    return varint(len(content)) + content


def double(number: float) -> bytes:
    """Return a double as Avro writes it."""
    return struct.pack("<d", number)


def items(count: int, content: bytes) -> bytes:
    """Return an array, in the second branch of its union, that says it has so many items."""
    return varint(1) + varint(count) + content + varint(0)


PARTS = {
    "id": text(b"good"),
    "x": double(1.5),
    "big": varint(0),
    "count": varint(0),
    "rate": double(0.5),
    "country": varint(0),
    "last": varint(0),
    "note": varint(0),
    "unread": varint(0),
}
INFINITY, NAN = float("inf"), float("nan")


def event(**parts: bytes) -> bytes:
    """Return a good event with the bytes of these fields replaced."""
    return b"".join({**PARTS, **parts}.values())


GOOD = event()
GOOD_SCORE = 10.0

DECODED = [
    Case(1, "null value", None, Reason.EMPTY),
    Case(2, "empty value", b"", Reason.EMPTY),
    Case(14, "array that says it has 2^40 items", event(last=items(2**40, b"")), Reason.UNDECODABLE),
    Case(14, "array that says it has -2^62 items", event(last=items(-(2**62), b"")), Reason.UNDECODABLE),
    Case(14, "text that says it has 2^40 bytes", event(id=varint(2**40)), Reason.UNDECODABLE),
    Case(14, "unread map that says it has 2^40 items", event(unread=varint(2**40)), Reason.UNDECODABLE),
    Case(15, "cut off", event()[:-5], Reason.UNDECODABLE),
    Case(16, "bytes left over", event() + b"\x00", Reason.UNDECODABLE),
    Case(17, "int beyond 32 bits", event(count=varint(1) + varint(2**31)), Reason.UNDECODABLE),
    Case(17, "integer of 20 bytes", event(big=b"\xff" * 19 + b"\x01"), Reason.UNDECODABLE),
    Case(18, "integer that a double would round", event(big=varint(2**53 + 1)), Reason.OUT_OF_RANGE),
    Case(18, "the largest integer that a double holds", event(big=varint(2**53)), SCORED, score=10.0),
    Case(19, "negative branch of a union", event(count=varint(-1)), Reason.UNDECODABLE),
    Case(19, "branch that a union does not have", event(note=varint(2)), Reason.UNDECODABLE),
    Case(20, "symbol that an enum does not have", event(country=varint(2)), Reason.UNDECODABLE),
    Case(20, "negative symbol of an enum", event(country=varint(-1)), Reason.UNDECODABLE),
    Case(21, "bytes that are no UTF-8", event(id=text(b"\xff")), Reason.UNDECODABLE),
    Case(22, "NaN where null is rejected", event(x=double(NAN)), Reason.MISSING),
    Case(22, "NaN where null is kept", event(rate=double(NAN)), SCORED, score=10.0),
    Case(23, "infinity", event(rate=double(-INFINITY)), Reason.NOT_FINITE),
    Case(24, "double beyond the model's own precision", event(x=double(1e300)), Reason.MODEL_FAILED),
    Case(25, "denormal", event(x=double(5e-324)), SCORED, score=7.0),
    Case(25, "minus zero", event(x=double(-0.0)), SCORED, score=7.0),
    Case(27, "optional field null", event(count=varint(0)), SCORED, score=10.0),
    Case(31, "sequence too short", event(last=items(1, double(1))), Reason.WRONG_LENGTH),
    Case(32, "sequence of 100,000 items", event(last=items(100_000, double(1) * 100_000)), Reason.WRONG_LENGTH),
    Case(38, "lone surrogate in the id", event(id=text(b"\xed\xa0\x80")), Reason.UNDECODABLE),
    Case(38, "lone surrogate to be passed on", event(note=varint(1) + text(b"\xed\xa0\x80")), Reason.UNDECODABLE),
]
