"""What `publish` does, apart from its options: what a file holds, the way to its topic, and the walk between."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from features.encoding import AvroEventEncoder, EventEncoder
from features.errors import CodecError, EncodeError
from features.input_files import InputFile
from features.paths import split, value_at
from features.registered import texts_of
from features.registry import SchemaRegistry, value_subject
from features.registry_framing import prefix_of
from features.rejection import Problem, Reason
from features.rows import LineProblem
from features.schema import FeatureSchema
from features.tables import EventChunk, read_events
from producer.errors import ProducerError
from producer.publishing import Event, EventPublisher
from service.bootstrap import build_event_encoder
from service.errors import ServiceError
from service.progress import progress
from service.publish_ways import Begun
from service.schemas import build_schemas
from service.settings import Settings

SHOWN_PROBLEMS = 5


@dataclass(frozen=True, slots=True)
class Piece:
    """Some rows of a file: records, in order, and the lines that give none.

    Attributes:
        records: Each with its line.
        problems: In order of their lines.
        last: The last line of the piece.
    """

    records: Sequence[Event]
    problems: Sequence[LineProblem]
    last: int


class Contents(Protocol):
    """What a file holds, as records of a topic."""

    @property
    def topic(self) -> str:
        """Return where they belong."""
        ...

    @property
    def unit(self) -> str:
        """Return what they are called."""
        ...

    def pieces(self, *, chunk_rows: int, after: int) -> Iterator[Piece]:
        """Yield what stands behind the line ``after``.

        Raises:
            FeatureError: The file cannot be read as such records at all, or the registry does not answer.
            ServiceError: The registry has no schema to write by.
        """
        ...


class EventFile:
    """A file of feature events."""

    unit = "events"

    def __init__(self, settings: Settings, file: InputFile) -> None:
        """Read nothing yet."""
        self._settings = settings
        self._file = file
        self.topic = settings.topics.features[0]

    def pieces(self, *, chunk_rows: int, after: int) -> Iterator[Piece]:
        """Yield the events; see ``Contents``."""
        encoder, key_of = publish_encoder(self._settings, build_schemas(self._settings)), key_reader(self._settings)
        for chunk in read_events(self._file, self._settings.feature_schema(), chunk_rows=chunk_rows, after=after):
            events, problems = encode_chunk(chunk, encoder, key_of)
            yield Piece(events, problems, chunk.last)


@dataclass(slots=True)
class Account:
    """What was done: records published, rows left out, and up to which line."""

    published: int = 0
    left_out: int = 0
    last: int = 0
    say: Callable[[str], None] = field(default=lambda _line: None)

    def leave_out(self, problems: Sequence[LineProblem]) -> None:
        """Tell the first few lines that are left out, and count all."""
        for problem in problems[: max(0, SHOWN_PROBLEMS - self.left_out)]:
            self.say(f"line {problem.line}: {problem.detail}")
        self.left_out += len(problems)


def publish_file(
    contents: Contents, way: AbstractContextManager[Begun], *, rate: float | None, say: Callable[[str], None]
) -> int:
    """Publish the rows of a file; return the number of rows left out, which are told.

    Raises:
        FeatureError: The file cannot be read as such records, changes meanwhile, or the registry does not answer.
        ServiceError: The registry has no schema to write by.
        ProducerError: The cluster refuses a record or the topic, or does not answer; says how to go on.
    """
    account = Account(say=say)
    with way as begun:
        account.last = begun.after
        if begun.after:
            say(f"lines up to {begun.after} were dealt with before")
        try:
            _walk(contents, begun, account, rate)
        except KeyboardInterrupt:
            say(f"interrupted after {account.published} {contents.unit}; {begun.advice(account.last)}")
            raise
        except ProducerError as error:
            raise type(error)(f"{error}; {begun.advice(account.last)}") from error
    if begun.after and account.last == begun.after:
        say(f"nothing left to publish to {contents.topic}: every row was dealt with before")
    else:
        left_out = f", left out {account.left_out} rows" if account.left_out else ""
        say(f"published {account.published} {contents.unit} to {contents.topic}{left_out}")
    return account.left_out


def _walk(contents: Contents, begun: Begun, account: Account, rate: float | None) -> None:
    publisher = EventPublisher(begun.sink, contents.topic, rate=rate, bookmark=begun.bookmark)
    with progress(f"Publishing to {contents.topic}", unit=contents.unit) as bar:
        for piece in contents.pieces(chunk_rows=_chunk_rows(rate), after=begun.after):
            begun.file.check_unchanged()
            too_large = publisher.publish(piece.records, done=piece.last)
            bar.advance(len(piece.records) - len(too_large))
            account.published, account.last = publisher.published, piece.last
            account.leave_out(sorted([*piece.problems, *map(_too_large, too_large)], key=lambda found: found.line))


def _too_large(event: Event) -> LineProblem:
    detail = f"{len(event.value)} bytes are more than the client takes (kafka.producer: message.max.bytes)"
    return LineProblem(event.line, Reason.TOO_LARGE, detail)


def publish_encoder(settings: Settings, registry: SchemaRegistry | None) -> EventEncoder:
    """Return what writes events to the first features topic: by the newest schema of its subject where there is one.

    Raises:
        SchemasUnavailable: The registry does not answer.
        ServiceError: The registry has no schema for the topic.
        CodecError: Its schema cannot be written by.
    """
    if registry is None or settings.features.format != "avro":
        return build_event_encoder(settings)
    return registered_encoder(registry, publish_subject(settings), settings.feature_schema())


def registered_encoder(registry: SchemaRegistry, subject: str, schema: FeatureSchema) -> EventEncoder:
    """Return what writes records by the newest schema of a subject, in the prefix framing.

    Raises:
        SchemasUnavailable: The registry does not answer.
        ServiceError: The registry has no such subject.
        CodecError: Its schema cannot be written by.
    """
    found = registry.latest(subject)
    if found is None:
        raise ServiceError(
            f"subject {subject} is not in the registry, so there is no schema to write by;"
            " 'tidemill topics create' registers one"
        )
    try:
        whole, references = texts_of(found.schema)
        return AvroEventEncoder(whole, schema, references=references, prefix=prefix_of(found.id))
    except CodecError as error:
        raise CodecError(f"subject {subject}, version {found.version}: {error}") from error


def publish_subject(settings: Settings) -> str:
    """Return the subject whose schema events are written by."""
    usual = value_subject(settings.topics.features[0])
    allowed = settings.allowed_subjects
    return usual if allowed is None or usual in allowed else min(allowed)


def encode_chunk(
    chunk: EventChunk, encoder: EventEncoder, key_of: Callable[[Mapping[str, Any]], bytes | None]
) -> tuple[list[Event], list[LineProblem]]:
    """Return the events of a chunk as records, and its bad lines with those that cannot be written."""
    events, problems = [], list(chunk.problems)
    for line, event in zip(chunk.lines, chunk.events, strict=True):
        try:
            events.append(Event(key_of(event), encoder.encode(event), line))
        except EncodeError as error:
            problems.append(LineProblem(line, Reason.WRONG_TYPE, str(error)))
    return events, sorted(problems, key=lambda problem: problem.line)


def key_reader(settings: Settings) -> Callable[[Mapping[str, Any]], bytes | None]:
    """Return what takes the record key from an event: the text of the value at the key's path."""
    dotted = settings.features.key
    if dotted is None:
        return lambda _event: None
    path = split(dotted)

    def key_of(event: Mapping[str, Any]) -> bytes | None:
        value = value_at(event, path)
        return None if value is None or isinstance(value, Problem) else str(value).encode()

    return key_of


def _chunk_rows(rate: float | None) -> int:
    """Return how many rows go at once: a tenth of a second's worth when a rate is asked for."""
    return 5_000 if rate is None else max(1, min(5_000, int(rate / 10)))
