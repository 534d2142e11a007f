from __future__ import annotations

import sys
import tracemalloc

import pytest

from features import intake
from features.avro_codec import AvroCodec
from features.codec import FeatureCodec
from features.json_codec import JsonCodec
from features.schema import FeatureSchema, Field, FieldType, NullPolicy, Roles
from tests.unit.features.assertions import assert_same_outcome
from tests.unit.features.avro_strategies import record, written

SCHEMA = FeatureSchema((Field("x", FieldType.DOUBLE, "x"),), Roles(id="id", passthrough=("id",)))
EMPTIES = {"type": "array", "items": {"type": "array", "items": "int"}}
WRITER = record(("id", "string"), ("x", "double"), ("more", EMPTIES))
AVRO = [written(WRITER, {"id": f"é{i}", "x": i, "more": []}) for i in range(20)]
JSON = [f'{{"id": "{i}", "x": {i}}}'.encode() for i in range(10)] + [
    f'{{"x":{i},"id":"{i}"}}'.encode() for i in range(10)
]


@pytest.mark.parametrize(("codec", "values"), [(AvroCodec(WRITER), AVRO), (JsonCodec(), JSON)], ids=["avro", "json"])
def test_a_batch_read_in_slices_is_one_batch(
    codec: FeatureCodec, values: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """How many events are held at once shows in no row, and bad values lie between the good ones as before."""
    batch = [b"", *values, b"{", None, *values, b"\xff" * 9]
    expected = codec.decode(batch, SCHEMA)
    monkeypatch.setattr(intake, "BYTES_AT_ONCE", 3 * len(values[0]))
    assert_same_outcome(codec.decode(batch, SCHEMA), expected)
    assert (len(expected.batch), len(expected.rejections)) == (40, 4)


@pytest.mark.parametrize(
    ("codec", "value"),
    [
        (AvroCodec(WRITER), written(WRITER, {"id": "a", "x": 1.0, "more": [[]] * 1_000})),
        (JsonCodec(), b'{"id":"a","x":1,"more":[%s1]}' % (b"[]," * 1_000)),
    ],
    ids=["avro", "json"],
)
@pytest.mark.parametrize("count", [40, 100])
def test_what_nobody_wants_is_not_held(codec: FeatureCodec, value: bytes, count: int) -> None:
    """An event can be fifty times its bytes; only those of a slice are there at once, however many are decoded."""
    schema = FeatureSchema((Field("x", FieldType.DOUBLE, "x", null=NullPolicy.KEEP),))
    values = [value] * count
    tracemalloc.start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(intake, "BYTES_AT_ONCE", 10 * len(value))
            codec.decode(values, schema)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < count * 1_000 * sys.getsizeof([]) / 2


def test_slices_are_all_values_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No value is lost or read twice where one slice ends and the next begins."""
    monkeypatch.setattr(intake, "BYTES_AT_ONCE", 5)
    values = [b"123456", b"1", b"", b"1234", b"12"]
    parts = intake.slices(values)
    assert [value for part in parts for value in values[part]] == values
    assert len(parts) == 3
