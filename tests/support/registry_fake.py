"""The registry port without HTTP: at once, and away or behind when a test says so."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from features.errors import SchemaIncompatible, SchemasUnavailable
from features.registry import RegisteredSchema, SubjectVersion
from tests.support.registry_store import Json, Refusal, RegistryStore, Stored


@dataclass
class FakeRegistry:
    """Implements ``SchemaRegistry`` in memory.

    While ``is_away`` nothing is answered; ``thinks`` is called before each answer; an id in ``late`` is denied
    that many times; ``asked`` counts the questions for an id or a globally unique one.
    """

    store: RegistryStore = field(default_factory=RegistryStore)
    is_away: bool = False
    thinks: Callable[[], None] = lambda: None
    late: Counter[int | str] = field(default_factory=Counter)
    asked: Counter[int | str] = field(default_factory=Counter)

    def add(self, subject: str, schema: Json, *, kind: str = "AVRO") -> int:
        """Register a schema of any kind and return its id."""
        text = schema if isinstance(schema, str) else json.dumps(schema)
        return self.store.register(subject, {"schema": text, "schemaType": kind}).id

    def guid(self, schema_id: int) -> str:
        """Return the globally unique id of a schema."""
        return self.store.by_id(schema_id).guid

    def by_id(self, schema_id: int) -> RegisteredSchema | None:
        """Return the schema of an id."""
        return self._found(schema_id, self.store.schemas.get(schema_id))

    def by_guid(self, guid: str) -> RegisteredSchema | None:
        """Return the schema of a globally unique id."""
        return self._found(guid, next((s for s in self.store.schemas.values() if s.guid == guid), None))

    def subjects_of(self, schema_id: int) -> frozenset[str]:
        """Return the subjects an id is registered under."""
        self._answer()
        if schema_id not in self.store.schemas:
            return frozenset()
        return frozenset(subject for subject, _ in self.store.places(schema_id, deleted=True))

    def holds(self, subject: str, guid: str) -> bool:
        """Return whether a subject has the schema."""
        self._answer()
        return any(version.schema.guid == guid for version in self.store.subjects.get(subject, []))

    def subjects(self) -> list[str]:
        """Return every subject."""
        self._answer()
        return list(self.store.subjects)

    def latest(self, subject: str) -> SubjectVersion | None:
        """Return the newest version of a subject."""
        self._answer()
        try:
            version = self.store.version(subject, "latest", deleted=False)
        except Refusal:
            return None
        return SubjectVersion(version.schema.id, version.number, _registered(version.schema))

    def id_of(self, subject: str, text: str) -> int | None:
        """Return the id of a schema under a subject."""
        self._answer()
        try:
            return self.store.look_up(subject, {"schema": text}, deleted=False).schema.id
        except Refusal:
            return None

    def register(self, subject: str, text: str) -> int:
        """Register a schema under a subject."""
        self._answer()
        try:
            return self.store.register(subject, {"schema": text}).id
        except Refusal as refusal:
            raise SchemaIncompatible(str(refusal)) from refusal

    def is_compatible(self, subject: str, text: str) -> bool:
        """Return whether the subject's rule takes a schema."""
        self._answer()
        return self.store.is_compatible(subject, {"schema": text})

    def _found(self, key: int | str, schema: Stored | None) -> RegisteredSchema | None:
        self._answer()
        self.asked[key] += 1
        return None if schema is None or self.asked[key] <= self.late[key] else _registered(schema)

    def _answer(self) -> None:
        self.thinks()
        if self.is_away:
            raise SchemasUnavailable("the registry is away")


def _registered(schema: Stored) -> RegisteredSchema:
    return RegisteredSchema(schema.text, schema.kind)
