from __future__ import annotations

from dataclasses import dataclass

import pytest

from producer.broker import InMemoryBroker
from producer.broker_faults import Call, Fault
from producer.broker_groups import GroupMetadata
from producer.errors import (
    AbortRequired,
    DeliveryFailed,
    ProducerFenced,
    RecordTooLarge,
    RecreateRequired,
    SinkRefused,
)
from producer.memory import InMemoryPlainSink, InMemorySink
from producer.records import NextOffsets, TopicPartition

OUT = TopicPartition("out", 0)
IN = TopicPartition("in", 0)


@dataclass
class Group:
    """A member of the group, at the generation it was made with."""

    broker: InMemoryBroker
    metadata: GroupMetadata

    def commit(self, offsets: NextOffsets) -> None:
        """Commit as the broker allows."""
        self.broker.commit_offsets(offsets, self.metadata)


@pytest.fixture
def broker() -> InMemoryBroker:
    """Return a broker with one topic in and one out."""
    broker = InMemoryBroker(max_record_bytes=100)
    broker.create_topic("in", 1)
    broker.create_topic("out", 1)
    return broker


@pytest.fixture
def sink(broker: InMemoryBroker) -> InMemorySink:
    """Return an open sink."""
    sink = InMemorySink(broker, "id")
    sink.open()
    return sink


@pytest.fixture
def group(broker: InMemoryBroker) -> Group:
    """Return the only member of a group."""
    member = broker.join("group", frozenset({"in"}))
    generation, _ = broker.sync("group", member) or (-1, frozenset())
    return Group(broker, GroupMetadata("group", member, generation))


def write_batch(sink: InMemorySink | InMemoryPlainSink, group: Group, value: bytes = b"v") -> None:
    """Do everything before the commit."""
    sink.begin()
    sink.produce("out", key=None, value=value, timestamp_ms=1)
    sink.flush()
    sink.send_offsets({IN: 1}, group)


def visible(broker: InMemoryBroker) -> tuple[list[bytes | None], dict[TopicPartition, int]]:
    """Return the committed records and offsets."""
    return [record.value for record in broker.read(OUT).records], broker.committed("group")


NOTHING: tuple[list[bytes | None], dict[TopicPartition, int]] = ([], {})
EVERYTHING: tuple[list[bytes | None], dict[TopicPartition, int]] = ([b"v"], {IN: 1})


@pytest.mark.parametrize(
    ("fault", "before_and_after"),
    [
        (Fault.TIMEOUT_APPLIED, (EVERYTHING, EVERYTHING)),
        (Fault.TIMEOUT_LATE, (NOTHING, EVERYTHING)),
        (Fault.TIMEOUT_LOST, (NOTHING, NOTHING)),
    ],
)
def test_commit_of_unknown_outcome_is_settled_by_reopen(
    broker: InMemoryBroker, sink: InMemorySink, group: Group, fault: Fault, before_and_after: object
) -> None:
    """A timed-out commit happened, will happen or never arrived; after ``reopen`` it is one of the two for good."""
    write_batch(sink, group)
    broker.faults.fail_next("commit", fault)
    with pytest.raises(RecreateRequired):
        sink.commit()
    before = visible(broker)
    sink.reopen()
    assert (before, visible(broker)) == before_and_after
    assert broker.stable_offset(OUT) == broker.end_offset(OUT)


def test_late_commit_may_arrive_before_reopen(broker: InMemoryBroker, sink: InMemorySink, group: Group) -> None:
    """The coordinator finishes a late commit by itself; the sink is dead all the same, and reopening keeps it."""
    write_batch(sink, group)
    broker.faults.fail_next("commit", Fault.TIMEOUT_LATE)
    with pytest.raises(RecreateRequired):
        sink.commit()
    assert broker.is_unstable("group", IN)
    broker.finish_prepared("id")
    assert (visible(broker), broker.is_unstable("group", IN)) == (EVERYTHING, False)
    with pytest.raises(RecreateRequired):
        sink.begin()
    sink.reopen()
    assert visible(broker) == EVERYTHING


