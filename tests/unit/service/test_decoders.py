from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from features.encoding import build_encoder
from service.decoders import bare_avro, decode_json, event_decoder, score_decoder
from service.settings import Settings, settings_from

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
