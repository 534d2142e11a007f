from __future__ import annotations

import json

import numpy as np
import pytest

from consumer.records import RecordBatch
from producer.encoding import score_record_schema
from producer.records import Headers
from service.decoders import bare_avro, decode_json
from service.tail_view import json_line, text_line


def one(value: bytes | None, *, headers: Headers = (), key: bytes | None = b"k") -> RecordBatch:
    """Return a batch of one record at out[1] offset 7."""
    return RecordBatch(
        topics=["out"],
        partitions=np.array([1], dtype=np.int32),
        offsets=np.array([7]),
        timestamps_ms=np.array([1_000]),
        keys=[key],
        values=[value],
        headers=lambda _row: headers,
    )


SCORE = b'{"event_id":"a","score":0.25,"prediction":"no","model_version":"v2"}'


def test_text_line_tells_a_score_in_a_few_words() -> None:
    """A person sees when, where, which event, what score, by which version."""
    line = text_line(one(SCORE), 0, decode_json)
    assert line == "00:00:01.000 out[1]@7 a score 0.250000 -> no by v2"


def test_text_line_tells_why_a_record_is_a_dead_letter() -> None:
    """Reason and message come first; the value is shown as it is, cut to a line."""
    headers = [("tidemill.reason", b"undecodable"), ("__connect.errors.exception.message", b"not JSON")]
    line = text_line(one(b"\xff\nx" + b"y" * 500, headers=headers), 0, decode_json)
    assert line.startswith("00:00:01.000 out[1]@7 undecodable: not JSON | \\xff xyy")
    assert line.endswith("…")


@pytest.mark.parametrize(("value", "shown"), [(b"\x04DE", '{"country":"DE"}'), (b"junk", "junk")])
def test_text_line_shows_a_dead_letter_decoded_where_it_can_be(value: bytes, shown: str) -> None:
    """It may have died of a value that its bytes hide, or of the bytes themselves."""
    schema = {"type": "record", "name": "event", "fields": [{"name": "country", "type": "string"}]}
    headers = [("tidemill.reason", b"missing"), ("__connect.errors.exception.message", b"no n")]
    line = text_line(one(value, headers=headers), 0, bare_avro(schema))
    assert line == f"00:00:01.000 out[1]@7 missing: no n | {shown}"


def test_json_line_is_one_object_whatever_the_value_is() -> None:
    """A program reads every record, also one that does not decode, and one with neither key nor value."""
    found = [json.loads(json_line(one(v, key=None), 0, decode_json)) for v in (SCORE, b"\xff{", None)]
    assert [record["value"] for record in found] == [json.loads(SCORE), "\\xff{", None]
    assert {(r["topic"], r["partition"], r["offset"], r["key"]) for r in found} == {("out", 1, 7, None)}


def test_text_line_shows_avro_decoded() -> None:
    """Bytes of an Avro event say nothing to a person."""
    schema = {"type": "record", "name": "event", "fields": [{"name": "country", "type": "string"}]}
    assert text_line(one(b"\x04DE"), 0, bare_avro(schema)) == '00:00:01.000 out[1]@7 {"country":"DE"}'


def test_avro_that_is_not_of_the_schema_is_shown_as_text() -> None:
    """A wrong schema must not end the tail."""
    assert "out[1]@7 junk" in text_line(one(b"junk"), 0, bare_avro(score_record_schema()))
