"""The bad inputs of a topic whose records name their schema in a registry."""

from __future__ import annotations

from dataclasses import replace

from features.codec import FeatureCodec
from features.registry_codec import RegistryAvroCodec
from features.registry_framing import SCHEMA_HEADER, prefix_of
from features.rejection import Reason
from tests.contract.bad_inputs import avro_inputs
from tests.contract.bad_inputs.avro_inputs import BOMB, RECURSIVE, WRITER, double, event, text
from tests.contract.bad_inputs.case import SCORED, Case
from tests.support.registry_fake import FakeRegistry
from tests.support.registry_store import RegistryStore

SUBJECT = "in-value"
INCOMPATIBLE = {
    "type": "record",
    "name": "Event",
    "fields": [{"name": "id", "type": "string"}, {"name": "x", "type": "string"}],
}
RENAMED = {**WRITER, "name": "Foreign"}
JSON_SCHEMA = '{"type": "object"}'


def registry() -> FakeRegistry:
    """Return a registry that holds the schemas below, each under the id that is its place."""
    made = FakeRegistry(RegistryStore(level="NONE"))
    ids = [
        made.add(SUBJECT, WRITER),
        made.add(SUBJECT, INCOMPATIBLE),
        made.add(SUBJECT, RECURSIVE),
        made.add(SUBJECT, BOMB),
        made.add("other-value", RENAMED),
        made.add(SUBJECT, JSON_SCHEMA, kind="JSON"),
    ]
    assert ids == [1, 2, 3, 4, 5, 6]
    return made


def codec(schemas: FakeRegistry | None = None) -> FeatureCodec:
    """Return the codec of the topic."""
    subjects = frozenset({SUBJECT})
    return RegistryAvroCodec(registry() if schemas is None else schemas, subjects=subjects, sleep=lambda _seconds: None)


def framed(schema_id: int, body: bytes) -> bytes:
    """Return a value that names its schema before its body."""
    return prefix_of(schema_id) + body


GOOD = framed(1, avro_inputs.GOOD)
GOOD_SCORE = avro_inputs.GOOD_SCORE

_OWN = [
    Case(5, "wrong magic byte", b"\x01" + GOOD[1:], Reason.UNDECODABLE),
    Case(5, "JSON on a topic of Avro", b'{"id":"e","x":1.5}', Reason.UNDECODABLE),
    Case(5, "header that names no schema", avro_inputs.GOOD, Reason.UNDECODABLE, headers=((SCHEMA_HEADER, b"\x07"),)),
    Case(6, "fewer than five bytes", GOOD[:4], Reason.UNDECODABLE),
    Case(6, "five bytes and no more", GOOD[:5], Reason.EMPTY),
    Case(7, "id that the registry does not have", framed(4711, event()), Reason.UNKNOWN_SCHEMA),
    Case(9, "schema of another kind", framed(6, event()), Reason.SCHEMA_NOT_ALLOWED),
    Case(10, "schema of another subject", framed(5, event()), Reason.SCHEMA_NOT_ALLOWED),
    Case(11, "schema in which a number is a text", framed(2, text(b"e") + text(b"1.5")), Reason.WRONG_TYPE),
    Case(12, "recursive schema", framed(3, double(1.5) + b"\x00"), Reason.SCHEMA_NOT_ALLOWED),
    Case(12, "recursive schema, 100,000 deep", framed(3, (double(1) + b"\x02") * 50_000), Reason.SCHEMA_NOT_ALLOWED),
    Case(14, "array of items of no size", framed(4, double(1.5) + b"\xff" * 5), Reason.SCHEMA_NOT_ALLOWED),
    Case(3, "schema in the header", avro_inputs.GOOD, SCORED, headers=((SCHEMA_HEADER, prefix_of(1)),), key=None),
]

DECODED = [
    *_OWN,
    *(
        replace(case, value=framed(1, case.value), what=f"{case.what}, framed")
        for case in avro_inputs.DECODED
        if case.value
    ),
]
