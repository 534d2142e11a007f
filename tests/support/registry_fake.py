"""A schema registry in memory, as the port has it: for tests of what asks a registry."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from features.errors import SchemaIncompatible, SchemasUnavailable
from features.registry import AVRO, RegisteredSchema, SubjectVersion


class FakeRegistry:
    """Holds what it is given, counts what it is asked, and can be away or refuse what is new.

    An id is the schema's place among all, from 1 on, and its guid the id written as a UUID.
    """

    def __init__(self, **subjects: Any) -> None:
        """Hold a schema under each subject; ``_`` in a name stands for ``-``."""
        self.held: dict[str, list[int]] = {}
        self.schemas: list[RegisteredSchema] = []
        self.is_away = False
        self.refuses = False
        self.asked = 0
        for subject, schema in subjects.items():
            self.put(subject.replace("_", "-"), schema)

    def put(self, subject: str, schema: Mapping[str, Any] | str, *, kind: str = AVRO) -> int:
        """Add the next version of a subject and return its id."""
        text = schema if isinstance(schema, str) else json.dumps(schema)
        self.schemas.append(RegisteredSchema(text, kind))
        self.held.setdefault(subject, []).append(len(self.schemas))
        return len(self.schemas)

    def by_id(self, schema_id: int) -> RegisteredSchema | None:
        """Return the schema of an id."""
        self._answer()
        return self.schemas[schema_id - 1] if 0 < schema_id <= len(self.schemas) else None

    def by_guid(self, guid: str) -> RegisteredSchema | None:
        """Return the schema of a guid."""
        return self.by_id(UUID(guid).int)

    def subjects_of(self, schema_id: int) -> frozenset[str]:
        """Return the subjects of an id."""
        self._answer()
        return frozenset(subject for subject, ids in self.held.items() if schema_id in ids)

    def holds(self, subject: str, guid: str) -> bool:
        """Return whether a guid is under a subject."""
        return subject in self.subjects_of(UUID(guid).int)

    def subjects(self) -> Sequence[str]:
        """Return all subjects."""
        self._answer()
        return list(self.held)

    def latest(self, subject: str) -> SubjectVersion | None:
        """Return the newest version of a subject."""
        self._answer()
        ids = self.held.get(subject)
        return None if not ids else SubjectVersion(ids[-1], len(ids), self.schemas[ids[-1] - 1])

    def id_of(self, subject: str, text: str) -> int | None:
        """Return the id of a text under a subject."""
        self._answer()
        return next((i for i in self.held.get(subject, ()) if self.schemas[i - 1].text == text), None)

    def register(self, subject: str, text: str) -> int:
        """Add a text, or refuse it."""
        known = self.id_of(subject, text)
        if known is None and not self.is_compatible(subject, text):
            raise SchemaIncompatible("a field was removed")
        return self.put(subject, text) if known is None else known

    def is_compatible(self, subject: str, text: str) -> bool:
        """Return whether a text would be taken."""
        return self.id_of(subject, text) is not None or not (self.refuses and subject in self.held)

    def _answer(self) -> None:
        self.asked += 1
        if self.is_away:
            raise SchemasUnavailable("the schema registry http://fake does not answer in time")
