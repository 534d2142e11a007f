from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from buffer.table import Stretch, TableName
from consumer.buffering_flow import MAX_PAUSE_S, Flows
from consumer.buffering_limits import FlushRule
from consumer.buffering_places import Place, Places
from consumer.buffering_rows import PendingRows
from consumer.buffering_tables import ThreadErrands
from consumer.buffering_upkeep import UpkeepThread
from consumer.places import TopicIdentity
from consumer.records import RecordBatch
from producer.records import TopicPartition
from tests.support.buffering import SCHEMA

HERE = TopicIdentity("cluster", "topic-1")
P0, P1 = TopicPartition("in", 0), TopicPartition("in", 1)


def rows(*places: tuple[int, int]) -> pa.Table:
    """Return rows of these partitions and offsets."""
    columns = zip(*(("in", "topic-1", *place) for place in places), strict=True)
    return pa.Table.from_arrays(
        [pa.array(column, f.type) for column, f in zip(columns, SCHEMA, strict=True)], schema=SCHEMA
    )


def records(*offsets: int) -> RecordBatch:
    """Return records of the first partition."""
    count = len(offsets)
    return RecordBatch(
        topics=["in"] * count,
        partitions=np.zeros(count, dtype=np.int32),
        offsets=np.array(offsets, dtype=np.int64),
        timestamps_ms=np.zeros(count, dtype=np.int64),
        keys=[None] * count,
        values=[b"%d" % offset for offset in offsets],
        headers=lambda _row: (),
    )


def test_pending_rows_join_stretches_and_drop_by_partition() -> None:
    """What follows on one another is one stretch; what is another member's leaves no row behind."""
    pending = PendingRows(TableName.FEATURES)
    pending.add(rows((0, 4), (1, 7)), {P0: Stretch("a", 4, 5), P1: Stretch("b", None, 8)}, identity=HERE, now=1.0)
    pending.add(rows((0, 5), (0, 6)), {P0: Stretch("a", 5, 7)}, identity=HERE, now=2.0)
    assert pending.take().stretches == {P0: Stretch("a", 4, 7), P1: Stretch("b", None, 8)}
    pending.add(rows((0, 4), (1, 7)), {P0: Stretch("a", 4, 5), P1: Stretch("b", None, 8)}, identity=HERE, now=3.0)
    pending.drop([P0])
    load = pending.take()
    assert (load.count, load.rows[0]["record_partition"].to_pylist(), set(load.stretches)) == (1, [1], {P1})
    assert (pending.count, pending.nbytes, pending.since) == (0, 0, None)


def test_flow_in_hand_stays_the_same_until_its_outcome_is_known() -> None:
    """Rows that come meanwhile wait for the next append, and pauses between tries grow to a limit."""
    flows = Flows(FlushRule(interval=1.0), random.Random(0))
    flows.pending(TableName.LABELS).add(rows((0, 1)), {P0: Stretch("a", 1, 2)}, identity=HERE, now=0.0)
    load = flows.next_load(1.0)
    flows.pending(TableName.LABELS).add(rows((0, 2)), {P0: Stretch("a", 2, 3)}, identity=HERE, now=1.0)
    pauses = [flows.failed(TableName.LABELS, 1.0) for _ in range(12)]
    assert flows.next_load(1.0) is None
    assert flows.next_load(1.0 + 2 * MAX_PAUSE_S) is load
    assert pauses[0] < 0.5 < MAX_PAUSE_S / 2 <= pauses[-1] <= MAX_PAUSE_S * 1.5
    flows.committed(TableName.LABELS)
    following = flows.next_load(99.0)
    assert following is not None
    assert following.stretches == {P0: Stretch("a", 2, 3)}


