from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features import json_shapes
from features.batch import Decoded
from features.columns import build_batch
from features.intake import merged, sized_problem
from features.json_codec import JsonCodec, read_slowly
from features.paths import gather
from features.rejection import MAX_DETAIL_CHARS, Problem, Reason, Stage
from features.schema import FeatureSchema, Field, FieldType, NullPolicy, Roles
from tests.unit.features.assertions import assert_same_outcome, only_rejection
from tests.unit.features.json_texts import json_texts, mutations
from tests.unit.features.strategies import SCHEMA, events, strange_events

X = FeatureSchema((Field("x", FieldType.DOUBLE, "x"),))
NESTED = FeatureSchema((Field("amount", FieldType.DOUBLE, "payment.amount"),))
DEEP = 100_000

BAD: list[tuple[str, bytes | None, Reason]] = [
    ("no value", None, Reason.EMPTY),
    ("no bytes", b"", Reason.EMPTY),
    ("spaces only", b"  ", Reason.UNDECODABLE),
    ("not JSON", b"x=1", Reason.UNDECODABLE),
    ("cut off", b'{"x": 1', Reason.UNDECODABLE),
    ("something after it", b'{"x": 1} {}', Reason.UNDECODABLE),
    ("trailing comma", b'{"x": 1,}', Reason.UNDECODABLE),
    ("NaN", b'{"x": NaN}', Reason.UNDECODABLE),
    ("Infinity", b'{"x": -Infinity}', Reason.UNDECODABLE),
    ("NaN nobody reads", b'{"x": 1, "y": NaN}', Reason.UNDECODABLE),
    ("NaN behind a large number", b'{"y": 1e999, "x": NaN}', Reason.UNDECODABLE),
    ("leading zero", b'{"x": 01}', Reason.UNDECODABLE),
    ("byte-order mark", b'\xef\xbb\xbf{"x": 1}', Reason.UNDECODABLE),
    ("UTF-16", '{"x": 1}'.encode("utf-16"), Reason.UNDECODABLE),
    ("not UTF-8", b'{"x": "\xff"}', Reason.UNDECODABLE),
    ("not UTF-8 where nobody reads", b'{"x": 1, "y": "\xff"}', Reason.UNDECODABLE),
    ("not UTF-8 behind a large number", b'{"y": 1e999, "x": "\xff"}', Reason.UNDECODABLE),
    ("lone surrogate", b'{"x": "\\ud800"}', Reason.UNDECODABLE),
    ("lone surrogate behind a large number", b'{"y": 1e999, "x": "\\ud800"}', Reason.UNDECODABLE),
    ("control character", b'{"x": "\x01"}', Reason.UNDECODABLE),
    ("deep list", b'{"x": ' + b"[" * DEEP + b"]" * DEEP + b"}", Reason.UNDECODABLE),
    ("deep object nobody reads", b'{"x": 1, "y": ' + b'{"y": ' * DEEP + b"1" + b"}" * DEEP + b"}", Reason.UNDECODABLE),
    ("deep and cut off", b"[" * DEEP, Reason.UNDECODABLE),
    ("integer of 100,000 digits", b'{"x": ' + b"9" * 100_000 + b"}", Reason.UNDECODABLE),
    ("doubled key", b'{"x": 1, "x": 2}', Reason.UNDECODABLE),
    ("doubled key with the same value", b'{"x":1,"x":1}', Reason.UNDECODABLE),
    ("doubled key in an escape", b'{"x": 1, "\\u0078": 2}', Reason.UNDECODABLE),
    ("doubled key before a spaced colon", b'{"x" : 1, "x" : 2}', Reason.UNDECODABLE),
    ("doubled key, one behind a spaced colon", b'{"x": 1, "x"\n: 2}', Reason.UNDECODABLE),
    ("doubled key within", b'{"x": 1, "y": [{"z": 1, "z": 2}]}', Reason.UNDECODABLE),
    ("doubled key hidden by an object", b'{"x": 1, "y": {"a": 1, "b": 2}, "y": 3}', Reason.UNDECODABLE),
    ("a list", b"[1]", Reason.WRONG_TYPE),
    ("a number", b"12", Reason.WRONG_TYPE),
    ("null", b"null", Reason.WRONG_TYPE),
    ("absent", b"{}", Reason.MISSING),
    ("null field", b'{"x": null}', Reason.MISSING),
    ("text for a number", b'{"x": "12"}', Reason.WRONG_TYPE),
    ("true for a number", b'{"x": true}', Reason.WRONG_TYPE),
    ("beyond a double", b'{"x": 1e999}', Reason.NOT_FINITE),
    ("an integer no double can hold", b'{"x": 9007199254740993}', Reason.OUT_OF_RANGE),
    ("an integer of 400 digits", b'{"x": ' + b"9" * 400 + b"}", Reason.OUT_OF_RANGE),
    ("too large", b'{"x": "' + b"a" * (1 << 20) + b'"}', Reason.TOO_LARGE),
]


