"""`tidemill buffer reseek`: sets from which offset the buffering workers read on.

The tables keep positions under the ids of the cluster and the topic. After a fail-over to a mirrored cluster they have
none there, so somebody has to say where to go on; and somebody has to say so when records were deleted unread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from service.buffer_tables import build_tables
from service.cluster import Denied
from service.errors import Refused, UsageError
from service.settings import Settings

if TYPE_CHECKING:
    from buffer.delta import DeltaBufferTable
    from buffer.delta_tables import DeltaTables
    from consumer.places import TopicIdentity
    from service.kafka import ClusterAdmin

MOVE_COMMAND: Final = "tidemill buffer reseek --topic {topic} --partition {partition} --to-offset OFFSET"
"""What to tell a person who has to move a position."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where to go on.

    Attributes:
        offset: This offset.
        time_ms: The first record of this time or later; neither: ``place``.
        place: ``earliest`` or ``latest``.
    """

    offset: int | None = None
    time_ms: int | None = None
    place: str = "latest"


@dataclass(frozen=True, slots=True)
class Order:
    """What a person asked for.

    Attributes:
        topic: The topic.
        partition: The partition, None for all.
        to: Where to go on.
        is_dry: Only show it.
    """

    topic: str
    partition: int | None
    to: Destination
    is_dry: bool = False


@dataclass(frozen=True, slots=True)
class Move:
    """One partition that is moved.

    Attributes:
        partition: Which.
        app_id: Its name in the table.
        current: Where the table stands, None where it has nothing of it.
        target: Where it shall stand.
        newest: The time of the newest record of a topic of this name that the table has, whatever the topic's id.
    """

    partition: int
    app_id: str
    current: int | None
    target: int
    newest: datetime | None

    def line(self) -> str:
        """Return it as a person reads it."""
        before = "nothing" if self.current is None else str(self.current)
        newest = "" if self.newest is None else f"; newest record in the table: {self.newest.isoformat()}"
        after = "stays" if self.current == self.target else f"-> {self.target}"
        return f"partition {self.partition}: {before} {after}{newest}"


def reseek(settings: Settings, order: Order, *, say: Callable[[str], None]) -> None:
    """Set the position of one partition of a topic, or of all.

    Raises:
        UsageError: Such a topic, partition or offset is none.
        Refused: Buffering workers are running, or rows would come twice.
        Unreachable: No broker answers.
        BufferingError: The table cannot be read or written.
    """
    tables = build_tables(settings)
    topic = order.topic
    table = _table_of(settings, tables, topic)
    admin = _admin(settings)
    _refuse_members(settings, admin, is_dry=order.is_dry)
    targets = _targets(admin, topic, _partitions(admin, order), order.to)
    moves = plan(table, topic, _identity(settings, topic), targets)
    for move in moves:
        say(move.line())
    if order.is_dry:
        say("nothing was changed (--dry-run)")
        return
    tables.prepare()
    apply(table, moves)
    say(f"{topic}: set; start the buffering workers again")


def plan(table: DeltaBufferTable, topic: str, identity: TopicIdentity, targets: Mapping[int, int]) -> list[Move]:
    """Return the moves that bring the partitions to their targets.

    Raises:
        Refused: The table holds rows from the target on, which would be read again.
        BufferingError: The table cannot be read.
    """
    from buffer.delta_errors import TableAbsent

    app_ids = {partition: identity.app_id(partition) for partition in targets}
    try:
        current = table.positions(app_ids.values())
        newest = _newest(table, topic)
        for partition, target in sorted(targets.items()):
            if target < current.get(app_ids[partition], 0):
                _refuse_doubles(table, identity, topic, partition, target)
    except TableAbsent:
        current, newest = {}, {}
    return [
        Move(partition, app_ids[partition], current.get(app_ids[partition]), target, newest.get(partition))
        for partition, target in sorted(targets.items())
    ]


def apply(table: DeltaBufferTable, moves: Iterable[Move]) -> None:
    """Commit the moves together, without a row.

    Raises:
        Refused: A position moved meanwhile: somebody is buffering.
        BufferingError: The table cannot be written now.
    """
    from buffer.errors import Overtaken
    from buffer.table import Stretch

    stretches = [Stretch(move.app_id, move.current, move.target) for move in moves if move.current != move.target]
    if not stretches:
        return
    try:
        table.append(table.schema.empty_table(), stretches)
    except Overtaken:
        raise Refused(
            "a position moved while this command ran: stop all buffering workers, then run it again"
        ) from None


def _table_of(settings: Settings, tables: DeltaTables, topic: str) -> DeltaBufferTable:
    topics = settings.topics
    by_topic = {
        **dict.fromkeys(topics.features, tables.features),
        topics.scores: tables.scores,
        topics.shadow_scores: tables.scores,
        topics.labels: tables.labels,
    }
    if topic not in by_topic:
        raise UsageError(f"--topic: {topic!r} is not buffered; this service buffers {', '.join(by_topic)}")
    return by_topic[topic]


def _admin(settings: Settings) -> ClusterAdmin:
    from service.clients import admin_conf
    from service.kafka import ClusterAdmin

    return ClusterAdmin(admin_conf(settings, client_id=f"{settings.name}-reseek"))


def _identity(settings: Settings, topic: str) -> TopicIdentity:
    from consumer.kafka_places import KafkaTopicDirectory
    from service.clients import admin_conf

    directory = KafkaTopicDirectory(admin_conf(settings, client_id=f"{settings.name}-reseek"))
    return directory.identities([topic])[topic]


def _refuse_members(settings: Settings, admin: ClusterAdmin, *, is_dry: bool) -> None:
    members = admin.group_members(settings.groups.buffer)
    if members and not is_dry:
        noun = "member" if members == 1 else "members"
        raise Refused(
            f"group {settings.groups.buffer} has {members} {noun}: stop the buffering workers first"
            " ('tidemill run' has one, too); a killed one is a member until its session timeout is over"
        )


def _partitions(admin: ClusterAdmin, order: Order) -> list[int]:
    topic, partition = order.topic, order.partition
    facts = admin.topics([topic])[topic]
    if facts is None:
        raise UsageError(f"--topic: the cluster has no topic {topic!r}")
    if isinstance(facts, Denied):
        raise Refused(f"topic {topic}: {facts.detail}")
    if partition is None and order.to.offset is not None and facts.partitions > 1:
        raise UsageError(f"--to-offset: topic {topic} has {facts.partitions} partitions; name one with --partition")
    if partition is not None and partition >= facts.partitions:
        raise UsageError(f"--partition: topic {topic} has partitions 0 to {facts.partitions - 1}, not {partition}")
    return list(range(facts.partitions)) if partition is None else [partition]


def _targets(admin: ClusterAdmin, topic: str, partitions: list[int], to: Destination) -> Mapping[int, int]:
    earliest = admin.offsets(topic, partitions, at="earliest")
    latest = admin.offsets(topic, partitions, at="latest")
    if to.offset is not None:
        low, high = earliest[partitions[0]], latest[partitions[0]]
        if not low <= to.offset <= high:
            raise UsageError(f"--to-offset: {topic} {partitions[0]} has offsets {low} to {high}, not {to.offset}")
        return {partitions[0]: to.offset}
    if to.time_ms is not None:
        found = admin.offsets(topic, partitions, at=to.time_ms)
        return {number: latest[number] if offset < 0 else offset for number, offset in found.items()}
    return earliest if to.place == "earliest" else latest


def _newest(table: DeltaBufferTable, topic: str) -> dict[int, datetime]:
    from buffer.duck import text

    condition = f"record_topic = {text(topic)} GROUP BY record_partition"
    query = f"SELECT record_partition, epoch_ms(max(record_time)) FROM {table.name} WHERE {condition}"  # noqa: S608
    return {
        partition: datetime.fromtimestamp(newest / 1000, UTC)
        for partition, newest in _asked(table, query)
        if newest is not None
    }


def _refuse_doubles(table: DeltaBufferTable, identity: TopicIdentity, topic: str, partition: int, target: int) -> None:
    """Rows that were read are not read again: the table would hold them twice, and nobody could tell."""
    from buffer.duck import text

    condition = (
        f"record_topic_id = {text(identity.topic_id)} AND record_partition = {partition} AND record_offset >= {target}"
    )
    ((count, last),) = _asked(table, f"SELECT count(*), max(record_offset) FROM {table.name} WHERE {condition}")  # noqa: S608
    if count:
        raise Refused(
            f"{topic} {partition}: the table holds {count} rows from offset {target} on, which would be in it twice;"
            f" give {last + 1} or later"
        )


def _asked(table: DeltaBufferTable, query: str) -> list[Any]:
    from buffer.duck import DuckSession

    with DuckSession() as session:
        session.attach(table.snapshot())
        return session.rows(query)
