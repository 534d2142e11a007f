"""The sections of the service file. Each attribute's docstring is its description in the JSON Schema."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema

from features.labels import class_name
from features.schema import Field as FeatureField
from features.schema import FieldType, NullPolicy
from service.units import Duration, Size

Delivery: TypeAlias = Literal["exactly_once", "at_least_once"]
Format: TypeAlias = Literal["json", "avro"]


def _refuse_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("must be a number, not true or false")  # noqa: TRY004 - pydantic reports only this kind
    return value


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _as_class(value: object) -> object:
    """Return a class, which YAML may read as a number or a boolean, in the spelling that labels have."""
    return class_name(value) or value if isinstance(value, str | int | float) else value


Count: TypeAlias = Annotated[int, Field(gt=0), BeforeValidator(_refuse_boolean)]
Port: TypeAlias = Annotated[int, Field(ge=0, le=65_535), BeforeValidator(_refuse_boolean)]
Number: TypeAlias = Annotated[float, Field(allow_inf_nan=False), BeforeValidator(_refuse_boolean)]
Text: TypeAlias = Annotated[str, StringConstraints(min_length=1)]
ClassName: TypeAlias = Annotated[
    Text, BeforeValidator(_as_class), WithJsonSchema({"type": ["string", "number", "boolean"]})
]
Name: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
Topic: TypeAlias = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9._-]*[A-Za-z0-9_-][A-Za-z0-9._-]*$", max_length=249)
]
CallableName: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
"""``module:name`` of something the user wrote."""


class Section(BaseModel):
    """Frozen; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class GroupsSettings(Section):
    """Consumer groups."""

    score: Text
    """Group of the scoring workers; default <name>.score."""
    replay: Text
    """Group without members that remembers which dead letters were sent again; default <name>.replay."""
    buffer: Text
    """Group of the buffering workers; default <name>.buffer. Its offsets show lag; the true ones are in the tables."""


class TopicsSettings(Section):
    """Where records come from and go to."""

    features: Annotated[tuple[Topic, ...], Field(min_length=1), BeforeValidator(_as_list)]
    """Topic of the feature events, or a list of topics; default <name>.features."""
    scores: Topic
    """Topic of the scores; default <name>.scores."""
    dead_letters: Topic
    """Topic of the records that could not be scored; default <name>.dead-letters."""
    labels: Topic
    """Topic of the labels that come after their events; default <name>.labels."""
    shadow_scores: Topic
    """Topic of the scores of a challenger; default <name>.shadow-scores."""


class FieldSettings(Section):
    """One feature."""

    name: Text
    """The model's name for it."""
    source: Annotated[str | None, Field(alias="from")] = None
    """Dotted path into the event; default: the name."""
    type: FieldType
    """double, float, int, long, boolean or string; with a length the type of each item."""
    length: Annotated[int | None, BeforeValidator(_refuse_boolean)] = None
    """Exact number of items of a sequence; absent for a single value."""
    null: NullPolicy = NullPolicy.REJECT
    """What becomes of null, absent and NaN: reject, default or keep."""
    default: bool | int | float | str | None = None
    """The value taken with 'null: default'."""
    min: Number | None = None
    """Smallest value let in."""
    max: Number | None = None
    """Largest value let in."""

    def field(self) -> FeatureField:
        """Return it as the feature schema has it.

        Raises:
            SchemaError: It contradicts itself.
        """
        return FeatureField(
            name=self.name,
            type=self.type,
            source=self.source or self.name,
            length=self.length,
            null=self.null,
            default=self.default,
            minimum=self.min,
            maximum=self.max,
        )


class FeaturesSettings(Section):
    """What an event is."""

    format: Format = "json"
    """How feature events are written: json, or avro. Avro is in the framing of the schema registry where one is set,
    which makes avro the default; otherwise it is bare, with the writer schema in avro_schema."""
    subjects: Annotated[tuple[Text, ...] | None, BeforeValidator(_as_list)] = None
    """Subjects of the schema registry that an event's schema may be registered under; default <topic>-value of each
    features topic, and 'any' for no such check."""
    avro_schema: Text | None = None
    """File of the Avro schema that events are written with, relative to the service file; without it the one that
    'tidemill config schema --feature' prints."""
    id: Text | None = None
    """Dotted path of the event's identity; without it topic/partition/offset, which no label can name later."""
    key: Text | None = None
    """Dotted path of the value that 'publish' uses as record key."""
    time: Text | None = None
    """Dotted path of the event time: epoch by type, or ISO 8601 with a zone; without it the record's timestamp."""
    fields: Annotated[tuple[FieldSettings, ...], Field(min_length=1)]
    """The fields an event carries, in column order."""


