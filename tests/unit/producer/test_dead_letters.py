from __future__ import annotations

from features.rejection import MAX_DETAIL_CHARS, Reason, Rejection, Stage
from producer.dead_letters import MAX_ORIGINAL_HEADER_BYTES, dead_letter_headers
from producer.records import Headers, TopicPartition


def headers_of(detail: str = "not JSON", original: Headers = ()) -> list[tuple[str, bytes | None]]:
    """Return the headers of a dead letter from in[3] at 41."""
    rejection = Rejection(0, Stage.DECODE, Reason.UNDECODABLE, detail)
    return dead_letter_headers(rejection, source=TopicPartition("in", 3), offset=41, service="fraud", original=original)


def test_dead_letter_says_where_it_came_from_and_why() -> None:
    """Header names are Kafka Connect's, so that its tools work on our dead letters."""
    assert headers_of() == [
        ("__connect.errors.topic", b"in"),
        ("__connect.errors.partition", b"3"),
        ("__connect.errors.offset", b"41"),
        ("__connect.errors.stage", b"decode"),
        ("__connect.errors.class.name", b"tidemill.consumer.ScoringWorker"),
        ("__connect.errors.exception.class.name", b"tidemill.undecodable"),
        ("__connect.errors.exception.message", b"not JSON"),
        ("tidemill.service", b"fraud"),
        ("tidemill.reason", b"undecodable"),
        ("tidemill.replays", b"0"),
    ]


def test_dead_letter_keeps_original_headers_and_the_replay_count() -> None:
    """A record that failed before carries its own headers once, with the reason of this failure."""
    original = [("trace", b"\xff\x00"), ("tidemill.reason", b"missing"), ("tidemill.replays", b"2"), ("trace", None)]
    found = headers_of(original=original)
    assert found[:3] == [("trace", b"\xff\x00"), ("tidemill.replays", b"2"), ("trace", None)]
    assert [value for name, value in found if name in ("tidemill.reason", "tidemill.replays")] == [b"2", b"undecodable"]


def test_dead_letter_takes_no_word_from_elsewhere_for_being_cut() -> None:
    """A letter that somebody copied back to the input, or a forged header, must not bar the event from a replay."""
    assert "tidemill.truncated" not in dict(headers_of(original=[("tidemill.truncated", b"99")]))


def test_dead_letter_headers_are_bounded() -> None:
    """A thousand headers, or one of a megabyte, must not make a dead letter that no topic takes."""
    many = headers_of(original=[(f"h{i}", b"x") for i in range(1000)])
    huge = headers_of(original=[("h", b"x" * 1_000_000)])
    assert sum(len(value or b"") for _, value in many + huge) < MAX_ORIGINAL_HEADER_BYTES


def test_dead_letter_headers_keep_the_replay_count_whatever_is_dropped() -> None:
    """A record replayed with many headers, or large ones, does not lose count of its replays."""
    for crowd in [[(f"h{i}", b"x") for i in range(1000)], [("h", b"x" * 1_000_000)]]:
        found = headers_of(original=[*crowd, ("tidemill.replays", b"2")])
        assert [value for name, value in found if name == "tidemill.replays"] == [b"2"]


def test_dead_letter_message_never_fails_to_encode() -> None:
    """A lone surrogate in the offending text must not stop the worker; the text is cut to its limit."""
    message = dict(headers_of(detail="\ud800" + "x" * 10_000))["__connect.errors.exception.message"]
    assert message == b"\\ud800" + b"x" * (MAX_DETAIL_CHARS - 1)
