from __future__ import annotations

import io
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import SchemasUnavailable
from features.registry_codec import RegistryAvroCodec
from features.registry_framing import SCHEMA_HEADER, prefix_of
from features.rejection import Reason
from features.schema import FeatureSchema, Field, FieldType, Roles
from features.writer_schemas import LOOKS, PATIENCE_S, REMEMBERED_S
from tests.support.registry_fake import FakeRegistry
from tests.unit.features.assertions import assert_same_outcome, only_rejection

SCHEMA = FeatureSchema((Field("x", FieldType.DOUBLE, "x"),), Roles(id="id"))
ID = {"name": "id", "type": "string"}
OLD: dict[str, Any] = {"type": "record", "name": "Event", "fields": [ID, {"name": "x", "type": "double"}]}
MORE = {"name": "more", "type": "int", "default": 0}
NEW: dict[str, Any] = {"type": "record", "name": "Event", "fields": [{"name": "x", "type": "double"}, MORE, ID]}
HEADER = tuple[str, bytes | None]


def avro(schema: dict[str, Any], x: float) -> bytes:
    """Return the bare bytes of one event."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), {"id": f"e{x}", "x": x, "more": 1})
    return out.getvalue()


@dataclass
class Scene:
    """A registry that has two schemas of ours, and a codec whose time passes only when a test or a wait lets it."""

    registry: FakeRegistry = field(default_factory=FakeRegistry)
    now: float = 0.0
    waits: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Register the two."""
        self.old = self.registry.add("t-value", OLD)
        self.new = self.registry.add("t-value", NEW)
        self.codec = self.coded(frozenset({"t-value"}))

    def coded(self, subjects: frozenset[str] | None) -> RegistryAvroCodec:
        """Return a codec."""
        return RegistryAvroCodec(self.registry, subjects=subjects, monotonic=lambda: self.now, sleep=self.wait)

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.waits.append(seconds)
        self.now += seconds

    def reason(self, value: bytes | None, *headers: HEADER) -> tuple[Reason, str]:
        """Return why a lone value is turned away."""
        found = only_rejection(self.codec.decode([value], SCHEMA, headers=lambda _row: headers))
        return found.reason, found.detail


@pytest.fixture
def scene() -> Scene:
    """A scene of its own for each test."""
    return Scene()


def test_codec_reads_every_framing_of_one_topic_in_order(scene: Scene) -> None:
    """Prefix and both headers, two schemas, and what is neither, keep their rows."""
    guid = uuid.UUID(scene.registry.guid(scene.new))
    values = [
        prefix_of(scene.new) + avro(NEW, 0),
        avro(OLD, 1),
        b"\x01garbage",
        prefix_of(scene.old) + avro(OLD, 3),
        avro(NEW, 4),
        None,
        prefix_of(scene.new) + avro(NEW, 6),
    ]
    named: dict[int, list[HEADER]] = {
        1: [("other", b"x"), (SCHEMA_HEADER, prefix_of(scene.old))],
        4: [(SCHEMA_HEADER, b"\x01" + guid.bytes)],
        6: [("other", None)],
    }
    decoded = scene.codec.decode(values, SCHEMA, headers=lambda row: named.get(row, ()))
    assert decoded.batch.rows.tolist() == [0, 1, 3, 4, 6]
    assert decoded.batch.columns["x"].tolist() == [0, 1, 3, 4, 6]
    assert decoded.batch.ids == ["e0", "e1", "e3", "e4", "e6"]
    assert [(r.row, r.reason) for r in decoded.rejections] == [(2, Reason.UNDECODABLE), (5, Reason.EMPTY)]


@given(st.lists(st.sampled_from(["old", "new", "bad body", "magic", "short", "none", "unknown", "empty body"])))
def test_codec_decodes_a_batch_as_it_decodes_each_record(kinds: list[str]) -> None:
    """What stands beside a record changes nothing about it, and every row has one outcome."""
    scene = Scene()
    values = [_value(scene, kind, row) for row, kind in enumerate(kinds)]
    whole = scene.codec.decode(values, SCHEMA)
    one_by_one = [Scene().codec.decode([value], SCHEMA) for value in values]
    alone = {row: part for row, part in enumerate(one_by_one) if len(part.batch)}
    assert whole.batch.rows.tolist() == list(alone)
    assert whole.batch.columns["x"].tolist() == [part.batch.columns["x"][0] for part in alone.values()]
    assert [(r.row, r.reason, r.detail) for r in whole.rejections] == [
        (row, r.reason, r.detail) for row, part in enumerate(one_by_one) for r in part.rejections
    ]