@pytest.mark.parametrize("call", ["begin", "produce", "flush", "send_offsets", "commit"])
def test_refused_call_leaves_nothing_after_abort(
    broker: InMemoryBroker, sink: InMemorySink, group: Group, call: Call
) -> None:
    """Whatever call is refused, only ``abort`` works next; then the same batch goes through once."""
    broker.faults.fail_next(call, Fault.ABORT)
    with pytest.raises(AbortRequired):
        write_and_commit(sink, group)
    with pytest.raises(AbortRequired):
        sink.commit()
    sink.abort()
    assert visible(broker) == NOTHING
    write_and_commit(sink, group)
    assert visible(broker) == EVERYTHING


@pytest.mark.parametrize("fault", [Fault.TIMEOUT_APPLIED, Fault.TIMEOUT_LOST])
@pytest.mark.parametrize("call", ["begin", "produce", "send_offsets", "commit"])
def test_timed_out_call_kills_the_producer_until_reopen(
    broker: InMemoryBroker, sink: InMemorySink, group: Group, call: Call, fault: Fault
) -> None:
    """After an unknown outcome every call but ``reopen`` is refused, ``abort`` too."""
    broker.faults.fail_next(call, fault)
    with pytest.raises(RecreateRequired):
        write_and_commit(sink, group)
    with pytest.raises(RecreateRequired):
        sink.abort()
    sink.reopen()
    assert visible(broker) == (EVERYTHING if (call, fault) == ("commit", Fault.TIMEOUT_APPLIED) else NOTHING)


@pytest.mark.parametrize("call", ["begin", "produce", "flush", "send_offsets", "commit", "abort"])
def test_fencing_hits_at_any_call(broker: InMemoryBroker, sink: InMemorySink, group: Group, call: Call) -> None:
    """Another process that opens the id aborts what was open; opening it again takes the id back."""
    broker.faults.fail_next(call, Fault.FENCED)
    with pytest.raises(ProducerFenced):
        abort_batch(sink, group) if call == "abort" else write_and_commit(sink, group)
    assert visible(broker) == NOTHING
    sink.reopen()
    write_and_commit(sink, group)
    assert visible(broker) == EVERYTHING


@pytest.mark.parametrize("fault", [Fault.TIMEOUT_APPLIED, Fault.TIMEOUT_LOST, Fault.FENCED])
def test_open_that_fails_is_tried_again(broker: InMemoryBroker, fault: Fault) -> None:
    """A sink whose opening failed is dead until opening succeeds."""
    sink = InMemorySink(broker, "id")
    broker.faults.fail_next("open", fault)
    with pytest.raises(RecreateRequired):
        sink.open()
    with pytest.raises(RecreateRequired):
        sink.begin()
    sink.reopen()
    sink.begin()


def test_flush_that_times_out_needs_an_abort_only(broker: InMemoryBroker, sink: InMemorySink) -> None:
    """Records that arrived without an answer are undone with their transaction."""
    sink.begin()
    sink.produce("out", key=None, value=b"v", timestamp_ms=1)
    broker.faults.fail_next("flush", Fault.TIMEOUT_APPLIED)
    with pytest.raises(DeliveryFailed):
        sink.flush()
    sink.abort()
    assert (visible(broker), broker.stable_offset(OUT)) == (NOTHING, 2)


def test_expired_transaction_fences_its_producer(broker: InMemoryBroker, sink: InMemorySink, group: Group) -> None:
    """A transaction open for too long is aborted by the coordinator, and its owner cannot commit."""
    write_batch(sink, group)
    broker.expire("id")
    with pytest.raises(ProducerFenced):
        sink.commit()
    assert (visible(broker), broker.is_unstable("group", IN)) == (NOTHING, False)


def test_expelled_member_cannot_commit(broker: InMemoryBroker, sink: InMemorySink, group: Group) -> None:
    """A zombie that the group has given up is refused, with and without a transaction."""
    broker.leave("group", group.metadata.member_id)
    with pytest.raises(AbortRequired):
        write_batch(sink, group)
    with pytest.raises(AbortRequired):
        group.commit({IN: 1})
    assert broker.committed("group") == {}


def test_commit_without_identity_passes_as_in_kafka(broker: InMemoryBroker, group: Group) -> None:
    """The classic coordinator does not fence a commit that names no member; a fake that did would hide a bug."""
    broker.commit_offsets({IN: 9}, GroupMetadata("group"))
    assert broker.committed("group") == {IN: 9}


