from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from consumer.replay import Fate, LetterFilter, ReplayBook, Replayed, ReplayRules
from consumer.replay_marks import Marks
from features.rejection import Reason
from producer.records import TopicPartition
from tests.support.letters import FEATURES, SERVICE, Letter, letter, letter_batch

AT = TopicPartition("dead", 0)
RULES = ReplayRules(service=SERVICE, topics=(FEATURES,))


def entered(found: Letter, rules: ReplayRules = RULES) -> tuple[Fate, list[Replayed]]:
    """Return what becomes of one letter."""
    book = ReplayBook.of(rules, {AT: Marks()})
    letters = book.enter(letter_batch(AT, [found]), [0])
    (fate,) = book.fates
    return fate, letters


def test_letter_goes_back_as_it_came() -> None:
    """Key, value byte for byte, time and the producer's own headers; ours give way to the number of replays."""
    trace = [("trace", b"\x00"), ("trace", None), ("tidemill.replays", b"1")]
    found = letter(4, partition=2, original=trace, timestamp_ms=77, key=b"k")
    fate, (sent,) = entered(found)
    assert (fate, sent.topic, sent.key, sent.value, sent.timestamp_ms) == (Fate.SENT, FEATURES, b"k", found.value, 77)
    assert sent.headers == [("trace", b"\x00"), ("trace", None), ("tidemill.replays", b"2")]


@pytest.mark.parametrize(
    ("found", "fate"),
    [
        (Letter(0), Fate.FOREIGN),
        (letter(0, service="payments"), Fate.OTHER_SERVICE),
        (letter(0, truncated=True), Fate.TRUNCATED),
        (letter(0, topic="elsewhere"), Fate.OTHER_TOPIC),
        (letter(0, original=[("tidemill.replays", b"3")]), Fate.TOO_OFTEN),
        (letter(0, original=[("tidemill.replays", b"2")]), Fate.SENT),
        (letter(0, original=[("tidemill.replays", b"-5 or so")]), Fate.SENT),
    ],
)
def test_fate_of_a_letter(found: Letter, fate: Fate) -> None:
    """What stays is counted by why: a record that is none of ours, or no event any more, must not be sent."""
    assert entered(found)[0] is fate


def test_letter_of_another_topic_goes_where_it_is_told() -> None:
    """With a topic to go to, where it came from does not matter."""
    fate, (sent,) = entered(letter(0, topic="elsewhere"), dataclasses.replace(RULES, to="repair"))
    assert (fate, sent.topic) == (Fate.SENT, "repair")


@pytest.mark.parametrize(
    ("key", "source", "to", "partition"),
    [(b"k", 3, None, 3), (None, 3, None, 3), (b"k", 5, None, None), (None, 5, None, 1), (b"k", 3, "repair", None)],
)
def test_partition_is_the_one_it_came_from(
    key: bytes | None, source: int, to: str | None, partition: int | None
) -> None:
    """So it meets its neighbours again, whatever the producer's partitioner is; elsewhere its key decides."""
    _, (sent,) = entered(letter(0, partition=source, key=key), dataclasses.replace(RULES, to=to))
    assert sent.partition(4) == partition


@pytest.mark.parametrize(
    ("conditions", "matches"),
    [
        ({}, True),
        ({"reasons": {"empty"}}, False),
        ({"reasons": {"empty", "missing"}}, True),
        ({"stage": "decode"}, True),
        ({"stage": "score"}, False),
        ({"since_ms": 1_000, "until_ms": 1_001}, True),
        ({"since_ms": 1_001}, False),
        ({"until_ms": 1_000}, False),
    ],
)
def test_filter_means_what_all_conditions_say(conditions: dict[str, Any], matches: bool) -> None:  # noqa: FBT001 - likewise
    """Reasons are alternatives, everything else must hold together; the end of a time is not in it."""
    fate = entered(letter(0, Reason.MISSING), dataclasses.replace(RULES, wanted=LetterFilter(**conditions)))[0]
    assert fate is (Fate.SENT if matches else Fate.OTHERS)
