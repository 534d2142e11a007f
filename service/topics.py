"""``topics create``: make what is missing, and say of what exists whether it is as asked.

With a schema registry the schemas of the topics are made too: a service registers nothing while it runs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, TypeAlias

from features.avro_schema import feature_record_schema
from features.errors import SchemaIncompatible
from features.registry import SchemaRegistry, value_subject
from service.cluster import Denied, TopicFacts
from service.label_records import label_format, label_record_schema, label_subjects
from service.schemas import score_schema_text
from service.settings import Settings

SCHEMA: Final = "schema"
BROKER_DEFAULT: Final = -1  # the cluster's own number
_PAUSES_S: Final = (0.05, 0.1, 0.2, 0.4)
Result: TypeAlias = Literal["created", "exists", "differs", "denied"]


class TopicAdmin(Protocol):
    """What this needs of a cluster."""

    def topics(self, names: list[str]) -> dict[str, TopicFacts | Denied | None]:
        """Return the facts of each topic, None for one that does not exist."""
        ...

    def create_topic(
        self, name: str, *, partitions: int, replication: int, settings: dict[str, str]
    ) -> Literal["created", "exists"]:
        """Create a topic."""
        ...


@dataclass(frozen=True, slots=True)
class TopicOutcome:
    """What became of one topic, or of one subject (role ``schema``); ``detail`` is one line for a person."""

    name: str
    role: str
    result: Result
    detail: str


def wanted_topics(settings: Settings) -> dict[str, str]:
    """Return every topic of the service with the role it has, inputs first."""
    topics = settings.topics
    outputs = {topics.scores: "scores", topics.dead_letters: "dead letters", topics.shadow_scores: "shadow scores"}
    return {**dict.fromkeys(topics.features, "features"), topics.labels: "labels", **outputs}


def create_topics(
    settings: Settings, admin: TopicAdmin, *, partitions: int | None, replication: int | None
) -> list[TopicOutcome]:
    """Create the topics that are missing; one that exists is left as it is.

    The others get as many partitions as there are in the first features topic unless a number is given.

    Raises:
        ServiceError: The cluster does not answer, or refuses.
    """
    wanted = wanted_topics(settings)
    known = admin.topics(list(wanted))
    outcomes: list[TopicOutcome] = []
    follow = partitions
    for name, role in wanted.items():
        facts = known[name]
        if facts is None:
            count = BROKER_DEFAULT if follow is None else follow
            admin.create_topic(name, partitions=count, replication=replication or BROKER_DEFAULT, settings={})
            facts = _once_known(admin, name)
            outcomes.append(TopicOutcome(name, role, "created", _shape(facts)))
        elif isinstance(facts, Denied):
            outcomes.append(TopicOutcome(name, role, "denied", f"may not be looked at: {facts.detail}"))
        else:
            outcomes.append(_existing(facts, role=role, partitions=partitions, replication=replication))
        if follow is None and role == "features" and isinstance(facts, TopicFacts):
            follow = facts.partitions
    return outcomes


def register_schemas(settings: Settings, registry: SchemaRegistry) -> list[TopicOutcome]:
    """Register the schemas of the service that are missing; a subject of events or labels that exists is left as it is.

    Raises:
        SchemasUnavailable: The registry does not answer.
        CodecError: A path of the events or the labels cannot be an Avro name.
    """
    outcomes: list[TopicOutcome] = []
    for topic in settings.topics.features if settings.features.format == "avro" else ():
        schema = feature_record_schema(settings.feature_schema(), name=settings.name)
        outcomes += _of_writers(registry, value_subject(topic), schema, allowed=settings.allowed_subjects)
    if label_format(settings) == "avro":
        subject, ours = value_subject(settings.topics.labels), label_record_schema(settings)
        outcomes += _of_writers(registry, subject, ours, allowed=label_subjects(settings))
    if settings.output.format == "avro":
        outcomes.append(_registered(registry, settings.scores_subject, score_schema_text(settings)))
    return outcomes


def _of_writers(
    registry: SchemaRegistry, subject: str, schema: Mapping[str, Any], *, allowed: frozenset[str] | None
) -> list[TopicOutcome]:
    """Register ours where the writers have none yet, and nothing where they are registered in another way."""
    found = registry.latest(subject)
    if found is not None:
        return [TopicOutcome(subject, SCHEMA, "exists", f"version {found.version}, id {found.id}")]
    if allowed is not None and subject not in allowed:
        return []
    return [_registered(registry, subject, json.dumps(schema))]


def _registered(registry: SchemaRegistry, subject: str, text: str) -> TopicOutcome:
    try:
        known = registry.id_of(subject, text)
        number = registry.register(subject, text) if known is None else known
    except SchemaIncompatible as error:
        return TopicOutcome(subject, SCHEMA, "denied", str(error))
    return TopicOutcome(subject, SCHEMA, "created" if known is None else "exists", f"id {number}")


def _once_known(admin: TopicAdmin, name: str) -> TopicFacts | Denied | None:
    """Return the facts of a topic just made: some brokers hear of it a moment later."""
    for pause in _PAUSES_S:
        facts = admin.topics([name])[name]
        if facts is not None:
            return facts
        time.sleep(pause)
    return admin.topics([name])[name]


def _existing(facts: TopicFacts, *, role: str, partitions: int | None, replication: int | None) -> TopicOutcome:
    differs = [
        f"asked for {asked} {word}"
        for asked, found, word in (
            (partitions, facts.partitions, "partitions"),
            (replication, facts.replication, "replicas"),
        )
        if asked is not None and asked != found
    ]
    detail = "; ".join([_shape(facts), *differs]) + ("; left as it is" if differs else "")
    return TopicOutcome(facts.name, role, "differs" if differs else "exists", detail)


def _shape(facts: TopicFacts | Denied | None) -> str:
    if not isinstance(facts, TopicFacts):
        return "made just now"
    return f"{_counted(facts.partitions, 'partition')}, {_counted(facts.replication, 'replica')}"


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}" + ("" if number == 1 else "s")