class LabelsSettings(Section):
    """Where the truth comes from."""

    inline: Text | None = None
    """Dotted path of a label carried in the event itself; read by training, never by a model."""
    format: Format | None = None
    """How the records of the labels topic are written: json or avro; default: as the feature events."""
    avro_schema: Text | None = None
    """File of the Avro schema of bare Avro labels, relative to the service file; without it the one that
    'tidemill config schema --label' prints."""
    subjects: Annotated[tuple[Text, ...] | None, BeforeValidator(_as_list)] = None
    """Subjects of the schema registry that a label's schema may be registered under; default <labels topic>-value."""
    id: Text = "event_id"
    """Dotted path, in a record of the labels topic, of the id of the event it is about."""
    label: Text = "label"
    """Dotted path of the label there; null retracts the one before."""
    time: Text | None = None
    """Dotted path of the time of the label: the last by this time wins; without it the record's timestamp."""
    map: dict[Text, ClassName] = Field(default_factory=dict)
    """Class by the label as it is written, where they differ; with a map other labels than its own are refused."""
    classes: tuple[ClassName, ...] = ()
    """The classes there are; a label of another is refused. Empty: any, or those of the map."""
    max_delay: Annotated[Duration, Field(gt=timedelta(0))] = timedelta(days=120)
    """How long a label may take; nothing is thinned or given up before."""
    missing: ClassName = "ignore"
    """What an event without a label counts as after max_delay: ignore, or a class."""


class OutputSettings(Section):
    """What a score record carries."""

    format: Format = "json"
    """How scores are written: json or avro; avro in the framing of the schema registry where one is set, else bare."""
    auto_register: bool = False
    """Whether the schema of the scores is registered at the start; otherwise it has to be there already, as
    'tidemill topics create' puts it."""
    passthrough: tuple[Text, ...] = ()
    """Dotted paths copied from the event into its score, under their last step's name."""
    probabilities: bool = False
    """Whether every class's probability is written."""

    @property
    def passthrough_names(self) -> list[str]:
        """Return the field of the score that each passthrough path fills: its last step."""
        return [path.rpartition(".")[2] for path in self.passthrough]


class BatchSettings(Section):
    """How much is scored at once."""

    max_records: Annotated[int, Field(gt=0, le=1_000_000), BeforeValidator(_refuse_boolean)] = 10_000
    """Most records of one batch, and of one transaction."""
    max_bytes: Annotated[Size, Field(gt=0)] = 16 * 1024 * 1024
    """Most bytes of one batch."""
    linger: Annotated[Duration, Field(ge=timedelta(0), le=timedelta(seconds=10))] = timedelta(milliseconds=5)
    """How long a batch waits for more records after the first; bounds the transactions a second."""


class TransactionSettings(Section):
    """The Kafka transaction around a batch."""

    timeout: Annotated[Duration, Field(ge=timedelta(seconds=1))] = timedelta(seconds=15)
    """After this time the broker aborts what a dead process left open; readers wait that long at most."""


class ModelSettings(Section):
    """Which model, and how it is used."""

    store: Text = "./model-store"
    """Folder of the model store, relative to the service file."""
    name: Name
    """The model's name in the store; default: the service's name."""
    task: Literal["classification", "regression"] = "classification"
    """What a score means."""
    positive: ClassName | None = None
    """The class whose probability is the score; needed when labels are not 0/1 or false/true."""
    threshold: Annotated[float, Field(ge=0, le=1), BeforeValidator(_refuse_boolean)] = 0.5
    """Score at and above which the positive class is predicted."""
    when_missing: Literal["wait", "fail"] = "wait"
    """With no model in the store: wait for one without reading anything, or stop."""
    trusted_types: tuple[Text, ...] = ()
    """Types of your own that a model file may hold, beside the shipped allow-list."""
    refresh_interval: Annotated[Duration, Field(ge=timedelta(milliseconds=50))] = timedelta(seconds=1)
    """How often the champion alias is looked at."""


