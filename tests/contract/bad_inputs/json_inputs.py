"""The bad inputs that are, or try to be, JSON."""

from __future__ import annotations

import json
from typing import Any

from features.rejection import Reason
from producer.dead_letters import REPLAYS_HEADER
from tests.contract.bad_inputs.case import SCORED, Case

GOOD = b'{"id":"good","x":1.5}'
GOOD_SCORE = 10.0
YEAR_9999_MS = 253_402_300_799_000
LARGE = 999_900  # a value that fits the topic, and whose score or dead letter does not
MANY_HEADERS = tuple((f"h{number}", b"v") for number in range(1_000))
LARGE_HEADER = (("large", b"h" * 900_000),)
TRACED = (("traceparent", b"00-1"), ("traceparent", b"00-2"), ("other", None), ("other", b"\xff"))


def event(**fields: Any) -> bytes:
    """Return a good event with these fields changed."""
    return json.dumps({"id": "e", "x": 1.5, **fields}).encode()


def raw(field: bytes, text: bytes) -> bytes:
    """Return a good event with a field written as it is given."""
    return b'{"id":"e","x":1.5,"%b":%b}' % (field, text)


def case(number: int, what: str, value: bytes | None, outcome: Reason | str, **other: Any) -> Case:
    """Return a case."""
    return Case(number, what, value, outcome, **other)