def test_flows_that_are_many_together_flush_the_largest() -> None:
    """Three tables, none of them full, must not hold reading with nothing due."""
    flows = Flows(FlushRule(interval=60.0, max_records=5), random.Random(0))
    for number, name in enumerate(TableName):
        taken = rows(*((0, offset) for offset in range(number + 1)))
        flows.pending(name).add(taken, {P0: Stretch(name, 0, number + 1)}, identity=HERE, now=0.0)
    load = flows.next_load(0.0)
    assert load is not None
    assert (load.table, flows.is_full, flows.next_load(0.0)) == (TableName.LABELS, False, load)


def test_places_pass_over_what_was_read_before() -> None:
    """Should a client ever give a record twice, its row is still made once."""
    places = Places("{topic}")
    places.found({P0: Place(HERE, 3, 3)})
    places.advance({P0: 6})
    assert list(places.unread(records(4, 5, 6, 7)).values) == [b"6", b"7"]


def test_places_of_a_topic_made_again_are_stale_together() -> None:
    """When one partition shows the new id, none of the topic is read on under the old one."""
    places = Places("{topic}")
    places.found({P0: Place(HERE, 3, 3)})
    assert places.found({P1: Place(TopicIdentity("cluster", "topic-2"), None, None)}) == {P0}
    assert places.find({P0, P1}) == {P1: None}
    assert places.wanted == {P0}


def test_batch_by_topic_keeps_order_and_headers() -> None:
    """The records of each topic by themselves are what they were together."""
    both = records(0, 1, 2, 3)
    mixed = RecordBatch(
        topics=["a", "b", "a", "b"],
        partitions=both.partitions,
        offsets=both.offsets,
        timestamps_ms=both.timestamps_ms,
        keys=both.keys,
        values=both.values,
        headers=lambda row: (("row", b"%d" % row),),
        headed=[1, 2],
    )
    parts = mixed.by_topic()
    assert {name: list(part.values) for name, part in parts.items()} == {"a": [b"0", b"2"], "b": [b"1", b"3"]}
    assert (parts["b"].headers(0), parts["a"].headed, parts["b"].headed) == ((("row", b"1"),), [1], [0])


def test_errand_that_panics_is_told_to_who_collects_it() -> None:
    """Not even what is no ``Exception`` may leave the worker waiting for ever."""

    def panic() -> None:
        raise KeyboardInterrupt("panicked")

    errands = ThreadErrands()
    errands.start(panic)
    errands.wait(10.0)
    done = errands.collect()
    assert done is not None
    assert (str(done.error), errands.is_busy, errands.collect()) == ("panicked", False, None)


@dataclass
class Counted:
    """Chores that note what was done."""

    done: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def due(self) -> bool:
        """Return that it is always time."""
        return True

    def maintain(self) -> None:
        """Note."""
        self.done.append("maintain")

    def measure(self) -> None:
        """Note."""
        self.done.append("measure")
        self.ended.set()


@dataclass
class Slow(Counted):
    """Chores that end when they may."""

    go_on: threading.Event = field(default_factory=threading.Event)

    def measure(self) -> None:
        """Wait, then note."""
        self.go_on.wait(10.0)
        super().measure()


def test_upkeep_is_done_by_one_member_and_measured_by_all() -> None:
    """The owner of one certain partition maintains; a look at the sizes costs little and is everybody's."""
    owner, other = Counted(), Counted()
    UpkeepThread(owner, keeper_of=P0).glance({P0, P1})
    UpkeepThread(other, keeper_of=P0).glance({P1})
    assert owner.ended.wait(10.0)
    assert other.ended.wait(10.0)
    assert (owner.done, other.done) == (["maintain", "measure"], ["measure"])


def test_upkeep_does_not_start_twice() -> None:
    """Maintenance that takes longer than its interval is not started beside itself."""
    chores = Slow()
    upkeep = UpkeepThread(chores, keeper_of=P0)
    upkeep.glance(set())
    upkeep.glance(set())
    chores.go_on.set()
    assert chores.ended.wait(10.0)
    assert chores.done == ["measure"]
