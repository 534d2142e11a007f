"""Which dead letters go back to their topic, and what becomes of the others. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from consumer.records import RecordBatch
from consumer.replay_marks import MarkKeeper, Marks
from producer.dead_letters import LetterFacts, letter_facts, replayed_headers
from producer.records import Headers, TopicPartition

DEFAULT_MAX_REPLAYS = 3


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Which letters are meant; without a condition all of them. Times are those of the records, epoch milliseconds."""

    reasons: Collection[str] = ()
    stage: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None

    def matches(self, facts: LetterFacts | None, timestamp_ms: int) -> bool:
        """Return whether a letter is meant; one that is not ours has neither reason nor stage."""
        if facts is None and (self.reasons or self.stage):
            return False
        return (
            (facts is None or not self.reasons or facts.reason in self.reasons)
            and (facts is None or self.stage is None or facts.stage == self.stage)
            and (self.since_ms is None or timestamp_ms >= self.since_ms)
            and (self.until_ms is None or timestamp_ms < self.until_ms)
        )


class Fate(StrEnum):
    """What becomes of one record of the dead-letter topic in a run."""

    SENT = "sent"
    SENT_EARLIER = "already sent"
    OTHERS = "not meant by the filter"
    FOREIGN = "not written by tidemill"
    OTHER_SERVICE = "of another service"
    TRUNCATED = "cut short, so not the event any more"
    OTHER_TOPIC = "of a topic that is no features topic (see --to)"
    TOO_OFTEN = "replayed too often already (see --max-replays)"
    REFUSED = "refused by the broker for their size or timestamp"
    NO_ROOM = "for want of room to note them"


_NEVER = frozenset({Fate.FOREIGN, Fate.OTHER_SERVICE, Fate.TRUNCATED})
"""They cannot be sent by any later run either, so they hold no mark back."""


@dataclass(frozen=True, slots=True)
class ReplayRules:
    """What a run was asked to do.

    Attributes:
        service: Whose letters are replayed.
        topics: The features topics: letters of other topics stay.
        to: A topic that takes all letters instead of the one they came from.
        wanted: The letters that are meant.
        max_replays: Letters that were replayed so often stay.
        limit: At most so many letters are sent.
        passes_over: Whether letters that stay are dealt with for good, up to the last one sent.
    """

    service: str
    topics: Collection[str]
    to: str | None = None
    wanted: LetterFilter = LetterFilter()
    max_replays: int = DEFAULT_MAX_REPLAYS
    limit: int | None = None
    passes_over: bool = False

    def fate(self, facts: LetterFacts | None, timestamp_ms: int, *, is_done: bool) -> Fate:
        """Return what the rules say about one record; ``is_done`` when an earlier run has dealt with it."""
        if facts is None:
            return Fate.FOREIGN
        is_of_features = self.to is not None or facts.source.topic in self.topics
        judged = (
            (facts.service != self.service, Fate.OTHER_SERVICE),
            (not self.wanted.matches(facts, timestamp_ms), Fate.OTHERS),
            (facts.full_bytes is not None, Fate.TRUNCATED),
            (is_done, Fate.SENT_EARLIER),
            (not is_of_features, Fate.OTHER_TOPIC),
            (facts.replays >= self.max_replays, Fate.TOO_OFTEN),
        )
        return next((fate for holds, fate in judged if holds), Fate.SENT)


class Replayed(NamedTuple):
    """One record on its way back, with the place of its letter."""

    at: TopicPartition
    letter_offset: int
    topic: str
    key: bytes | None
    value: bytes | None
    timestamp_ms: int
    headers: Headers
    facts: LetterFacts

    def partition(self, count: int) -> int | None:
        """Return the partition it goes to, of so many: where it came from, and elsewhere where its key belongs."""
        source = self.facts.source
        if (source.topic == self.topic and source.partition < count) or self.key is None:
            return source.partition % count
        return None


@dataclass(slots=True)
class ReplayBook:
    """What a run knows so far: marks of every partition, and how many records met which fate."""

    rules: ReplayRules
    keepers: dict[TopicPartition, MarkKeeper]
    fates: Counter[Fate] = field(default_factory=Counter)
    full: set[TopicPartition] = field(default_factory=set)

    @classmethod
    def of(cls, rules: ReplayRules, marks: Mapping[TopicPartition, Marks]) -> ReplayBook:
        """Return a book that begins with what is committed."""
        return cls(rules, {at: MarkKeeper(mark) for at, mark in marks.items()})

    def copy(self) -> ReplayBook:
        """Return an independent copy: a transaction that fails leaves the original as it was."""
        keepers = {at: keeper.copy() for at, keeper in self.keepers.items()}
        return ReplayBook(self.rules, keepers, self.fates.copy(), set(self.full))

    @property
    def is_finished(self) -> bool:
        """Return whether the limit is reached."""
        return self.rules.limit is not None and self.fates[Fate.SENT] >= self.rules.limit

    def enter(self, batch: RecordBatch, rows: Sequence[int]) -> list[Replayed]:
        """Enter records in the order of their offsets and return those that go back; stops at the limit."""
        letters = []
        for row in rows:
            if self.is_finished:
                break
            at, offset = batch.at(row), int(batch.offsets[row])
            facts = letter_facts(batch.headers(row))
            is_done = offset in self.keepers[at].marks
            fate = self.rules.fate(facts, int(batch.timestamps_ms[row]), is_done=is_done)
            if fate is Fate.SENT and at in self.full:
                fate = Fate.NO_ROOM
            if fate is Fate.SENT and facts is not None:
                letters.append(self._replayed(batch, row, facts))
            self._note(at, offset, fate, is_done=is_done)
        return letters

    def leave(self, letter: Replayed, fate: Fate) -> None:
        """Enter one letter that was to be sent and cannot be."""
        if fate is Fate.NO_ROOM:
            self.full.add(letter.at)
        self._note(letter.at, letter.letter_offset, fate, is_done=False)

    def crowded(self, letters: Sequence[Replayed]) -> bool:
        """Return whether the marks of a partition of these letters take more room than a commit has."""
        return not all(self.keepers[at].now().fits() for at in {letter.at for letter in letters})

    def marks(self, letters: Sequence[Replayed]) -> dict[TopicPartition, Marks]:
        """Return what to commit together with these letters."""
        return {at: self.keepers[at].now() for at in {letter.at for letter in letters}}

    def _note(self, at: TopicPartition, offset: int, fate: Fate, *, is_done: bool) -> None:
        self.fates[fate] += 1
        keeper = self.keepers[at]
        if fate is Fate.SENT and self.rules.passes_over:
            keeper.pass_over(offset)
        elif fate is Fate.SENT or is_done:
            keeper.done(offset)
        elif fate in _NEVER:
            keeper.never(offset)
        else:
            keeper.held(offset)

    def _replayed(self, batch: RecordBatch, row: int, facts: LetterFacts) -> Replayed:
        return Replayed(
            at=batch.at(row),
            letter_offset=int(batch.offsets[row]),
            topic=self.rules.to or facts.source.topic,
            key=batch.keys[row],
            value=batch.values[row],
            timestamp_ms=int(batch.timestamps_ms[row]),
            headers=replayed_headers(batch.headers(row), replays=facts.replays + 1),
            facts=facts,
        )
