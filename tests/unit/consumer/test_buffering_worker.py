from __future__ import annotations

from collections.abc import Iterator

import pytest

from buffer.errors import TableRefused, TableUnavailable
from consumer.buffering_limits import FlushRule
from consumer.errors import OffsetsLost, SourceUnreachable
from producer.broker import InMemoryBroker
from producer.broker_faults import Fault
from tests.support.buffering import LEFT_OUT, TABLES, BufferBench, InlineErrands, at, hasty_buffering
from tests.support.world import Killed

STEPS = [
    *(f"{when}_append_{table}" for table in ("features", "scores", "labels") for when in ("before", "after")),
    "before_group_commit",
]


@pytest.fixture
def bench() -> Iterator[BufferBench]:
    """Return a broker and tables."""
    with hasty_buffering():
        yield BufferBench()


def publish_everywhere(bench: BufferBench, count: int) -> None:
    """Put records on every partition."""
    for topic in bench.intakes:
        for partition in range(2):
            bench.publish(topic, count, partition=partition)


def test_worker_stores_each_record_once_and_its_position_with_it(bench: BufferBench) -> None:
    """Rows and positions of every topic are in the tables after the interval at the latest."""
    publish_everywhere(bench, 3)
    bench.rounds(25, bench.member())
    assert bench.misses() == []
    assert [bench.position(topic, 1) for topic in bench.intakes] == [3, 3, 3]


def test_worker_moves_positions_without_rows(bench: BufferBench) -> None:
    """Records that make no row are passed over for good: a restart does not read them again."""
    bench.publish("features", 2, value=LEFT_OUT)
    member = bench.member()
    bench.rounds(25, member)
    assert (bench.stored("features"), bench.position("features", 0)) == ([], 2)
    assert member.telemetry.taken["features.left_out"] == 2


def test_worker_goes_where_the_table_says_not_where_the_group_is(bench: BufferBench) -> None:
    """The group's offsets are for show: neither behind nor ahead of the table do they matter."""
    publish_everywhere(bench, 3)
    bench.rounds(25, bench.member())
    for topic in bench.intakes:
        bench.broker._groups["buffer"].committed[at(topic)] = 0
    bench.publish("features", 2)
    bench.broker._groups["buffer"].committed[at("features")] = 5
    other = bench.member()
    bench.broker.leave("buffer", bench.broker.members("buffer")[0])
    bench.rounds(25, other)
    assert bench.misses() == []


def test_worker_shows_the_group_what_is_stored(bench: BufferBench) -> None:
    """Whoever watches the lag of the group sees what is in the tables, not what was read."""
    bench.publish("labels", 4)
    member = bench.member()
    bench.rounds(5, member)
    assert bench.broker.committed("buffer") == {}
    bench.rounds(10, member)
    assert bench.broker.committed("buffer") == {at("labels"): 4}


def test_worker_flushes_when_there_is_enough(bench: BufferBench) -> None:
    """Many rows do not wait for the interval."""
    bench.publish("features", 25)
    bench.rounds(7, bench.member())
    assert len(bench.stored("features")) == 21


@pytest.mark.parametrize("step", STEPS)
def test_death_at_any_step_loses_and_doubles_nothing(bench: BufferBench, step: str) -> None:
    """Whoever takes over begins where the table stands, whether the last append got there or not."""
    publish_everywhere(bench, 3)

    def die(reached: str) -> None:
        if reached == step:
            raise Killed

    doomed = bench.member(reached=die)
    with pytest.raises(Killed):
        bench.rounds(25, doomed)
    bench.broker.leave("buffer", doomed.source.member_id)
    bench.rounds(25, bench.member())
    assert bench.misses() == []


def test_unavailable_table_holds_reading_and_loses_nothing(bench: BufferBench) -> None:
    """With the table away the worker stays a member, reads twice of what it flushes and no more, and then goes on."""
    member = bench.member()
    bench.publish("features", 100)
    bench.tables[bench.intakes["features"].table].failing = [TableUnavailable("disk full")] * 8
    bench.rounds(12, member)
    assert (member.worker.lacks_tables, member.telemetry.waiting_for) == (True, "buffer")
    assert member.telemetry.taken["features.accepted"] == 42
    bench.rounds(150, member)
    assert (bench.misses(), member.telemetry.waiting_for, member.worker.lacks_tables) == ([], "", False)


