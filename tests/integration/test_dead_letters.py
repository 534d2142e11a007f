"""`dead-letters list`, `show` and `replay` on a real broker."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka import TopicPartition as ClientPartition

from consumer.errors import SourceRefused
from consumer.kafka_reader import KafkaSnapshot
from consumer.kafka_replay import KafkaReplay, MarkingSink
from consumer.records import RecordBatch
from consumer.replay import Fate, LetterFilter, ReplayBook, Replayed, ReplayRules
from consumer.replay_marks import Marks
from consumer.replaying import replay
from features.rejection import Reason
from producer.errors import BrokerUnreachable, DeliveryFailed, ProducerFenced
from producer.records import TopicPartition
from service.cli import run
from tests.support.kafka import KafkaCluster, unique_name
from tests.support.kafka_scoring import QUICK, KafkaBench, running, wait_until
from tests.support.letters import Letter, letter

pytestmark = pytest.mark.kafka

Sink = TypeVar("Sink", bound=MarkingSink)


class Desk:
    """A features topic, a dead-letter topic of two partitions with letters, and replays of them."""

    def __init__(self, cluster: KafkaCluster) -> None:
        """Make the topics."""
        self.conf = {**cluster.client_settings, **QUICK}
        self.name = unique_name("desk")
        self.features = cluster.create_topic(f"{self.name}.features", partitions=2)
        self.dead = cluster.create_topic(f"{self.name}.dead-letters", partitions=2)

    def write(self, *reasons: Reason, replays: int = 0) -> None:
        """Append a letter of each reason, by turns to both partitions, each in a transaction with its marker."""
        producer = Producer({**self.conf, "transactional.id": unique_name("worker")})
        producer.init_transactions(20)
        original = [("tidemill.replays", str(replays).encode()), ("trace", b"t")]
        for number, reason in enumerate(reasons):
            found = letter(number, reason, topic=self.features, service=self.name, original=original)
            producer.begin_transaction()
            self.append(producer, found, partition=number % 2)
            producer.commit_transaction(20)
        wait_until(self._is_settled, "the markers of the transactions")  # they are written after the commit is told

    def _is_settled(self) -> bool:
        reader = Consumer({**self.conf, "group.id": self.name, "isolation.level": "read_uncommitted"})
        snapshot = KafkaSnapshot(self.conf, self.dead)
        ends = {at: reader.get_watermark_offsets(ClientPartition(*at)) for at in snapshot.ends}
        snapshot.close()
        reader.close()
        return ends == snapshot.ends

    def append(self, producer: Producer, found: Letter, *, partition: int) -> None:
        """Append one record to the dead-letter topic."""
        headers = list(found.headers)
        producer.produce(
            self.dead,
            found.value,
            found.key,
            partition,
            timestamp=found.timestamp_ms,
            headers=headers,  # type: ignore[arg-type]
        )

    def sink(self, kind: type[Sink]) -> Sink:
        """Return the way back to the features topic."""
        return kind(self.conf, transactional_id=f"{self.name}-replay", transaction_timeout=10)

    def log(self, sink: MarkingSink | None = None, *, kind: type[KafkaReplay] = KafkaReplay) -> KafkaReplay:
        """Return the letters as a replay sees them."""
        group = f"{self.name}.replay"
        return kind(self.conf, self.sink(MarkingSink) if sink is None else sink, topic=self.dead, group_id=group)

    def rules(self, *reasons: Reason, limit: int | None = None) -> ReplayRules:
        """Return rules for letters of some reasons, or all."""
        wanted = LetterFilter(reasons=frozenset(reasons))
        return ReplayRules(self.name, (self.features,), wanted=wanted, limit=limit)

    def replay(self, *reasons: Reason, limit: int | None = None) -> ReplayBook:
        """Run once."""
        log = self.log()
        try:
            return replay(log, self.rules(*reasons, limit=limit), advance=lambda _count: None)
        finally:
            log.close()

    def sent(self) -> list[RecordBatch]:
        """Return what a ``read_committed`` reader sees on the features topic."""
        snapshot = KafkaSnapshot(self.conf, self.features)
        try:
            snapshot.begin(dict.fromkeys(snapshot.ends, 0))
            return list(snapshot.batches(max_records=1000, max_bytes=1 << 20))
        finally:
            snapshot.close()

    def sent_values(self) -> list[bytes]:
        """Return the values a reader sees, sorted."""
        return sorted(value or b"" for batch in self.sent() for value in batch.values)

    def file(self, folder: Path) -> str:
        """Write a service file for it and return its path."""
        fields = [{"name": "x", "type": "double"}]
        client = {name: value for name, value in self.conf.items() if name != "log_level"}
        file = folder / "tidemill.yaml"
        file.write_text(json.dumps({"name": self.name, "kafka": client, "features": {"id": "id", "fields": fields}}))
        file.chmod(0o600)
        return str(file)


@pytest.fixture
def desk(kafka: KafkaCluster) -> Desk:
    """Return topics of this test's own."""
    return Desk(kafka)


