"""Dead letters: the record as it came, and headers that say where it failed and why.

Header names are Kafka Connect's (``DeadLetterQueueReporter``), so that tools for its dead letters work
on ours; ``tidemill.*`` is added.
"""

from __future__ import annotations

from features.rejection import MAX_DETAIL_CHARS, Rejection
from producer.records import Headers, TopicPartition

CONNECT_PREFIX = "__connect.errors."
REASON_HEADER = "tidemill.reason"
SERVICE_HEADER = "tidemill.service"
REPLAYS_HEADER = "tidemill.replays"
TRUNCATED_HEADER = "tidemill.truncated"

MAX_ORIGINAL_HEADERS = 100
MAX_ORIGINAL_HEADER_BYTES = 64 * 1024  # more could make the dead letter larger than any topic takes
TRUNCATED_VALUE_BYTES = 64 * 1024  # what is kept of a value that no topic takes
_MAX_COUNT_BYTES = 20


def dead_letter_headers(
    rejection: Rejection, *, source: TopicPartition, offset: int, service: str, original: Headers
) -> list[tuple[str, bytes | None]]:
    """Return the headers of a dead letter: the original ones first, then where and why.

    A header of an earlier failure of the same record is replaced, ``tidemill.replays`` is kept.
    Never raises, whatever the text holds.

    >>> from features.rejection import Reason, Stage
    >>> dead = Rejection(0, Stage.DECODE, Reason.EMPTY, "the value is empty")
    >>> found = dead_letter_headers(dead, source=TopicPartition("in", 3), offset=41, service="s", original=[])
    >>> dict(found)["__connect.errors.offset"], dict(found)["tidemill.reason"]
    (b'41', b'empty')
    """
    ours: dict[str, str] = {
        CONNECT_PREFIX + "topic": source.topic,
        CONNECT_PREFIX + "partition": str(source.partition),
        CONNECT_PREFIX + "offset": str(offset),
        CONNECT_PREFIX + "stage": rejection.stage.value,
        CONNECT_PREFIX + "class.name": "tidemill.consumer.ScoringWorker",
        CONNECT_PREFIX + "exception.class.name": f"tidemill.{rejection.reason.value}",
        CONNECT_PREFIX + "exception.message": rejection.detail[:MAX_DETAIL_CHARS],
        SERVICE_HEADER: service,
        REASON_HEADER: rejection.reason.value,
    }
    kept = _bounded([(name, value) for name, value in original if name not in ours])
    if not any(name == REPLAYS_HEADER for name, _ in kept):  # never forgotten for want of room
        ours[REPLAYS_HEADER] = _replays_among(original)
    return kept + [(name, text.encode("utf-8", "backslashreplace")) for name, text in ours.items()]


def _replays_among(headers: Headers) -> str:
    counts = [value for name, value in headers if name == REPLAYS_HEADER and value]
    return counts[0][:_MAX_COUNT_BYTES].decode("ascii", "replace") if counts else "0"


def _bounded(headers: list[tuple[str, bytes | None]]) -> list[tuple[str, bytes | None]]:
    room = MAX_ORIGINAL_HEADER_BYTES
    kept = []
    for name, value in headers[:MAX_ORIGINAL_HEADERS]:
        room -= len(name) + len(value or b"")
        if room < 0:
            break
        kept.append((name, value))
    return kept