@pytest.mark.parametrize(("value", "reason"), [pytest.param(v, r, id=name) for name, v, r in BAD])
def test_a_bad_value_costs_itself_only(value: bytes | None, reason: Reason) -> None:
    """Whatever stands in a record, it never raises, is told with its reason, and its neighbours are decoded."""
    good = b'{"x": 0.5}'
    decoded = JsonCodec().decode([good, value, good], X)
    assert decoded.batch.rows.tolist() == [0, 2]
    assert decoded.batch.columns["x"].tolist() == [0.5, 0.5]
    (rejection,) = decoded.rejections
    assert (rejection.row, rejection.reason) == (1, reason)
    assert rejection.stage is (
        Stage.DECODE if reason in (Reason.EMPTY, Reason.TOO_LARGE, Reason.UNDECODABLE) else Stage.VALIDATE
    )
    assert 0 < len(rejection.detail) <= MAX_DETAIL_CHARS
    assert rejection.detail.isprintable()


@pytest.mark.parametrize(
    "value",
    [
        b'{"x": 1, "y": 1e999}',
        b'\n{ "x" : 1 }\n',
        b'{"x": 1, "\\u00e9": "a:b", "t": "12:30 :"}',
        b'{"x": 1, "y": "\\": {"}',
        b'{"x": 1, "y": {"x": {"x": 2}}}',
    ],
)
def test_an_unusual_but_clear_value_is_read(value: bytes) -> None:
    """What has one meaning is decoded, however it is written, whatever stands beside it."""
    assert JsonCodec().decode([value], X).batch.columns["x"].tolist() == [1.0]


@pytest.mark.parametrize(
    ("value", "detail"), [(b'{"payment": 12}', "payment: expected an object"), (b'{"payment": []}', "a list")]
)
def test_a_step_that_is_no_object_is_named(value: bytes, detail: str) -> None:
    """A path that leads through a number is a wrong type, told at the step where it breaks."""
    rejection = only_rejection(JsonCodec().decode([value], NESTED))
    assert rejection.reason is Reason.WRONG_TYPE
    assert detail in rejection.detail


@pytest.mark.parametrize("value", [b"{}", b'{"payment": null}', b'{"payment": {}}', b'{"payment": {"amount": null}}'])
def test_null_and_absent_are_one_at_every_depth(value: bytes) -> None:
    """A missing parent, a null parent and a null value all mean that there is no value."""
    assert only_rejection(JsonCodec().decode([value], NESTED)).reason is Reason.MISSING


def test_only_the_fields_asked_for_are_judged() -> None:
    """A record that lacks, or garbles, a field that the pinned model does not use is a good record."""
    both = FeatureSchema((Field("x", FieldType.DOUBLE, "x"), Field("y", FieldType.DOUBLE, "y")))
    codec = JsonCodec()
    assert len(codec.decode([b'{"x": 1, "y": "?"}'], both.subset(["x"])).batch) == 1
    assert only_rejection(codec.decode([b'{"x": 1, "y": "?"}'], both)).reason is Reason.WRONG_TYPE


