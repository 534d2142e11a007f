"""What `init` does: look at a file, a subject or a topic, and propose a service file."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from consumer.kafka_reader import KafkaSnapshot
from features.errors import CodecError
from features.inference import Inferred, infer, infer_events
from features.registry import VALUE_SUFFIX, SchemaRegistry, value_subject
from features.schema import Roles
from features.schema_inference import infer_schema
from service.clients import admin_conf, consumer_conf
from service.cluster import Denied
from service.decoders import RegistryDecoder, decode_json
from service.errors import Refused, UsageError
from service.init_clients import Clients
from service.kafka import ClusterAdmin
from service.schemas import build_schemas
from service.service_file import Format, Place, name_from
from service.settings import Settings
from service.topic_sample import Record, Sample, decode_sample, take_records

READ_SECONDS: Final = 10.0
READ_RECORDS: Final = 500
READ_BYTES: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Proposal:
    """What was found, and what the service file is to say.

    Attributes:
        inferred: The fields, roles and notes.
        looked_at: What was looked at, in a few words for a person.
        place: Where events come from.
        format: How they are written.
        notes: Lines for the person beside those about the fields.
    """

    inferred: Inferred
    looked_at: str
    place: Place
    format: Format
    notes: Sequence[str] = ()


def from_file(path: Path, roles: Roles, *, clients: Clients, format: Format | None) -> Proposal:  # noqa: A002 - the setting
    """Return the proposal for a file of labelled events.

    Raises:
        UsageError: No label is named.
        TableError: The file cannot be read, lacks a column named here, or has nothing to learn from.
    """
    if roles.label is None:
        raise UsageError("init --from needs --label: the column with what is to be predicted")
    inferred = infer(path, label=roles.label, id=roles.id, key=roles.key, time=roles.time)
    place = Place(clients.kafka, clients.registry)
    chosen = format or ("avro" if clients.registry else "json")
    return Proposal(inferred, f"{path} ({inferred.n_rows} rows)", place, chosen, clients.notes)


def from_subject(subject: str, roles: Roles, *, clients: Clients, lengths: Mapping[str, int]) -> Proposal:
    """Return the proposal for the newest schema of a subject.

    Raises:
        UsageError: No such subject, or no registry is named.
        SchemasUnavailable: The registry does not answer.
        CodecError: The schema cannot be used to decode by.
        TableError: A path named here is not in it, or nothing in it can be a field.
    """
    registry = _registry(clients.settings(), "--from-subject")
    found = registry.latest(subject)
    if found is None:
        raise UsageError(f"subject {subject!r} is not in the registry; {_nearest(subject, registry.subjects())}")
    origin = f"subject {subject}, version {found.version}"
    try:
        inferred = infer_schema(found.schema, roles, origin=origin, lengths=lengths)
    except CodecError as error:
        raise CodecError(f"{origin}: {error}; 'init --from-topic' looks at the records of a topic instead") from error
    topic = subject.removesuffix(VALUE_SUFFIX)
    notes = list(clients.notes)
    subjects: tuple[str, ...] = ()
    if topic == subject:
        subjects = (subject,)
        notes.append(f"the subject does not say which topic it is for: topics.features is {topic!r}; correct it")
    return Proposal(inferred, origin, Place(clients.kafka, clients.registry, topic, subjects), "avro", notes)


def from_topic(topic: str, roles: Roles, *, clients: Clients, format: Format | None, records: int) -> Proposal:  # noqa: A002 - the setting
    """Return the proposal for the newest records of a topic.

    Raises:
        UsageError: No such topic, no record in it, or none that can be decoded.
        ServiceError: The cluster does not answer, or refuses.
        SchemasUnavailable: The registry does not answer.
        TableError: A path named here is in no record, or nothing can be a field.
    """
    settings = clients.settings(topic=topic)
    _require_topic(settings, topic)
    chosen: Format = format or ("avro" if clients.has_registry else "json")
    registry = _registry(settings, "--format avro") if chosen == "avro" else None
    decode = decode_json if registry is None else RegistryDecoder(registry)
    snapshot = KafkaSnapshot(consumer_conf(settings, client_id="tidemill-init"), topic)
    try:
        found = newest(snapshot, topic, records=records)
    finally:
        snapshot.close()
    sample = decode_sample(found, decode)
    _refuse_unreadable(sample, topic, chosen)
    inferred = infer_events(sample.events, roles, origin=f"topic {topic}")
    notes = [*clients.notes, *sample.notes()]
    subjects = () if registry is None else _subjects(registry, sample.schemas, default=value_subject(topic))
    if subjects:
        notes.append(f"their schemas are registered under {', '.join(subjects)}: named in features.subjects")
    place = Place(clients.kafka, clients.registry, topic, subjects)
    return Proposal(inferred, f"topic {topic} ({len(sample.events)} events)", place, chosen, notes)


def name_for(*, file: Path | None, place: Place) -> str:
    """Return a name for the service: that of the file or of the topic.

    >>> name_for(file=None, place=Place({}, {}, topic="cards.features"))
    'cards'
    """
    if file is not None or place.topic is None:
        return name_from(file or Path())
    return re.sub(r"[^A-Za-z0-9._-]+", "-", place.topic.removesuffix(".features")).strip("-._")[:60] or "scores"


def newest(snapshot: KafkaSnapshot, topic: str, *, records: int) -> list[Record]:
    """Return about so many of the newest records, an equal share of each partition.

    Raises:
        UsageError: There is none.
        ConsumerError: The topic cannot be read.
    """
    share = -(-records // max(len(snapshot.ends), 1))
    begins = {at: max(low, high - share) for at, (low, high) in snapshot.ends.items()}
    if all(begins[at] >= high for at, (_, high) in snapshot.ends.items()):
        raise UsageError(f"topic {topic} is empty: there is no event to look at yet")
    snapshot.begin(begins)
    batches = snapshot.batches(max_records=READ_RECORDS, max_bytes=READ_BYTES)
    return take_records(batches, records=records, seconds=READ_SECONDS)


def _registry(settings: Settings, asked_by: str) -> SchemaRegistry:
    registry = build_schemas(settings)
    if registry is None:
        raise UsageError(f"init {asked_by} needs --registry URL, the schema registry")
    return registry


def _require_topic(settings: Settings, topic: str) -> None:
    admin = ClusterAdmin(admin_conf(settings, client_id="tidemill-init"))
    facts = admin.topics([topic])[topic]
    if facts is None:
        raise UsageError(f"topic {topic!r} does not exist; {_nearest(topic, admin.topic_names())}")
    if isinstance(facts, Denied):
        raise Refused(f"topic {topic}: {facts.detail}; allow READ and DESCRIBE on it")


def _refuse_unreadable(sample: Sample, topic: str, format: Format) -> None:  # noqa: A002 - the setting
    if not sample.read:
        raise UsageError(
            f"topic {topic}: there is no committed record with a value to look at: its records are tombstones, or a"
            " transaction is still open; try again when events have come"
        )
    if sample.events:
        return
    hint = "look at one with a console consumer"
    if format == "json" and sample.looks_framed:
        hint = "they begin as in the framing of a schema registry: name it with --registry URL"
    elif format == "avro" and sample.looks_json:
        hint = "they look like JSON: use --format json"
    raise UsageError(f"topic {topic}: none of {sample.read} records can be decoded ({sample.reason}); {hint}")


def _subjects(registry: SchemaRegistry, names: Collection[int | str], *, default: str) -> tuple[str, ...]:
    """Return the subjects of these schemas, none where each is under the one that is expected anyway."""
    found: set[str] = set()
    for name in names:
        of_name = registry.subjects_of(name) if isinstance(name, int) else {default}
        found |= {default} if default in of_name else set(of_name)
    return () if found <= {default} else tuple(sorted(found))


def _nearest(name: str, known: Collection[str]) -> str:
    """Return what to say of a name that is not there."""
    near = get_close_matches(name, known, n=3) or sorted(other for other in known if name in other)[:3]
    if near:
        return f"did you mean {', '.join(near)}?"
    shown = sorted(other for other in known if not other.startswith("_"))
    return (
        f"there are {', '.join(shown[:20])}" + (", …" if len(shown) > 20 else "") if shown else "there is none at all"
    )


def lengths_from(given: Sequence[str], *, subject: str | None) -> dict[str, int]:
    """Return the lengths of arrays by path, given as ``PATH=N``.

    Raises:
        UsageError: One is not written like that, or no subject is looked at: data say their lengths themselves.
    """
    if given and subject is None:
        raise UsageError(f"--length {given[0]}: goes with --from-subject only; the lengths in data are seen")
    lengths: dict[str, int] = {}
    for text in given:
        path, _, number = text.rpartition("=")
        if not path or not number.isdigit() or int(number) < 1:
            raise UsageError(f"--length {text}: must be PATH=N, for instance last_amounts=20")
        lengths[path] = int(number)
    return lengths


def refuse_unless_one(sources: Mapping[str, object]) -> None:
    """Raise ``UsageError`` unless exactly one of these options was given."""
    given = [option for option, value in sources.items() if value is not None]
    if len(given) != 1:
        said = f"{' and '.join(given)} are given" if given else "nothing is given"
        raise UsageError(f"init looks at one thing: give one of {', '.join(sources)}; {said}")
