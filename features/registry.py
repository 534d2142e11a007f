"""The registry port: the schemas that writers of a topic have agreed on, by id and by subject."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

AVRO = "AVRO"
VALUE_SUFFIX = "-value"


def value_subject(topic: str) -> str:
    """Return the subject of what is on a topic, as writers name it unless they were told another way.

    >>> value_subject("payments")
    'payments-value'
    """
    return f"{topic}{VALUE_SUFFIX}"


@dataclass(frozen=True, slots=True)
class RegisteredSchema:
    """What a registry holds under an id; an id never changes what it means.

    Attributes:
        text: The schema as it was registered, JSON for Avro.
        kind: ``AVRO``, ``JSON`` or ``PROTOBUF``, as the registry says it.
        references: Texts of the schemas it names, each after those that it names itself.
    """

    text: str
    kind: str = AVRO
    references: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SubjectVersion:
    """The newest schema of a subject."""

    id: int
    version: int
    schema: RegisteredSchema


class SchemaRegistry(Protocol):
    """Asks a registry. Blocks for a bounded time; holds definite answers, so that an id is asked for once.

    Every method raises ``SchemasUnavailable`` where the registry does not answer, answers what is no answer,
    or does not let us in. ``None`` means that the registry answered, and does not have it. What gives a schema
    raises ``CodecError`` where those that it names cannot be had: a circle, far too many, one that is not there.
    """

    def by_id(self, schema_id: int) -> RegisteredSchema | None:
        """Return the schema of an id."""
        ...

    def by_guid(self, guid: str) -> RegisteredSchema | None:
        """Return the schema of a globally unique id, written as a UUID."""
        ...

    def subjects_of(self, schema_id: int) -> frozenset[str]:
        """Return the subjects an id is or was registered under; empty where the registry does not have it."""
        ...

    def holds(self, subject: str, guid: str) -> bool:
        """Return whether the schema of a globally unique id is or was registered under a subject."""
        ...

    def subjects(self) -> Sequence[str]:
        """Return the subjects we may see, in no order; never from memory."""
        ...

    def latest(self, subject: str) -> SubjectVersion | None:
        """Return the newest version of a subject; never from memory."""
        ...

    def id_of(self, subject: str, text: str) -> int | None:
        """Return the id under which a subject holds this Avro schema.

        Raises:
            SchemaIncompatible: The registry does not take it for a schema.
        """
        ...

    def register(self, subject: str, text: str) -> int:
        """Register an Avro schema under a subject and return its id; the id it has when it is there already.

        Raises:
            SchemaIncompatible: The subject's rule of compatibility refuses it.
        """
        ...

    def is_compatible(self, subject: str, text: str) -> bool:
        """Return whether the subject's rule would take this Avro schema as its next version."""
        ...