def test_the_cap_is_the_callers_choice() -> None:
    """A value of exactly the cap is decoded; one byte more is not looked into."""
    assert len(JsonCodec(max_value_bytes=8).decode([b'{"x": 1}'], X).batch) == 1
    assert only_rejection(JsonCodec(max_value_bytes=7).decode([b'{"x": 1}'], X)).reason is Reason.TOO_LARGE


@pytest.mark.parametrize("depth", [40, 400, 800])
def test_a_deep_value_to_pass_on_costs_its_own_record(depth: int) -> None:
    """What the decoder can still read and no one could write again never raises."""
    schema = FeatureSchema(X.fields, Roles(label="y", passthrough=("z",)))
    deep = b"[" * depth + b"]" * depth
    decoded = JsonCodec().decode([b'{"x":1,"y":' + deep + b"}", b'{"x":1,"z":' + deep + b"}", b'{"x":1}'], schema)
    assert decoded.batch.rows.tolist() == [2]


def test_roles_are_read_beside_the_fields() -> None:
    """Id, time, label and what is passed through come out in the order of the records."""
    schema = FeatureSchema(X.fields, Roles(id="i", time="t", label="y", passthrough=("shop.name",)))
    values = [b'{"x":1,"i":7,"t":5,"y":null,"shop":{"name":"a"}}', b'{"x":2,"i":"b","t":6,"y":true}']
    batch = JsonCodec().decode(values, schema).batch
    assert (batch.ids, batch.labels, batch.passthrough) == (["7", "b"], [None, True], {"name": ["a", None]})
    assert batch.times is not None
    assert batch.times.tolist() == [5, 6]


def careful(values: Sequence[bytes | None], schema: FeatureSchema) -> Decoded:
    """Return what becomes of values of which each is read by the slow reader."""
    events: dict[int, dict[str, Any]] = {}
    rejections = []
    for row, value in enumerate(values):
        event = read_slowly(value) if value else sized_problem(value, max_bytes=0)
        if isinstance(event, Problem):
            rejections.append(event.at(row))
        else:
            events[row] = event
    return merged(build_batch(gather(list(events.values()), schema, rows=list(events)), schema), rejections)


def without_details(decoded: Decoded) -> Decoded:
    """Return an outcome that says of undecodable values only that they are: each reader has its own words."""
    return Decoded(
        decoded.batch,
        [replace(r, detail="") if r.reason is Reason.UNDECODABLE else r for r in decoded.rejections],
    )


@given(st.lists(json_texts(strange_events() | events()), max_size=6))
def test_the_fast_and_the_careful_path_agree(values: list[bytes]) -> None:
    """Which reader a value meets changes nothing about what comes out, nor why it is turned away."""
    codec = JsonCodec()
    expected = without_details(careful(values, SCHEMA))
    for _ in range(3):  # the first time shapes are learnt, then they are used
        assert_same_outcome(without_details(codec.decode(values, SCHEMA)), expected)


@given(st.data(), st.lists(json_texts(events()), min_size=1, max_size=3))
def test_a_broken_value_of_a_known_shape_is_judged_with_care(data: st.DataObject, values: list[bytes]) -> None:
    """A value that differs from the events before it in any byte has the outcome that the slow reader gives it."""
    codec = JsonCodec()
    codec.decode(values, SCHEMA)
    broken = data.draw(st.lists(st.sampled_from(values).flatmap(mutations), min_size=1, max_size=6))
    assert_same_outcome(without_details(codec.decode(broken, SCHEMA)), without_details(careful(broken, SCHEMA)))