def test_fault_waits_for_its_call_and_client(broker: InMemoryBroker, sink: InMemorySink, group: Group) -> None:
    """A fault hits the client it is meant for, after the calls it lets pass, and once."""
    broker.faults.fail_next("commit", Fault.ABORT, client="id", skip=1)
    broker.faults.fail_next("commit", Fault.ABORT, client="other")
    write_and_commit(sink, group)
    with pytest.raises(AbortRequired):
        write_and_commit(sink, group)
    sink.abort()
    write_and_commit(sink, group)
    assert visible(broker)[0] == [b"v", b"v"]


def test_retention_drops_the_oldest_and_never_open_transactions(broker: InMemoryBroker, sink: InMemorySink) -> None:
    """A bounded partition keeps its newest records, and all that a transaction may still commit."""
    broker.create_topic("bounded", 1, retention_records=8)
    bounded = TopicPartition("bounded", 0)
    for number in range(100):
        broker.publish("bounded", key=None, value=b"%d" % number, timestamp_ms=1)
    assert 90 <= broker.start_offset(bounded) <= 92
    sink.begin()
    sink.produce("bounded", key=None, value=b"open", timestamp_ms=1)
    sink.flush()
    for number in range(100):
        broker.publish("bounded", key=None, value=b"%d" % number, timestamp_ms=1)
    assert (broker.start_offset(bounded), broker.stable_offset(bounded)) == (100, 100)
    sink.commit()
    assert broker.end_offset(bounded) == 202
    assert 192 <= broker.start_offset(bounded) <= 194


def test_refusals_say_what_is_wrong(broker: InMemoryBroker, sink: InMemorySink) -> None:
    """A record over the limit and a topic that is not there are told apart, and neither ends the batch."""
    sink.begin()
    with pytest.raises(RecordTooLarge, match="101 bytes is over 100"):
        sink.produce("out", key=b"k", value=bytes(100), timestamp_ms=1)
    with pytest.raises(SinkRefused, match="'nowhere' does not exist"):
        sink.produce("nowhere", key=None, value=b"v", timestamp_ms=1)
    with pytest.raises(SinkRefused, match="there is no out"):
        broker.publish("out", key=None, value=b"v", timestamp_ms=1, partition=1)
    sink.commit()
    assert broker.end_offset(OUT) == 0


def test_records_without_key_take_turns(broker: InMemoryBroker) -> None:
    """Without a key no partition is left out."""
    broker.create_topic("wide", 4)
    for _ in range(8):
        broker.publish("wide", key=None, value=b"v", timestamp_ms=1)
    assert set(broker.end_offsets("wide").values()) == {2}


def test_plain_sink_commits_only_after_delivery(broker: InMemoryBroker, group: Group) -> None:
    """A failed delivery keeps the offsets where they are; records may be seen twice, never lost."""
    sink = InMemoryPlainSink(broker)
    sink.open()
    broker.faults.fail_next("flush", Fault.TIMEOUT_APPLIED)
    with pytest.raises(DeliveryFailed):
        write_batch(sink, group)
    sink.abort()
    assert visible(broker) == ([b"v"], {})
    write_batch(sink, group)
    sink.commit()
    assert visible(broker) == ([b"v", b"v"], {IN: 1})


@pytest.mark.parametrize(
    ("fault", "error", "offsets"),
    [
        (Fault.ABORT, AbortRequired, {}),
        (Fault.TIMEOUT_LOST, RecreateRequired, {}),
        (Fault.TIMEOUT_APPLIED, RecreateRequired, {IN: 1}),
    ],
)
def test_plain_commit_fails_as_asked(
    broker: InMemoryBroker, group: Group, fault: Fault, error: type[Exception], offsets: NextOffsets
) -> None:
    """Offsets are committed outside transactions as the fault says, after the records."""
    sink = InMemoryPlainSink(broker)
    broker.faults.fail_next("commit", fault)
    write_batch(sink, group)
    with pytest.raises(error):
        sink.commit()
    assert visible(broker) == ([b"v"], offsets)


def write_and_commit(sink: InMemorySink, group: Group) -> None:
    """Do a whole batch."""
    write_batch(sink, group)
    sink.commit()


def abort_batch(sink: InMemorySink, group: Group) -> None:
    """Do a whole batch and undo it."""
    write_batch(sink, group)
    sink.abort()
