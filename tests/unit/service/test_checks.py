from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from service.checks import Check, KafkaFacts, Status, kafka_checks, topic_checks, worst
from service.cluster import ClusterFacts, Denied, TopicFacts
from service.settings import Settings, settings_from

GOOD = TopicFacts(
    "t",
    partitions=6,
    replication=3,
    in_sync=3,
    leaderless=0,
    settings={"min.insync.replicas": "2", "unclean.leader.election.enable": "false", "max.message.bytes": "1000"},
    operations=frozenset({"READ", "WRITE"}),
)
TOPICS: dict[str, TopicFacts | Denied | None] = {
    name: replace(GOOD, name=name) for name in ("fraud.features", "fraud.scores", "fraud.dead-letters")
}
FACTS = KafkaFacts(
    cluster=ClusterFacts("id", 3, {"transaction.max.timeout.ms": "900000"}),
    topics=TOPICS,
    group=frozenset({"READ"}),
    replay_group=frozenset({"READ"}),
    buffer_group=frozenset({"READ"}),
    transactional_id=None,
    newest_ms=1_000_000,
    now_ms=1_000_000,
)


def settings(**sections: Any) -> Settings:
    """Return settings of a service called fraud."""
    fields = {"fields": [{"name": "x", "type": "double"}]}
    return settings_from({"name": "fraud", "features": fields, **sections}, folder=Path())


def found(facts: KafkaFacts, **sections: Any) -> list[Check]:
    """Return the checks that are not in order."""
    return [check for check in kafka_checks(settings(**sections), facts) if check.status is not Status.OK]


def test_kafka_checks_find_nothing_in_a_good_cluster() -> None:
    """Three replicas, two in sync, rights and room: nothing to say."""
    assert found(FACTS) == []


def with_topic(name: str, facts: TopicFacts | Denied | None) -> Mapping[str, Any]:
    """Return the change that gives one topic other facts."""
    return {"topics": {**TOPICS, name: facts}}


@pytest.mark.parametrize(
    ("changes", "name", "status"),
    [
        (with_topic("fraud.scores", None), "scores fraud.scores", Status.FAIL),
        (with_topic("fraud.features", Denied("no")), "input fraud.features", Status.FAIL),
        (with_topic("fraud.scores", replace(GOOD, partitions=3)), "partitions", Status.WARN),
        (
            with_topic("fraud.dead-letters", replace(GOOD, settings={"max.message.bytes": "999"})),
            "message size",
            Status.WARN,
        ),
        ({"group": Denied("no")}, "group fraud.score", Status.FAIL),
        ({"group": frozenset({"DESCRIBE"})}, "group fraud.score", Status.FAIL),
        ({"replay_group": Denied("no")}, "replay group fraud.replay", Status.WARN),
        ({"transactional_id": Denied("no")}, "transactions", Status.FAIL),
        ({"cluster": ClusterFacts("id", 3, {"transaction.max.timeout.ms": "9000"})}, "transactions", Status.FAIL),
        ({"newest_ms": 1_060_001}, "clock", Status.WARN),
    ],
)
def test_kafka_checks_name_what_is_wrong_and_what_to_do(changes: Mapping[str, Any], name: str, status: Status) -> None:
    """Each fault is seen, alone, with a remedy."""
    problems = found(replace(FACTS, **changes))
    assert [(check.name, check.status) for check in problems] == [(name, status)]
    assert problems[0].remedy


@pytest.mark.parametrize(
    ("retention_ms", "kept_minutes", "is_kept"),
    [("604800000", "10080", True), ("604860000", "10080", False), ("-1", "10080", False), ("-1", "2147483647", True)],
)
def test_kafka_checks_see_that_a_replay_would_be_forgotten(
    retention_ms: str,
    kept_minutes: str,
    is_kept: bool,  # noqa: FBT001 - a case of the table
) -> None:
    """Letters that outlive what is known of them would be sent a second time."""
    letters = replace(GOOD, settings={**GOOD.settings, "retention.ms": retention_ms})
    cluster = ClusterFacts("id", 3, {"offsets.retention.minutes": kept_minutes})
    problems = found(replace(FACTS, cluster=cluster, **with_topic("fraud.dead-letters", letters)))
    assert [check.name for check in problems] == ([] if is_kept else ["replays"])


def test_kafka_checks_need_no_transactions_without_exactly_once() -> None:
    """At least once asks nothing of the transaction coordinator."""
    assert found(replace(FACTS, transactional_id=Denied("no")), delivery="at_least_once") == []


def test_kafka_checks_miss_the_consumer_protocol_where_brokers_lack_it() -> None:
    """The worker would fail at its first poll otherwise."""
    facts = replace(FACTS, cluster=ClusterFacts("id", 3, {"group.coordinator.rebalance.protocols": "classic"}))
    assert [check.name for check in found(facts, kafka={"group.protocol": "consumer"})] == ["broker"]
    assert found(facts) == []


@pytest.mark.parametrize(
    ("facts", "status", "words"),
    [
        (replace(GOOD, operations=frozenset({"READ"})), Status.FAIL, "WRITE is not allowed"),
        (replace(GOOD, leaderless=1), Status.FAIL, "no leader"),
        (replace(GOOD, in_sync=1), Status.FAIL, "writes are refused"),
        (replace(GOOD, in_sync=2), Status.WARN, "only 2 replicas in sync"),
        (replace(GOOD, replication=1, in_sync=1, settings={}), Status.WARN, "a lost disk"),
        (replace(GOOD, settings={"min.insync.replicas": "1"}), Status.WARN, "one broker alone"),
        (replace(GOOD, settings={"unclean.leader.election.enable": "true"}), Status.WARN, "unclean"),
        (replace(GOOD, operations=None, settings={}), Status.OK, "6 partitions"),
    ],
)
def test_topic_checks_see_what_can_lose_records(facts: TopicFacts, status: Status, words: str) -> None:
    """Exactly-once rests on what the topic keeps."""
    checks = list(topic_checks("t", facts, needs="WRITE"))
    assert [check.status for check in checks] == [status]
    assert words in checks[0].detail


def test_worst_is_the_worst_of_all() -> None:
    """One failure makes the whole fail; nothing at all is fine."""
    checks = [Check("a", status, "") for status in (Status.WARN, Status.FAIL, Status.OK)]
    assert [worst(checks), worst(checks[:1]), worst([])] == [Status.FAIL, Status.WARN, Status.OK]
