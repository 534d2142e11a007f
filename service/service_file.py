"""A new service file, written for a person to read: what was found in the data, and why."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import yaml

from features.avro_schema import feature_record_schema
from features.inference import Inferred
from features.schema import Field
from service.errors import UsageError
from service.settings import settings_from
from service.settings_yaml import parse_yaml

FILE_NAME: Final = "tidemill.yaml"
AVRO_FILE_NAME: Final = "events.avsc"
_PLAIN: Final = re.compile(r"^[A-Za-z_][A-Za-z0-9_./-]*$")
Format = Literal["json", "avro"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the events of a service come from.

    Attributes:
        kafka: Client properties of the brokers, those of one kind under ``consumer.`` or ``producer.``.
        registry: Those of the schema registry; empty: there is none.
        topic: The topic of the events where it is there already.
        subjects: The subjects of their schemas where they are not called as the topic is.
    """

    kafka: Mapping[str, str]
    registry: Mapping[str, str]
    topic: str | None = None
    subjects: tuple[str, ...] = ()


def name_from(path: Path) -> str:
    """Return a service name made of a file's name.

    >>> name_from(Path("data/Credit Card.csv"))
    'credit-card'
    """
    cleaned = re.sub(r"[^a-z0-9._-]+", "-", path.name.split(".", 1)[0].lower()).strip("-._")
    return cleaned[:60] or "scores"


def service_files(
    inferred: Inferred,
    *,
    name: str,
    source: str,
    place: Place,
    format: Format,  # noqa: A002 - the setting
) -> dict[str, str]:
    """Return the files of a new service by name, the service file first; ``source`` says what was looked at.

    Raises:
        SettingsError: The name cannot be one.
        CodecError: Avro is asked for and a field's path cannot be an Avro name.
    """
    text = "\n".join(_lines(inferred, name=name, source=source, place=place, format=format)) + "\n"
    settings = settings_from(parse_yaml(text, origin=FILE_NAME).data, folder=Path())
    files = {FILE_NAME: text}
    if format == "avro" and not place.registry:
        schema = feature_record_schema(settings.feature_schema(), name=name)
        files[AVRO_FILE_NAME] = json.dumps(schema, indent=2) + "\n"
    return files


def write_new(files: dict[str, str], folder: Path) -> list[Path]:
    """Write files that are not there yet, making the folder; nothing is written if one of them is.

    Raises:
        UsageError: One of them exists.
    """
    for name in files:
        if (folder / name).exists():
            raise UsageError(f"{folder / name} exists already; use --force to replace it, or name another folder")
    return write_over(files, folder)