def _value(scene: Scene, kind: str, row: int) -> bytes | None:
    return {
        "old": prefix_of(scene.old) + avro(OLD, row),
        "new": prefix_of(scene.new) + avro(NEW, row),
        "bad body": prefix_of(scene.old) + b"\x07",
        "magic": b"{}",
        "short": b"\x00\x00",
        "none": None,
        "unknown": prefix_of(99) + b"x",
        "empty body": prefix_of(scene.old),
    }[kind]


def test_codec_lets_the_header_win_over_what_looks_like_a_prefix(scene: Scene) -> None:
    """The body of a record may begin with any bytes, those of a known id as well."""
    five = {"name": "five", "type": {"type": "fixed", "name": "Five", "size": 5}}
    scene.registry.store.levels["t-value"] = "NONE"
    schema_id = scene.registry.add("t-value", {**OLD, "fields": [five, *OLD["fields"]]})
    body = prefix_of(scene.old) + avro(OLD, 2.5)
    headers: Sequence[HEADER] = [(SCHEMA_HEADER, prefix_of(schema_id))]
    decoded = scene.codec.decode([body], SCHEMA, headers=lambda _row: headers)
    assert decoded.batch.columns["x"].tolist() == [2.5]
    assert not decoded.rejections


@pytest.mark.parametrize(
    ("value", "detail"),
    [
        (b"\x00\x00\x01", "the value ends within the schema id: 00 00 01; 5 bytes stand before a body"),
        (
            b'{"x": 1.0}',
            "the value begins with 7b 22 78 22 3a, not with the magic byte 00 of a schema registry's framing",
        ),
        (b"\x01", "the value begins with 01, not with the magic byte 00 of a schema registry's framing"),
    ],
)
def test_codec_says_what_stands_where_the_framing_should(scene: Scene, value: bytes, detail: str) -> None:
    """A person sees at once that a producer writes JSON, or bare Avro."""
    assert scene.reason(value) == (Reason.UNDECODABLE, detail)


@pytest.mark.parametrize("header", [None, b"", b"\x00\x00\x07", b"\x01" + bytes(15), b"\x02" + bytes(16), bytes(17)])
def test_codec_turns_away_a_header_that_names_no_schema(scene: Scene, header: bytes | None) -> None:
    """A header that is there is believed, so one that is broken cannot be passed over."""
    reason, detail = scene.reason(prefix_of(scene.old) + avro(OLD, 1), (SCHEMA_HEADER, header))
    assert reason is Reason.UNDECODABLE
    assert detail.startswith("the header __value_schema_id holds ")


def test_codec_waits_for_a_registry_that_lags_behind(scene: Scene) -> None:
    """A follower that learns of an id a moment later costs no record."""
    scene.registry.late[scene.old] = LOOKS - 1
    decoded = scene.codec.decode([prefix_of(scene.old) + avro(OLD, 1)], SCHEMA)
    assert not decoded.rejections
    assert scene.waits == [0.1, 0.1]


def test_codec_looks_at_all_unknown_ids_together_and_remembers_them(scene: Scene) -> None:
    """A flood of made-up ids costs the waits of one, and nothing for a minute."""
    values = [prefix_of(100 + i) + b"x" for i in range(50)]
    for _ in range(2):
        decoded = scene.codec.decode(values, SCHEMA)
        assert {r.reason for r in decoded.rejections} == {Reason.UNKNOWN_SCHEMA}
    assert scene.waits == [0.1, 0.1]
    assert set(scene.registry.asked.values()) == {LOOKS}


def test_codec_asks_again_for_an_unknown_id_after_a_minute(scene: Scene) -> None:
    """An id that comes to exist is believed then."""
    value = prefix_of(scene.old) + avro(OLD, 1)
    scene.registry.late[scene.old] = LOOKS
    assert scene.reason(value) == (Reason.UNKNOWN_SCHEMA, f"the schema registry has no schema {scene.old}")
    scene.now += REMEMBERED_S
    assert not scene.codec.decode([value], SCHEMA).rejections


