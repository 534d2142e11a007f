"""What is wrong with labels, the buffer, topics and groups, taken together. Each line says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from features.labels import MAX_LABEL_CHARS, class_name
from service.settings_sections import (
    BufferSettings,
    Format,
    GroupsSettings,
    LabelsSettings,
    ModelSettings,
    TopicsSettings,
)
from service.units import format_duration

IGNORE: Final = "ignore"
_SCHEMES: Final = ("file", "s3")


def label_refusals(
    labels: LabelsSettings, *, model: ModelSettings, events_format: Format, has_registry: bool
) -> Iterator[str]:
    """Yield one line for each thing in ``labels`` that cannot work, with the mend."""
    yield from _path_refusals(labels)
    yield from _format_refusals(labels, format=labels.format or events_format, has_registry=has_registry)
    if model.task == "regression":
        yield from _number_refusals(labels)
    else:
        yield from _class_refusals(labels)
        yield from _unknown_class_refusals(labels, positive=model.positive)


def _path_refusals(labels: LabelsSettings) -> Iterator[str]:
    if labels.inline is not None and ".." in f".{labels.inline}.":
        yield f"labels.inline: path {labels.inline!r}: every step of a dotted path must be non-empty"
    taken: dict[str, str] = {}
    for key, path in (("id", labels.id), ("label", labels.label), ("time", labels.time)):
        if path is None:
            continue
        if ".." in f".{path}.":
            yield f"labels.{key}: path {path!r}: every step of a dotted path must be non-empty"
        elif path in taken:
            yield f"labels.{key}: is {path!r}, as labels.{taken[path]} is; each stands at a place of its own"
        taken.setdefault(path, key)


def _format_refusals(
    labels: LabelsSettings,
    *,
    format: Format,  # noqa: A002 - the setting
    has_registry: bool,
) -> Iterator[str]:
    if labels.avro_schema is not None and format == "json":
        yield "labels.avro_schema: means nothing for labels in JSON; remove it, or set 'labels: {format: avro}'"
    elif labels.avro_schema is not None and has_registry:
        yield "labels.avro_schema: with a schema registry every label names its own schema; remove one of the two"
    if labels.subjects is not None and not (has_registry and format == "avro"):
        yield "labels.subjects: means nothing without a schema registry and labels in Avro; remove it"
    if labels.subjects is not None and "any" in labels.subjects and len(labels.subjects) > 1:
        yield "labels.subjects: 'any' stands alone: it lets every subject in"


def _number_refusals(labels: LabelsSettings) -> Iterator[str]:
    """Labels of a regression are numbers; nothing else can be said of them."""
    for key in ("map", "classes"):
        if getattr(labels, key):
            yield f"labels.{key}: a regression has no classes; remove it, or set 'model: {{task: classification}}'"
    if labels.missing != IGNORE:
        yield "labels.missing: a regression has no class to take for an event without a label; set it to 'ignore'"


def _class_refusals(labels: LabelsSettings) -> Iterator[str]:
    names = [("classes", name) for name in labels.classes]
    names += [("map", text) for pair in labels.map.items() for text in pair]
    names += [("missing", labels.missing)]
    for key, name in names:
        if class_name(name) is None or len(name) > MAX_LABEL_CHARS:
            yield f"labels.{key}: {name[:20]!r} can be no label: it is blank or has over {MAX_LABEL_CHARS} characters"
    classes = set(map(class_name, labels.classes))
    written: dict[str | None, str] = {}
    for text, name in labels.map.items():
        if classes and class_name(name) not in classes:
            yield f"labels.map: {name!r} is none of labels.classes ({', '.join(labels.classes)})"
        other = written.setdefault(class_name(text), text)
        if class_name(labels.map[other]) != class_name(name):
            yield f"labels.map: {other!r} and {text!r} are one label, and cannot mean two classes"


def _unknown_class_refusals(labels: LabelsSettings, *, positive: str | None) -> Iterator[str]:
    """Where the classes are known, nothing else can be named as one."""
    known = sorted({str(class_name(name)) for name in (labels.classes or labels.map.values())})
    listed = ", ".join(known)
    if labels.missing != IGNORE and known and class_name(labels.missing) not in known:
        yield f"labels.missing: {labels.missing!r} is neither 'ignore' nor one of the classes ({listed})"
    if positive is not None and known and class_name(positive) not in known:
        yield f"model.positive: {positive!r} is none of the classes that 'labels' names ({listed})"


def buffer_refusals(buffer: BufferSettings, *, labels: LabelsSettings) -> Iterator[str]:
    """Yield one line for each thing in ``buffer`` that cannot work, with the mend."""
    scheme, separator, rest = buffer.uri.partition(":/")  # one slash lost would make a folder called 's3:'
    if separator and (scheme not in _SCHEMES or not rest.startswith("/") or not rest.strip("/")):
        yield f"buffer.uri: {buffer.uri!r} is neither a folder nor s3://bucket/path"
    if buffer.retention < labels.max_delay:
        delay, kept = format_duration(labels.max_delay), format_duration(buffer.retention)
        yield (
            f"buffer.retention: {kept} is shorter than labels.max_delay, {delay}: events would be gone before their"
            f" labels come; set it to {delay} or more, or lower labels.max_delay"
        )


def topic_refusals(topics: TopicsSettings) -> Iterator[str]:
    """Yield one line for each topic that has two meanings."""
    inputs = dict.fromkeys(topics.features, "topics.features")
    own = {
        "scores": "so every record would come round again for ever",
        "dead_letters": "so every record would come round again for ever",
        "labels": "so every label would be scored as an event",
        "shadow_scores": "so every record would come round again for ever",
    }
    taken: dict[str, str] = {}
    for name, consequence in own.items():
        topic: str = getattr(topics, name)
        if topic in inputs:
            yield f"topics.{name}: {topic!r} is also an input topic, {consequence}"
        elif topic in taken:
            yield f"topics.{name}: must differ from topics.{taken[topic]}, both are {topic!r}"
        taken.setdefault(topic, name)
    if len(inputs) != len(topics.features):
        yield "topics.features: names a topic twice"


def group_refusals(groups: GroupsSettings) -> Iterator[str]:
    """Yield one line for each group that two kinds of members would share."""
    if groups.replay == groups.score:
        yield "groups.replay: must differ from groups.score: replays can commit only for a group without members"
    if groups.buffer in (groups.score, groups.replay):
        other = "score" if groups.buffer == groups.score else "replay"
        yield f"groups.buffer: must differ from groups.{other}: the buffer reads every record again for itself"
