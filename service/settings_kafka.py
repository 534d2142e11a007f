"""Kafka client settings, verbatim but for those that would break a promise: these are refused with the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from service.settings_sections import CallableName, Delivery, Section

Properties: TypeAlias = dict[str, str]
KINDS: Final = ("consumer", "producer")
_OWN_KEYS: Final = {
    "group.id": "set groups.score instead",
    "transactional.id": "set transactional_id_prefix instead: every process needs its own",
    "transaction.timeout.ms": "set transaction.timeout instead",
    "allow.auto.create.topics": "topics are never created on the side; use 'tidemill topics create'",
}
_YES: Final = frozenset({"true", "t", "1", "yes"})
_NO: Final = frozenset({"false", "f", "0", "no"})
_ALIASES: Final = {
    "metadata.broker.list": "bootstrap.servers",
    "request.required.acks": "acks",
    "delivery.timeout.ms": "message.timeout.ms",
    "queue.buffering.max.ms": "linger.ms",
    "compression.codec": "compression.type",
}
_BROKER_SIDE: Final = ("session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy")


class KafkaSettings(Section):
    """librdkafka properties for every client, for consumers only and for producers only."""

    common: Properties = Field(default_factory=dict)
    consumer: Properties = Field(default_factory=dict)
    producer: Properties = Field(default_factory=dict)
    oauth: CallableName | None = None

    @model_validator(mode="before")
    @classmethod
    def _split(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        result: dict[str, Any] = {"oauth": data.get("oauth")}
        for kind in KINDS:
            section = data.get(kind) or {}
            if not isinstance(section, Mapping):
                raise ValueError(f"{kind} must hold librdkafka properties, for instance 'client.id: mine'")  # noqa: TRY004 - pydantic reports it
            result[kind] = properties(section, f"{kind}.")
        result["common"] = properties({k: v for k, v in data.items() if k not in {*KINDS, "oauth"}}, "")
        return result

    def of(self, kind: str) -> Properties:
        """Return what a client of one kind (``consumer``, ``producer``) is given: common, then its own."""
        own = {"consumer": self.consumer, "producer": self.producer}[kind]
        return {**self.common, **own}

    def flat(self) -> dict[str, str | None]:
        """Return every property under its path in the service file, without the leading ``kafka.``."""
        nested = {f"{kind}.{key}": value for kind in KINDS for key, value in getattr(self, kind).items()}
        return {**self.common, **nested, "oauth": self.oauth}

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the schema of the section as it is written, not as it is kept."""
        del core, handler
        value = {"type": ["string", "number", "boolean"]}
        properties = {"type": "object", "additionalProperties": value}
        return {
            "type": "object",
            "description": cls.__doc__,
            "properties": {
                "bootstrap.servers": {
                    "type": "string",
                    "description": "Brokers to begin with, host:port, comma between.",
                },
                **dict.fromkeys(KINDS, properties),
                "oauth": {"type": ["string", "null"], "description": "module:callable giving OAUTHBEARER tokens."},
            },
            "additionalProperties": value,
        }


def properties(raw: Mapping[str, Any], prefix: str) -> Properties:
    """Return librdkafka's own spelling of each property.

    Raises:
        ValueError: A value that is no scalar, or an empty secret.
    """
    result: Properties = {}
    for key, value in raw.items():
        if isinstance(value, Mapping | list):
            raise ValueError(f"{prefix}{key} must be one value; write nested names with dots, as in 'sasl.password: …'")  # noqa: TRY004
        if value is None or (is_secret(key) and not str(value).strip()):
            raise ValueError(f"{prefix}{key} is empty; give it a value or remove it")
        result[_ALIASES.get(key, key)] = str(value).lower() if isinstance(value, bool) else str(value)
    return result


def is_secret(key: str) -> bool:
    """Return whether the value of a property must not be shown."""
    lowered = key.lower()
    named = any(word in lowered for word in ("password", "secret", "passphrase", "private.key", "token", "basic.auth"))
    return named or lowered in {"ssl.key.pem", "sasl.oauthbearer.config"}


def kafka_refusals(kafka: KafkaSettings, *, delivery: Delivery, transaction_ms: int) -> Iterator[str]:
    """Yield one line for each property that would break a promise, with the path, the reason and the mend."""
    for path, value in kafka.flat().items():
        key = path.removeprefix("consumer.").removeprefix("producer.")
        if key in _OWN_KEYS:
            yield f"kafka.{path}: {_OWN_KEYS[key]}"
        elif key.endswith("_cb"):
            yield f"kafka.{path}: callbacks cannot be set from a file"
        elif value is not None and key in _RULES:
            refusal = _RULES[key](value.strip().lower(), delivery)
            if refusal is not None:
                yield f"kafka.{path}: {value!r} is refused: {refusal}"
    yield from _assignment_refusals(kafka.of("consumer"))
    yield from _timing_refusals(kafka, delivery, transaction_ms)


