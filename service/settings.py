"""The effective settings: the layers put together, checked as a whole, with the origin of every value."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PrivateAttr, ValidationError, model_validator

from features.errors import SchemaError
from features.registry import value_subject
from features.schema import FeatureSchema, Roles
from producer.encoding import RESERVED_FIELDS
from service.errors import SettingsError
from service.plugins import refuse_our_own
from service.settings_buffer import buffer_refusals, group_refusals, label_refusals, topic_refusals
from service.settings_explain import explain
from service.settings_kafka import KafkaSettings, is_secret, kafka_refusals
from service.settings_registry import RegistrySettings, hide_userinfo, registry_refusals
from service.settings_sections import (
    AdminSettings,
    BatchSettings,
    BufferSettings,
    Delivery,
    FeaturesSettings,
    GroupsSettings,
    LabelsSettings,
    LogsSettings,
    ModelSettings,
    Name,
    OutputSettings,
    PluginsSettings,
    PromotionSettings,
    Section,
    TopicsSettings,
    TransactionSettings,
    ValidationSettings,
    defaults_from_name,
)
from service.settings_sources import (
    FREE_NAMES,
    SECRETS_DIR,
    Given,
    from_document,
    from_environment,
    from_flags,
    from_secrets,
    leaves,
    merge,
    nested,
)
from service.settings_yaml import KeyPath, read_yaml
from service.units import SchemaWithUnits, milliseconds

HIDDEN = "******"
AVRO_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Settings(Section):
    """A whole service file, checked. Build it with ``load_settings`` or ``settings_from``."""

    version: Literal[1] = 1
    """Version of the layout of this file."""
    name: Name
    """The service's name: the default of topics, groups and ids, and a label of every metric."""
    kafka: KafkaSettings = Field(default_factory=KafkaSettings)
    schema_registry: RegistrySettings = Field(default_factory=RegistrySettings)
    groups: GroupsSettings
    topics: TopicsSettings
    features: FeaturesSettings
    labels: LabelsSettings = Field(default_factory=LabelsSettings)
    output: OutputSettings = Field(default_factory=OutputSettings)
    delivery: Delivery = "exactly_once"
    """exactly_once: scores and offsets in one transaction; at_least_once: a crash may write a score twice."""
    batch: BatchSettings = Field(default_factory=BatchSettings)
    transaction: TransactionSettings = Field(default_factory=TransactionSettings)
    transactional_id_prefix: Annotated[str, Field(min_length=1, max_length=200)]
    """Beginning of every transactional id; default: the service's name."""
    model: ModelSettings
    buffer: BufferSettings = Field(default_factory=BufferSettings)
    validation: ValidationSettings = Field(default_factory=ValidationSettings)
    promotion: PromotionSettings
    admin: AdminSettings = Field(default_factory=AdminSettings)
    plugins: PluginsSettings = Field(default_factory=PluginsSettings)
    logs: LogsSettings = Field(default_factory=LogsSettings)

    _folder: Path = PrivateAttr(default_factory=Path)

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, data: Any) -> Any:
        return defaults_from_name(data) if isinstance(data, dict) else data

    @model_validator(mode="after")
    def _refuse_danger(self) -> Self:
        for refusal in _refusals(self):
            raise ValueError(refusal)
        return self

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """Return the JSON Schema of a service file; what is derived from the name is not asked for."""
        schema = cls.model_json_schema(by_alias=True, schema_generator=SchemaWithUnits)
        schema["required"] = ["name", "features"]
        for section in (GroupsSettings, TopicsSettings, ModelSettings, PromotionSettings):
            schema["$defs"][section.__name__].pop("required", None)
        topics = schema["$defs"]["TopicsSettings"]["properties"]["features"]
        topics["anyOf"] = [
            topics["items"],
            {"type": "array", "items": topics.pop("items"), "minItems": topics.pop("minItems")},
        ]
        del topics["type"]
        return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "tidemill.yaml"}

    def feature_schema(self) -> FeatureSchema:
        """Return the fields of an event and the roles beside them.

        Raises:
            SchemaError: They contradict themselves; never after loading, which checks it.
        """
        roles = Roles(
            id=self.features.id,
            key=self.features.key,
            time=self.features.time,
            label=self.labels.inline,
            passthrough=self.output.passthrough,
        )
        return FeatureSchema(tuple(field.field() for field in self.features.fields), roles)

    def resolve(self, path: str) -> Path:
        """Return a path of the file as it is meant: relative to the folder of the file."""
        return (self._folder / Path(path.removeprefix("file://")).expanduser()).absolute()

    @property
    def model_store_path(self) -> Path:
        """Return the folder of the model store."""
        return self.resolve(self.model.store)

    @property
    def avro_schema_path(self) -> Path | None:
        """Return the file of the events' Avro schema, if there is one."""
        return None if self.features.avro_schema is None else self.resolve(self.features.avro_schema)

    @property
    def validation_path(self) -> Path | None:
        """Return the file of the pre-defined validation set, if there is one."""
        return None if self.validation.uri is None else self.resolve(self.validation.uri)

    @property
    def plugins_path(self) -> Path | None:
        """Return the folder of the user's modules, if there is one."""
        return None if self.plugins.path is None else self.resolve(self.plugins.path)

    @property
    def allowed_subjects(self) -> frozenset[str] | None:
        """Return the subjects that an event's schema may be registered under; None: any."""
        subjects = self.features.subjects
        if subjects is None:
            return frozenset(map(value_subject, self.topics.features))
        return None if subjects == ("any",) else frozenset(subjects)

    @property
    def scores_subject(self) -> str:
        """Return the subject that the schema of the scores is registered under."""
        return value_subject(self.topics.scores)

    def flat(self) -> dict[str, Any]:
        """Return every effective value by its dotted path, secrets and all, in the order of the file."""
        tree = self.model_dump(mode="json", by_alias=True, exclude=set(FREE_NAMES))
        flat: dict[str, Any] = {}
        for section in type(self).model_fields:
            if section in FREE_NAMES:
                flat |= {f"{section}.{key}": value for key, value in getattr(self, section).flat().items()}
            else:
                flat |= {".".join(path): value for path, value in leaves({section: tree[section]})}
        return flat


