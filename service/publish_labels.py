"""A file of labels as records of the labels topic, in the shape that the service file describes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from features.encoding import AvroEventEncoder, EventEncoder, JsonEventEncoder
from features.errors import EncodeError
from features.events import EventShape
from features.input_files import InputFile
from features.labels import LabelRules
from features.paths import split, value_at
from features.registry import SchemaRegistry, value_subject
from features.rejection import Problem, Reason
from features.rows import LineProblem, RowChunk, TableFile, last_line, rows_after
from features.tables import require_columns, table_of
from producer.publishing import Event
from service.label_records import label_format, label_record_schema, label_rules, label_schema, label_subjects
from service.publish_command import Piece, registered_encoder
from service.schemas import build_schemas
from service.settings import Settings


class LabelFile:
    """A file of labels: a column for each path of ``labels``, and perhaps one with the record key."""

    unit = "labels"

    def __init__(self, settings: Settings, file: InputFile) -> None:
        """Read nothing yet."""
        self._settings = settings
        self._file = file
        self.topic = settings.topics.labels

    def pieces(self, *, chunk_rows: int, after: int) -> Iterator[Piece]:
        """Yield the labels; see ``Contents``."""
        schema = label_schema(self._settings)
        roles = schema.roles
        encoder = label_encoder(self._settings, build_schemas(self._settings))
        table = table_of(self._file)
        require_columns(table, self._file.place, names=[roles.id, roles.label, roles.time])
        shape = EventShape(schema, available=table.columns)
        rows = LabelRows(self._settings, shape, table, encoder)
        for chunk in rows_after(table, rows.columns, chunk_rows=chunk_rows, after=after):
            yield rows.piece(chunk)


class LabelRows:
    """Makes records of the rows of a table of labels; what would be refused on the topic is a problem here already."""

    def __init__(self, settings: Settings, shape: EventShape, table: TableFile, encoder: EventEncoder) -> None:
        """Take the table for what it tells of its cells."""
        self._shape = shape
        self._table = table
        self._encode = encoder.encode
        self._rules: LabelRules = label_rules(settings)
        self._roles = label_schema(settings).roles
        key = settings.features.key
        self._key = key if key in table.columns else None
        self.columns = list(dict.fromkeys([*shape.sources, *([] if self._key is None else [self._key])]))

    def piece(self, chunk: RowChunk) -> Piece:
        """Return the records of some rows, and the lines that give none."""
        events, lines, problems = self._shape.events(self._table, chunk)
        keys = dict(zip(chunk.lines, self._keys(chunk), strict=True))
        found: list[Event] = []
        bad = [*chunk.problems, *problems]
        for line, event in zip(lines, events, strict=True):
            made = self._record(event, line, keys[line])
            if isinstance(made, Event):
                found.append(made)
            else:
                bad.append(LineProblem(line, made.reason, made.detail))
        bad.sort(key=lambda problem: problem.line)
        return Piece(found, bad, last_line(chunk.lines, bad))

    def _record(self, event: Mapping[str, Any], line: int, key: Any) -> Event | Problem:
        event_id = value_at(event, split(self._roles.id or ""))
        for path in (self._roles.id, self._roles.time):
            if path is not None and value_at(event, split(path)) is None:
                return Problem(Reason.MISSING, f"{path!r} is empty")
        meaning = self._rules.label(value_at(event, split(self._roles.label or "")))
        if isinstance(meaning, Problem):
            return meaning
        try:
            return Event(str(event_id if key is None else key).encode(), self._encode(event), line)
        except EncodeError as error:
            return Problem(Reason.WRONG_TYPE, str(error))

    def _keys(self, chunk: RowChunk) -> Sequence[Any]:
        return [None] * len(chunk.lines) if self._key is None else self._table.plain(chunk.cells[self._key])


def label_encoder(settings: Settings, registry: SchemaRegistry | None) -> EventEncoder:
    """Return what writes labels: by the newest schema of their subject where there is a registry.

    Raises:
        SchemasUnavailable: The registry does not answer.
        ServiceError: The registry has no schema for the topic.
        CodecError: The schema cannot be written by.
    """
    if label_format(settings) == "json":
        return JsonEventEncoder()
    schema = label_schema(settings)
    if registry is None:
        return AvroEventEncoder(label_record_schema(settings), schema)
    return registered_encoder(registry, label_subject(settings), schema)


def label_subject(settings: Settings) -> str:
    """Return the subject whose schema labels are written by."""
    usual = value_subject(settings.topics.labels)
    allowed = label_subjects(settings)
    return usual if allowed is None or usual in allowed else min(allowed)
