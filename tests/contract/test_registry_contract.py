from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

import pytest

from features.errors import SchemaIncompatible
from features.kafka_registry import KafkaSchemaRegistry
from features.registry import RegisteredSchema, SchemaRegistry, SubjectVersion
from tests.support.registry import HttpRegistry
from tests.support.registry_fake import FakeRegistry

FIRST = json.dumps({"type": "record", "name": "Event", "fields": [{"name": "x", "type": "double"}]})
SECOND = json.dumps(
    {
        "type": "record",
        "name": "Event",
        "fields": [{"name": "x", "type": "double"}, {"name": "y", "type": "int", "default": 0}],
    }
)
OTHER = json.dumps({"type": "record", "name": "Event", "fields": [{"name": "z", "type": "string"}]})


@pytest.fixture(params=["memory", "mock", "http"])
def schemas(request: pytest.FixtureRequest) -> Iterator[SchemaRegistry]:
    """Every implementation of the port: the tests' own, the client over its stand-in, the client over HTTP."""
    if request.param == "memory":
        yield FakeRegistry()
    elif request.param == "mock":
        yield KafkaSchemaRegistry({"url": f"mock://{uuid.uuid4()}"})
    else:
        with HttpRegistry() as server:
            yield KafkaSchemaRegistry({"url": server.url})


def test_registry_gives_back_what_was_registered(schemas: SchemaRegistry) -> None:
    """An id leads to the text, its subject, and is what the same text has there."""
    schema_id = schemas.register("t-value", FIRST)
    assert schemas.by_id(schema_id) == RegisteredSchema(FIRST)
    assert schemas.subjects_of(schema_id) == {"t-value"}
    assert schemas.id_of("t-value", FIRST) == schema_id


def test_registry_registers_the_same_text_once(schemas: SchemaRegistry) -> None:
    """A service that starts again makes no second version."""
    assert schemas.register("t-value", FIRST) == schemas.register("t-value", FIRST)
    latest = schemas.latest("t-value")
    assert latest is not None
    assert latest.version == 1


def test_registry_says_what_it_does_not_have(schemas: SchemaRegistry) -> None:
    """Absence is an answer, not an error."""
    schemas.register("t-value", FIRST)
    assert schemas.by_id(4711) is None
    assert schemas.by_guid(str(uuid.uuid4())) is None
    assert schemas.subjects_of(4711) == frozenset()
    assert schemas.latest("other-value") is None
    assert schemas.id_of("other-value", FIRST) is None
    assert schemas.id_of("t-value", SECOND) is None
    assert not schemas.holds("t-value", str(uuid.uuid4()))


def test_registry_gives_the_newest_version_not_a_remembered_one(schemas: SchemaRegistry) -> None:
    """Somebody who looks again sees what was registered meanwhile."""
    schemas.register("t-value", FIRST)
    assert schemas.latest("t-value") == SubjectVersion(1, 1, RegisteredSchema(FIRST))
    second = schemas.register("t-value", SECOND)
    assert schemas.latest("t-value") == SubjectVersion(second, 2, RegisteredSchema(SECOND))


def test_registry_lists_its_subjects(schemas: SchemaRegistry) -> None:
    """Someone who does not know a subject's name finds it."""
    assert list(schemas.subjects()) == []
    schemas.register("a-value", FIRST)
    schemas.register("b-value", FIRST)
    assert sorted(schemas.subjects()) == ["a-value", "b-value"]


def test_registry_takes_a_first_schema_under_any_rule(schemas: SchemaRegistry) -> None:
    """A subject that does not exist yet has nothing to be compatible with."""
    assert schemas.is_compatible("t-value", FIRST)


@pytest.mark.parametrize("schemas", ["memory", "http"], indirect=True)
def test_registry_refuses_what_its_rule_refuses(schemas: SchemaRegistry) -> None:
    """A refusal has an error of its own, and the question can be asked without registering."""
    schemas.register("t-value", FIRST)
    assert schemas.is_compatible("t-value", SECOND)
    assert not schemas.is_compatible("t-value", OTHER)
    with pytest.raises(SchemaIncompatible):
        schemas.register("t-value", OTHER)
