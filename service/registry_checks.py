"""What the doctor says of the schema registry: whether it answers, and whether its schemas fit the service."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from features.errors import CodecError, SchemaIncompatible, SchemasUnavailable
from features.registry import SchemaRegistry, SubjectVersion, value_subject
from features.schema import FeatureSchema, Field, FieldType, NullPolicy
from features.schema_inference import Leaf, leaves_of, meant_by
from service.checks import Check, Status
from service.label_records import label_format, label_schema, label_subjects
from service.schemas import score_schema_text
from service.settings import Settings
from service.settings_registry import hide_userinfo

_WHOLE: Final = frozenset({FieldType.INT, FieldType.LONG})
_NUMBERS: Final = _WHOLE | {FieldType.DOUBLE, FieldType.FLOAT}
SHOWN_FIELDS: Final = 5


def registry_checks(settings: Settings, registry: SchemaRegistry) -> Iterator[Check]:
    """Yield what there is to say about the registry.

    Raises:
        SchemasUnavailable: It does not answer, or does not let us in.
    """
    url = hide_userinfo(settings.schema_registry.flat()["url"] or "", "******")
    yield Check("schema registry", Status.OK, f"{url} answers, {len(registry.subjects())} subjects")
    if settings.features.format == "avro":
        for subject in _subjects(settings):
            yield from _events(settings, registry, subject)
    if label_format(settings) == "avro":
        yield from _labels(settings, registry)
    if settings.output.format == "avro":
        yield _scores(settings, registry)


def unavailable(error: SchemasUnavailable) -> Check:
    """Return what to say where the registry does not answer."""
    return Check("schema registry", Status.FAIL, str(error), "start it, or correct schema_registry.url; events wait")


def _subjects(settings: Settings) -> list[str]:
    """Return the subjects that events are looked for under; where any will do, those called as the topics are."""
    allowed = settings.allowed_subjects
    return sorted(allowed) if allowed is not None else list(map(value_subject, settings.topics.features))


def _events(settings: Settings, registry: SchemaRegistry, subject: str) -> Iterator[Check]:
    name = f"schema {subject}"
    try:
        found = registry.latest(subject)
        leaves = None if found is None else {leaf.path: leaf for leaf in leaves_of(found.schema)}
    except CodecError as error:
        remedy = "its records become dead letters: register another schema, or correct features.subjects"
        yield Check(name, Status.FAIL, f"cannot be decoded by: {error}", remedy)
        return
    if found is None or leaves is None:
        if settings.allowed_subjects is None:
            yield Check(name, Status.WARN, "does not exist; events of any subject are taken, so none can be checked")
        else:
            remedy = "run 'tidemill topics create' to register ours, or name the writers' in features.subjects"
            yield Check(name, Status.FAIL, "does not exist", remedy)
        return
    yield from _fit(name, found, leaves, settings.feature_schema())


def _labels(settings: Settings, registry: SchemaRegistry) -> Iterator[Check]:
    """Warnings at most: events are scored whatever becomes of their labels."""
    subjects = label_subjects(settings)
    for subject in sorted({value_subject(settings.topics.labels)} if subjects is None else subjects):
        name = f"schema {subject}"
        try:
            found = registry.latest(subject)
            leaves = {} if found is None else {leaf.path: leaf for leaf in leaves_of(found.schema)}
        except CodecError as error:
            remedy = "its labels are refused: register another schema, or correct labels.subjects"
            yield Check(name, Status.WARN, f"cannot be decoded by: {error}", remedy)
            continue
        if found is None:
            remedy = "run 'tidemill topics create' to register ours, or name the writers' in labels.subjects"
            yield Check(name, Status.WARN, "does not exist, so no label can be read", remedy)
            continue
        misfit = _label_misfit(label_schema(settings), leaves)
        version = f"version {found.version}, id {found.id}"
        if misfit is None:
            yield Check(name, Status.OK, f"{version}: names the event and its label")
        else:
            yield Check(name, Status.WARN, f"{version}: {misfit}", "correct it in the service file: no label fits")


def _label_misfit(schema: FeatureSchema, leaves: Mapping[str, Leaf]) -> str | None:
    roles = schema.roles
    for role, path in (("id", roles.id), ("label", roles.label), ("time", roles.time)):
        if path is not None and _leaf(path, leaves) is None:
            return f"labels.{role}: {_not_there(path, leaves)}"
    return None


def _fit(name: str, found: SubjectVersion, leaves: Mapping[str, Leaf], schema: FeatureSchema) -> Iterator[Check]:
    version = f"version {found.version}, id {found.id}"
    misfit = next(filter(None, (_misfit(field, leaves) for field in schema.fields)), None) or _role_misfit(
        schema, leaves
    )
    if misfit is not None:
        remedy = "correct it in the service file, or have the writers register what it needs: every event would die"
        yield Check(name, Status.FAIL, f"{version}: {misfit}", remedy)
        return
    absent = [f.name for f in schema.fields if _leaf(f.source, leaves) is None]
    if absent:
        detail = f"{version}: has no value for {_some(absent)}, which would always be null"
        yield Check(name, Status.WARN, detail, "correct 'from' of the field, or remove it")
    strict = [f.name for f in schema.fields if f.null is NullPolicy.REJECT and _may_be_null(f, leaves)]
    if strict:
        detail = f"{version}: {_some(strict)} may be null, and such an event is a dead letter"
        yield Check(name, Status.WARN, detail, "say 'null: default' or 'null: keep' if nulls are to be scored")
    if not absent and not strict:
        yield Check(name, Status.OK, f"{version}: gives every field")


def _misfit(field: Field, leaves: Mapping[str, Leaf]) -> str | None:
    """Return why no event can have this field, None where one can."""
    leaf = _leaf(field.source, leaves)
    where = f"field {field.name!r}"
    if leaf is None:
        return None if field.null is not NullPolicy.REJECT else f"{where}: {_not_there(field.source, leaves)}"
    if leaf.is_array != (field.length is not None):
        return f"{where}: {field.source!r} is {'an array' if leaf.is_array else 'no array'} there"
    kind = FieldType.STRING if leaf.logical == "uuid" else leaf.type
    if kind is None:  # a value of a map, or of several types: it depends on the event
        return None if "raw bytes" not in leaf.refusal else f"{where}: {field.source!r} holds raw bytes there"
    if kind is field.type or {kind, field.type} <= _NUMBERS:
        return None
    return f"{where}: expected {field.type}, and {field.source!r} is {leaf.logical or kind} there"


def _role_misfit(schema: FeatureSchema, leaves: Mapping[str, Leaf]) -> str | None:
    for role, path in (("id", schema.roles.id), ("time", schema.roles.time)):
        if path is not None and _leaf(path, leaves) is None:
            return f"features.{role}: {_not_there(path, leaves)}"
    return None


def _leaf(path: str, leaves: Mapping[str, Leaf]) -> Leaf | None:
    """Return the value at a path; below a map it is the map's."""
    while path not in leaves and "." in path:
        path = path.rpartition(".")[0]
        if path in leaves and leaves[path].type is not None:
            return None
    return leaves.get(path)