def test_codec_decodes_nothing_while_the_registry_is_away(scene: Scene) -> None:
    """No record is at fault; a schema that is known needs no registry."""
    known = prefix_of(scene.old) + avro(OLD, 1)
    expected = scene.codec.decode([known], SCHEMA)
    scene.registry.is_away = True
    with pytest.raises(SchemasUnavailable):
        scene.codec.decode([known, prefix_of(scene.new) + avro(NEW, 2)], SCHEMA)
    assert_same_outcome(scene.codec.decode([known], SCHEMA), expected)


def test_codec_goes_on_where_time_ran_out(scene: Scene) -> None:
    """A slow registry and many ids make several attempts, and they come to an end."""
    values = [prefix_of(1000 + i) + b"x" for i in range(400)]
    seconds_a_look = 100 * PATIENCE_S / (400 * LOOKS)
    scene.registry.thinks = lambda: scene.wait(seconds_a_look)
    attempts = 0
    rejections: Sequence[object] = []
    while not rejections:
        attempts += 1
        try:
            rejections = scene.codec.decode(values, SCHEMA).rejections
        except SchemasUnavailable:
            scene.now += REMEMBERED_S  # however long the worker waits in between
    assert (len(rejections), attempts <= 110) == (400, True)


@pytest.mark.parametrize("looks", [1, 3])
def test_codec_begins_no_look_after_its_time(scene: Scene, looks: int) -> None:
    """However many subjects there are to ask about, a slow registry does not hold the worker for longer."""
    header = (SCHEMA_HEADER, b"\x01" + uuid.UUID(scene.registry.guid(scene.old)).bytes)
    codec = scene.coded(frozenset(f"other-{number}" for number in range(100)))
    scene.registry.thinks = lambda: scene.wait(PATIENCE_S / looks + 0.1)
    with pytest.raises(SchemasUnavailable):
        codec.decode([avro(OLD, 1)], SCHEMA, headers=lambda _row: [header])
    assert len(scene.waits) == looks


@pytest.mark.parametrize(
    ("subject", "kind", "schema", "said"),
    [
        ("other-value", "AVRO", OLD, "is registered under other-value, not under t-value (its 'subjects')"),
        ("t-value", "JSON", {"type": "object"}, "is JSON, and this topic is read as Avro"),
        ("t-value", "PROTOBUF", "message E {}", "is PROTOBUF, and this topic is read as Avro"),
        ("t-value", "AVRO", '"string"', "not the schema of an Avro record"),
    ],
)
def test_codec_turns_away_a_schema_that_is_not_for_this_topic(subject: str, kind: str, schema: Any, said: str) -> None:
    """The registry's answer is definite: one producer's mistake must not stop the stream."""
    scene = Scene()
    scene.registry.store.subjects.clear()
    schema_id = scene.registry.add(subject, schema, kind=kind)
    reason, detail = scene.reason(prefix_of(schema_id) + avro(OLD, 1))
    assert (reason, said in detail) == (Reason.SCHEMA_NOT_ALLOWED, True)


def test_codec_turns_away_a_schema_that_is_not_safe(scene: Scene) -> None:
    """A schema that names itself could be read for ever."""
    tree = {"type": "record", "name": "T", "fields": [{"name": "next", "type": ["null", "T"], "default": None}]}
    schema_id = scene.registry.add("t-value", tree)
    assert scene.reason(prefix_of(schema_id) + b"\x00")[0] is Reason.SCHEMA_NOT_ALLOWED


def test_codec_lets_a_schema_in_once_it_is_ours_too(scene: Scene) -> None:
    """An id can be registered under our subject after the first record of it came."""
    schema_id = scene.registry.add("other-value", {**OLD, "name": "Other"})
    value = prefix_of(schema_id) + avro(OLD, 1)
    assert scene.reason(value)[0] is Reason.SCHEMA_NOT_ALLOWED
    scene.registry.store.levels["t-value"] = "NONE"
    scene.registry.add("t-value", {**OLD, "name": "Other"})
    assert scene.reason(value)[0] is Reason.SCHEMA_NOT_ALLOWED
    scene.now += REMEMBERED_S
    assert not scene.codec.decode([value], SCHEMA).rejections


def test_codec_without_subjects_takes_any(scene: Scene) -> None:
    """Who says `subjects: any` has one registry for one topic, or a naming of their own."""
    schema_id = scene.registry.add("other-value", OLD)
    decoded = scene.coded(None).decode([prefix_of(schema_id) + avro(OLD, 1)], SCHEMA)
    assert not decoded.rejections
