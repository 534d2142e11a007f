"""Dead letters: the record as it came, and headers that say where it failed and why.

Header names are Kafka Connect's (``DeadLetterQueueReporter``), so that tools for its dead letters work
on ours; ``tidemill.*`` is added.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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

_OURS = (CONNECT_PREFIX, "tidemill.")
_MAX_DIGITS = 18


@dataclass(frozen=True, slots=True)
class LetterFacts:
    """What the headers of a dead letter say.

    Attributes:
        source: Where the record was read.
        offset: Its offset there.
        reason: Why it was turned away, see ``Reason``; a later version may write one that is not known here.
        stage: The step that turned it away.
        detail: One line for a person.
        service: The name of the service that wrote the letter.
        replays: How often the record had been replayed before it was turned away.
        full_bytes: The size of the value before it was cut; None when the letter holds all of it.
    """

    source: TopicPartition
    offset: int
    reason: str
    stage: str
    detail: str
    service: str
    replays: int
    full_bytes: int | None = None


def letter_facts(headers: Headers) -> LetterFacts | None:
    """Return what the headers say, or None when they are not those of a dead letter of ours. Never raises.

    >>> from features.rejection import Reason, Stage
    >>> dead = Rejection(0, Stage.DECODE, Reason.EMPTY, "the value is empty")
    >>> written = dead_letter_headers(dead, source=TopicPartition("in", 3), offset=41, service="s", original=[])
    >>> str(letter_facts(written).source), letter_facts(written).reason
    ('in[3]', 'empty')
    """
    found = {name: (value or b"").decode("utf-8", "replace") for name, value in headers if name.startswith(_OURS)}
    topic = found.get(CONNECT_PREFIX + "topic")
    partition, offset = _number(found, CONNECT_PREFIX + "partition"), _number(found, CONNECT_PREFIX + "offset")
    if not topic or partition is None or offset is None or not found.get(REASON_HEADER):
        return None
    return LetterFacts(
        source=TopicPartition(topic, partition),
        offset=offset,
        reason=found[REASON_HEADER],
        stage=found.get(CONNECT_PREFIX + "stage", ""),
        detail=found.get(CONNECT_PREFIX + "exception.message", ""),
        service=found.get(SERVICE_HEADER, ""),
        replays=_number(found, REPLAYS_HEADER) or 0,
        full_bytes=(_number(found, TRUNCATED_HEADER) or 0) if TRUNCATED_HEADER in found else None,
    )


def replayed_headers(headers: Headers, *, replays: int) -> list[tuple[str, bytes | None]]:
    """Return the headers a record had before it became a dead letter, and how often it has been replayed by now.

    >>> replayed_headers([("trace", b"1"), ("tidemill.reason", b"empty"), ("tidemill.replays", b"0")], replays=1)
    [('trace', b'1'), ('tidemill.replays', b'1')]
    """
    kept = [(name, value) for name, value in headers if not name.startswith(_OURS)]
    return [*kept, (REPLAYS_HEADER, str(replays).encode())]


def _number(found: Mapping[str, str], name: str) -> int | None:
    text = found.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS else None


def dead_letter_headers(
    rejection: Rejection, *, source: TopicPartition, offset: int, service: str, original: Headers
) -> list[tuple[str, bytes | None]]:
    """Return the headers of a dead letter: the original ones first, then where and why.

    A header of an earlier failure of the same record is replaced or left out, ``tidemill.replays`` is kept.
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
    kept = _bounded([(name, value) for name, value in original if name not in ours and name != TRUNCATED_HEADER])
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