def test_unavailable_table_holds_up_no_other(bench: BufferBench) -> None:
    """The labels go on while the table of the features is away."""
    publish_everywhere(bench, 2)
    bench.tables[bench.intakes["features"].table].failing = [TableUnavailable("away")] * 100
    bench.rounds(20, bench.member())
    assert bench.misses() == ["features"]


def test_append_of_unknown_outcome_is_not_repeated_blindly(bench: BufferBench) -> None:
    """When the rows were written and the answer was lost, the second try is refused and they are read from there on."""
    bench.publish("features", 5)
    bench.tables[bench.intakes["features"].table].failing_after = [TableUnavailable("no answer")]
    member = bench.member()
    bench.rounds(40, member)
    bench.publish("features", 3)
    bench.rounds(40, member)
    assert member.telemetry.outcomes[:2] == ["features unavailable", "features overtaken"]
    assert bench.misses() == []


def test_wait_for_a_table_is_over_for_a_member_that_lost_its_partitions(bench: BufferBench) -> None:
    """It has no row any more that could be committed, and its gauge must not stand at 1 for ever."""
    bench.publish("features", 2)
    bench.tables[TABLES["features"]].failing.extend([TableUnavailable("away")] * 99)
    member = bench.member()
    bench.rounds(15, member)
    assert member.telemetry.waiting_for == "buffer"
    for _ in range(6):
        bench.broker.join("buffer", frozenset(TABLES))
    bench.broker.leave("buffer", member.source.member_id)
    bench.rounds(5, member)
    assert not member.source.owned
    assert (member.worker.lacks_tables, member.telemetry.waiting_for) == (False, "")


def test_overtaken_worker_reads_again_from_the_table(bench: BufferBench) -> None:
    """A worker that was thought dead finds that another has gone on: its rows are dropped, nothing is doubled."""
    bench.publish("features", 5)
    zombie = bench.member()
    bench.rounds(5, zombie)
    bench.broker.leave("buffer", zombie.source.member_id)
    successor = bench.member()
    bench.rounds(25, successor)
    zombie.worker._flows.rule = FlushRule(interval=0.0)
    bench.rounds(25, zombie, successor)
    assert bench.misses() == []


def test_refused_append_ends_the_worker_with_its_line(bench: BufferBench) -> None:
    """What a person must mend stops the worker; it does not go round in circles."""
    bench.publish("labels", 1)
    bench.tables[bench.intakes["labels"].table].failing = [TableRefused("column label is a number")] * 2
    member = bench.member()
    with pytest.raises(TableRefused, match="column label is a number"):
        bench.rounds(25, member)
    member.worker.close()
    assert member.source.owned == frozenset()


def test_tables_are_ready_before_the_group_is_joined(bench: BufferBench) -> None:
    """A member that could write nowhere would hold partitions that another could serve."""
    failures = [TableUnavailable("no storage")]

    def prepare() -> None:
        if failures:
            raise failures.pop()

    member = bench.member(prepare=prepare)
    bench.rounds(1, member)
    assert (member.worker.is_joined, bench.broker.members("buffer")) == (False, ())
    bench.publish("features", 1)
    bench.rounds(25, member)
    assert (member.worker.is_joined, bench.misses()) == (True, [])


def test_places_that_cannot_be_looked_up_are_asked_for_again(bench: BufferBench) -> None:
    """Neither a table nor a broker that gives no answer leaves a partition unread for good."""
    bench.publish("features", 2)
    bench.tables[bench.intakes["features"].table].failing_lookups = [TableUnavailable("away")]
    bench.directory.failing = [SourceUnreachable("no broker")]
    member = bench.member()
    bench.rounds(40, member)
    assert (bench.misses(), member.telemetry.waited_for) == ([], ["buffer"])


def test_rows_of_a_topic_that_was_made_again_are_dropped(bench: BufferBench) -> None:
    """What was read under the old id is not stored under the new one, and the new topic is read from its start."""
    bench.publish("features", 3)
    bench.publish("labels", 2)
    member = bench.member()
    bench.rounds(4, member)
    bench.directory.generation["features"] += 1
    bench.rounds(40, member)
    ids = bench.tables[bench.intakes["features"].table].rows()["record_topic_id"].to_pylist()
    assert (ids, bench.misses(), bench.position("features", 0)) == (["features-1"] * 3, [], 3)


