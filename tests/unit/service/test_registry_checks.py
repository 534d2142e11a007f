from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from features.errors import SchemasUnavailable
from service.checks import Check, Status
from service.cli import run
from service.registry_checks import registry_checks
from service.schemas import score_schema_text
from service.settings import Settings, settings_from
from tests.support.registry import HttpRegistry
from tests.support.registry_fake import FakeRegistry

SUBJECT = "fraud.features-value"
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 9}


def record(**fields: Any) -> dict[str, Any]:
    """Return a record schema."""
    return {"type": "record", "name": "Event", "fields": [{"name": n, "type": t} for n, t in fields.items()]}


def settings(field: dict[str, Any] | None = None, *, url: str = "mock://checks", **sections: Any) -> Settings:
    """Return settings of a service with one field ``x``, a double unless told; its labels are in JSON."""
    features = {"fields": [{"name": "x", "type": "double", **(field or {})}], **sections.pop("features", {})}
    labels = {"format": "json", **sections.pop("labels", {})}
    data = {"name": "fraud", "schema_registry": {"url": url}, "features": features, "labels": labels, **sections}
    return settings_from(data, folder=Path())


def of_events(kind: Any, **field: Any) -> Check:
    """Return what is said of a writer's schema with an ``x`` of this type."""
    registry = FakeRegistry()
    registry.add(SUBJECT, record(y="string", x=kind))
    (_, check) = registry_checks(settings(field), registry)
    return check


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ("double", {}),
        ("int", {}),
        (DECIMAL, {}),
        (["null", "double"], {"null": "keep"}),
        ({"type": "array", "items": "float"}, {"length": 3}),
        ({"type": "string", "logicalType": "uuid"}, {"type": "string"}),
        ({"type": "map", "values": "double"}, {"from": "x.key"}),
    ],
)
def test_a_schema_that_gives_every_field_is_fine(kind: Any, field: dict[str, Any]) -> None:
    """What the codec reads is not complained about."""
    check = of_events(kind, **field)
    assert (check.status, check.detail) == (Status.OK, "version 1, id 1: gives every field")


@pytest.mark.parametrize(
    ("kind", "field", "said"),
    [
        ("string", {}, "field 'x': expected double, and 'x' is string there"),
        ("double", {"from": "X"}, "there is no 'X' in it"),
        (record(x="double") | {"name": "In"}, {}, "did you mean 'x.x'?"),
        ("double", {"length": 2}, "'x' is no array there"),
        ({"type": "array", "items": "double"}, {}, "'x' is an array there"),
        ("bytes", {}, "raw bytes"),
    ],
)
def test_the_first_field_that_a_schema_cannot_give_is_named(kind: Any, field: dict[str, Any], said: str) -> None:
    """Every event would be a dead letter; that is told before the first."""
    check = of_events(kind, **field)
    assert (check.status, said in check.detail) == (Status.FAIL, True)
    assert check.remedy


def test_what_may_be_null_or_is_never_there_is_a_warning() -> None:
    """Some events are lost to it, or a field says nothing; others are fine."""
    nullable = of_events(["null", "double"])
    absent = of_events("double", **{"from": "gone", "null": "default", "default": 1})
    assert (nullable.status, "may be null" in nullable.detail) == (Status.WARN, True)
    assert (absent.status, "always be null" in absent.detail) == (Status.WARN, True)


def test_roles_must_be_there_too() -> None:
    """Without its id no event is scored."""
    registry = FakeRegistry()
    registry.add(SUBJECT, record(x="double"))
    check = list(registry_checks(settings(features={"id": "txn"}), registry))[-1]
    assert (check.status, "features.id" in check.detail) == (Status.FAIL, True)


def test_a_subject_that_is_not_there_or_not_safe_is_told() -> None:
    """The two differ in what to do."""
    registry = FakeRegistry()
    absent = list(registry_checks(settings(), registry))[-1]
    registry.add(SUBJECT, record(next=["null", "Event"]))
    unsafe = list(registry_checks(settings(), registry))[-1]
    assert (absent.status, "topics create" in absent.remedy) == (Status.FAIL, True)
    assert (unsafe.status, "recursive" in unsafe.detail) == (Status.FAIL, True)
    unchecked = list(registry_checks(settings(features={"subjects": ["any"]}), FakeRegistry()))[-1]
    assert unchecked.status is Status.WARN


def test_the_schema_of_the_scores_is_there_or_would_be_taken() -> None:
    """A service that finds none stops at its start, unless it may register its own."""
    avro = settings(features={"format": "json"}, output={"format": "avro"})
    may = settings(features={"format": "json"}, output={"format": "avro", "auto_register": True})
    registry = FakeRegistry()
    before, trusted = (list(registry_checks(s, registry))[-1] for s in (avro, may))
    registry.register(avro.scores_subject, score_schema_text(avro))
    after = list(registry_checks(avro, registry))[-1]
    assert [before.status, trusted.status, after.status] == [Status.FAIL, Status.OK, Status.OK]
    assert "topics create" in before.remedy
    other = FakeRegistry()
    other.add(avro.scores_subject, record(a="long"))
    refused = list(registry_checks(avro, other))[-1]
    assert (refused.status, "refuses" in refused.detail) == (Status.FAIL, True)


def test_a_registry_that_is_away_is_not_taken_for_one_without_schemas() -> None:
    """Nothing is said of schemas that nobody could look at."""
    with pytest.raises(SchemasUnavailable):
        list(registry_checks(settings(), FakeRegistry(is_away=True)))


def test_doctor_ends_with_3_without_the_registry(
    registry: HttpRegistry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The registry is something the service needs, as the broker is."""
    file = tmp_path / "tidemill.yaml"
    file.write_text(
        f"name: f\nkafka: {{bootstrap.servers: '127.0.0.1:1'}}\nschema_registry: {{url: '{registry.url}'}}\n"
        "features: {fields: [{name: x, type: double}]}\n"
    )
    registry.stop()
    assert run(["-c", str(file), "doctor", "--timeout", "0.2"]) == 3
    said = capsys.readouterr().out
    assert "fail  schema registry: the schema registry http://127.0.0.1" in said


@pytest.mark.parametrize(
    ("schema", "status", "said"),
    [
        (None, Status.WARN, "does not exist"),
        (record(event_id="string", label=["null", "string"]), Status.OK, "names the event and its label"),
        (record(event_id="string", outcome="string"), Status.WARN, "labels.label: there is no 'label' in it"),
        (record(next=["null", "Event"]), Status.WARN, "cannot be decoded by"),
    ],
)
def test_labels_schema_is_a_warning_at_most(schema: dict[str, Any] | None, status: Status, said: str) -> None:
    """Events are scored whatever becomes of their labels; what keeps labels away is said all the same."""
    registry = FakeRegistry()
    if schema is not None:
        registry.add("fraud.labels-value", schema)
    check = list(registry_checks(settings(features={"format": "json"}, labels={"format": "avro"}), registry))[-1]
    assert (check.name, check.status, said in check.detail) == ("schema fraud.labels-value", status, True)
