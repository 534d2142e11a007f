"""The two ways from a file to a topic: straight, or with a bookmark by which an interrupted publish goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from consumer.kafka_reader import KafkaSnapshot
from features.input_files import InputFile
from producer.errors import ProducerFenced
from producer.kafka import KafkaSink
from producer.publishing import Bookmark
from producer.records import NextOffsets, TopicPartition
from producer.sink import RecordSink
from service.bootstrap import build_plain_sink
from service.clients import consumer_conf, producer_conf
from service.errors import ServiceError
from service.identity import transactional_id
from service.settings import Settings

DIGEST_DIGITS: Final = 16  # enough to tell the files of one service apart


@dataclass(frozen=True, slots=True)
class Begun:
    """A way that is open.

    Attributes:
        file: What goes.
        sink: Open.
        bookmark: Where the place in the file is kept; None: nowhere.
        after: The last line that was dealt with before.
        advice: Says how to go on after an end that came too early, given the last line dealt with.
    """

    file: InputFile
    sink: RecordSink
    bookmark: Bookmark | None
    after: int
    advice: Callable[[int], str]


@contextmanager
def straight(settings: Settings, topic: str, file: InputFile) -> Iterator[Begun]:
    """Open the way that remembers nothing: at least once, and twice is twice.

    Raises:
        ProducerError: The topic is not there, or no broker answers.
    """
    sink = build_plain_sink(settings, client_id=f"{settings.name}-publish")
    sink.open()
    try:
        sink.partition_count(topic)
        yield Begun(file, sink, None, 0, _advice_straight)
    finally:
        sink.close()


@contextmanager
def resumable(settings: Settings, topic: str, file: InputFile) -> Iterator[Begun]:
    """Open the way on which each row is published once, however often it is interrupted and gone again.

    Who goes it takes over from whoever is on it with the same file: the transactional id is the file's. What that one
    had in hand is settled before the bookmark is read.

    Raises:
        TableError: The file cannot be read.
        ProducerError: The topic is not there, no broker answers, or transactions are refused.
        ConsumerError: The bookmark cannot be read.
    """
    name = f"publish.{file.digest()[:DIGEST_DIGITS]}"
    identity = transactional_id(settings, name)
    sink = KafkaSink(
        producer_conf(settings, client_id=f"{settings.name}-publish"),
        transactional_id=f"{identity}.{topic}",
        transaction_timeout=settings.transaction.timeout.total_seconds(),
    )
    try:
        sink.open()
        sink.partition_count(topic)
        conf = consumer_conf(settings, client_id=f"{settings.name}-publish")
        snapshot = KafkaSnapshot(conf, topic, group_id=f"{settings.name}.{name}")
        try:
            at = TopicPartition(topic, 0)
            after = max(0, snapshot.committed()[at][0])
            yield Begun(file, sink, Bookmark(at, _MemberlessGroup(snapshot)), after, _advice_resumable)
        except ProducerFenced as error:
            raise ProducerFenced(
                "another 'publish --resume' of this file has begun, and took over; this one ends"
            ) from error
        finally:
            snapshot.close()
    finally:
        sink.close()


def _advice_straight(last: int) -> str:
    rest = f"lines up to {last} are there, of those behind it perhaps some" if last else "perhaps a part of it is there"
    return f"{rest}, and a second run publishes all of them again; with --resume from the first run on it would not"


def _advice_resumable(last: int) -> str:
    rest = f"lines up to {last} are dealt with" if last else "nothing is published"
    return f"{rest}; the same command goes on from there, with no row lost or doubled"


@dataclass(frozen=True, slots=True)
class _MemberlessGroup:
    """The group of a bookmark, as a transactional sink needs it."""

    snapshot: KafkaSnapshot

    @property
    def metadata(self) -> object:
        """Return the group, without member and generation."""
        return self.snapshot.group_metadata

    def commit(self, offsets: NextOffsets) -> None:
        """Refuse: the bookmark moves with the rows or not at all."""
        raise ServiceError(f"group {self.snapshot.group_id} is committed to in transactions only, not {offsets}")
