from __future__ import annotations

import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from features.errors import SchemasUnavailable
from features.kafka_registry import KafkaSchemaRegistry
from service.errors import SettingsError
from service.schemas import ScoreSchema, build_schemas, score_schema_text
from service.settings import Settings, settings_from
from tests.support.registry_fake import FakeRegistry

SUBJECT = "fraud.scores-value"


def settings(registry: Mapping[str, Any] | None = None, *, output: Mapping[str, Any] | None = None) -> Settings:
    """Return settings with this registry."""
    chosen = {"url": f"mock://{uuid.uuid4()}", **(registry or {})}
    fields = {"fields": [{"name": "x", "type": "double"}]}
    written = {"format": "avro", **(output or {})}
    data = {"name": "fraud", "features": fields, "schema_registry": chosen, "output": written}
    return settings_from(data, folder=Path())


def test_build_schemas_gives_none_where_no_registry_is_set() -> None:
    """Most services have none, and need no client for it."""
    plain = {"name": "fraud", "features": {"fields": [{"name": "x", "type": "double"}]}}
    assert build_schemas(settings_from(plain, folder=Path())) is None


def test_build_schemas_gives_the_client_its_settings() -> None:
    """Numbers are numbers again, whatever layer they came through."""
    built = build_schemas(settings({"url": "http://here:1", "timeout": "2.5", "max.retries": "0"}))
    assert isinstance(built, KafkaSchemaRegistry)
    assert (built._client._rest_client.timeout, built._client._rest_client.max_retries) == (2.5, 0)


def test_build_schemas_names_the_extra_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client comes with an extra; the line says which."""
    monkeypatch.delitem(sys.modules, "features.kafka_registry")
    monkeypatch.setitem(sys.modules, "confluent_kafka.schema_registry", None)
    with pytest.raises(SettingsError, match=r"pip install 'tidemill\[registry\]'"):
        build_schemas(settings())


def test_build_schemas_passes_on_what_the_client_refuses(tmp_path: Path) -> None:
    """A certificate that is not there is found at the start."""
    chosen = settings({"url": "https://here:1", "ssl.ca.location": str(tmp_path / "absent.pem")})
    with pytest.raises(SettingsError, match="schema_registry: the client refuses its settings"):
        build_schemas(chosen)


def test_score_schema_gives_the_id_of_its_own_text_and_asks_once() -> None:
    """A newer version that somebody else registered is not what this service writes."""
    registry, chosen = FakeRegistry(), settings()
    schema_id = registry.register(SUBJECT, score_schema_text(chosen))
    registry.register(SUBJECT, score_schema_text(settings(output={"passthrough": ["card"]})))
    schema = ScoreSchema(registry, chosen)
    assert schema.prefix() == b"\x00" + schema_id.to_bytes(4, "big")
    registry.is_away = True
    assert schema.prefix() == b"\x00" + schema_id.to_bytes(4, "big")


def test_score_schema_that_is_not_registered_stops_the_start() -> None:
    """Nothing is registered at run time unless the file says so; the line says both ways out."""
    registry = FakeRegistry()
    with pytest.raises(
        SettingsError, match=r"'tidemill topics create' registers it, or set 'output: \{auto_register: t"
    ):
        ScoreSchema(registry, settings()).look_up()
    assert list(registry.subjects()) == []


def test_score_schema_registers_itself_where_the_file_says_so() -> None:
    """For development: one step less."""
    registry = FakeRegistry()
    schema = ScoreSchema(registry, settings(output={"auto_register": True}))
    assert schema.prefix() == b"\x00" + registry.store.version(SUBJECT, "latest", deleted=False).schema.id.to_bytes(4)


def test_score_schema_that_does_not_fit_its_subject_stops_the_start() -> None:
    """Another service's scores, or a passthrough that was taken away."""
    registry = FakeRegistry()
    registry.add(SUBJECT, {"type": "record", "name": "Other", "fields": []})
    schema = ScoreSchema(registry, settings(output={"auto_register": True}))
    with pytest.raises(SettingsError, match=r"has no place under the subject fraud\.scores-value"):
        schema.look_up()


def test_score_schema_waits_for_a_registry_that_is_away() -> None:
    """The start goes on; a batch that needs it is told, and asks again."""
    registry, chosen = FakeRegistry(is_away=True), settings()
    schema = ScoreSchema(registry, chosen)
    schema.look_up()
    with pytest.raises(SchemasUnavailable):
        schema.prefix()
    registry.is_away = False
    registry.register(SUBJECT, score_schema_text(chosen))
    assert len(schema.prefix()) == 5