@pytest.mark.parametrize(
    "value",
    [
        b'{"x":1,"y":2,"x":3}',
        b'{"x":1,"\\u0078":2,"y":3}',
        b'{"x":1,"x":2}',
        b'{"x":1,"x" :2,"y":3}',
        b'{"x":1,"y":"\\":","x" :3}',
        b'{"x":1,"y":{"a":1},"x":{}}',
    ],
)
def test_a_doubled_key_is_found_where_the_shape_is_known(value: bytes) -> None:
    """A reader compiled for the keys of an event does not take the last of two in silence."""
    codec = JsonCodec()
    events = [b'{"x":1,"y":2}', b'{"x":1,"y":2,"z":3}', b'{"x":1,"y":{"a":2}}']
    assert codec.decode(events, X).rejections == ()
    assert only_rejection(codec.decode([value], X)).reason is Reason.UNDECODABLE


def test_kinds_of_event_may_alternate() -> None:
    """Events of several shapes, and of more than are remembered, come out in the order of the records."""
    values = [json.dumps({"x": n, **dict.fromkeys("abcdefghijklmnopqrstuvw"[: n % 23])}).encode() for n in range(99)]
    codec = JsonCodec()
    for _ in range(3):
        assert codec.decode(values, X).batch.columns["x"].tolist() == list(range(99))


def test_another_schema_is_gathered_from_events_of_the_same_shape() -> None:
    """What was learnt for one model's fields does not leak into the columns of another's."""
    codec = JsonCodec()
    value = b'{"x":1,"payment":{"amount":2}}'
    for _ in range(2):
        assert codec.decode([value], X).batch.columns["x"].tolist() == [1.0]
        assert codec.decode([value], NESTED).batch.columns["amount"].tolist() == [2.0]
        whole = FeatureSchema(X.fields, Roles(passthrough=("payment", "payment.none.at.all")))
        assert codec.decode([value], whole).batch.passthrough == {"payment": [{"amount": 2}], "all": [None]}


@given(st.lists(st.none() | st.binary(max_size=60), max_size=6))
def test_every_row_has_exactly_one_outcome(values: list[bytes | None]) -> None:
    """No bytes raise, and no record is lost or counted twice."""
    decoded = JsonCodec().decode(values, SCHEMA)
    rows = [*decoded.batch.rows.tolist(), *(rejection.row for rejection in decoded.rejections)]
    assert sorted(rows) == list(range(len(values)))


@given(st.lists(strange_events(), max_size=5), st.integers(0, 5))
def test_a_record_is_judged_by_itself(events: list[dict[str, Any]], cut: int) -> None:
    """How records are batched changes nothing about any of them."""
    values = [json.dumps(event).encode() for event in events]
    whole = JsonCodec().decode(values, SCHEMA)
    parts = [JsonCodec().decode(part, SCHEMA) for part in (values[:cut], values[cut:])]
    joined = parts[0].batch.concatenate([part.batch for part in parts])
    assert joined.ids == whole.batch.ids
    assert [r.detail for part in parts for r in part.rejections] == [r.detail for r in whole.rejections]
    for name, column in whole.batch.columns.items():
        np.testing.assert_array_equal(joined.columns[name], column)


def test_few_readers_are_compiled_for_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events that each hold another number of keys cost what they hold, even where no reader comes of it."""
    compiled: list[object] = []

    def compile_for_nothing(tree: object) -> None:
        compiled.append(tree)
        raise ValueError

    monkeypatch.setattr(json_shapes, "Shape", compile_for_nothing)
    events = [{f"k{number}": 1 for number in range(keys)} for keys in range(1, 100)]
    schema = FeatureSchema((Field("x", FieldType.DOUBLE, "x", null=NullPolicy.KEEP),))
    decoded = JsonCodec().decode([json.dumps(event).replace(" ", "").encode() for event in events], schema)
    assert (len(decoded.batch), len(compiled)) == (99, json_shapes.MAX_SHAPES)
