"""``doctor``: look at everything the service needs, and say what to do about what is missing."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from features.errors import SchemasUnavailable
from models.errors import ModelError
from service.bootstrap import build_champion
from service.buffer_checks import buffer_checks, buffer_kafka_checks
from service.checks import Check, KafkaFacts, Status, kafka_checks
from service.clients import admin_conf, producer_conf
from service.cluster import Denied, TopicFacts
from service.errors import ServiceError, Unreachable
from service.kafka import ClusterAdmin
from service.registry_checks import registry_checks, unavailable
from service.schemas import build_schemas
from service.settings import Loaded, Settings
from service.store import build_store
from service.topics import wanted_topics
from service.units import milliseconds

LOW_DISK_BYTES: Final = 1024**3
NO_DISK_BYTES: Final = 100 * 1024**2


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Every check, and whether the cluster and the registry could be asked at all."""

    checks: tuple[Check, ...]
    is_reachable: bool


def diagnose(loaded: Loaded, *, timeout: float) -> Diagnosis:
    """Run every check; ``timeout`` in seconds bounds each question to the cluster. Nothing raises."""
    settings = loaded.settings
    local = (*_configuration(loaded), *model_checks(settings), *_disk(settings), *buffer_checks(settings))
    kafka, registry = _broker(settings, timeout), _registry(settings)
    checks = (*local, *kafka.checks, *registry.checks)
    return Diagnosis(checks, is_reachable=kafka.is_reachable and registry.is_reachable)


def _broker(settings: Settings, timeout: float) -> Diagnosis:
    try:
        facts = _gather(settings, timeout)
    except Unreachable as error:
        return Diagnosis((Check("broker", Status.FAIL, str(error)),), is_reachable=False)
    except ServiceError as error:
        return Diagnosis((Check("broker", Status.FAIL, str(error)),), is_reachable=True)
    checks = (*kafka_checks(settings, facts), *buffer_kafka_checks(settings, facts))
    return Diagnosis(checks, is_reachable=True)


def _registry(settings: Settings) -> Diagnosis:
    """Return what there is to say of the registry; nothing where none is set."""
    checks: list[Check] = []
    try:
        registry = build_schemas(settings)
        if registry is not None:
            checks.extend(registry_checks(settings, registry))
    except SchemasUnavailable as error:
        return Diagnosis((*checks, unavailable(error)), is_reachable=False)
    except ServiceError as error:
        checks.append(Check("schema registry", Status.FAIL, str(error)))
    return Diagnosis(tuple(checks), is_reachable=True)


def model_checks(settings: Settings) -> Iterator[Check]:
    """Yield whether the store can be read and the champion loads, fits and scores its own trial batch."""
    name = f"model store {settings.model_store_path}"
    try:
        versions = build_store(settings).versions()
    except (ModelError, OSError) as error:
        yield Check(name, Status.FAIL, str(error), "make the folder readable, or correct model.store")
        return
    yield Check(name, Status.OK, f"{len(versions)} version{'s' if len(versions) != 1 else ''} of {settings.model.name}")
    handle = build_champion(settings)
    live = handle.refresh()
    state = handle.state()
    if live is not None:
        yield Check("champion", Status.OK, f"{live.version} loads, fits the fields and scores its trial batch")
    elif state.alias is None:
        missing = Status.FAIL if settings.model.when_missing == "fail" else Status.WARN
        remedy = "run 'tidemill train --data FILE', or 'tidemill models import FILE'"
        yield Check("champion", missing, "there is none yet, so nothing would be scored", remedy)
    else:
        yield Check("champion", Status.FAIL, state.problem, "promote another version, or correct what it names")


def _configuration(loaded: Loaded) -> Iterator[Check]:
    fields = len(loaded.settings.features.fields)
    yield Check("configuration", Status.OK, f"{fields} fields, {loaded.settings.delivery.replace('_', ' ')}")
    for warning in loaded.warnings:
        yield Check("configuration", Status.WARN, warning)


def _disk(settings: Settings) -> Iterator[Check]:
    folder = next(place for place in (settings.model_store_path, *settings.model_store_path.parents) if place.exists())
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        yield Check("disk", Status.WARN, f"{folder}: {error.strerror}")
        return
    detail = f"{free / 1024**3:.1f} GiB free at {folder}"
    if free < NO_DISK_BYTES:
        yield Check("disk", Status.FAIL, detail, "free some space: a new model version has no room")
    elif free < LOW_DISK_BYTES:
        yield Check("disk", Status.WARN, detail, "free some space soon")
    else:
        yield Check("disk", Status.OK, detail)


def _gather(settings: Settings, timeout: float) -> KafkaFacts:
    """Ask the cluster everything.

    Raises:
        ServiceError: It does not answer, or does not let us in.
    """
    client_id = f"{settings.name}-doctor"
    admin = ClusterAdmin(admin_conf(settings, client_id=client_id), timeout=timeout)
    cluster = admin.cluster()
    topics = admin.topics(list(wanted_topics(settings)))
    features = [facts for name in settings.topics.features if isinstance(facts := topics[name], TopicFacts)]
    newest = [stamp for facts in features if (stamp := admin.newest_timestamp_ms(facts)) is not None]
    return KafkaFacts(
        cluster=cluster,
        topics=topics,
        group=admin.group_operations(settings.groups.score),
        replay_group=admin.group_operations(settings.groups.replay),
        buffer_group=admin.group_operations(settings.groups.buffer),
        transactional_id=_try_transactions(settings, admin, cluster.settings.get("transaction.max.timeout.ms", "")),
        newest_ms=max(newest, default=None),
        now_ms=time.time_ns() // 1_000_000,
    )


def _try_transactions(settings: Settings, admin: ClusterAdmin, most: str) -> Denied | None:
    """Try an id of our prefix, unless the timeout alone would be refused (the client is loud about that)."""
    ours = milliseconds(settings.transaction.timeout)
    if settings.delivery != "exactly_once" or (most.isdigit() and ours > int(most)):
        return None
    conf = producer_conf(settings, client_id=f"{settings.name}-doctor")
    return admin.try_transactional_id(conf, f"{settings.transactional_id_prefix}-doctor")