def write_over(files: dict[str, str], folder: Path) -> list[Path]:
    """Write files, replacing those that are there, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in files]


def _lines(
    inferred: Inferred,
    *,
    name: str,
    source: str,
    place: Place,
    format: Format,  # noqa: A002 - the setting
) -> Iterator[str]:
    roles = inferred.schema.roles
    yield f"# Proposed from {' '.join(source.split())}. Read it, correct it, then:"
    yield "#   tidemill config show      what is in force, and where each value came from"
    yield "#   tidemill doctor           whether everything it needs is there"
    yield "# Everything that is not here has its default; 'tidemill config schema' lists every key."
    yield "version: 1"
    yield f"name: {scalar(name)}"
    yield ""
    yield from _clients(place)
    yield "topics: # made by 'tidemill topics create' where they are not there yet"
    yield f"  features: {scalar(place.topic or f'{name}.features')}"
    yield f"  scores: {scalar(f'{name}.scores')}"
    yield f"  dead_letters: {scalar(f'{name}.dead-letters')}"
    yield ""
    yield "features:"
    yield f"  format: {format}"
    if place.subjects:
        yield f"  subjects: [{', '.join(map(scalar, place.subjects))}] # where an event's schema must be registered"
    if format == "avro" and not place.registry:
        yield f"  avro_schema: {AVRO_FILE_NAME} # the schema that events are written with"
    yield from _role("id", roles.id, "what a label will name the event by; without it no label can come later")
    yield from _role("key", roles.key, "the record key: events with one key stay in order")
    yield from _role("time", roles.time, "event time; without it the record's own timestamp")
    yield "  fields: # in the order the model sees them; a record that breaks one of these is a dead letter"
    yield from (f"    - {_field(field)}" for field in inferred.schema.fields)
    yield ""
    yield from _truth(inferred, name=name)


def _clients(place: Place) -> Iterator[str]:
    """Yield how the brokers and the registry are reached."""
    yield "kafka: # librdkafka settings, verbatim; secrets belong into TIDEMILL_KAFKA__SASL_PASSWORD_FILE and the like"
    common = {key: value for key, value in place.kafka.items() if not key.startswith(("consumer.", "producer."))}
    yield from (f"  {scalar(key)}: {scalar(value)}" for key, value in common.items())
    for kind in ("consumer", "producer"):
        own = {key: value for key, value in place.kafka.items() if key.startswith(f"{kind}.")}
        if own:
            yield f"  {kind}:"
            yield from (f"    {scalar(key.removeprefix(f'{kind}.'))}: {scalar(value)}" for key, value in own.items())
    yield ""
    if place.registry:
        yield "schema_registry: # Confluent's client settings; secrets belong into TIDEMILL_SCHEMA_REGISTRY__..._FILE"
        yield from (f"  {scalar(key)}: {scalar(value)}" for key, value in place.registry.items())
        yield ""


def _role(role: str, path: str | None, meaning: str) -> Iterator[str]:
    yield f"  {role}: {scalar(path)} # {meaning}" if path is not None else f"  # {role}: ... {meaning}"


def _truth(inferred: Inferred, *, name: str) -> Iterator[str]:
    """Yield what is said of labels and the model."""
    roles = inferred.schema.roles
    if roles.label is not None:
        yield "labels:"
        yield f"  inline: {scalar(roles.label)} # read by training, never by a model"
        indent = "  # "
    else:
        yield "# labels:"
        yield "#   inline: ... # what training learns from: the path of the label in the data it is given"
        indent = "#   "
    if roles.id is not None:  # labels that come later, on a topic of their own, name the event by it
        yield f"{indent}id: event_id # where a record of the topic {scalar(f'{name}.labels')} names the event"
        yield f"{indent}label: label # its label there; null takes the one before back"
        yield f"{indent}max_delay: 120d # how long a label may take to come"
    yield ""
    yield "model:"
    yield "  store: ./model-store"
    yield f"  task: {inferred.task}"
    if inferred.positive is not None:
        counts = ", ".join(f"{name} {count}" for name, count in list(inferred.classes.items())[:5])
        yield f"  positive: {scalar(inferred.positive)} # the score is its probability; the rarer one of {counts}"


def _field(field: Field) -> str:
    parts: dict[str, Any] = {"name": field.name}
    if field.source != field.name:
        parts["from"] = field.source
    parts["type"] = field.type.value
    bounds = {"length": field.length, "min": field.minimum, "max": field.maximum}
    parts |= {key: value for key, value in bounds.items() if value is not None}
    parts["null"] = field.null.value
    if field.default is not None:
        parts["default"] = field.default
    return "{" + ", ".join(f"{key}: {scalar(value)}" for key, value in parts.items()) + "}"


def scalar(value: object) -> str:
    """Return a value as YAML reads it back; a text is quoted unless it is plainly one.

    >>> [scalar(v) for v in ("card_id", "no", "1e3", 2.5, True)]
    ['card_id', '"no"', '"1e3"', '2.5', 'true']
    """
    if isinstance(value, str) and _PLAIN.match(value) and yaml.safe_load(value) == value:
        return value
    style = '"' if isinstance(value, str) else None
    return yaml.safe_dump(value, default_style=style, width=sys.maxsize, allow_unicode=True).splitlines()[0]
