"""What a schema registry keeps and the rules it keeps it by; the HTTP around it is in `registry.py`."""

from __future__ import annotations

import json
import threading
import uuid
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import fastavro.schema

Json: TypeAlias = Any
KINDS = ("AVRO", "JSON", "PROTOBUF")


class Refusal(Exception):
    """What is answered instead: an HTTP status, the registry's own code, and a message."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.status = code // 100 if code > 999 else code
        self.code = code


@dataclass
class Stored:
    """One schema; the same text of the same kind is the same schema under every subject."""

    id: int
    text: str
    kind: str
    references: list[dict[str, Json]]

    @property
    def guid(self) -> str:
        """Return its globally unique id."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.kind} {_canonical(self.text)} {self.references}"))

    def as_json(self) -> dict[str, Json]:
        """Return it as it is answered."""
        shown: dict[str, Json] = {"schema": self.text, "guid": self.guid}
        if self.kind != "AVRO":  # as the real one: Avro goes without saying
            shown["schemaType"] = self.kind
        return shown | ({"references": self.references} if self.references else {})


@dataclass
class Version:
    """A schema's place under a subject."""

    number: int
    schema: Stored
    is_deleted: bool = False


@dataclass
class RegistryStore:
    """Schemas by id and by subject. Safe for use from several threads.

    Compatibility is looked at in a simple way: under the levels `BACKWARD` and `BACKWARD_TRANSITIVE` a new record
    schema must have, for each of its fields that has no default, a field of the same name and type in the newest
    version; every other level takes anything.
    """

    level: str = "BACKWARD"
    levels: dict[str, str] = field(default_factory=dict)
    subjects: dict[str, list[Version]] = field(default_factory=dict)
    schemas: dict[int, Stored] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def register(self, subject: str, body: Json) -> Stored:
        """Put a schema under a subject, or find it there."""
        with self.lock:
            text, kind, references = self._checked(body)
            if not self.is_compatible(subject, body):
                raise Refusal(409, f"Schema being registered is incompatible with an earlier schema for {subject}")
            schema = self._same(text, kind, references) or Stored(len(self.schemas) + 1, text, kind, references)
            self.schemas[schema.id] = schema
            versions = self.subjects.setdefault(subject, [])
            if all(version.schema is not schema or version.is_deleted for version in versions):
                versions.append(Version(len(versions) + 1, schema))
            return schema

    def look_up(self, subject: str, body: Json, *, deleted: bool) -> Version:
        """Return the place of this very schema under a subject."""
        versions = self.versions(subject, deleted=deleted)
        schema = self._same(*self._checked(body))
        for version in versions:
            if version.schema is schema:
                return version
        raise Refusal(40403, "Schema not found")

    def by_id(self, schema_id: int) -> Stored:
        """Return the schema of an id."""
        if schema_id not in self.schemas:
            raise Refusal(40403, f"Schema {schema_id} not found")
        return self.schemas[schema_id]

    def by_guid(self, guid: str) -> Stored:
        """Return the schema of a globally unique id."""
        for schema in self.schemas.values():
            if schema.guid == guid:
                return schema
        raise Refusal(40403, f"Schema {guid} not found")

    def places(self, schema_id: int, *, deleted: bool) -> list[tuple[str, int]]:
        """Return the subjects and versions of an id."""
        schema = self.by_id(schema_id)
        return [
            (subject, version.number)
            for subject, versions in self.subjects.items()
            for version in versions
            if version.schema is schema and (deleted or not version.is_deleted)
        ]

    def versions(self, subject: str, *, deleted: bool = False) -> list[Version]:
        """Return what stands under a subject, oldest first."""
        found = [v for v in self.subjects.get(subject, []) if deleted or not v.is_deleted]
        if not found:
            raise Refusal(40401, f"Subject '{subject}' not found.")
        return found

    def version(self, subject: str, number: str, *, deleted: bool) -> Version:
        """Return one version, or ``latest``."""
        versions = self.versions(subject, deleted=deleted)
        if number == "latest":
            return versions[-1]
        for version in versions:
            if str(version.number) == number:
                return version
        raise Refusal(40402, f"Version {number} not found.")

    def delete(self, subject: str) -> list[int]:
        """Delete a subject softly: its ids keep what they mean."""
        versions = self.versions(subject)
        for version in versions:
            version.is_deleted = True
        return [version.number for version in versions]

    def is_compatible(self, subject: str, body: Json) -> bool:
        """Return whether the subject's level takes a schema as the next version."""
        text, kind, _ = self._checked(body)
        present = [v.schema for v in self.subjects.get(subject, []) if not v.is_deleted]
        if not present or not self.levels.get(subject, self.level).startswith("BACKWARD") or kind != "AVRO":
            return True
        old, new = json.loads(present[-1].text), json.loads(text)
        if not (isinstance(old, dict) and isinstance(new, dict) and "fields" in old and "fields" in new):
            return bool(old == new)
        types = {item["name"]: item["type"] for item in old["fields"]}
        return all("default" in item or types.get(item["name"]) == item["type"] for item in new["fields"])

    def _same(self, text: str, kind: str, references: list[dict[str, Json]]) -> Stored | None:
        wanted = (_canonical(text), kind, references)
        return next((s for s in self.schemas.values() if (_canonical(s.text), s.kind, s.references) == wanted), None)

    def _checked(self, body: Json) -> tuple[str, str, list[dict[str, Json]]]:
        text, kind, references = body.get("schema"), body.get("schemaType", "AVRO"), body.get("references") or []
        if kind not in KINDS or not isinstance(text, str):
            raise Refusal(42201, f"Invalid schema of type {kind}")
        if kind == "AVRO":
            try:
                self._parse(text, references, {})
            except (fastavro.schema.SchemaParseException, fastavro.schema.UnknownType, ValueError) as error:
                raise Refusal(42201, f"Invalid schema {text[:80]}, details: {error}") from None
        return text, kind, references

    def _parse(self, text: str, references: list[dict[str, Json]], known: dict[str, Json]) -> None:
        for reference in references:
            named = self.version(reference["subject"], str(reference["version"]), deleted=True).schema
            self._parse(named.text, named.references, known)
        fastavro.schema.parse_schema(json.loads(text), named_schemas=known)


def _canonical(text: str) -> str:
    try:
        return json.dumps(json.loads(text), sort_keys=True)
    except ValueError:
        return text
