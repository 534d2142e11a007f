"""Composition: the only place where adapters are chosen and parts are put together."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from consumer.kafka import KafkaSource
from consumer.outgoing import Outbox
from consumer.scoring import BatchScorer
from consumer.source import RecordSource
from consumer.telemetry import Telemetry
from consumer.watchdog import Watchdog
from consumer.worker import Limits, ScoringWorker
from features.codec import FeatureCodec
from features.encoding import EventEncoder, build_encoder
from features.formats import build_codec
from features.registry import SchemaRegistry
from features.registry_codec import RegistryAvroCodec
from models.champion import Champion, ChampionHandle, ChampionListener
from producer.encoding import AvroScoreEncoder, JsonScoreEncoder, ScoreEncoder
from producer.kafka import KafkaPlainSink, KafkaSink
from producer.sink import RecordSink
from service.admin import AdminServer
from service.clients import consumer_conf, producer_conf, start_policy
from service.errors import SettingsError
from service.instruments import build_registry
from service.metrics import PrometheusTelemetry
from service.plugins import add_folder
from service.probes import WorkerProbes
from service.schemas import ScoreSchema, build_schemas
from service.settings import Settings
from service.store import build_store


def epoch_ms() -> int:
    """Return the wall clock in epoch milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class ScoringService:
    """Everything one scoring process runs; ``service/runner.py`` starts and stops it."""

    worker: ScoringWorker
    champion: ChampionHandle
    admin: AdminServer
    watchdog: Watchdog
    probes: WorkerProbes
    score_schema: ScoreSchema | None


def build_scoring_service(settings: Settings, *, transactional_id: str) -> ScoringService:
    """Put a scoring process together on Apache Kafka; nothing is connected or started yet."""
    registry = build_registry()
    telemetry = PrometheusTelemetry(settings.name, registry)
    champion = build_champion(settings, listener=telemetry)
    watchdog = Watchdog()
    schemas = build_schemas(settings)
    score_schema = build_score_schema(settings, schemas)
    source = KafkaSource(
        consumer_conf(settings, client_id=transactional_id),
        group_id=settings.groups.score,
        topics=settings.topics.features,
        start=start_policy(settings),
        on_rebalance=telemetry.rebalanced,
    )
    worker = build_worker(
        settings,
        source=source,
        sink=build_sink(settings, transactional_id=transactional_id),
        champion=champion,
        telemetry=telemetry,
        watchdog=watchdog,
        codec=build_event_codec(settings, schemas),
        encoder=build_score_encoder(settings, score_schema),
    )
    probes = WorkerProbes(worker, champion=champion, watchdog=watchdog)
    admin = AdminServer(settings.admin.host, settings.admin.port, probes=probes, registry=registry)
    return ScoringService(worker, champion, admin, watchdog, probes, score_schema)


def build_worker(  # noqa: PLR0913 - the parts differ between Kafka and the embedded broker
    settings: Settings,
    *,
    source: RecordSource,
    sink: RecordSink,
    champion: Champion,
    telemetry: Telemetry,
    watchdog: Watchdog,
    codec: FeatureCodec,
    encoder: ScoreEncoder,
    now_ms: Callable[[], int] = epoch_ms,
) -> ScoringWorker:
    """Put a worker together around a source and a sink."""
    return ScoringWorker(
        source,
        sink,
        champion=champion,
        scorer=BatchScorer(codec, settings.feature_schema()),
        outbox=Outbox(
            encoder,
            scores_topic=settings.topics.scores,
            dead_letters_topic=settings.topics.dead_letters,
            service=settings.name,
            now_ms=now_ms,
        ),
        limits=Limits(
            max_records=max_batch_records(settings),
            max_bytes=settings.batch.max_bytes,
            linger=settings.batch.linger.total_seconds(),
            transaction_timeout=settings.transaction.timeout.total_seconds(),
            when_missing=settings.model.when_missing,
        ),
        telemetry=telemetry,
        watchdog=watchdog,
        output_topics=(settings.topics.scores, settings.topics.dead_letters),
        now_ms=now_ms,
    )


