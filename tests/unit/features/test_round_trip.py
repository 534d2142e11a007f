from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.columns import build_batch
from features.encoding import build_encoder
from features.formats import FORMATS, build_codec
from features.paths import gather
from tests.unit.features.assertions import assert_same_batch, assert_same_outcome
from tests.unit.features.strategies import SCHEMA, doubles, events


@pytest.mark.parametrize("name", FORMATS)
@given(batch=st.lists(events(), max_size=5))
def test_decoding_what_was_encoded_gives_the_event_again(name: str, batch: list[dict[str, Any]]) -> None:
    """Nothing is lost or changed between a publisher and a model, in either format."""
    encoder = build_encoder(name, schema=SCHEMA)
    codec = build_codec(name, avro_schema=None, schema=SCHEMA)
    decoded = codec.decode([encoder.encode(event) for event in batch], SCHEMA)
    assert_same_outcome(decoded, build_batch(gather(batch, SCHEMA, rows=range(len(batch))), SCHEMA))


@given(st.lists(events(), min_size=1, max_size=3))
def test_json_and_avro_agree(batch: list[dict[str, Any]]) -> None:
    """Changing the format of a topic changes no column."""
    decoded = []
    for name in FORMATS:
        encoder = build_encoder(name, schema=SCHEMA)
        codec = build_codec(name, avro_schema=None, schema=SCHEMA)
        decoded.append(codec.decode([encoder.encode(event) for event in batch], SCHEMA).batch)
    assert_same_batch(*decoded)


@given(doubles)
def test_a_double_keeps_its_last_bit(value: float) -> None:
    """A score can equal the offline one only when its inputs do, to the bit."""
    event = {**EVENT, "payment": {**EVENT["payment"], "amount": value}}
    for name in FORMATS:
        codec = build_codec(name, avro_schema=None, schema=SCHEMA)
        batch = codec.decode([build_encoder(name, schema=SCHEMA).encode(event)], SCHEMA).batch
        assert batch.columns["amount"][0].hex() == value.hex()


EVENT: dict[str, Any] = json.loads(
    '{"payment": {"amount": 1, "ratio": 0.5, "id": "a"}, "count": 1, "total": 2, "flags": {"is_online": true},'
    ' "country": "x", "last": [1, 2, 3], "at": 5, "shop": {"name": "s"}}'
)


def test_ids_that_are_numbers_and_times_that_are_text_reach_avro() -> None:
    """An event as a file or a person writes it can be published in both formats, with one meaning."""
    event = {**EVENT, "at": "1970-01-01T00:00:05Z", "card": 17, "payment": {**EVENT["payment"], "id": 42}}
    batches = []
    for name in FORMATS:
        codec = build_codec(name, avro_schema=None, schema=SCHEMA)
        batches.append(codec.decode([build_encoder(name, schema=SCHEMA).encode(event)], SCHEMA).batch)
    assert batches[0].ids == ["42"]
    assert_same_batch(batches[0], batches[1])