def _assignment_refusals(conf: Mapping[str, str]) -> Iterator[str]:
    if conf.get("group.protocol", "classic").lower() == "consumer":
        for key in _BROKER_SIDE:
            if key in conf:
                yield f"kafka.consumer.{key}: with 'group.protocol: consumer' the broker decides this; remove it"
    strategies = {part.strip() for part in conf.get("partition.assignment.strategy", "").split(",") if part.strip()}
    if "cooperative-sticky" in strategies and len(strategies) > 1:
        yield (
            "kafka.partition.assignment.strategy: eager and cooperative strategies must not be mixed in one group; "
            "take cooperative-sticky alone"
        )


MAX_TRANSACTION_MS: Final = 15 * 60 * 1000  # the broker's own default of transaction.max.timeout.ms
POLL_MARGIN_MS: Final = 30_000  # scoring a large batch and reading a slow store
DEFAULT_MAX_POLL_INTERVAL_MS: Final = 300_000  # librdkafka's own


def _timing_refusals(kafka: KafkaSettings, delivery: Delivery, transaction_ms: int) -> Iterator[str]:
    """Compare the clocks of the client with the transaction's; texts that are no numbers are librdkafka's to refuse."""
    if transaction_ms >= MAX_TRANSACTION_MS:
        yield (
            f"transaction.timeout: must be less than {MAX_TRANSACTION_MS // 60_000}m, the most a broker allows by"
            " default (transaction.max.timeout.ms); readers of the scores wait that long after a crash"
        )
    interval = _whole(kafka.of("consumer").get("max.poll.interval.ms"), DEFAULT_MAX_POLL_INTERVAL_MS)
    if interval is not None and interval <= transaction_ms + POLL_MARGIN_MS:
        yield (
            f"kafka.consumer.max.poll.interval.ms: {interval} is too short: it must exceed transaction.timeout"
            f" ({transaction_ms} ms) by more than {POLL_MARGIN_MS} ms, or a slow commit costs the worker its partitions"
        )
    message = _whole(kafka.of("producer").get("message.timeout.ms"), None)
    if delivery == "exactly_once" and message is not None and (message > transaction_ms or message == 0):
        yield f"kafka.producer.message.timeout.ms: must be at most transaction.timeout ({transaction_ms} ms)"


def _whole(text: str | None, default: int | None) -> int | None:
    if text is None:
        return default
    return int(text) if text.strip().lstrip("-").isdigit() else None


_Rule: TypeAlias = Callable[[str, Delivery], str | None]


def _only(*allowed: str, why: str) -> _Rule:
    return lambda value, _delivery: None if value in allowed else why


def _never(refused: frozenset[str], *, why: str) -> _Rule:
    return lambda value, _delivery: why if value in refused else None


def _not_exactly_once(refused: frozenset[str], *, why: str) -> _Rule:
    hint = f"{why}; leave it out, or choose 'delivery: at_least_once'"
    return lambda value, delivery: hint if delivery == "exactly_once" and value in refused else None


def _acks(value: str, delivery: Delivery) -> str | None:
    if value == "0":
        return "nothing would be acknowledged, so records could be lost"
    if delivery == "exactly_once" and value not in {"all", "-1"}:
        return "a transaction needs 'acks: all'; leave it out, or choose 'delivery: at_least_once'"
    return None


_RULES: Final[Mapping[str, _Rule]] = {
    "enable.auto.commit": _never(_YES, why="offsets are committed with the scores, never on their own"),
    "enable.auto.offset.store": _never(_YES, why="offsets are committed with the scores, never on their own"),
    "isolation.level": _not_exactly_once(
        frozenset({"read_uncommitted"}), why="events of aborted transactions would be scored"
    ),
    "enable.idempotence": _not_exactly_once(_NO, why="a retry could then write a score twice"),
    "acks": _acks,
    "auto.offset.reset": _only(
        "earliest", "latest", why="it says where a new group begins, so it is earliest or latest"
    ),
    "group.protocol": _only("classic", "consumer", why="there are two: classic and consumer"),
    "partitioner": _never(frozenset({"random"}), why="records with equal keys would no longer stay in order"),
    "statistics.interval.ms": _never(frozenset({"0"}), why="lag and stuck partitions are seen through the statistics"),
}
