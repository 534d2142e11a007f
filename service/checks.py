"""One check of the doctor: what was looked at, how it stands, what to do. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from service.cluster import ClusterFacts, Denied, TopicFacts
from service.settings import Settings
from service.units import milliseconds

WANTED_REPLICAS = 3
WANTED_IN_SYNC = 2
HEADER_BYTES = 4096  # what a dead letter carries on top of the record it is about
CLOCK_TOLERANCE_MS = 60_000
FOREVER_MINUTES = 2**31 - 1  # the most that offsets.retention.minutes takes


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the doctor's answer; ``remedy`` says what to do and is empty when all is well."""

    name: str
    status: Status
    detail: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class KafkaFacts:
    """Everything the cluster was asked, gathered before anything is judged.

    Attributes:
        cluster: The brokers as a whole.
        topics: By name; None for one that does not exist.
        group: What this client may do with the scoring group, None where nobody says.
        replay_group: Likewise with the group that remembers replays.
        buffer_group: Likewise with the group of the buffering workers.
        transactional_id: Why the transactional id cannot be used; None when it can or was not tried.
        newest_ms: Largest timestamp of a feature event, None when there is none.
        now_ms: This machine's clock when that was asked.
    """

    cluster: ClusterFacts
    topics: dict[str, TopicFacts | Denied | None]
    group: frozenset[str] | Denied | None
    replay_group: frozenset[str] | Denied | None
    buffer_group: frozenset[str] | Denied | None
    transactional_id: Denied | None
    newest_ms: int | None
    now_ms: int


def kafka_checks(settings: Settings, facts: KafkaFacts) -> Iterator[Check]:
    """Yield what there is to say about the cluster, most basic first."""
    yield _broker(settings, facts.cluster)
    for name in settings.topics.features:
        yield from topic_checks(f"input {name}", facts.topics[name], needs="READ")
    for role, name in (("scores", settings.topics.scores), ("dead letters", settings.topics.dead_letters)):
        yield from topic_checks(f"{role} {name}", facts.topics[name], needs="WRITE")
    yield from _partition_counts(settings, facts)
    yield from _message_sizes(settings, facts)
    yield from _replay_memory(settings, facts)
    yield group_check(f"group {settings.groups.score}", facts.group, lacking=Status.FAIL)
    yield group_check(f"replay group {settings.groups.replay}", facts.replay_group, lacking=Status.WARN)  # scores go on
    if settings.delivery == "exactly_once":
        yield _transactions(settings, facts)
    yield from _clock(facts)


def _broker(settings: Settings, cluster: ClusterFacts) -> Check:
    version = cluster.settings.get("inter.broker.protocol.version")
    known = f", protocol {version}" if version else ", Kafka 4 or later" if cluster.settings else ""
    detail = f"cluster {cluster.cluster_id}, {cluster.brokers} broker{'s' if cluster.brokers != 1 else ''}{known}"
    protocols = cluster.settings.get("group.coordinator.rebalance.protocols")
    protocol = settings.kafka.of("consumer").get("group.protocol", "classic")
    if protocol == "consumer" and protocols is not None and "consumer" not in protocols:
        remedy = "set 'group.protocol: classic', or enable the consumer protocol on the brokers"
        return Check("broker", Status.FAIL, f"{detail}; no group.protocol 'consumer' there", remedy)
    return Check("broker", Status.OK, detail)


def topic_checks(name: str, facts: TopicFacts | Denied | None, *, needs: str) -> Iterator[Check]:
    """Yield what there is to say about one topic that must be readable or writable (``needs``)."""
    if facts is None:
        yield Check(name, Status.FAIL, "does not exist", "run 'tidemill topics create'")
        return
    if isinstance(facts, Denied):
        yield Check(name, Status.FAIL, facts.detail, f"allow {needs} and DESCRIBE on this topic")
        return
    detail = f"{facts.partitions} partitions, {facts.replication} replicas"
    problems = list(_topic_problems(facts, needs=needs))
    if not problems:
        yield Check(name, Status.OK, detail)
    for status, problem, remedy in problems:
        yield Check(name, status, f"{detail}; {problem}", remedy)


def _topic_problems(facts: TopicFacts, *, needs: str) -> Iterator[tuple[Status, str, str]]:
    if facts.operations is not None and needs not in facts.operations:
        yield Status.FAIL, f"{needs} is not allowed", f"allow {needs} on this topic"
    if facts.leaderless:
        yield Status.FAIL, f"{facts.leaderless} partitions have no leader", "bring the missing brokers back"
    minimum = _number(facts.settings.get("min.insync.replicas"))
    if minimum is not None and facts.in_sync < minimum:
        remedy = "bring the missing brokers back, or add replicas"
        yield Status.FAIL, f"{facts.in_sync} in sync, min.insync.replicas is {minimum}: writes are refused", remedy
    elif facts.in_sync < facts.replication:
        yield Status.WARN, f"only {facts.in_sync} replicas in sync", "look at the brokers"
    if facts.replication < WANTED_REPLICAS:
        remedy = f"for production: {WANTED_REPLICAS} replicas"
        yield Status.WARN, "a lost disk can lose acknowledged records", remedy
    elif minimum is not None and minimum < WANTED_IN_SYNC:
        remedy = f"set min.insync.replicas to {WANTED_IN_SYNC} on this topic"
        yield Status.WARN, "min.insync.replicas is 1, so one broker alone may acknowledge", remedy
    if facts.settings.get("unclean.leader.election.enable") == "true":
        remedy = "set unclean.leader.election.enable to false on this topic"
        yield Status.WARN, "unclean elections may drop acknowledged records", remedy


