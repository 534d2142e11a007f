"""One run of a replay: letters read in order, sent in transactions that carry the marks of what was sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from consumer.records import RecordBatch
from consumer.replay import Fate, ReplayBook, Replayed, ReplayRules
from consumer.replay_marks import Marks
from producer.errors import DeliveryFailed, RecordTooLarge
from producer.records import TopicPartition

SEND_TRIES = 3  # after a refusal the client has a gap in its numbering, and fails once more before it begins anew


class LetterLog(Protocol):
    """The dead-letter topic as a replay needs it. Single-threaded."""

    def open(self) -> Mapping[TopicPartition, Marks]:
        """Make an end of every other replay of this service, and return what was dealt with by them.

        Raises:
            ConsumerError: The topic or the marks cannot be read.
            ProducerError: The id cannot be taken over.
        """
        ...

    def batches(self) -> Iterator[RecordBatch]:
        """Yield the letters that are not below the marks, up to where the topic ended when it was opened.

        Within a partition in the order of their offsets; committed ones only.
        """
        ...

    def send(self, letters: Sequence[Replayed], marks: Mapping[TopicPartition, Marks]) -> None:
        """Send letters and commit the marks, all in one transaction.

        Raises:
            RecordTooLarge: Nothing was sent: one of them is refused for its size.
            DeliveryFailed: Nothing was sent; ``record_at_fault`` when one of them is refused.
            ProducerError: Anything else; a later run finds out what was sent, and sends the rest.
        """
        ...


def replay(log: LetterLog, rules: ReplayRules, *, advance: Callable[[int], None]) -> ReplayBook:
    """Send every letter that the rules mean and that no earlier run has sent; return the account.

    ``advance`` is told how many more records have been looked at.
    """
    book = ReplayBook.of(rules, log.open())
    for batch in log.batches():
        book = _send(log, book, batch, range(len(batch)))
        advance(len(batch))
        if book.is_finished:
            break
    return book


def _send(log: LetterLog, book: ReplayBook, batch: RecordBatch, rows: Sequence[int]) -> ReplayBook:
    """Enter rows and send what is to be sent; where one is at fault, halve until it stands alone."""
    draft = book.copy()
    letters = draft.enter(batch, rows)
    if not letters:
        return draft
    fate = Fate.NO_ROOM
    if not draft.crowded(letters):
        fate = Fate.REFUSED
        if _is_sent(log, letters, draft.marks(letters)):
            return draft
    if len(rows) == 1:
        book.leave(letters[0], fate)
        return book
    middle = len(rows) // 2
    return _send(log, _send(log, book, batch, rows[:middle]), batch, rows[middle:])


def _is_sent(log: LetterLog, letters: Sequence[Replayed], marks: Mapping[TopicPartition, Marks]) -> bool:
    """Send letters; return False when one of them is refused."""
    for tries_left in reversed(range(SEND_TRIES)):
        try:
            log.send(letters, marks)
        except RecordTooLarge:
            return False
        except DeliveryFailed as error:
            if error.record_at_fault:
                return False
            if not tries_left:
                raise
        else:
            return True
    return False
