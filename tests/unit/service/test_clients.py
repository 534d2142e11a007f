from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from service.clients import admin_conf, consumer_conf, producer_conf, start_policy
from service.errors import SettingsError
from service.logs import client_logger
from service.settings import Settings, settings_from


def settings(kafka: Mapping[str, Any], **sections: Any) -> Settings:
    """Return settings with this kafka section and a broker."""
    fields = {"fields": [{"name": "x", "type": "double"}]}
    kafka = {"bootstrap.servers": "b:1", **kafka}
    return settings_from({"name": "fraud", "features": fields, "kafka": kafka, **sections}, folder=Path())


def test_consumer_conf_never_commits_by_itself_and_reads_what_is_committed() -> None:
    """The defaults keep the first promise."""
    conf = consumer_conf(settings({}), client_id="c")
    assert {key: conf[key] for key in ("enable.auto.commit", "enable.auto.offset.store", "isolation.level")} == {
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "isolation.level": "read_committed",
    }


def test_consumer_conf_lets_the_users_own_value_win() -> None:
    """A property of the file replaces our default, the consumer's own the common one."""
    conf = consumer_conf(settings({"check.crcs": False, "consumer": {"client.id": "mine"}}), client_id="c")
    assert (conf["check.crcs"], conf["client.id"]) == ("false", "mine")


def test_consumer_conf_leaves_the_strategy_to_the_broker_under_the_new_protocol() -> None:
    """Librdkafka refuses a strategy with ``group.protocol: consumer``."""
    assert "partition.assignment.strategy" not in consumer_conf(settings({"group.protocol": "consumer"}), client_id="c")
    assert consumer_conf(settings({}), client_id="c")["partition.assignment.strategy"] == "cooperative-sticky"


def test_consumer_conf_bounds_the_queue_only_with_the_short_back_off() -> None:
    """A bounded queue with a long back-off costs more than half the rate."""
    conf = consumer_conf(settings({"fetch.queue.backoff.ms": 1000}), client_id="c")
    assert "queued.max.messages.kbytes" not in conf


def test_start_policy_keeps_the_reset_policy_out_of_the_client() -> None:
    """The policy says where a new group begins; the client itself never resets."""
    chosen = settings({"auto.offset.reset": "latest"})
    confs = [
        consumer_conf(chosen, client_id="c"),
        producer_conf(chosen, client_id="p"),
        admin_conf(chosen, client_id="a"),
    ]
    assert [conf.get("auto.offset.reset") for conf in confs] == [None, None, None]
    assert (start_policy(chosen), start_policy(settings({}))) == ("latest", "earliest")


def test_producer_conf_holds_two_batches_and_names_the_timeout() -> None:
    """A whole batch fits into the queue, and the broker is told how long a transaction may take."""
    conf = producer_conf(settings({}, batch={"max_records": 400_000}, transaction={"timeout": "20s"}), client_id="p")
    assert (conf["queue.buffering.max.messages"], conf["transaction.timeout.ms"]) == (800_000, 20_000)


def test_producer_conf_has_no_transaction_without_exactly_once() -> None:
    """At least once is an ordinary producer."""
    assert "transaction.timeout.ms" not in producer_conf(settings({}, delivery="at_least_once"), client_id="p")


def test_confs_take_the_clients_lines_into_the_logs() -> None:
    """The client writes past every log format to stderr unless it is given a logger."""
    makers = (consumer_conf, producer_conf, admin_conf)
    assert [make(settings({}), client_id="c")["logger"] for make in makers] == [client_logger()] * 3


def test_confs_need_a_broker() -> None:
    """The line says which key and which variable."""
    fields = {"fields": [{"name": "x", "type": "double"}]}
    with pytest.raises(SettingsError, match=r"kafka\.bootstrap\.servers.*TIDEMILL_KAFKA__BOOTSTRAP_SERVERS"):
        consumer_conf(settings_from({"name": "fraud", "features": fields}, folder=Path()), client_id="c")


def test_consumer_may_be_away_for_as_long_as_a_batch_can_take() -> None:
    """A long transaction timeout must not get the member expelled while it waits within it."""
    default, long = (
        consumer_conf(settings({}, transaction={"timeout": timeout}), client_id="c")["max.poll.interval.ms"]
        for timeout in ("15s", "4m")
    )
    assert [default, long] == [300_000, 120_000 + 4 * 240_000]
