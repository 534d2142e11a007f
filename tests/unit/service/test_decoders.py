from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from features.encoding import build_encoder
from features.errors import SchemasUnavailable
from features.registry_framing import SCHEMA_HEADER
from producer.records import Headers
from service.decoders import RegistryDecoder, bare_avro, decode_json, event_decoder, score_decoder
from service.settings import Settings, settings_from
from tests.support.registry_fake import FakeRegistry

MONEY = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
PAYMENT = {"type": "record", "name": "Payment", "fields": [{"name": "amount", "type": MONEY}]}


def settings(**sections: Any) -> Settings:
    """Return settings of a service with one field."""
    fields = {"fields": [{"name": "x", "from": "a.x", "type": "double"}], **sections.pop("features", {})}
    return settings_from({"name": "fraud", "features": fields, **sections}, folder=Path())


@pytest.mark.parametrize("form", ["json", "avro"])
def test_event_decoder_gives_back_what_publish_wrote(form: str) -> None:
    """What a person published is what a person is shown."""
    service = settings(features={"format": form})
    value = build_encoder(form, schema=service.feature_schema()).encode({"a": {"x": 1.5}})
    assert event_decoder(service)(value, ()) == {"a": {"x": 1.5}}


def test_score_decoder_reads_the_format_of_the_output() -> None:
    """Scores may be JSON while events are Avro."""
    assert score_decoder(settings(features={"format": "avro"})) is decode_json
    with pytest.raises(ValueError, match="end too early"):
        score_decoder(settings(output={"format": "avro"}))(b"", ())


def test_bare_avro_shows_logical_types_as_plain_values() -> None:
    """A decimal is a number to a person, not bytes."""
    assert bare_avro(PAYMENT)(b"\x04\x01\x02", ()) == {"amount": 2.58}


@pytest.mark.parametrize(
    ("value", "reason"), [(b"\x04\x01", "bytes left"), (b"\x02\x01z", "1 bytes are left over"), (b"", "too early")]
)
def test_bare_avro_says_why_a_value_is_not_of_the_schema(value: bytes, reason: str) -> None:
    """The wrong schema is told by its first wrong byte, not by invented numbers."""
    with pytest.raises(ValueError, match=reason):
        bare_avro(PAYMENT)(value, ())


@pytest.mark.parametrize("value", [b"{", b"\xff", b'"\xff"', b"[" * 100_000])
def test_decode_json_says_that_a_value_is_none(value: bytes) -> None:
    """Whatever the bytes are, there is one kind of error."""
    with pytest.raises(ValueError, match="not JSON"):
        decode_json(value)


VALUE = b"\x04\x01\x02"


def registry_of(*schemas: Any, kind: str = "AVRO") -> FakeRegistry:
    """Return a registry that has these schemas, from id 1 on."""
    registry = FakeRegistry()
    for schema in schemas:
        registry.add("pay-value", schema, kind=kind)
    return registry


FAKE = registry_of(PAYMENT)


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        (b"\x00\x00\x00\x00\x01" + VALUE, ()),
        (VALUE, [(SCHEMA_HEADER, b"\x00\x00\x00\x00\x01")]),
        (VALUE, [("other", None), (SCHEMA_HEADER, b"\x01" + UUID(FAKE.guid(1)).bytes)]),
    ],
)
def test_registry_decoder_reads_both_framings(value: bytes, headers: Headers) -> None:
    """The schema is named by id before the value, or by id or guid in a header."""
    assert RegistryDecoder(FAKE)(value, headers) == {"amount": 2.58}


@pytest.mark.parametrize(
    ("value", "headers", "reason"),
    [
        (b"\x00\x00\x00\x00\x09" + VALUE, (), "no schema 9"),
        (b"\x00\x00\x00\x00\x01\x04", (), "bytes left"),
        (b"{}1234", (), "not with the magic byte"),
        (b"", (), "no bytes"),
        (VALUE, [(SCHEMA_HEADER, b"\x07")], "the header __value_schema_id holds 07"),
    ],
)
def test_registry_decoder_says_why_it_cannot_read(value: bytes, headers: Headers, reason: str) -> None:
    """Wrong bytes, a wrong id and no framing at all are three different lines."""
    with pytest.raises(ValueError, match=reason):
        RegistryDecoder(FAKE)(value, headers)


def test_registry_decoder_asks_once_for_each_schema_and_not_for_a_wrong_value() -> None:
    """A registry that is away is another matter than a value that cannot be read."""
    registry = registry_of(PAYMENT)
    decode = RegistryDecoder(registry)
    for _ in range(3):
        decode(b"\x00\x00\x00\x00\x01" + VALUE, ())
    assert registry.asked == {1: 1}
    registry.is_away = True
    with pytest.raises(SchemasUnavailable):
        decode(b"\x00\x00\x00\x00\x02" + VALUE, ())


def test_registry_decoder_refuses_a_schema_that_is_not_safe() -> None:
    """What the service would not decode by is not decoded by for a person either."""
    loop = {"type": "record", "name": "L", "fields": [{"name": "next", "type": ["null", "L"]}]}
    for registry, reason in ((registry_of(loop), "recursive"), (registry_of({}, kind="JSON"), "only Avro")):
        with pytest.raises(ValueError, match=f"schema 1 cannot be decoded by.*{reason}"):
            RegistryDecoder(registry)(b"\x00\x00\x00\x00\x01\x00", ())


def test_decoders_ask_the_registry_of_the_service_file() -> None:
    """Events and scores are in its framing where one is set."""
    service = settings(schema_registry={"url": "mock://decoders"}, output={"format": "avro"})
    assert isinstance(event_decoder(service), RegistryDecoder)
    assert isinstance(score_decoder(service), RegistryDecoder)
