"""What makes rows of the records of each topic of a service, as its file describes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from consumer.intake import Intake
from consumer.intakes import FeatureIntake, LabelIntake, ScoreIntake
from features.avro_codec import AvroCodec
from features.codec import FeatureCodec
from features.json_codec import JsonCodec
from features.registry import SchemaRegistry, value_subject
from features.registry_codec import RegistryAvroCodec
from producer.encoding import score_record_schema
from service.bootstrap import build_event_codec, epoch_ms
from service.label_records import label_format, label_record_schema, label_rules, label_schema, label_subjects
from service.settings import Settings


def build_intakes(
    settings: Settings, schemas: SchemaRegistry | None = None, *, now_ms: Callable[[], int] = epoch_ms
) -> Mapping[str, Intake]:
    """Return the intake of each topic that the buffer reads; nothing is connected.

    Topics that hold the same records share one intake. ``schemas`` is the registry of the service, where it has one.

    Raises:
        SettingsError: A file of a writer schema cannot be read.
        CodecError: A writer schema is not valid, or not safe to decode by.
    """
    topics, rules = settings.topics, label_rules(settings)
    features = FeatureIntake(
        build_event_codec(settings, schemas), settings.feature_schema(), rules=rules, now_ms=now_ms
    )
    scores = ScoreIntake(_score_codec(settings, schemas), service=settings.name, now_ms=now_ms)
    labels = LabelIntake(
        _label_codec(settings, schemas), roles=label_schema(settings).roles, rules=rules, now_ms=now_ms
    )
    return {
        **dict.fromkeys(topics.features, features),
        topics.scores: scores,
        topics.shadow_scores: scores,
        topics.labels: labels,
    }


def _score_codec(settings: Settings, schemas: SchemaRegistry | None) -> FeatureCodec:
    if settings.output.format == "json":
        return JsonCodec()
    if schemas is not None:
        subjects = frozenset({settings.scores_subject, value_subject(settings.topics.shadow_scores)})
        return RegistryAvroCodec(schemas, subjects=subjects)
    return AvroCodec(score_record_schema(settings.output.passthrough_names))


def _label_codec(settings: Settings, schemas: SchemaRegistry | None) -> FeatureCodec:
    if label_format(settings) == "json":
        return JsonCodec()
    if schemas is not None:
        return RegistryAvroCodec(schemas, subjects=label_subjects(settings))
    return AvroCodec(label_record_schema(settings))