@dataclass(frozen=True)
class Loaded:
    """Settings with the story of where each value came from.

    Attributes:
        settings: The effective settings.
        given: What was given, by path; a path that is absent has its default.
        warnings: Lines a person should read; nothing is refused for them.
    """

    settings: Settings
    given: Mapping[KeyPath, Given]
    warnings: tuple[str, ...] = ()

    @cached_property
    def origins(self) -> Mapping[str, str]:
        """Return where each effective value came from, by dotted path."""
        given = {".".join(path): item.origin for path, item in self.given.items()}
        return {path: given.get(path, "default") for path in self.settings.flat()}

    def shown(self) -> Mapping[str, Any]:
        """Return every effective value by dotted path, with the secret ones hidden."""
        hidden = {".".join(path) for path, item in self.given.items() if item.is_hidden}
        return {
            path: HIDDEN if value is not None and (path in hidden or is_secret(path)) else _without_userinfo(value)
            for path, value in self.settings.flat().items()
        }


def _without_userinfo(value: Any) -> Any:
    return hide_userinfo(value, HIDDEN) if isinstance(value, str) else value


def load_settings(
    path: Path, overrides: Mapping[str, str] | None = None, *, environment: Mapping[str, str] | None = None
) -> Loaded:
    """Return the settings of a service file with everything that overrides it.

    Order: ``overrides`` (flags, by dotted path), the environment, the secrets folder, the file, the defaults.

    Raises:
        SettingsError: Anything is wrong; one line names the path, the origin and the mend.
    """
    variables = os.environ if environment is None else environment
    given = merge(_layers(path, overrides or {}, variables))
    settings = _checked(nested(given), given, folder=path.absolute().parent)
    return Loaded(settings, given, tuple(_warnings(path, settings, given)))


def settings_from(data: Mapping[str, Any], *, folder: Path) -> Settings:
    """Return the settings of a mapping shaped like a service file; nothing else is looked at.

    Raises:
        SettingsError: Anything is wrong.
    """
    return _checked(dict(data), {}, folder=folder)


def _layers(path: Path, overrides: Mapping[str, str], variables: Mapping[str, str]) -> Iterator[tuple[KeyPath, Given]]:
    """Yield every layer, the weakest first."""
    yield from from_document(read_yaml(path), name=path.name)
    if SECRETS_DIR in variables:
        for key, given in from_secrets(Path(variables[SECRETS_DIR])):
            if key[0] in Settings.model_fields:  # a mounted folder may hold certificates and the like beside
                yield key, given
    yield from from_environment(variables)
    yield from from_flags(overrides)


