from __future__ import annotations

import random
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.replay import Fate, LetterFilter, ReplayBook, ReplayRules
from consumer.replaying import replay
from features.rejection import Reason
from producer.errors import AbortRequired, DeliveryFailed, RecordTooLarge
from producer.records import TopicPartition
from tests.support.letters import FEATURES, SERVICE, Letter, MemoryLetters, letter

AT, OTHER = TopicPartition("dead", 0), TopicPartition("dead", 1)
RULES = ReplayRules(service=SERVICE, topics=(FEATURES,))
REASONS = (Reason.MISSING, Reason.EMPTY, Reason.WRONG_TYPE)


def run(log: MemoryLetters, rules: ReplayRules = RULES) -> ReplayBook:
    """Run once, with nobody watching."""
    return replay(log, rules, advance=lambda _count: None)


def only(*reasons: Reason, limit: int | None = None, passes_over: bool = False) -> ReplayRules:
    """Return rules for letters of some reasons."""
    wanted = LetterFilter(reasons=frozenset(reasons))
    return ReplayRules(SERVICE, (FEATURES,), wanted=wanted, limit=limit, passes_over=passes_over)


@st.composite
def topics(draw: st.DrawFn) -> Mapping[TopicPartition, list[Letter]]:
    """Return two partitions of letters, with offsets that hold none between them."""
    return {
        at: [letter(o, draw(st.sampled_from(REASONS))) for o in sorted(draw(st.sets(st.integers(0, 40), max_size=25)))]
        for at in (AT, OTHER)
    }


runs = st.builds(only, st.sampled_from(REASONS), st.sampled_from(REASONS), limit=st.none() | st.integers(1, 9))


@given(letters=topics(), some=st.lists(runs, max_size=5), fail=st.lists(st.booleans(), max_size=5))
def test_runs_of_any_filters_send_each_letter_once(
    letters: Mapping[TopicPartition, list[Letter]], some: list[ReplayRules], fail: list[bool]
) -> None:
    """Whatever was asked before, and whatever failed, nothing goes twice and a last run leaves nothing."""
    log = MemoryLetters(letters, failures=[AbortRequired("away") if fails else None for fails in fail])
    for rules in some:
        try:
            run(log, rules)
        except AbortRequired:
            continue
    log.failures.clear()
    run(log)
    everything = sorted((at, found.offset) for at, of in letters.items() for found in of)
    assert sorted((found.at, found.letter_offset) for found in log.sent) == everything


def test_second_run_sends_nothing() -> None:
    """Run twice is sent once."""
    log = MemoryLetters({AT: [letter(0), letter(2), letter(3)]})
    assert [run(log).fates[Fate.SENT], run(log).fates[Fate.SENT]] == [3, 0]


@pytest.mark.parametrize("refusal", [RecordTooLarge("large"), DeliveryFailed("large", record_at_fault=True)])
def test_refused_letter_stays_alone(refusal: Exception) -> None:
    """One letter that the topic does not take must not keep the others from going."""
    log = MemoryLetters({AT: [letter(offset) for offset in range(5)]})
    log.refused, log.refusal = frozenset({3}), refusal  # type: ignore[assignment]
    book = run(log)
    assert (sorted(log.sent_offsets()), book.fates[Fate.REFUSED]) == ([0, 1, 2, 4], 1)
    log.refusal = None
    run(log)
    assert log.sent_offsets()[-1] == 3


def test_limit_ends_the_run() -> None:
    """The rest goes with the next run."""
    log = MemoryLetters({AT: [letter(offset) for offset in range(9)]}, chunk=4)
    book = run(log, ReplayRules(SERVICE, (FEATURES,), limit=6))
    assert (log.sent_offsets(), book.is_finished) == ([0, 1, 2, 3, 4, 5], True)
    run(log)
    assert log.sent_offsets() == list(range(9))


def test_partition_without_room_stops_and_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A letter that could not be noted is not sent: it might go twice."""
    monkeypatch.setattr("consumer.replay_marks.MAX_NOTE_CHARS", 40)
    chance = random.Random(1)
    scattered = [letter(offset, chance.choice((Reason.EMPTY, Reason.MISSING))) for offset in range(900)]
    log = MemoryLetters({AT: scattered}, chunk=50)
    book = run(log, only(Reason.EMPTY))
    assert book.fates[Fate.SENT] > 0 < book.fates[Fate.NO_ROOM]
    assert book.fates.total() == 900
    run(log)
    assert sorted(log.sent_offsets()) == list(range(900))


def test_passing_over_needs_no_room_and_gives_up_the_rest() -> None:
    """What was not meant, up to the last one sent, is never offered again; what comes behind is."""
    log = MemoryLetters({AT: [letter(0), letter(1, Reason.EMPTY), letter(2), letter(3, Reason.EMPTY), letter(4)]})
    run(log, only(Reason.EMPTY, passes_over=True))
    run(log)
    assert log.sent_offsets() == [1, 3, 4]
