"""The cluster from the outside: topics made and looked at, rights tried. Nothing is read or written here.

Every method may raise ``Unreachable`` (no answer) or ``Refused`` (the cluster says no).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Final, Literal, TypeAlias, TypeVar

from confluent_kafka import KafkaError, KafkaException, Producer, TopicCollection, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from service.cluster import ClusterFacts, Denied, TopicFacts
from service.errors import Refused, ServiceError, SettingsError, Unreachable

T = TypeVar("T")
Creation: TypeAlias = Literal["created", "exists"]

DEFAULT_TIMEOUT_S: Final = 10.0
_GRACE_S: Final = 2.0  # the client itself reports the timeout first, with its reason
_NO_ANSWER: Final = frozenset(
    {
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._TIMED_OUT,
        KafkaError._RESOLVE,
        KafkaError._SSL,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.BROKER_NOT_AVAILABLE,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NETWORK_EXCEPTION,
    }
)
# What goes wrong is told once, as an error: logs go to a queue that nobody reads and that dies with the client.
_SILENT: Final = {"log_level": 0, "log.queue": True}
# A cluster that has just started, or lost a broker, is still choosing who coordinates the group.
_NOT_YET: Final = frozenset(
    {KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.COORDINATOR_NOT_AVAILABLE}
)
_PAUSE_S: Final = 0.1
_NO_SUCH_TOPIC: Final = KafkaError.UNKNOWN_TOPIC_OR_PART


class ClusterAdmin:
    """Asks one cluster questions; safe to keep, cheap to make, closed by going out of use."""

    def __init__(self, conf: Mapping[str, Any], *, timeout: float = DEFAULT_TIMEOUT_S) -> None:
        """Keep the configuration; ``timeout`` in seconds bounds each question.

        Raises:
            SettingsError: The client knows no such property or value.
        """
        self._timeout = timeout
        self._conf = {**conf, **_SILENT, "error_cb": self._on_error}
        self._brokers = str(conf.get("bootstrap.servers", ""))
        self._last_error = ""
        # Any: the type stubs lag behind the client (authorised operations, offsets by timestamp).
        self._admin: Any = _construct(lambda: AdminClient(self._conf))

    def cluster(self) -> ClusterFacts:
        """Return what the cluster says of itself; the first question to ask."""
        result = self._answer(self._admin.describe_cluster(request_timeout=self._timeout))
        first = min((node.id for node in result.nodes), default=None)
        settings = {} if first is None else self._settings(ResourceType.BROKER, str(first))
        return ClusterFacts(str(result.cluster_id), len(result.nodes), settings)

    def topics(self, names: Sequence[str]) -> dict[str, TopicFacts | Denied | None]:
        """Return the facts of each topic, None for one that does not exist; never creates one."""
        found = self._admin.describe_topics(
            TopicCollection(list(names)), include_authorized_operations=True, request_timeout=self._timeout
        )
        facts: dict[str, TopicFacts | Denied | None] = {}
        for name in names:
            try:
                facts[name] = self._topic_facts(found[name].result(self._timeout + _GRACE_S))
            except KafkaException as exception:
                error = _error(exception)
                if error.code() == _NO_SUCH_TOPIC:
                    facts[name] = None
                elif error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                    facts[name] = Denied(error.str())
                else:
                    raise self._translate(error) from None
        return facts

    def topic_names(self) -> list[str]:
        """Return the topics we may see."""
        try:
            return list(self._admin.list_topics(timeout=self._timeout).topics)
        except KafkaException as exception:
            raise self._translate(_error(exception)) from None

    def create_topic(self, name: str, *, partitions: int, replication: int, settings: Mapping[str, str]) -> Creation:
        """Create a topic and return when the cluster has it; -1 leaves a number to the cluster."""
        topic = NewTopic(name, partitions, replication, config=dict(settings))
        future = self._admin.create_topics([topic], request_timeout=self._timeout)[name]
        try:
            future.result(self._timeout + _GRACE_S)
        except KafkaException as exception:
            error = _error(exception)
            if error.code() == KafkaError.TOPIC_ALREADY_EXISTS:
                return "exists"
            translated = self._translate(error)
            raise type(translated)(f"topic {name}: {translated}") from None
        return "created"

    def group_operations(self, group: str) -> frozenset[str] | Denied | None:
        """Return what this client may do with a consumer group; it need not exist. None where nobody says."""
        described = self._group(group)
        if described is None or isinstance(described, Denied):
            return described
        return _operations(described.authorized_operations)

    def group_members(self, group: str) -> int:
        """Return how many members a consumer group has now; none if it does not exist."""
        described = self._group(group)
        if isinstance(described, Denied):
            raise Refused(f"group {group}: {described.detail}")
        return 0 if described is None else len(described.members)

    def _group(self, group: str) -> Any:
        """Return the description of a group, ``Denied``, or None where it does not exist."""
        deadline = time.monotonic() + self._timeout
        while True:
            future = self._admin.describe_consumer_groups(
                [group], include_authorized_operations=True, request_timeout=self._timeout
            )[group]
            try:
                return future.result(self._timeout + _GRACE_S)
            except KafkaException as exception:
                error = _error(exception)
                if error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
                    return Denied(error.str())
                if error.code() == KafkaError.GROUP_ID_NOT_FOUND:
                    return None
                if error.code() not in _NOT_YET or time.monotonic() > deadline:
                    raise self._translate(error) from None
                time.sleep(_PAUSE_S)

    def offsets(
        self, topic: str, partitions: Sequence[int], *, at: Literal["earliest", "latest"] | int
    ) -> dict[int, int]:
        """Return by partition the first offset, the next one, or that of the first record of a time in epoch ms.

        -1 where no record is of that time or later.
        """
        place = {"earliest": OffsetSpec.earliest, "latest": OffsetSpec.latest}.get(str(at))
        spec = OffsetSpec.for_timestamp(at) if place is None else place()
        asked = {TopicPartition(topic, number): spec for number in partitions}
        found = self._admin.list_offsets(asked, request_timeout=self._timeout)
        return {one.partition: self._answer(future).offset for one, future in found.items()}

    def try_transactional_id(self, conf: Mapping[str, Any], transactional_id: str) -> Denied | None:
        """Open and leave a transactional producer with this id; return why that is refused, or None."""
        producer = _construct(
            lambda: Producer({**conf, **_SILENT, "transactional.id": transactional_id, "error_cb": self._on_error})
        )
        try:
            producer.init_transactions(self._timeout)
        except KafkaException as exception:
            error = _error(exception)
            if error.code() in _NO_ANSWER:
                return Denied(f"no answer within {self._timeout:g} s: {self._cause(error)}")
            return Denied(error.str())
        return None

    def newest_timestamp_ms(self, topic: TopicFacts) -> int | None:
        """Return the largest record timestamp of a topic, or None where it is empty or must not be read."""
        asked = {TopicPartition(topic.name, number): OffsetSpec.max_timestamp() for number in range(topic.partitions)}
        newest = -1
        for future in self._admin.list_offsets(asked, request_timeout=self._timeout).values():
            try:
                newest = max(newest, future.result(self._timeout + _GRACE_S).timestamp)
            except KafkaException as exception:
                if _error(exception).code() in _NO_ANSWER:
                    raise self._translate(_error(exception)) from None
        return None if newest < 0 else newest

    def _topic_facts(self, described: Any) -> TopicFacts:
        partitions = described.partitions
        return TopicFacts(
            name=described.name,
            partitions=len(partitions),
            replication=min((len(p.replicas) for p in partitions), default=0),
            in_sync=min((len(p.isr) for p in partitions), default=0),
            leaderless=sum(p.leader is None or p.leader.id < 0 for p in partitions),
            settings=self._settings(ResourceType.TOPIC, described.name),
            operations=_operations(described.authorized_operations),
        )

    def _settings(self, kind: ResourceType, name: str) -> dict[str, str]:
        """Return the configuration of a broker or topic; empty where it must not be read."""
        resource = ConfigResource(kind, name)
        future = self._admin.describe_configs([resource], request_timeout=self._timeout)[resource]
        try:
            entries = future.result(self._timeout + _GRACE_S)
        except KafkaException as exception:
            if _error(exception).code() in _NO_ANSWER:
                raise self._translate(_error(exception)) from None
            return {}
        return {key: str(entry.value) for key, entry in entries.items() if entry.value is not None}

    def _answer(self, future: Future[T]) -> T:
        try:
            return future.result(self._timeout + _GRACE_S)
        except KafkaException as exception:
            raise self._translate(_error(exception)) from None
        except TimeoutError:
            raise self._unreachable("no answer") from None

    def _cause(self, error: KafkaError) -> str:
        """Return why there was no answer, as far as the client has told."""
        while self._admin.poll(0):  # delivers what the client has reported meanwhile
            pass
        return self._last_error or error.str()

    def _translate(self, error: KafkaError) -> ServiceError:
        """Return the error whose class and words a person can act on."""
        if error.code() in {KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED}:
            return Refused(f"{self._brokers} does not accept our credentials: {self._cause(error)}")
        if error.code() in _NO_ANSWER:
            cause = self._cause(error)
            if "authentication" in cause.lower():
                return Refused(f"{self._brokers} does not accept our credentials: {cause}")
            return self._unreachable(cause)
        return Refused(f"{self._brokers} refuses: {error.str() or error.name()} ({error.name()})")

    def _unreachable(self, why: str) -> Unreachable:
        return Unreachable(
            f"no Kafka broker answers at {self._brokers} within {self._timeout:g} s: {why};"
            " is it running, and are kafka.bootstrap.servers and security.protocol right?"
        )

    def _on_error(self, error: KafkaError) -> None:
        """Remember the cause: the timeout that follows does not know it. Called by the client; never raises."""
        if error.code() != KafkaError._ALL_BROKERS_DOWN or not self._last_error:
            self._last_error = error.str()


def _construct(build: Callable[[], T]) -> T:
    """Build a client.

    Raises:
        SettingsError: The client knows no such property or value.
    """
    try:
        return build()
    except KafkaException as exception:
        raise SettingsError(f"kafka: the client refuses its settings: {_error(exception).str()}") from None


def _error(exception: KafkaException) -> KafkaError:
    arguments: tuple[Any, ...] = exception.args
    error = arguments[0] if arguments else None
    return error if isinstance(error, KafkaError) else KafkaError(KafkaError._FAIL, str(exception))


def _operations(listed: Sequence[Any] | None) -> frozenset[str] | None:
    return None if listed is None else frozenset(operation.name for operation in listed)