def _may_be_null(field: Field, leaves: Mapping[str, Leaf]) -> bool:
    leaf = _leaf(field.source, leaves)
    return leaf is not None and leaf.is_nullable


def _not_there(path: str, leaves: Mapping[str, Leaf]) -> str:
    near = meant_by(path, leaves)
    return f"there is no {path!r} in it" + (f"; did you mean {near[0]!r}?" if near else "")


def _some(names: list[str]) -> str:
    return ", ".join(names[:SHOWN_FIELDS]) + (", …" if len(names) > SHOWN_FIELDS else "")


def _scores(settings: Settings, registry: SchemaRegistry) -> Check:
    subject, text = settings.scores_subject, score_schema_text(settings)
    name = f"schema {subject}"
    try:
        known = registry.id_of(subject, text)
        takes = known is not None or registry.is_compatible(subject, text)
    except SchemaIncompatible:
        known, takes = None, False
    if known is not None:
        return Check(name, Status.OK, f"id {known}: is that of our scores")
    if not takes:
        remedy = (
            "does another service write to this topic, or did output.passthrough change? See 'config schema --score'"
        )
        return Check(name, Status.FAIL, "the subject's rule refuses the schema of our scores", remedy)
    if settings.output.auto_register:
        return Check(name, Status.OK, "the schema of our scores will be registered at the start")
    return Check(name, Status.FAIL, "the schema of our scores is not registered", "run 'tidemill topics create'")
