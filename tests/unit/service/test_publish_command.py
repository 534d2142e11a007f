from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from features.errors import CodecError
from service.errors import ServiceError
from service.publish_command import publish_encoder
from service.settings import Settings, settings_from
from tests.support.registry_fake import FakeRegistry

EVENT = {"type": "record", "name": "Event", "fields": [{"name": "x", "type": "double"}]}


def settings(**features: Any) -> Settings:
    """Return settings of a service with a registry and one field."""
    given = {"fields": [{"name": "x", "type": "double"}], **features}
    data = {"name": "fraud", "features": given, "schema_registry": {"url": "mock://publish"}}
    return settings_from(data, folder=Path())


def test_publish_encoder_writes_by_the_newest_schema_of_the_topic_in_prefix_framing() -> None:
    """Every reader of the topic can decode what is published, and knows its id already."""
    registry = FakeRegistry()
    registry.add("fraud.features-value", EVENT)
    newest = {**EVENT, "fields": [{"name": "note", "type": "string", "default": "-"}, *EVENT["fields"]]}
    number = registry.add("fraud.features-value", newest)
    value = publish_encoder(settings(), registry).encode({"x": 0.0})
    assert value == bytes([0, 0, 0, 0, number]) + b"\x02-" + bytes(8)


def test_publish_encoder_takes_the_subject_that_is_named() -> None:
    """Where subjects are not called as topics are, the file says how."""
    registry = FakeRegistry()
    number = registry.add("bank.Event", EVENT)
    value = publish_encoder(settings(subjects=["bank.Event"]), registry).encode({"x": 0.0})
    assert value[:5] == bytes([0, 0, 0, 0, number])


def test_publish_encoder_names_the_command_that_registers_a_schema() -> None:
    """Publishing registers nothing on the side."""
    registry = FakeRegistry()
    with pytest.raises(ServiceError, match=r"fraud\.features-value is not in the registry.*topics create"):
        publish_encoder(settings(), registry)
    registry.add("fraud.features-value", {}, kind="JSON")
    with pytest.raises(CodecError, match=r"fraud\.features-value, version 1: it is a JSON schema"):
        publish_encoder(settings(), registry)


@pytest.mark.parametrize("form", ["json", "avro"])
def test_publish_encoder_without_a_registry_writes_the_format_alone(form: str) -> None:
    """JSON has no framing, and bare Avro none either."""
    registry = FakeRegistry() if form == "json" else None
    value = publish_encoder(settings(format=form), registry).encode({"x": 0.0})
    assert value == (b'{"x":0.0}' if form == "json" else bytes(8))
