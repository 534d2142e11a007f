"""The bad inputs of the labels topic."""

from __future__ import annotations

import json
import struct
from typing import Any

from features.rejection import Reason
from features.schema import Roles
from producer.avro_layout import varint
from tests.contract.bad_inputs.avro_inputs import double, text
from tests.contract.bad_inputs.case import Case

ROLES = Roles(id="ref", label="status", time="at")
CLASSES = ("fraud", "ok")
WRITER: dict[str, Any] = {
    "type": "record",
    "name": "Label",
    "fields": [
        {"name": "ref", "type": ["null", "string"]},
        {"name": "status", "type": ["null", "string", "double", {"type": "array", "items": "long"}]},
        {"name": "at", "type": "long"},
    ],
}


def label(**fields: Any) -> bytes:
    """Return a good label with these fields changed."""
    return json.dumps({"ref": "e", "status": "ok", "at": 1, **fields}).encode()


def avro_label(status: bytes, ref: bytes = varint(1) + text(b"e")) -> bytes:
    """Return a label in Avro with these bytes for its fields."""
    return ref + status + varint(1)


GOOD = label()
AVRO_GOOD = avro_label(varint(1) + text(b"ok"))

JSON_REFUSED = [
    Case(45, "no value", None, Reason.EMPTY),
    Case(45, "no bytes", b"", Reason.EMPTY),
    Case(45, "cut off", GOOD[:-2], Reason.UNDECODABLE),
    Case(45, "nested 100,000 deep", b'{"ref":"e","status":' + b"[" * 100_000, Reason.UNDECODABLE),
    Case(45, "no id", label(ref=None), Reason.MISSING),
    Case(45, "no time", label(at=None), Reason.MISSING),
    Case(45, "time without a zone", label(at="2026-01-01T00:00:00"), Reason.WRONG_TYPE),
    Case(45, "an array for a label", label(status=["ok"]), Reason.WRONG_TYPE),
    Case(45, "NaN as a text", label(status="NaN"), Reason.NOT_FINITE),
    Case(45, "infinity", GOOD.replace(b'"ok"', b"1e999"), Reason.NOT_FINITE),
    Case(45, "another class", label(status="perhaps"), Reason.OUT_OF_RANGE),
    Case(45, "a number for a class", label(status=1), Reason.OUT_OF_RANGE),
    Case(45, "a class of 201 characters", label(status="x" * 201), Reason.TOO_LARGE),
    Case(45, "2 MB", label(status="x" * 2_000_000), Reason.TOO_LARGE),
]
AVRO_REFUSED = [
    Case(45, "no value", None, Reason.EMPTY),
    Case(45, "cut off", AVRO_GOOD[:-1], Reason.UNDECODABLE),
    Case(45, "branch that a union does not have", avro_label(varint(7)), Reason.UNDECODABLE),
    Case(45, "no id", avro_label(varint(0), ref=varint(0)), Reason.MISSING),
    Case(45, "an array for a label", avro_label(varint(3) + varint(1) + varint(5) + varint(0)), Reason.WRONG_TYPE),
    Case(45, "NaN", avro_label(varint(2) + double(float("nan"))), Reason.NOT_FINITE),
    Case(45, "signalling NaN", avro_label(varint(2) + struct.pack("<Q", 0x7FF0000000000001)), Reason.NOT_FINITE),
    Case(45, "another class", avro_label(varint(1) + text(b"perhaps")), Reason.OUT_OF_RANGE),
]
"""Those that are no label; in both formats the good ones stand beside them."""