def values(*numbers: int) -> list[bytes]:
    """Return the values of letters by the order they were written in."""
    return sorted(b"value of %d" % number for number in numbers)


def test_replay_run_twice_sends_once(desk: Desk) -> None:
    """Each letter goes back to the partition it came from, as it was, and not again."""
    desk.write(Reason.EMPTY, Reason.MISSING, Reason.MISSING)
    assert [desk.replay().fates[Fate.SENT] for _ in range(2)] == [3, 0]
    assert desk.sent_values() == values(0, 1, 2)
    batch = desk.sent()[0]
    assert (batch.partitions[0], batch.timestamps_ms[0]) == (0, 1_000)
    assert list(batch.headers(0)) == [("trace", b"t"), ("tidemill.replays", b"1")]


def test_filters_one_after_another_send_each_letter_once(desk: Desk) -> None:
    """What an earlier filter sent, in whatever order, is remembered; in the end nothing is left."""
    reasons = (Reason.EMPTY, Reason.MISSING, Reason.WRONG_TYPE)
    desk.write(*(reasons[number % 3] for number in range(18)))
    sent = [desk.replay(Reason.MISSING, limit=2), desk.replay(Reason.WRONG_TYPE), desk.replay(Reason.MISSING)]
    assert [book.fates[Fate.SENT] for book in sent] == [2, 6, 4]
    assert desk.replay().fates[Fate.SENT] == 6
    assert desk.sent_values() == values(*range(18))
    assert desk.replay().fates.total() == 0


class Stopped(Exception):
    """A process that ends here."""


class EndsBeforeCommit(KafkaReplay):
    """A replay whose process ends between sending and committing: nothing is aborted, nothing closed."""

    def send(self, letters: Sequence[Replayed], marks: Mapping[TopicPartition, Marks]) -> None:
        """Send and end."""
        del marks
        self._sink.begin()
        for found in letters:
            self._sink.produce(found.topic, key=None, value=found.value, timestamp_ms=1, partition=0)
        self._sink.flush()
        raise Stopped


def test_process_that_dies_before_its_commit_has_sent_nothing(desk: Desk) -> None:
    """The next run settles what it left open and sends every letter, once for a reader of committed records."""
    desk.write(Reason.EMPTY, Reason.MISSING)
    dead = desk.log(kind=EndsBeforeCommit)
    with pytest.raises(Stopped):
        replay(dead, desk.rules(), advance=lambda _count: None)
    assert desk.replay().fates[Fate.SENT] == 2
    assert desk.sent_values() == values(0, 1)
    dead.close()


class OvertakenReplay(KafkaReplay):
    """A replay that stops to think before it sends, while another one runs from end to end."""

    other: Desk

    def send(self, letters: Sequence[Replayed], marks: Mapping[TopicPartition, Marks]) -> None:
        """Let the other one run first."""
        self.other.replay()
        super().send(letters, marks)