def _checked(data: dict[str, Any], given: Mapping[KeyPath, Given], *, folder: Path) -> Settings:
    try:
        settings = Settings.model_validate(data)
    except ValidationError as error:
        raise SettingsError(explain(error, Settings, given)) from None
    settings._folder = folder  # noqa: SLF001 - our own; pydantic takes no private values on construction
    return settings


def _refusals(settings: Settings) -> Iterator[str]:
    """Yield what is wrong with the settings as a whole."""
    yield from topic_refusals(settings.topics)
    yield from _passthrough_refusals(settings)
    yield from group_refusals(settings.groups)
    yield from kafka_refusals(
        settings.kafka, delivery=settings.delivery, transaction_ms=milliseconds(settings.transaction.timeout)
    )
    if settings.kafka.oauth is not None:
        yield from refuse_our_own(settings.kafka.oauth, where="kafka.oauth")
    yield from registry_refusals(settings.schema_registry)
    yield from _format_refusals(settings)
    has_registry, events_format = settings.schema_registry.is_set, settings.features.format
    labels = settings.labels
    yield from label_refusals(labels, model=settings.model, events_format=events_format, has_registry=has_registry)
    yield from buffer_refusals(settings.buffer, labels=labels)
    if settings.model.task == "regression" and settings.model.positive is not None:
        yield "model.positive: a regression has no classes; remove it"
    if settings.model.task == "regression" and settings.output.probabilities:
        yield "output.probabilities: a regression has none; remove it"
    for key, value in (("model.store", settings.model.store), ("validation.uri", settings.validation.uri or "")):
        if "://" in value and not value.startswith("file://"):
            yield f"{key}: {value!r} is not a local path; only files and folders are supported"
    try:
        settings.feature_schema()
    except SchemaError as error:
        yield str(error)


def _format_refusals(settings: Settings) -> Iterator[str]:
    """The formats and the registry must fit each other."""
    features, output, has_registry = settings.features, settings.output, settings.schema_registry.is_set
    if features.format == "json" and features.avro_schema is not None:
        yield "features.avro_schema: means nothing with 'format: json'; remove it, or set 'format: avro'"
    elif has_registry and features.avro_schema is not None:
        yield "features.avro_schema: with a schema registry every event names its own schema; remove one of the two"
    if features.subjects is not None and not (has_registry and features.format == "avro"):
        yield "features.subjects: means nothing without a schema registry and 'format: avro'; remove it"
    if features.subjects is not None and "any" in features.subjects[1:] + features.subjects[:-1]:
        yield "features.subjects: 'any' stands alone: it lets every subject in"
    if output.auto_register and not (has_registry and output.format == "avro"):
        yield "output.auto_register: means nothing without a schema registry and 'output: {format: avro}'; remove it"


def _passthrough_refusals(settings: Settings) -> Iterator[str]:
    """Every passthrough value needs a name of its own in the score record."""
    names = settings.output.passthrough_names
    for name in sorted(set(names) & set(RESERVED_FIELDS)):
        yield f"output.passthrough: {name!r} is a field of every score already, so no value of the event can have it"
    for name in names if settings.output.format == "avro" else ():
        if not AVRO_NAME.fullmatch(name):
            yield f"output.passthrough: {name!r} cannot be a field name in Avro; set 'output: {{format: json}}'"
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"output.passthrough: two paths end in {name!r}, and the score has room for one of that name"


def _warnings(path: Path, settings: Settings, given: Mapping[KeyPath, Given]) -> Iterator[str]:
    in_file = [
        ".".join(key)
        for key, item in given.items()
        if key[0] == "kafka" and is_secret(key[-1]) and item.origin.startswith(f"{path.name}:")
    ]
    if in_file and path.stat().st_mode & 0o004:
        yield (
            f"{path}: {in_file[0]} stands there in plain text and every user of this machine can read the file;"
            f" use a ..._FILE variable or {SECRETS_DIR}, or 'chmod 600 {path}'"
        )
    if settings.features.id is None:
        yield f"{path}: features.id is not set: events are known by topic/partition/offset and cannot be labelled later"