def max_batch_records(settings: Settings) -> int:
    """Return how many records a batch may have: fewer than ``batch.max_records`` where their columns would be huge.

    A value takes a byte of a record at least, but the null of a long sequence takes one for all its items. So a
    batch has no more values than it may have bytes, whatever is in it.
    """
    return max(1, min(settings.batch.max_records, settings.batch.max_bytes // settings.feature_schema().width))


def build_sink(settings: Settings, *, transactional_id: str) -> RecordSink:
    """Return the sink for the delivery that was asked for."""
    timeout = settings.transaction.timeout.total_seconds()
    if settings.delivery == "exactly_once":
        conf = producer_conf(settings, client_id=transactional_id)
        return KafkaSink(conf, transactional_id=transactional_id, transaction_timeout=timeout)
    return build_plain_sink(settings, client_id=transactional_id)


def build_plain_sink(settings: Settings, *, client_id: str) -> KafkaPlainSink:
    """Return a sink without transactions, as ``publish`` uses it."""
    conf = producer_conf(settings, client_id=client_id)
    conf.pop("transaction.timeout.ms", None)
    return KafkaPlainSink(conf, flush_timeout=settings.transaction.timeout.total_seconds())


def build_champion(settings: Settings, *, listener: ChampionListener | None = None) -> ChampionHandle:
    """Return the handle of the live model; it looks at the store when it is started or refreshed.

    The user's own modules can be imported from then on: a model may hold functions of theirs.
    """
    add_folder(settings.plugins_path)
    return ChampionHandle(
        build_store(settings),
        service_schema=settings.feature_schema(),
        trusted_types=settings.model.trusted_types,
        refresh_interval=settings.model.refresh_interval.total_seconds(),
        listener=listener,
    )


def build_event_codec(settings: Settings, schemas: SchemaRegistry | None = None) -> FeatureCodec:
    """Return the codec that reads feature events, in the framing of the registry where there is one."""
    if schemas is not None and settings.features.format == "avro":
        return RegistryAvroCodec(schemas, subjects=settings.allowed_subjects)
    return build_codec(
        settings.features.format, avro_schema=read_avro_schema(settings), schema=settings.feature_schema()
    )


def build_event_encoder(settings: Settings) -> EventEncoder:
    """Return the encoder that ``publish`` writes feature events with."""
    return build_encoder(
        settings.features.format, avro_schema=read_avro_schema(settings), schema=settings.feature_schema()
    )


def build_score_schema(settings: Settings, schemas: SchemaRegistry | None) -> ScoreSchema | None:
    """Return the schema that scores are written by in a registry's framing; None where they are not."""
    return None if schemas is None or settings.output.format != "avro" else ScoreSchema(schemas, settings)


def build_score_encoder(settings: Settings, score_schema: ScoreSchema | None = None) -> ScoreEncoder:
    """Return the encoder of score records, in the framing of a registry where one has their schema."""
    if settings.output.format == "avro":
        return AvroScoreEncoder(
            service=settings.name,
            model_name=settings.model.name,
            passthrough=settings.output.passthrough_names,
            with_probabilities=settings.output.probabilities,
            prefix=bytes if score_schema is None else score_schema.prefix,
        )
    return JsonScoreEncoder(
        service=settings.name, model_name=settings.model.name, with_probabilities=settings.output.probabilities
    )


def read_avro_schema(settings: Settings) -> Mapping[str, Any] | None:
    """Return the events' writer schema from its file, or None where none is named.

    Raises:
        SettingsError: The file cannot be read as a schema.
    """
    path = settings.avro_schema_path
    return None if path is None else read_schema_file(path, where="features.avro_schema")


def read_schema_file(path: Path, *, where: str) -> Mapping[str, Any]:
    """Return the Avro record schema in a file; ``where`` is the setting that names it.

    Raises:
        SettingsError: The file cannot be read as a schema.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError) as error:
        raise SettingsError(f"{where}: {path} cannot be read as an Avro record schema: {error}") from error