class BufferSettings(Section):
    """The tables of events, scores and labels."""

    uri: Text = "./buffer"
    """Folder (also on NFS), relative to the service file, or s3://bucket/path."""
    storage: dict[str, str] = Field(default_factory=dict)
    """Options of the object storage, as deltalake names them; usually the environment has them."""
    flush_interval: Annotated[Duration, Field(ge=timedelta(milliseconds=100))] = timedelta(seconds=60)
    """How long a row waits at most before it is committed to the table."""
    flush_max_records: Count = 100_000
    """How many rows are committed at once at most; reaching it flushes before the interval is over."""
    flush_max_bytes: Annotated[Size, Field(gt=0)] = 64 * 1024 * 1024
    """How many bytes of rows wait at most."""
    retention: Annotated[Duration, Field(ge=timedelta(days=1))] = timedelta(days=180)
    """How long rows are kept; whole days are dropped."""
    sample_unlabelled: Annotated[float, Field(gt=0, le=1), BeforeValidator(_refuse_boolean)] = 1.0
    """Share of the unlabelled events that is kept once labels.max_delay is over, chosen by event id."""
    keep_versions: Annotated[Duration, Field(ge=timedelta(hours=1))] = timedelta(days=7)
    """How long files that no longer belong to the newest version are kept, for training that reads an older one."""
    maintain_interval: Annotated[Duration, Field(ge=timedelta(seconds=1))] = timedelta(minutes=5)
    """How often one worker looks whether the tables need compaction, thinning or cleaning."""
    query_memory: Annotated[Size, Field(ge=64 * 1024 * 1024)] = 512 * 1024 * 1024
    """How much memory the query of the examples may use before it goes on in temporary files."""


class ValidationSettings(Section):
    """The pre-defined validation set."""

    uri: Text | None = None
    """CSV or Parquet file every candidate is judged on, relative to the service file."""
    floor: dict[str, Number] = Field(default_factory=dict)
    """Smallest value a candidate must reach, by metric."""


class PromotionSettings(Section):
    """When a candidate becomes champion."""

    metric: Text
    """The metric that decides; default average_precision, for a regression rmse."""
    max_loss: Annotated[float, Field(ge=0, allow_inf_nan=False), BeforeValidator(_refuse_boolean)] = 0.005
    """How much worse than the champion a candidate may be."""
    min_examples: Count = 500
    """Fewest examples a judgement is based on."""


class AdminSettings(Section):
    """The port of /livez, /readyz and /metrics."""

    host: Text = "0.0.0.0"  # noqa: S104 - probes and Prometheus come from outside the pod
    """Address to listen on."""
    port: Port = 8081
    """Port to listen on; 0 takes a free one."""


class PluginsSettings(Section):
    """Your own code."""

    path: Text | None = None
    """Folder of your modules, relative to the service file; searched after everything else."""


class LogsSettings(Section):
    """What is logged, and how."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe level that is written."""
    format: Literal["auto", "console", "json"] = "auto"
    """One JSON object a line, or readable lines; auto: readable on a terminal, JSON elsewhere."""


def defaults_from_name(data: dict[str, Any]) -> dict[str, Any]:
    """Return the raw mapping with the defaults filled in that derive from the service's name."""
    name = data.get("name") or "unnamed"  # a missing name is one fault, not one for each default
    derived: dict[str, dict[str, Any]] = {
        "groups": {"score": f"{name}.score", "replay": f"{name}.replay", "buffer": f"{name}.buffer"},
        "topics": {
            "features": f"{name}.features",
            "scores": f"{name}.scores",
            "dead_letters": f"{name}.dead-letters",
            "labels": f"{name}.labels",
            "shadow_scores": f"{name}.shadow-scores",
        },
        "model": {"name": name},
    }
    model = data.get("model")
    regression = isinstance(model, dict) and model.get("task") == "regression"
    derived["promotion"] = {"metric": "rmse" if regression else "average_precision"}
    filled = dict(data)
    if data.get("schema_registry") and isinstance(data.get("features"), dict):
        derived["features"] = {"format": "avro"}
    for section, values in derived.items():
        given = data.get(section, {})
        if isinstance(given, dict):
            filled[section] = {**values, **given}
    filled.setdefault("transactional_id_prefix", name)
    return filled