def test_missing_schema_pauses_its_topic_alone(bench: BufferBench) -> None:
    """Records wait for their schema in order; the other topics go on, and nobody is accused of standing still."""
    publish_everywhere(bench, 2)
    bench.intakes["features"].is_away = True
    member = bench.member()
    bench.rounds(40, member)
    assert (bench.misses(), member.worker.lacks_schemas) == (["features"], True)
    bench.intakes["features"].is_away = False
    bench.rounds(40, member)
    assert (bench.misses(), member.worker.lacks_schemas, member.telemetry.waiting_for) == ([], False, "")


def test_failed_poll_loses_and_doubles_nothing(bench: BufferBench) -> None:
    """Records that a failed poll has taken from the client are read again, those in memory are kept."""
    bench.publish("features", 10)
    member = bench.member()
    bench.rounds(4, member)
    bench.broker.faults.fail_next("poll", Fault.TIMEOUT_APPLIED, client="buffer")
    bench.rounds(40, member)
    assert (bench.misses(), member.telemetry.outcomes) == ([], ["features committed"])


def test_stop_flushes_what_is_there(bench: BufferBench) -> None:
    """A clean end leaves nothing for the successor to read again."""
    publish_everywhere(bench, 2)
    member = bench.member()
    bench.rounds(7, member)
    assert bench.stored("features") == []
    member.worker.close()
    assert (bench.misses(), bench.broker.members("buffer")) == ([], ())


def test_stop_with_the_table_away_ends(bench: BufferBench) -> None:
    """What cannot be flushed is read again by the successor; the end does not wait for the table."""
    bench.publish("features", 2)
    member = bench.member()
    bench.rounds(5, member)
    bench.tables[bench.intakes["features"].table].failing = [TableUnavailable("away")] * 2
    member.worker.close()
    bench.rounds(20, bench.member())
    assert bench.misses() == []


def test_records_that_are_gone_stop_the_worker(bench: BufferBench) -> None:
    """When retention was faster than the worker it says so and names the command, instead of a silent gap."""
    bench.publish("features", 2)
    bench.rounds(25, bench.member())
    table = bench.tables[bench.intakes["features"].table]
    table._positions["cluster/features-0/0"] = 9
    bench.broker.leave("buffer", bench.broker.members("buffer")[0])
    with pytest.raises(OffsetsLost, match=r"features\[0\] at 9 .*move features 0 OFFSET"):
        bench.rounds(12, bench.member())


def test_position_follows_the_log_behind_markers(bench: BufferBench) -> None:
    """Markers are deleted like records: a worker that comes to an idle topic after that finds its place in the log."""
    bench.publish("features", 2)
    bench.mark("features")
    bench.rounds(25, bench.member())
    assert (bench.stored("features"), bench.position("features", 0)) == ([(0, 0), (0, 1)], 3)


def test_rows_in_memory_are_stored_before_lost_records_are_told(bench: BufferBench) -> None:
    """What was read in time is not given up because what comes next is gone."""
    bench.broker = InMemoryBroker()
    for topic in sorted(bench.intakes):
        bench.broker.create_topic(topic, 2, retention_records=10)
    bench.publish("features", 3)
    member = bench.member()
    bench.rounds(4, member)
    assert bench.stored("features") == []
    bench.publish("features", 50)
    with pytest.raises(OffsetsLost, match=r"features\[0\] at 3 .*move features 0 OFFSET"):
        bench.rounds(12, member)
    assert bench.stored("features") == [(0, 0), (0, 1), (0, 2)]


def test_slow_answer_of_a_table_is_waited_for_visibly(bench: BufferBench) -> None:
    """A table that hangs makes no noise by itself: after a while the worker says what it waits for, and polls on."""
    bench.publish("features", 5)
    delays = iter([0, 0, 60, 0, 0, 0])
    member = bench.member(errands=InlineErrands(lambda: next(delays, 0)))
    bench.rounds(60, member)
    assert (member.telemetry.waiting_for, member.worker.lacks_tables) == ("buffer", True)
    bench.rounds(60, member)
    assert (bench.misses(), member.telemetry.waiting_for) == ([], "")
