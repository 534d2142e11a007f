"""The identities of topics, asked of an Apache Kafka cluster."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import Future
from typing import Any, Final, TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from consumer.errors import SourceRefused, SourceUnreachable
from consumer.kafka import REFUSED
from consumer.places import TopicIdentity

TIMEOUT_S: Final = 10.0
_GRACE_S: Final = 2.0  # the client itself reports the timeout first, with its reason

# The client spells ids in plain base64, Kafka's own tools for addresses; there a '/' would also look like ours.
_AS_KAFKA_SPELLS: Final = str.maketrans("+/", "-_")

T = TypeVar("T")


class KafkaTopicDirectory:
    """Implements ``TopicDirectory``; connects at the first question."""

    def __init__(self, conf: Mapping[str, Any]) -> None:
        """Take the properties of an admin client."""
        self._conf = dict(conf)
        self._admin: Any = None  # Any: the type stubs lag behind the client

    def identities(self, topics: Collection[str]) -> Mapping[str, TopicIdentity]:
        """Return the identity of each topic that exists."""
        if self._admin is None:
            self._admin = AdminClient(self._conf)
        # Asked each time: a name may lead to another cluster by now, after a fail-over.
        cluster = _answer(self._admin.describe_cluster(request_timeout=TIMEOUT_S), "the cluster")
        described = self._admin.describe_topics(TopicCollection(list(topics)), request_timeout=TIMEOUT_S)
        found: dict[str, TopicIdentity] = {}
        for topic, future in described.items():
            try:
                topic_id = str(_answer(future, topic).topic_id).translate(_AS_KAFKA_SPELLS)
                found[topic] = TopicIdentity(str(cluster.cluster_id), topic_id)
            except _Unknown:
                continue
        return found


class _Unknown(Exception):
    """The topic does not exist."""


def _answer(future: Future[T], what: str) -> T:
    try:
        return future.result(TIMEOUT_S + _GRACE_S)
    except KafkaException as exception:
        error = exception.args[0]
        if isinstance(error, KafkaError) and error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise _Unknown from None
        if isinstance(error, KafkaError) and error.code() in REFUSED:
            raise SourceRefused(f"{what}: its id cannot be asked for: {error.str()} ({error.name()})") from None
        raise SourceUnreachable(f"{what}: its id cannot be asked for: {error}") from None
    except TimeoutError:
        raise SourceUnreachable(f"{what}: no broker says which id it has") from None