def test_second_replay_takes_over_from_the_first(desk: Desk) -> None:
    """Two people with the same idea: the older run ends with a reason, and nothing is sent twice."""
    desk.write(Reason.EMPTY, Reason.MISSING)
    log = desk.log(kind=OvertakenReplay)
    assert isinstance(log, OvertakenReplay)
    log.other = desk
    with pytest.raises(ProducerFenced, match="another replay of this service has begun"):
        replay(log, desk.rules(), advance=lambda _count: None)
    log.close()
    assert desk.replay().fates[Fate.SENT] == 0
    assert desk.sent_values() == values(0, 1)


def test_letter_replayed_too_often_stays(desk: Desk) -> None:
    """A letter that comes back each time must not go round for ever."""
    desk.write(Reason.EMPTY, replays=3)
    desk.write(Reason.MISSING, replays=2)
    book = desk.replay()
    assert (book.fates[Fate.SENT], book.fates[Fate.TOO_OFTEN]) == (1, 1)


def test_commands_list_show_and_replay(desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A person finds a letter, looks at it, sees what would be sent, sends it, and sees that it is sent."""
    desk.write(Reason.EMPTY, Reason.MISSING)
    begin = ["-c", desk.file(tmp_path), "dead-letters"]
    told = []
    for command in (
        ["list", "--json", "--reason", "missing"],
        ["list", "--summary"],
        ["show", "1@0", "--raw", str(tmp_path / "raw")],
        ["replay", "--dry-run"],
        ["replay", "--reason", "missing"],
        ["replay", "--reason", "missing"],
        ["list", "--json"],
    ):
        assert run([*begin, *command]) == 0
        told.append(capsys.readouterr().out)
    assert [json.loads(line)["partition"] for line in told[0].splitlines()] == [1]
    assert {found["reason"]: found["now"] for found in map(json.loads, told.pop().splitlines())} == {
        "missing": "done",
        "empty": "waits",
    }
    assert "letters          2" in told[1]
    assert "does not decode" in told[2]
    assert (tmp_path / "raw").read_bytes() == b"value of 1"
    assert [line.splitlines()[-1] for line in told[3:]] == [
        f"would send 2 letters to {desk.features}",
        f"sent 1 letter to {desk.features}; left: 1 not meant by the filter",
        f"sent 0 letters to {desk.features}; left: 1 not meant by the filter",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "0@99"], "has no record at offset 99"),
        (["show", "9@0"], "has no partition 9"),
        (["show", "here"], "give PARTITION@OFFSET"),
        (["list", "--reason", "bad"], "is not one of 'empty'"),
        (["list", "--since", "bad"], "--since: 'bad' is neither"),
    ],
)
def test_command_with_a_wrong_argument_says_what_is_right(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    """One line, and the exit code of a wrong use."""
    assert run(["-c", desk.file(tmp_path), "dead-letters", *arguments]) == 2
    err = capsys.readouterr().err
    assert (err.count("\n"), message in err) == (1, True)


def test_group_that_another_program_commits_for_is_refused(desk: Desk) -> None:
    """A consumer that strays into the group says that it read the letters: that must not pass for having sent them."""
    desk.write(Reason.EMPTY, Reason.MISSING)
    stray = Consumer({**desk.conf, "group.id": f"{desk.name}.replay"})
    stray.commit(offsets=[ClientPartition(desk.dead, 1, 1)], asynchronous=False)
    stray.close()
    with pytest.raises(SourceRefused, match=r"dead-letters\[1\] cannot be read: it was written by another program"):
        desk.replay()
    assert desk.sent() == []


def test_replay_goes_on_around_letters_that_the_broker_refuses(desk: Desk, kafka: KafkaCluster) -> None:
    """Limits may have been lowered since: such a letter stays and is told of, all others go."""
    desk.features = kafka.create_topic(desk.features + "-small", config={"max.message.bytes": "2000"})
    producer = Producer(desk.conf)
    for number in range(40):
        found = letter(number, topic=desk.features, service=desk.name)
        value = random.Random(number).randbytes(3_000) if number in {7, 30} else found.value
        desk.append(producer, replace(found, value=value), partition=0)
    assert producer.flush(30) == 0
    books = [desk.replay(), desk.replay()]
    assert [(book.fates[Fate.SENT], book.fates[Fate.REFUSED]) for book in books] == [(38, 2), (0, 2)]
    assert desk.sent_values() == values(*({*range(40)} - {7, 30}))


def test_replay_that_began_to_look_before_another_one_ended_is_not_misled(desk: Desk) -> None:
    """It must not take the topic for one made anew, as the cure for that sends everything again."""
    desk.write(Reason.EMPTY)
    early = desk.log()
    desk.write(Reason.EMPTY, Reason.MISSING)
    assert desk.replay().fates[Fate.SENT] == 3
    assert replay(early, desk.rules(), advance=lambda _count: None).fates.total() == 0
    early.close()


class FencedWhileItDelivers(MarkingSink):
    """A sink whose records are refused because its id was taken over: the abort is the first to hear why."""

    other: Desk

    def flush(self) -> None:
        """Be overtaken, and fail to deliver."""
        self.other.replay()
        raise DeliveryFailed("delivery: Broker: Producer attempted an operation with an old epoch")


def test_replay_that_is_overtaken_while_it_delivers_says_so(desk: Desk) -> None:
    """Which call hears of it first is chance; the line and the exit code are not."""
    desk.write(Reason.EMPTY)
    log = desk.log(sink := desk.sink(FencedWhileItDelivers))
    sink.other = desk
    with pytest.raises(ProducerFenced, match="another replay of this service has begun"):
        replay(log, desk.rules(), advance=lambda _count: None)
    log.close()
    assert desk.sent_values() == values(0)


class LosesTheBroker(MarkingSink):
    """A sink whose commit gets no answer."""

    def commit(self) -> None:
        """Get none."""
        raise BrokerUnreachable("commit_transaction: Local: Timed out (_TIMED_OUT)")


def test_replay_that_loses_the_broker_says_so_and_what_to_do(desk: Desk) -> None:
    """Nobody knows then what was sent; the class decides the exit code, which scripts wait by."""
    desk.write(Reason.EMPTY)
    log = desk.log(desk.sink(LosesTheBroker))
    with pytest.raises(BrokerUnreachable, match="run the command again: it finds out, and sends none twice"):
        replay(log, desk.rules(), advance=lambda _count: None)
    log.close()
    assert desk.replay().fates[Fate.SENT] == 1
    assert desk.sent_values() == values(0)


def test_dry_run_takes_over_from_nobody(desk: Desk, tmp_path: Path) -> None:
    """Looking at what would be sent must not end a replay that runs."""
    desk.write(Reason.EMPTY)
    log = desk.log()
    marks = log.open()
    assert run(["-c", desk.file(tmp_path), "dead-letters", "replay", "--dry-run"]) == 0
    book = ReplayBook.of(desk.rules(), marks)
    letters = book.enter(next(log.batches()), [0])
    log.send(letters, book.marks(letters))
    log.close()
    assert desk.sent_values() == values(0)


def test_replayed_letter_that_is_good_now_gets_its_score(kafka: KafkaCluster) -> None:
    """The point of it all: an event that failed for a reason that is gone is scored in the end."""
    bench = KafkaBench(kafka)
    desk = Desk(kafka)
    desk.features = bench.inputs
    producer = Producer(desk.conf)
    found = letter(0, Reason.MISSING, topic=bench.inputs, service=desk.name)
    good = Letter(0, b'{"id": "late", "x": 4}', b"k", found.timestamp_ms, found.headers)
    desk.append(producer, good, partition=0)
    assert producer.flush(20) == 0
    assert desk.replay().fates[Fate.SENT] == 1
    with running(bench.worker()):
        wait_until(lambda: bench.committed() >= 1, "the event")
    scores = KafkaSnapshot(desk.conf, bench.scores)
    scores.begin(dict.fromkeys(scores.ends, 0))
    (score,) = [value for batch in scores.batches(max_records=10, max_bytes=1000) for value in batch.values]
    scores.close()
    assert json.loads(score or b"")["event_id"] == "late"
