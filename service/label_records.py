"""What a record of the labels topic is, by the service file: its paths, its format, its schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from features.avro_schema import feature_record_schema
from features.labels import ClassRules, LabelRules, NumberRules
from features.registry import value_subject
from features.schema import FeatureSchema, Roles
from service.bootstrap import read_schema_file
from service.settings import Settings
from service.settings_sections import Format


def label_schema(settings: Settings) -> FeatureSchema:
    """Return the paths of a label record; it carries no feature."""
    labels = settings.labels
    return FeatureSchema((), Roles(id=labels.id, label=labels.label, time=labels.time))


def label_rules(settings: Settings) -> LabelRules:
    """Return what counts as a label."""
    if settings.model.task == "regression":
        return NumberRules()
    return ClassRules(mapping=settings.labels.map, classes=settings.labels.classes)


def label_format(settings: Settings) -> Format:
    """Return how label records are written."""
    return settings.labels.format or settings.features.format


def label_subjects(settings: Settings) -> frozenset[str] | None:
    """Return the subjects that a label's schema may be registered under; None: any."""
    subjects = settings.labels.subjects
    if subjects is None:
        return frozenset({value_subject(settings.topics.labels)})
    return None if subjects == ("any",) else frozenset(subjects)


def label_record_schema(settings: Settings) -> Mapping[str, Any]:
    """Return the Avro schema that bare Avro labels are written with, and that is registered where there is none.

    Raises:
        SettingsError: The file that is named cannot be read as a schema.
        CodecError: A path cannot be an Avro name.
    """
    if settings.labels.avro_schema is not None:
        path = settings.resolve(settings.labels.avro_schema)
        return read_schema_file(path, where="labels.avro_schema")
    return feature_record_schema(label_schema(settings), name=f"{settings.name}_label")
