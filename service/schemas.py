"""The schema registry of the service, and the one schema that the service itself writes by."""

from __future__ import annotations

import json

import structlog

from features.errors import SchemaIncompatible, SchemasUnavailable
from features.registry import SchemaRegistry
from features.registry_framing import prefix_of
from producer.encoding import score_record_schema
from service.errors import SettingsError
from service.settings import Settings


def build_schemas(settings: Settings) -> SchemaRegistry | None:
    """Return the registry of the service file, or None where none is set; nothing is connected yet.

    Raises:
        SettingsError: Its client is not installed, or refuses a setting.
    """
    if not settings.schema_registry.is_set:
        return None
    try:
        from features.kafka_registry import KafkaSchemaRegistry
    except ImportError as error:
        raise SettingsError(
            f"schema_registry: its client needs {error.name}, which is not installed; pip install 'tidemill[registry]'"
        ) from error
    try:
        return KafkaSchemaRegistry(settings.schema_registry.client_conf())
    except (ValueError, OSError) as error:
        raise SettingsError(f"schema_registry: the client refuses its settings: {error}") from error


def score_schema_text(settings: Settings) -> str:
    """Return the schema of this service's score records as it is registered."""
    return json.dumps(score_record_schema(settings.output.passthrough_names))


class ScoreSchema:
    """The schema of the scores as the registry knows it; asked for once, by its text."""

    def __init__(self, registry: SchemaRegistry, settings: Settings) -> None:
        """Ask nothing yet."""
        self._registry = registry
        self._subject = settings.scores_subject
        self._text = score_schema_text(settings)
        self._may_register = settings.output.auto_register
        self._prefix = b""

    def prefix(self) -> bytes:
        """Return what stands before each score record.

        Raises:
            SchemasUnavailable: The registry cannot say now.
            SettingsError: The registry does not have the schema, or does not take it.
        """
        if not self._prefix:
            self._prefix = prefix_of(self._id())
        return self._prefix

    def look_up(self) -> None:
        """Ask now, so that a schema that is not there stops the start; a registry that is away is waited for later.

        Raises:
            SettingsError: The registry does not have the schema, or does not take it.
        """
        try:
            self.prefix()
        except SchemasUnavailable as error:
            log = structlog.stdlib.get_logger("tidemill")
            log.warning("No schema for the scores yet; events wait until the registry answers", detail=str(error))

    def _id(self) -> int:
        try:
            if self._may_register:
                return self._registry.register(self._subject, self._text)
            found = self._registry.id_of(self._subject, self._text)
        except SchemaIncompatible as error:
            raise SettingsError(
                f"{error}; the scores' schema has no place under the subject {self._subject}: does another service"
                " write to this topic, or did output.passthrough change? 'tidemill config schema --score' prints it"
            ) from error
        if found is None:
            raise SettingsError(
                f"the schema of the scores is not registered under {self._subject}: 'tidemill topics create'"
                " registers it, or set 'output: {auto_register: true}'"
            )
        return found