DECODED = [
    case(1, "null value", None, Reason.EMPTY),
    case(2, "empty value", b"", Reason.EMPTY),
    case(3, "null key", event(), SCORED, key=None),
    case(4, "key that is no text", event(), SCORED, key=b"\xff\x00\xfe"),
    case(4, "empty key", event(), SCORED, key=b""),
    case(4, "key that is no text, of a bad value", b"{", Reason.UNDECODABLE, key=b"\xff\x00\xfe"),
    case(13, "nested 100,000 deep", raw(b"last", b"[" * 100_000 + b"]" * 100_000), Reason.UNDECODABLE),
    case(15, "cut off", event()[:-3], Reason.UNDECODABLE),
    case(16, "bytes left over", event() + b"x", Reason.UNDECODABLE),
    case(16, "two events in one value", event() + event(), Reason.UNDECODABLE),
    case(17, "integer beyond int", event(count=2**31), Reason.OUT_OF_RANGE),
    case(17, "integer beyond long", event(count=2**63), Reason.OUT_OF_RANGE),
    case(18, "integer that a double would round", event(big=2**53 + 1), Reason.OUT_OF_RANGE),
    case(18, "the largest integer that a double holds", event(big=2**53), SCORED, score=10.0),
    case(21, "bytes that are no UTF-8", b'{"id":"e","x":1.5,"country":"\xff"}', Reason.UNDECODABLE),
    case(22, "NaN, which JSON does not have", raw(b"rate", b"NaN"), Reason.UNDECODABLE),
    case(23, "infinity, which JSON does not have", raw(b"rate", b"Infinity"), Reason.UNDECODABLE),
    case(23, "number beyond every double", raw(b"rate", b"-1e999"), Reason.NOT_FINITE),
    case(24, "double beyond the model's own precision", event(x=1e300), Reason.MODEL_FAILED),
    case(25, "denormal", event(x=5e-324), SCORED, score=7.0),
    case(25, "minus zero", event(x=-0.0), SCORED, score=7.0),
    case(26, "required field absent", b'{"id":"e"}', Reason.MISSING),
    case(26, "required field null", event(x=None), Reason.MISSING),
    case(26, "id absent", b'{"x":1.5}', Reason.MISSING),
    case(27, "optional field absent", event(), SCORED, score=10.0),
    case(27, "optional field null", event(count=None, rate=None), SCORED, score=10.0),
    case(28, "fields nobody knows", event(more={"of": ["this"]}, other=1), SCORED, score=10.0),
    case(29, "text for a number", event(x="12"), Reason.WRONG_TYPE),
    case(29, "true for a number", event(x=True), Reason.WRONG_TYPE),
    case(29, "number for a text", event(country=1), Reason.WRONG_TYPE),
    case(29, "an array for an event", b"[1]", Reason.WRONG_TYPE),
    case(30, "category never seen", event(country="Atlantis"), SCORED),
    case(31, "sequence too short", event(last=[1, 2]), Reason.WRONG_LENGTH),
    case(31, "sequence too long", event(last=[1, 2, 3, 4]), Reason.WRONG_LENGTH),
    case(32, "sequence of 100,000 items", event(last=[1] * 100_000), Reason.WRONG_LENGTH),
    case(32, "sequence of a million items", raw(b"last", b"[" + b"1," * 999_999 + b"1]"), Reason.TOO_LARGE),
    case(33, "text of 10 MB", event(country="x" * 10_000_000), Reason.TOO_LARGE),
    case(34, "key that stands twice", b'{"id":"e","x":1.5,"x":2.5}', Reason.UNDECODABLE),
    case(34, "unread key that stands twice", b'{"id":"e","x":1.5,"a":{"b":1,"b":1}}', Reason.UNDECODABLE),
    case(35, "nested 10,000 deep where nobody reads", raw(b"a", b"[" * 10_000 + b"]" * 10_000), Reason.UNDECODABLE),
    case(36, "number of 100,000 digits", raw(b"big", b"9" * 100_000), Reason.UNDECODABLE),
    case(36, "fraction of 100,000 digits", raw(b"big", b"0." + b"3" * 100_000), SCORED),
    case(37, "byte-order mark", b"\xef\xbb\xbf" + event(), Reason.UNDECODABLE),
    case(37, "UTF-16", event().decode().encode("utf-16"), Reason.UNDECODABLE),
    case(38, "lone surrogate", raw(b"country", b'"\\ud800"'), Reason.UNDECODABLE),
    case(38, "lone surrogate in the id", b'{"id":"\\udfff","x":1.5}', Reason.UNDECODABLE),
    case(38, "lone surrogate to be passed on", raw(b"note", b'"\\ud83d"'), Reason.UNDECODABLE),
    case(38, "lone surrogate in a name", b'{"id":"e","x":1.5,"\\ud800":1}', Reason.UNDECODABLE),
    case(38, "surrogate in the key", event(), SCORED, key=b"\xed\xa0\x80"),
    case(43, "timestamp -1", event(), SCORED, timestamp_ms=-1),
    case(43, "timestamp of the year 9999", event(), SCORED, timestamp_ms=YEAR_9999_MS),
    case(43, "dead letter with the timestamp -1", b"{", Reason.UNDECODABLE, timestamp_ms=-1),
    case(44, "id that was there before", GOOD, SCORED, score=GOOD_SCORE),
    case(40, "1,000 headers", event(), SCORED, headers=MANY_HEADERS),
    case(40, "1,000 headers of a bad value", b"{", Reason.UNDECODABLE, headers=MANY_HEADERS),
    case(40, "header of 900 kB", event(), SCORED, headers=LARGE_HEADER),
    case(40, "header of 900 kB of a bad value", b"{", Reason.UNDECODABLE, headers=LARGE_HEADER),
    case(40, "header that stands twice", event(), SCORED, headers=TRACED),
    case(40, "header that stands twice of a bad value", b"{", Reason.UNDECODABLE, headers=TRACED),
    case(46, "replayed twice and bad again", b"{", Reason.UNDECODABLE, headers=((REPLAYS_HEADER, b"2"),)),
    case(46, "replayed, mended by hand", event(), SCORED, headers=((REPLAYS_HEADER, b"2"),)),
]
"""Those that a topic takes as they are."""

TOO_LARGE_TO_ANSWER = [
    case(39, "score larger than a topic takes", event(note="n" * (LARGE - 40)), Reason.TOO_LARGE),
    case(39, "dead letter larger than a topic takes", b"{" * LARGE, Reason.TOO_LARGE),
]
"""Those whose dead letter holds a piece of the value only."""

REFUSED = [
    case(43, "timestamp that the score topic refuses", event(), Reason.REFUSED, timestamp_ms=YEAR_9999_MS),
    case(43, "timestamp that the dead-letter topic refuses", b"{", Reason.REFUSED, timestamp_ms=YEAR_9999_MS),
]
"""Those that topics refuse as brokers do without further settings."""
