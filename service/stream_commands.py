"""What `publish` and `tail` do, apart from their options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from consumer.kafka_reader import KafkaReader
from features.encoding import AvroEventEncoder, EventEncoder
from features.errors import CodecError, EncodeError
from features.paths import split, value_at
from features.registered import texts_of
from features.registry import SchemaRegistry, value_subject
from features.registry_framing import prefix_of
from features.rejection import Problem, Reason
from features.rows import LineProblem
from features.tables import EventChunk, read_events
from producer.publishing import Event, EventPublisher
from service.bootstrap import build_event_encoder, build_plain_sink
from service.clients import consumer_conf
from service.decoders import Decode, event_decoder, score_decoder
from service.errors import ServiceError
from service.progress import progress
from service.schemas import build_schemas
from service.settings import Settings
from service.tail_view import LineOf

READ_RECORDS = 500
READ_TIMEOUT_S = 0.5
SHOWN_PROBLEMS = 5


def publish_file(settings: Settings, file: Path, *, rate: float | None, say: Callable[[str], None]) -> int:
    """Publish the rows of a file; return the number of rows that are no events.

    Raises:
        FeatureError: The file cannot be read as events at all, or the registry does not answer.
        ServiceError: The registry has no schema to write by.
        ProducerError: The cluster refuses an event or the topic.
    """
    schema = settings.feature_schema()
    encoder = publish_encoder(settings, build_schemas(settings))
    key_of = key_reader(settings)
    sink = build_plain_sink(settings, client_id=f"{settings.name}-publish")
    sink.open()
    topic = settings.topics.features[0]
    refused = 0
    try:
        sink.partition_count(topic)
        publisher = EventPublisher(sink, topic, rate=rate)
        with progress(f"Publishing to {topic}", unit="events") as bar:
            for chunk in read_events(file, schema, chunk_rows=_chunk_rows(rate)):
                events, problems = encode_chunk(chunk, encoder, key_of)
                bar.advance(publisher.publish(events))
                for problem in problems[: max(0, SHOWN_PROBLEMS - refused)]:
                    say(f"line {problem.line}: {problem.detail}")
                refused += len(problems)
    finally:
        sink.close()
    say(f"published {publisher.published} events to {topic}" + (f", left out {refused} rows" if refused else ""))
    return refused


def publish_encoder(settings: Settings, registry: SchemaRegistry | None) -> EventEncoder:
    """Return what writes events to the first features topic: by the newest schema of its subject where there is one.

    Raises:
        SchemasUnavailable: The registry does not answer.
        ServiceError: The registry has no schema for the topic.
        CodecError: Its schema cannot be written by.
    """
    if registry is None or settings.features.format != "avro":
        return build_event_encoder(settings)
    subject = publish_subject(settings)
    found = registry.latest(subject)
    if found is None:
        raise ServiceError(
            f"subject {subject} is not in the registry, so there is no schema to write events by;"
            " 'tidemill topics create' registers one"
        )
    try:
        whole, references = texts_of(found.schema)
        return AvroEventEncoder(whole, settings.feature_schema(), references=references, prefix=prefix_of(found.id))
    except CodecError as error:
        raise CodecError(f"subject {subject}, version {found.version}: {error}") from error


def publish_subject(settings: Settings) -> str:
    """Return the subject whose schema events are written by."""
    usual = value_subject(settings.topics.features[0])
    allowed = settings.allowed_subjects
    return usual if allowed is None or usual in allowed else min(allowed)


def follow(  # noqa: PLR0913 - what, from where, how many and how are four different things
    settings: Settings,
    stream: str,
    *,
    start: Literal["earliest", "latest"],
    limit: int | None,
    line: LineOf,
    show: Callable[[str], None],
) -> None:
    """Show records of a stream as they are committed, until ``limit`` or an interrupt."""
    topics = {
        "features": list(settings.topics.features),
        "scores": [settings.topics.scores],
        "dead-letters": [settings.topics.dead_letters],
    }[stream]
    decode = _decoder(settings, stream)
    reader = KafkaReader(consumer_conf(settings, client_id=f"{settings.name}-tail"), topics=topics, start=start)
    shown = 0
    try:
        while limit is None or shown < limit:
            wanted = READ_RECORDS if limit is None else min(READ_RECORDS, limit - shown)
            batch = reader.read(max_records=wanted, timeout=READ_TIMEOUT_S)
            for row in range(0 if batch is None else len(batch)):
                if batch is not None:
                    show(line(batch, row, decode))
                shown += 1
    finally:
        reader.close()


def _decoder(settings: Settings, stream: str) -> Decode:
    return score_decoder(settings) if stream == "scores" else event_decoder(settings)  # a dead letter was an event


def encode_chunk(
    chunk: EventChunk, encoder: EventEncoder, key_of: Callable[[Mapping[str, Any]], bytes | None]
) -> tuple[list[Event], list[LineProblem]]:
    """Return the events of a chunk as records, and its bad lines with those that cannot be written."""
    events, problems = [], list(chunk.problems)
    for line, event in zip(chunk.lines, chunk.events, strict=True):
        try:
            events.append(Event(key_of(event), encoder.encode(event)))
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