def _partition_counts(settings: Settings, facts: KafkaFacts) -> Iterator[Check]:
    scores = facts.topics[settings.topics.scores]
    inputs = [found for name in settings.topics.features if isinstance(found := facts.topics[name], TopicFacts)]
    if not isinstance(scores, TopicFacts) or len(inputs) != len(settings.topics.features):
        return
    other = next((topic for topic in inputs if topic.partitions != scores.partitions), None)
    if other is None:
        yield Check("partitions", Status.OK, "inputs and scores have equal numbers")
    else:
        detail = f"{other.name} has {other.partitions}, {scores.name} has {scores.partitions}"
        remedy = "equal numbers let readers join the two by partition; scores keep the order of each key in any case"
        yield Check("partitions", Status.WARN, detail, remedy)


def _message_sizes(settings: Settings, facts: KafkaFacts) -> Iterator[Check]:
    """A dead letter holds the whole record and its headers, so its topic must take a little more."""
    letters = _max_bytes(facts.topics[settings.topics.dead_letters])
    inputs = [size for name in settings.topics.features if (size := _max_bytes(facts.topics[name])) is not None]
    if letters is None or not inputs:
        return
    if letters < max(inputs):
        remedy = f"set max.message.bytes of {settings.topics.dead_letters} to {max(inputs) + HEADER_BYTES}"
        detail = f"dead letters may have {letters} bytes, inputs {max(inputs)}"
        yield Check("message size", Status.WARN, detail, remedy)
    else:
        yield Check("message size", Status.OK, f"dead letters may have {letters} bytes, inputs {max(inputs)}")


def _replay_memory(settings: Settings, facts: KafkaFacts) -> Iterator[Check]:
    """Which letters were sent again is kept in a group without members: the brokers forget it with age."""
    letters = facts.topics[settings.topics.dead_letters]
    retention = _number(letters.settings.get("retention.ms")) if isinstance(letters, TopicFacts) else None
    kept = _number(facts.cluster.settings.get("offsets.retention.minutes"))
    if retention is None or kept is None:
        return
    needed = FOREVER_MINUTES if retention < 0 else retention // 60_000
    if needed > kept:
        detail = f"which letters were replayed is forgotten {kept} minutes later; the letters stay longer"
        remedy = (
            f"set offsets.retention.minutes of the brokers to {needed}, or retention.ms of "
            f"{settings.topics.dead_letters} to {kept * 60_000}; until then replay with --since"
        )
        yield Check("replays", Status.WARN, detail, remedy)
    else:
        yield Check("replays", Status.OK, "what was replayed is remembered as long as there are letters")


def group_check(name: str, rights: frozenset[str] | Denied | None, *, lacking: Status) -> Check:
    """Return whether a consumer group may be used; ``lacking`` is how it stands where not."""
    if isinstance(rights, Denied) or (rights is not None and "READ" not in rights):
        detail = rights.detail if isinstance(rights, Denied) else "READ is not allowed"
        return Check(name, lacking, detail, "allow READ and DESCRIBE on this consumer group")
    return Check(name, Status.OK, "may be used" if rights is not None else "nothing known against using it")


def _transactions(settings: Settings, facts: KafkaFacts) -> Check:
    ours = milliseconds(settings.transaction.timeout)
    most = _number(facts.cluster.settings.get("transaction.max.timeout.ms"))
    if most is not None and ours > most:
        detail = f"transaction.timeout is {ours} ms, the brokers allow {most}"
        return Check("transactions", Status.FAIL, detail, f"set transaction.timeout to at most {most}ms")
    if facts.transactional_id is not None:
        prefix = settings.transactional_id_prefix
        remedy = f"allow WRITE and DESCRIBE on transactional ids that begin with {prefix!r}"
        return Check("transactions", Status.FAIL, facts.transactional_id.detail, remedy)
    return Check("transactions", Status.OK, f"timeout {ours} ms, the brokers allow {most or 'it'}")


def _clock(facts: KafkaFacts) -> Iterator[Check]:
    if facts.newest_ms is None:
        return
    ahead = facts.newest_ms - facts.now_ms
    if ahead > CLOCK_TOLERANCE_MS:
        detail = f"the newest event is {ahead / 1000:.0f} s in this machine's future"
        yield Check("clock", Status.WARN, detail, "set the clock here or where events are published; latencies are off")
    else:
        yield Check("clock", Status.OK, "no event comes from the future")


def _max_bytes(facts: TopicFacts | Denied | None) -> int | None:
    return _number(facts.settings.get("max.message.bytes")) if isinstance(facts, TopicFacts) else None


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.lstrip("-").isdigit() else None


def worst(checks: Iterable[Check]) -> Status:
    """Return the worst status there is; ``ok`` for none."""
    order: Callable[[Status], int] = list(Status).index
    return max((check.status for check in checks), key=order, default=Status.OK)
