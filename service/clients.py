"""What each Kafka client is configured with: our defaults under the user's own properties. Pure."""

from __future__ import annotations

from typing import Any, Final, Literal

from service.errors import SettingsError
from service.logs import client_logger
from service.plugins import load_callable
from service.settings import Settings
from service.units import milliseconds

STATISTICS_INTERVAL_MS: Final = 1000
FETCH_BACKOFF_MS: Final = 10  # the client's own 1000 stalls a fast reader: less than half the events a second
QUEUE_KBYTES: Final = 16_384  # bounds memory; only together with the short back-off, or it halves the rate
LINGER_MS: Final = 1  # each batch ends in a flush, which waits for no linger: longer only leaves the broker idle
QUEUED_BATCHES: Final = 2  # a producer must hold a whole batch and the next one's beginning
MIN_POLL_INTERVAL_MS: Final = 300_000  # the client's own default
SCORING_MS: Final = 120_000  # how long decoding and scoring one batch may take, see Limits
STEPS_OF_A_TRANSACTION: Final = 4  # produce, flush, send offsets, commit: each may take the transaction's time
MIN_QUEUED_RECORDS: Final = 100_000  # the client's own default


def consumer_conf(settings: Settings, *, client_id: str) -> dict[str, Any]:
    """Return the properties of a consumer, all but ``group.id`` and where a new group begins.

    Raises:
        SettingsError: No broker is named.
    """
    conf: dict[str, Any] = {
        "fetch.queue.backoff.ms": FETCH_BACKOFF_MS,
        "queued.max.messages.kbytes": QUEUE_KBYTES,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "isolation.level": "read_committed",
        "check.crcs": True,
        "allow.auto.create.topics": False,
        "statistics.interval.ms": STATISTICS_INTERVAL_MS,
        "max.poll.interval.ms": max(
            MIN_POLL_INTERVAL_MS, SCORING_MS + STEPS_OF_A_TRANSACTION * milliseconds(settings.transaction.timeout)
        ),
    }
    given = settings.kafka.of("consumer")
    if given.get("group.protocol", "classic").lower() == "classic":
        conf["partition.assignment.strategy"] = "cooperative-sticky"
    if "fetch.queue.backoff.ms" in given and "queued.max.messages.kbytes" not in given:
        del conf["queued.max.messages.kbytes"]
    given.pop("auto.offset.reset", None)  # see start_policy
    return {**conf, **_everywhere(settings, client_id), **given}


def start_policy(settings: Settings) -> Literal["earliest", "latest"]:
    """Return where a group begins on a partition for which it never committed anything."""
    chosen = settings.kafka.of("consumer").get("auto.offset.reset", "earliest").lower()
    return "latest" if chosen == "latest" else "earliest"


def producer_conf(settings: Settings, *, client_id: str) -> dict[str, Any]:
    """Return the properties of a producer, all but the transactional id.

    Raises:
        SettingsError: No broker is named.
    """
    conf: dict[str, Any] = {
        "acks": "all",
        "linger.ms": LINGER_MS,
        "compression.type": "lz4",
        "partitioner": "murmur2_random",  # as the Java client, so that joins by key meet
        "queue.buffering.max.messages": max(MIN_QUEUED_RECORDS, QUEUED_BATCHES * settings.batch.max_records),
        "statistics.interval.ms": STATISTICS_INTERVAL_MS,
    }
    if settings.delivery == "exactly_once":
        conf["transaction.timeout.ms"] = milliseconds(settings.transaction.timeout)
    given = settings.kafka.of("producer")
    given.pop("auto.offset.reset", None)  # a consumer's, perhaps given for every client
    return {**conf, **_everywhere(settings, client_id), **given}


def admin_conf(settings: Settings, *, client_id: str) -> dict[str, Any]:
    """Return the properties of an admin client.

    Raises:
        SettingsError: No broker is named.
    """
    given = dict(settings.kafka.common)
    given.pop("auto.offset.reset", None)
    return {**_everywhere(settings, client_id), **given}


def _everywhere(settings: Settings, client_id: str) -> dict[str, Any]:
    """Return what every kind of client needs; loads the user's token function if one is named."""
    if not settings.kafka.common.get("bootstrap.servers"):
        raise SettingsError(
            "kafka.bootstrap.servers: is missing; name at least one broker, for instance 'localhost:9092',"
            " in the file or as TIDEMILL_KAFKA__BOOTSTRAP_SERVERS"
        )
    conf: dict[str, Any] = {"client.id": client_id, "logger": client_logger()}
    if settings.kafka.oauth is not None:
        conf["oauth_cb"] = load_callable(settings.kafka.oauth, where="kafka.oauth", path=settings.plugins_path)
    return conf
