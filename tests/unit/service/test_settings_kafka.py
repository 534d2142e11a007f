from __future__ import annotations

from collections.abc import Mapping

import pytest
from pydantic import ValidationError

from service.settings_kafka import KafkaSettings, kafka_refusals
from service.settings_sections import Delivery

ALWAYS = [
    ({"enable.auto.commit": True}, "never on their own"),
    ({"consumer": {"enable.auto.offset.store": "true"}}, "never on their own"),
    ({"consumer": {"group.id": "x"}}, "groups.score"),
    ({"transactional.id": "x"}, "transactional_id_prefix"),
    ({"producer": {"transaction.timeout.ms": 5}}, "transaction.timeout"),
    ({"allow.auto.create.topics": True}, "topics create"),
    ({"auto.offset.reset": "none"}, "earliest or latest"),
    ({"group.protocol": "modern"}, "classic and consumer"),
    ({"partition.assignment.strategy": "range,cooperative-sticky"}, "must not be mixed"),
    ({"group.protocol": "consumer", "session.timeout.ms": 9000}, "the broker decides"),
    ({"group.protocol": "consumer", "consumer": {"heartbeat.interval.ms": 9000}}, "the broker decides"),
    ({"consumer": {"max.poll.interval.ms": 45_000}}, "too short"),
    ({"producer": {"partitioner": "random"}}, "order"),
    ({"statistics.interval.ms": 0}, "statistics"),
    ({"error_cb": "x"}, "callbacks"),
    ({"acks": 0}, "acknowledged"),
]
EXACTLY_ONCE = [
    ({"isolation.level": "READ_UNCOMMITTED"}, "aborted transactions"),
    ({"enable.idempotence": False}, "twice"),
    ({"producer": {"acks": 1}}, "acks: all"),
    ({"request.required.acks": 1}, "acks: all"),
    ({"producer": {"message.timeout.ms": 60_000}}, "at most transaction.timeout"),
]


def refusals(raw: Mapping[str, object], delivery: Delivery = "exactly_once") -> str:
    """Return every refusal of a kafka section, with a transaction of 15 s."""
    return " | ".join(kafka_refusals(KafkaSettings.model_validate(raw), delivery=delivery, transaction_ms=15_000))


@pytest.mark.parametrize(("raw", "reason"), [*ALWAYS, *EXACTLY_ONCE])
def test_refusals_name_the_property_that_breaks_exactly_once(raw: Mapping[str, object], reason: str) -> None:
    """A dangerous property is refused with the reason, wherever it is written."""
    assert reason in refusals(raw)


@pytest.mark.parametrize(("raw", "reason"), ALWAYS)
def test_refusals_hold_under_at_least_once_too(raw: Mapping[str, object], reason: str) -> None:
    """What loses records or blinds the service is refused in either delivery."""
    assert reason in refusals(raw, "at_least_once")


@pytest.mark.parametrize("raw", [raw for raw, _ in EXACTLY_ONCE])
def test_refusals_leave_at_least_once_its_freedom(raw: Mapping[str, object]) -> None:
    """What only transactions need is free without them."""
    assert refusals(raw, "at_least_once") == ""


@pytest.mark.parametrize(
    "raw",
    [
        {"bootstrap.servers": "b:1", "acks": "-1", "enable.idempotence": True, "isolation.level": "read_committed"},
        {"consumer": {"auto.offset.reset": "latest", "group.protocol": "consumer", "group.remote.assignor": "uniform"}},
        {"consumer": {"partition.assignment.strategy": "range,roundrobin", "session.timeout.ms": 9000}},
    ],
)
def test_refusals_let_the_rest_through(raw: Mapping[str, object]) -> None:
    """Kafka settings are the user's."""
    assert refusals(raw) == ""


@pytest.mark.parametrize("timeout", [15 * 60 * 1000, 20 * 60 * 1000])
def test_refusals_name_a_transaction_longer_than_a_broker_allows(timeout: int) -> None:
    """The broker would refuse it at the first start; this says it at once."""
    kafka = KafkaSettings.model_validate({"max.poll.interval.ms": 3_600_000})
    lines = list(kafka_refusals(kafka, delivery="exactly_once", transaction_ms=timeout))
    assert [line.split(":")[0] for line in lines] == ["transaction.timeout"]


def test_of_puts_a_kinds_own_properties_over_the_common_ones() -> None:
    """What is given for one kind of client wins for that kind only."""
    kafka = KafkaSettings.model_validate({"fetch.min.bytes": 1, "consumer": {"fetch.min.bytes": 2}, "ssl.x": True})
    assert (kafka.of("consumer"), kafka.of("producer")) == (
        {"fetch.min.bytes": "2", "ssl.x": "true"},
        {"fetch.min.bytes": "1", "ssl.x": "true"},
    )


@pytest.mark.parametrize(
    "raw", [{"sasl.password": "  "}, {"sasl.password": None}, {"a": ["x"]}, {"consumer": {"a": {}}}]
)
def test_kafka_settings_refuse_empty_secrets_and_nested_values(raw: Mapping[str, object]) -> None:
    """Librdkafka would take an empty password and fail far from the cause."""
    with pytest.raises(ValidationError):
        KafkaSettings.model_validate(raw)
